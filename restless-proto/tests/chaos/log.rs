//! What the server has to say, ever: entries with their times, ids and bytes.

use std::fmt::Write as _;

use bytes::Bytes;
use restless_proto::subscription::Item;

use super::script::{Setting, Transport};

/// Milliseconds since the origin of a script's time.
pub(crate) type Ms = u64;

/// The origin of a script's time by the clock of the server: 24 March 2026, 00:00:00 UTC.
const ORIGIN_UNIX_MS: u64 = 1_774_310_400_000;

/// When a script begins: there is a past.
pub(crate) const START: Ms = 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An update.
    Event,
    /// What reads as none, with an id: it is handed out as rejected, and passed.
    Malformed,
    /// A block of an id without data: the cursor moves, and the user gets nothing.
    IdAlone,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    /// When it happens.
    pub(crate) at: Ms,
    id: Option<String>,
}

pub(crate) fn unix_ms(at: Ms) -> u64 {
    ORIGIN_UNIX_MS + at
}

pub(crate) fn write(setting: &Setting) -> Vec<Entry> {
    let odd = setting.ids && setting.transport == Transport::EventStream;
    (0..setting.entries)
        .map(|number| {
            let kind = match number % 7 {
                3 if odd => Kind::Malformed,
                5 if odd => Kind::IdAlone,
                _ => Kind::Event,
            };
            // Half of them are there before anybody asks.
            let after = (number as u64 + 1) * setting.every;
            let at = START + after - setting.entries as u64 / 2 * setting.every;
            // Ids of letters, so that none is taken for a time.
            let id = setting.ids.then(|| format!("e-{number}"));
            Entry { number, kind, at, id }
        })
        .collect()
}

impl Entry {
    /// What a client says that wants what comes behind it.
    pub(crate) fn cursor(&self) -> String {
        self.id.clone().unwrap_or_else(|| unix_ms(self.at).to_string())
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.kind == Kind::IdAlone
    }

    fn data(&self) -> String {
        format!("{{\"n\":{},\"text\":\"é \\u2028\"}}", self.number)
    }

    fn json(&self, with_id: bool) -> String {
        let of_day = self.at / 1000;
        let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let time =
            format!("2026-03-24T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", self.at % 1000);
        let mut json =
            format!(r#"{{"type":"update","meta":{{"timestamp":"{time}"}},"data":{}"#, self.data());
        if let (true, Some(id)) = (with_id, &self.id) {
            let _ = write!(json, r#","event_id":"{id}""#);
        }
        json.push('}');
        json
    }

    /// As a message of a WebSocket.
    pub(crate) fn message(&self) -> Bytes {
        self.json(true).into()
    }

    /// As a block of an event stream, in one shape or another.
    pub(crate) fn block(&self) -> String {
        let id = |end| self.id.as_ref().map(|id| format!("id: {id}{end}")).unwrap_or_default();
        let json = match self.kind {
            Kind::Event => self.json(self.number % 2 == 0),
            Kind::Malformed => "{\"type\":\"update\",".to_owned(),
            Kind::IdAlone => return format!("{}\n", id("\n")),
        };
        match self.number % 4 {
            0 => format!("{}data: {json}\r\n\r\n", id("\r\n")),
            1 => format!(": beat\n{}event: update\ndata: {json}\n\n", id("\n")),
            2 => format!("data: {json}\r{}\r", id("\r")),
            _ => match json.split_once(',') {
                Some((head, tail)) => format!("data: {head},\ndata: {tail}\n{}\n", id("\n")),
                None => format!("data: {json}\n{}\n", id("\n")),
            },
        }
    }

    /// Whether this is what the item says, byte for byte.
    pub(crate) fn is(&self, item: &Item) -> bool {
        match (item, self.kind) {
            (Item::Event(event), Kind::Event) => {
                let data = event.data().map(|data| data.get().to_owned());
                data.as_deref().map(|data| data.replace('\n', "")) == Some(self.data())
                    && event.event_id() == self.id.as_deref()
            }
            (Item::Rejected(rejected), Kind::Malformed) => rejected.id == self.id,
            _ => false,
        }
    }
}
