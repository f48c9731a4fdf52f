//! `timestamp_to_unix_ms`: an event's timestamp as a cursor.

use restless_proto::event::timestamp::unix_ms;

use crate::harness::{Case, Checked};

pub(crate) fn run(case: &Case) -> Checked {
    // The SDK's function takes None as well, for which ours has no need.
    let ours = case.input::<String>("timestamp").and_then(|text| unix_ms(&text));
    let ours = ours.map(|ms| ms.to_string());
    let theirs: Option<String> = case.expect("unix_ms");
    if !case.better() {
        return Checked::equal("unix_ms", &ours, &theirs);
    }
    match case.name.as_str() {
        // Exact integers, rounded down.
        "1969-12-31T23:59:59.9995Z"
        | "2004-07-26T18:07:28.031Z"
        | "2039-06-09T10:19:27.384Z"
        | "9999-12-31T23:59:59.999999Z" => {
            Checked::equal("unix_ms", &ours, &case.expect("exact_floor_ms"))
        }
        // The comma is ISO 8601's own.
        "2026-03-24T00:00:00,5Z" => Checked::equal("unix_ms", &ours, &theirs),
        // Forms that no service sends are refused.
        "2026-03-24x00:00:00"
        | "2026-03-24T00:00:00_Z"
        | "2026-03-24T00:00:00.Z"
        | "2025-01-31T10:20:30+00:60"
        | "2025-01-31T10:20:30+01:02:03" => Checked::equal("unix_ms", &ours, &None),
        _ => Checked::Unknown(format!("{ours:?}")),
    }
}
