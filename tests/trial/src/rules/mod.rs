//! The rules, a file for each kind.

pub(crate) mod answers;
pub(crate) mod calls;
pub(crate) mod cursor;
pub(crate) mod event_stream;
pub(crate) mod losses;
pub(crate) mod redirects;
pub(crate) mod websocket;

use restless_emulator::{Coding, RecordedRequest};

use crate::rule::{Check, Need, Over, Rule};
use crate::stage::{Stage, field};

/// The section of the service's contract about positions.
const CURSOR: &str = "the service's contract, Cursor";
/// The section about subscriptions.
const SUBSCRIPTION: &str = "the service's contract, Subscription options";
/// The section about keys.
const CREDENTIALS: &str = "the service's contract, Hosts and credentials";
/// The section about events.
const EVENTS: &str = "the service's contract, Runtime events";
/// The section about calls.
const CALLS: &str = "the service's contract, REST calls";

/// Over both transports.
const BOTH: &[Over] = &[Over::Events, Over::WebSocket];

/// The content codings, with the names that fields give them.
const CODINGS: [(&str, Coding); 3] =
    [("br", Coding::Brotli), ("deflate", Coding::Deflate), ("gzip", Coding::Gzip)];

/// Returns the codings that this request offers (RFC 9110 §12.5.3). A driver that offers none of
/// them decodes them unasked, as it says by its skill.
fn codings_for(asked: Option<&RecordedRequest>) -> Vec<(&'static str, Coding)> {
    let offer = asked.and_then(|asked| field(asked, "accept-encoding")).unwrap_or_default();
    let names = |name: &str| offer.split([',', ';']).any(|it| it.trim().eq_ignore_ascii_case(name));
    let offered: Vec<_> = CODINGS.into_iter().filter(|(name, _)| names(name)).collect();
    if offered.is_empty() { CODINGS.to_vec() } else { offered }
}

const fn rule(
    name: &'static str,
    section: &'static str,
    over: &'static [Over],
    needs: &'static [Need],
    check: fn(&Stage) -> Check,
) -> Rule {
    Rule { name, section, over, needs, check }
}

/// A table of rules: each is named for its function, and may say what it needs of a driver's stack.
macro_rules! table {
    ($($name:ident: $over:expr, $section:expr $(, needs $($need:ident)+)?;)*) => {
        pub(crate) const RULES: &[$crate::rule::Rule] = &[$(super::rule(
            stringify!($name),
            $section,
            $over,
            &[$($($crate::rule::Need::$need),+)?],
            $name,
        )),*];
    };
}
pub(crate) use table;
