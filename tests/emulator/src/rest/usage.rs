//! Credit usage: one credit for each event.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;

use super::{Answer, stream_not_found};
use crate::hub::Hub;
use crate::reply::Reply;
use crate::time;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    total_burned_last_week: u64,
    total_burned_last_month: u64,
    daily_usage: Vec<Day>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Day {
    date: String,
    credits_used: u64,
    charge_type_breakdown: Vec<Charge>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Charge {
    charge_type: &'static str,
    credits_used: u64,
}

pub(super) fn stats(hub: &Hub, id: &str) -> Answer {
    let feed = hub.managed_feed(id).ok_or_else(stream_not_found)?;
    let stats = Stats::of(feed.emitted(), time::now_ms());
    Ok(Reply::json(StatusCode::OK, &stats))
}

impl Stats {
    fn of(emitted: BTreeMap<String, u64>, now_ms: i64) -> Self {
        // Dates in this form are in order as text.
        let since = |days: i64| {
            let first = time::date(now_ms - (days - 1) * DAY_MS);
            emitted.range(first..).map(|(_, credits)| credits).sum()
        };
        Self {
            total_burned_last_week: since(7),
            total_burned_last_month: since(30),
            daily_usage: emitted
                .into_iter()
                .map(|(date, credits_used)| Day {
                    date,
                    credits_used,
                    charge_type_breakdown: vec![Charge { charge_type: "runtime", credits_used }],
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn week_and_month_count_their_days() {
        let now_ms = 1_780_793_376_562; // 2026-06-07
        let emitted =
            [("2026-06-07", 1), ("2026-06-01", 10), ("2026-05-31", 100), ("2026-05-08", 1000)]
                .map(|(date, credits)| (date.to_owned(), credits));
        let stats = Stats::of(BTreeMap::from(emitted), now_ms);
        assert_eq!(stats.total_burned_last_week, 11);
        assert_eq!(stats.total_burned_last_month, 111);
        assert_eq!(stats.daily_usage.len(), 4);
    }
}
