//! What the server has to say, ever: entries with their times, ids and bytes.

use std::fmt::Write as _;

use bytes::Bytes;
use restless_proto::signature::Signer;
use restless_proto::subscription::{Item, RejectReason};

use super::script::{Ids, Payload, Setting, Transport};

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
    /// An event that says that the API answered with an error.
    Error,
    /// An update whose signature is another's.
    Tampered,
    /// What reads as none, with an id: it is handed out as rejected, and passed.
    Malformed,
    /// A block of an id without data: the cursor moves, and the user gets nothing.
    IdAlone,
}

/// How an entry goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the entry is.
    Own,
    /// As the whole document in the place of a patch, for who has no base.
    Snapshot,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    /// When it happens.
    pub(crate) at: Ms,
    id: Option<String>,
    data: String,
    /// What the server has from then on, where it has a document.
    pub(crate) document: String,
    /// Of the data and of the document, where they are signed.
    signatures: Option<[String; 2]>,
}

/// What events are signed with, where they are.
pub(crate) const SECRET: &str = "whsec_of_a_test";

pub(crate) fn unix_ms(at: Ms) -> u64 {
    ORIGIN_UNIX_MS + at
}

pub(crate) fn write(setting: &Setting) -> Vec<Entry> {
    let odd = setting.ids != Ids::None && setting.transport == Transport::EventStream;
    let signer = Signer::new(SECRET);
    let mut document = Known { last: Vec::new(), n: -1, was: -1 };
    (0..setting.entries)
        .map(|number| {
            let kind = match number % 7 {
                3 if odd => Kind::Malformed,
                4 if setting.signed => Kind::Tampered,
                5 if odd => Kind::IdAlone,
                6 => Kind::Error,
                _ => Kind::Event,
            };
            // Half of them are there before anybody asks.
            let after = (number as u64 + 1) * setting.every;
            let at = START + after - setting.entries as u64 / 2 * setting.every;
            let id = match setting.ids {
                Ids::None => None,
                // So that none is taken for a time.
                Ids::Words => Some(format!("e-{number}")),
                Ids::Numbers => Some(format!("{}", 1000 + number)),
            };
            let mut patch = String::new();
            if matches!(kind, Kind::Event | Kind::Malformed | Kind::Tampered) {
                patch = document.count(number as i64, setting.payload == Payload::Tested);
            }
            let data = match setting.payload {
                Payload::Loose => format!("{{\"n\":{number},\"text\":\"é \\u2028\"}}"),
                Payload::Full => document.text(),
                Payload::Tested | Payload::Blind => patch,
            };
            let document = document.text();
            let signatures = setting.signed.then(|| {
                let signed = if kind == Kind::Event { &data } else { "\"another\"" };
                [signed, &document].map(|text| signer.sign(text).unwrap().to_string())
            });
            Entry { number, kind, at, id, data, document, signatures }
        })
        .collect()
}

/// The document that the server has.
struct Known {
    last: Vec<i64>,
    n: i64,
    was: i64,
}

impl Known {
    fn text(&self) -> String {
        let Self { last, n, was } = self;
        let last: Vec<_> = last.iter().map(i64::to_string).collect();
        format!(r#"{{"last":[{}],"n":{n},"text":"é \u2028","was":{was}}}"#, last.join(","))
    }

    /// Counts on, and gives the patch that does so: one that is sure of where it fits, or one that
    /// fits wherever it comes.
    fn count(&mut self, number: i64, tests: bool) -> String {
        let mut steps = Vec::new();
        let test = |path| format!(r#"{{"op":"test","path":"{path}","value":{}.0}}"#, self.n);
        // Some find out last, and have to take back what they did before.
        let is_last = number % 3 == 0;
        if tests && !is_last {
            steps.push(test("/n"));
        }
        if number % 2 == 0 {
            steps.push(r#"{"op":"copy","from":"/n","path":"/was"}"#.to_owned());
            steps.push(format!(r#"{{"op":"replace","path":"/n","value":{number}}}"#));
        } else {
            steps.push(r#"{"op":"move","from":"/n","path":"/was"}"#.to_owned());
            steps.push(format!(r#"{{"op":"add","path":"/n","value":{number}}}"#));
        }
        steps.push(format!(r#"{{"op":"add","path":"/last/-","value":{number}}}"#));
        let last_test = test("/was");
        self.last.push(number);
        if self.last.len() > 3 {
            steps.push(r#"{"op":"remove","path":"/last/0"}"#.to_owned());
            self.last.remove(0);
        }
        if tests && is_last {
            steps.push(last_test);
        }
        (self.was, self.n) = (self.n, number);
        format!("[{}]", steps.join(","))
    }
}

impl Entry {
    /// What a client says that wants what comes behind it.
    pub(crate) fn cursor(&self) -> String {
        self.id.clone().unwrap_or_else(|| unix_ms(self.at).to_string())
    }

    /// Whether it is an event where it comes in this form, or is rejected.
    pub(crate) fn is_event(&self, form: Form) -> bool {
        form == Form::Snapshot || !matches!(self.kind, Kind::Malformed | Kind::Tampered)
    }

    /// Whether it moves the position where it is rejected: by an id beside its text, which nobody
    /// has vouched for.
    pub(crate) fn moves(&self, setting: &Setting) -> bool {
        self.is_event(Form::Own)
            || (self.id.is_some() && setting.transport == Transport::EventStream)
    }

    /// Whether nothing is handed out of it, which moves the position all the same.
    pub(crate) fn is_silent(&self, form: Form) -> bool {
        self.kind == Kind::IdAlone && form == Form::Own
    }

    fn json(&self, with_id: bool, form: Form) -> String {
        let of_day = self.at / 1000;
        let (hours, minutes, seconds) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let time =
            format!("2026-03-24T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", self.at % 1000);
        let (kind, fallback, data) = match (form, self.kind) {
            (Form::Snapshot, _) => {
                let data = format!(r#""data":{}"#, self.document);
                ("update", r#","payload_mode_fallback":"FULL_DATA""#, data)
            }
            (_, Kind::Error) => {
                ("error", "", r#""error":{"code":"TEAPOT","message":"é"}"#.to_owned())
            }
            _ => ("update", "", format!(r#""data":{}"#, self.data)),
        };
        let mut json =
            format!(r#"{{"type":"{kind}","meta":{{"timestamp":"{time}"{fallback}}},{data}"#);
        match (&self.signatures, form) {
            (Some([_, of_all]), Form::Snapshot) => {
                let _ = write!(json, r#","signature":"{of_all}""#);
            }
            (Some([own, _]), Form::Own) if self.kind != Kind::Error => {
                let _ = write!(json, r#","signature":"{own}""#);
            }
            _ => {}
        }
        if let (true, Some(id)) = (with_id, &self.id) {
            let _ = write!(json, r#","event_id":"{id}""#);
        }
        json.push('}');
        json
    }

    /// As a message of a WebSocket.
    pub(crate) fn message(&self, form: Form) -> Bytes {
        self.json(true, form).into()
    }

    /// As a block of an event stream, in one shape or another.
    pub(crate) fn block(&self, form: Form) -> String {
        let id = |end| self.id.as_ref().map(|id| format!("id: {id}{end}")).unwrap_or_default();
        let json = match (form, self.kind) {
            (Form::Own, Kind::Malformed) => "{\"type\":\"update\",".to_owned(),
            (Form::Own, Kind::IdAlone) => return format!("{}\n", id("\n")),
            _ => self.json(self.number % 2 == 0, form),
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
    pub(crate) fn is(&self, item: &Item, form: Form) -> bool {
        match (item, form, self.kind) {
            (Item::Event(event), Form::Own, Kind::Error) => {
                event.kind() == restless_proto::event::Kind::Error
                    && event.event_id() == self.id.as_deref()
            }
            (Item::Event(event), form, kind) if form == Form::Snapshot || kind == Kind::Event => {
                let due = if form == Form::Own { &self.data } else { &self.document };
                event.data().map(|data| data.get()) == Some(due)
                    && event.event_id() == self.id.as_deref()
            }
            (Item::Rejected(rejected), Form::Own, Kind::Malformed) => {
                matches!(rejected.reason, RejectReason::Malformed(_)) && rejected.id == self.id
            }
            (Item::Rejected(rejected), Form::Own, Kind::Tampered) => {
                let known = rejected.id.is_none() || rejected.id == self.id;
                matches!(rejected.reason, RejectReason::Signature(_)) && known
            }
            _ => false,
        }
    }
}
