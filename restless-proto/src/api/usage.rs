//! What streams cost.

use http::Method;

use crate::call::Call;
use crate::call::Segment::{Id, Literal};
use crate::model::StreamCreditUsageStats;

/// Asks for the credits that a stream has used, in all and day by day.
pub fn credit_usage_stats(id: impl AsRef<str>) -> Call<StreamCreditUsageStats> {
    let path = [Literal("streams"), Id(id.as_ref()), Literal("credit-usage-stats")];
    Call::new(Method::GET, &path)
}
