//! What a subscription comes down to.

use std::time::Duration;

use url::Url;

use super::policy::Overrides;
use crate::signature::Signer;

/// What a [`Subscription`](super::Subscription) comes down to, once every value in it is checked. It
/// does not change.
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) reconnect: bool,
    pub(super) max_reconnects: Option<u32>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) signer: Option<Box<Signer>>,
    pub(super) overrides: Overrides,
}
