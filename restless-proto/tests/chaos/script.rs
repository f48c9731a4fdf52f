//! What a seed says: how the subscription is set up, and what befalls it.

use std::fmt;

use restless_proto::{Entropy, TransportErrorKind};

use super::log::Ms;

/// A script. What a script leaves out is calm: a server that keeps to its cursor and holds the
/// connection.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) setting: Setting,
    /// What befalls one exchange after the other.
    pub(crate) exchanges: Vec<Plan>,
    /// What comes of one question for a key after the other.
    pub(crate) keys: Vec<KeyPlan>,
    /// What the driver does, at its waits of these numbers, beside what it should.
    pub(crate) tricks: Vec<(u32, Trick)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) transport: Transport,
    pub(crate) ids: Ids,
    pub(crate) payload: Payload,
    pub(crate) continuity: bool,
    pub(crate) dedupe: bool,
    /// Whether the user asks for a snapshot where the document wants one.
    pub(crate) heals: bool,
    /// The content coding of an event stream, if any.
    pub(crate) coding: Option<Coding>,
    /// Whether messages are compressed over WebSocket, and whether each on its own.
    pub(crate) deflate: Option<bool>,
    /// Whether events are signed, and some of them wrongly.
    pub(crate) signed: bool,
    pub(crate) start: Start,
    pub(crate) key: Key,
    pub(crate) retry: Ms,
    pub(crate) idle: Option<Ms>,
    pub(crate) max_reconnects: Option<u32>,
    /// How many entries there ever are, and how long it takes from one to the next.
    pub(crate) entries: usize,
    pub(crate) every: Ms,
}

impl Setting {
    pub(crate) fn has_document(&self) -> bool {
        self.payload != Payload::Loose
    }

    pub(crate) fn has_patches(&self) -> bool {
        matches!(self.payload, Payload::Tested | Payload::Blind)
    }

    /// How long a server keeps silent at most, on a connection that is not cut.
    pub(crate) fn beat(&self) -> Ms {
        self.idle.map_or(10_000, |idle| idle / 2)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    EventStream,
    Frames,
    Messages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    None,
    Words,
    /// Ids that rise, as the service's do.
    Numbers,
}

/// What the data of events is to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing.
    Loose,
    /// Each update is the whole document.
    Full,
    /// Patches, each of which tests that it comes behind the one before it.
    Tested,
    /// Patches that fit wherever they come. Only ids say that one comes again.
    Blind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Now,
    /// Behind this entry.
    Cursor(usize),
    /// At the time of this entry.
    Since(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    None,
    Fixed,
    OnDemand,
}

/// What befalls an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) fate: Fate,
    /// How long the head takes, or what comes in its place.
    pub(crate) delay: Ms,
    /// Whether the driver tells that a connection stands.
    pub(crate) tells: bool,
    pub(crate) serve: Serve,
    /// Whether the answer has a `Date`.
    pub(crate) dated: bool,
    /// Bytes that come at a time, and how long it takes from one piece to the next.
    pub(crate) piece: usize,
    pub(crate) gap: Ms,
    /// What the server sets as the reconnection time.
    pub(crate) retry: Option<Ms>,
    /// After how many bytes of content the exchange ends, and how. `None`: the exchange stays.
    pub(crate) cut: Option<(usize, Ending)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The answer is the one that is wanted.
    Good,
    /// The connection can't be made, or breaks before the head. A box on the way may ask to wait,
    /// in seconds.
    Fails(TransportErrorKind, Option<u64>),
    /// The time for connecting runs out.
    ConnectTimeout,
    /// Nothing ever comes: the other half of the connection is gone.
    Silence,
    /// The exchange ends in good order, without an answer.
    Nothing,
    /// A refusal, with the seconds of its `Retry-After`.
    Status(u16, Option<u64>),
    Redirect {
        status: u16,
        elsewhere: bool,
        with_position: bool,
        wait: Option<u64>,
    },
    WrongType,
    NoContent,
    /// Over WebSocket an answer that accepts another key.
    WrongAccept,
}

/// What a server makes of the position that it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serve {
    /// The server sends what comes behind the position.
    Honest,
    /// The server sends all that there ever was.
    FromTheBeginning,
    /// The server sends what comes from now on.
    FromNow,
    /// The server sends so many entries again.
    Back(usize),
    /// The server sends each entry twice.
    Twice,
    /// The server leaves out the entry that is so far from the first.
    Skips(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    Broken,
    /// Nothing more comes; even the end is missing.
    Silence,
    /// A Close frame with this code, over WebSocket; of an event stream a complete end.
    Close(u16),
}

#[derive(Clone, Debug)]
pub(crate) struct KeyPlan {
    pub(crate) delay: Ms,
    pub(crate) answer: KeyAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAnswer {
    Key,
    None,
    Fails,
    Never,
}

/// What a driver does that it should not, or what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trick {
    /// The driver says too early that time is up.
    EarlyElapsed,
    /// The process, or the machine it runs on, is suspended for so long.
    Suspended(Ms),
    /// At a deadline, the driver tells of the time before the bytes that are there.
    TimeFirst,
    /// The driver's clock goes back, for one input.
    ClockBack(Ms),
    /// The driver tells something of an older exchange.
    Stale(Told),
    /// The driver tells something of the present exchange again, or too late.
    Again(Told),
    /// The driver hands in all that comes within half a second before polling.
    Rush,
    /// The driver hands in what is there while the machine still has something to say.
    Interleave,
    /// The consumer takes so long for an event, and nothing is polled meanwhile.
    SlowConsumer(Ms),
    /// The user closes the subscription, and starts another at the stored cursor.
    Close,
    /// The process is killed, and the next one starts at the stored cursor.
    Kill,
}

/// What may be told of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Connected,
    Head,
    Data,
    Message,
    End,
    Key,
}

impl Plan {
    pub(crate) fn calm() -> Self {
        Self {
            fate: Fate::Good,
            delay: 20,
            tells: true,
            serve: Serve::Honest,
            dated: true,
            piece: usize::MAX,
            gap: 0,
            retry: None,
            cut: None,
        }
    }
}

impl Script {
    pub(crate) fn of_seed(seed: u64) -> Self {
        let mut dice = Dice(Entropy::from_seed(seed));
        let setting = dice.setting();
        let exchanges = (0..dice.up_to(12)).map(|_| dice.plan(&setting)).collect();
        let keys = (0..dice.up_to(3)).map(|_| dice.key()).collect();
        let mut tricks: Vec<_> =
            (0..dice.up_to(8)).map(|_| (dice.up_to(120) as u32, dice.trick())).collect();
        tricks.sort_by_key(|(wait, _)| *wait);
        Self { seed, setting, exchanges, keys, tricks }
    }

    /// How much it says.
    pub(crate) fn size(&self) -> usize {
        self.exchanges.len() + self.keys.len() + self.tricks.len()
    }

    /// Whether every server in it keeps to its cursor.
    pub(crate) fn is_honest(&self) -> bool {
        self.exchanges.iter().all(|plan| plan.serve == Serve::Honest)
    }
}

struct Dice(Entropy);

impl Dice {
    fn up_to(&mut self, most: u64) -> u64 {
        self.0.up_to(most)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.up_to(count - 1) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.up_to(choices.len() as u64 - 1) as usize]
    }

    fn setting(&mut self) -> Setting {
        let entries = 8 + self.up_to(24) as usize;
        let first = self.up_to(entries as u64 / 2 - 1) as usize;
        let payload = self.pick(&[
            Payload::Loose,
            Payload::Loose,
            Payload::Full,
            Payload::Tested,
            Payload::Tested,
            Payload::Blind,
        ]);
        // Nothing else says of a patch that fits anywhere that it comes again.
        let told = payload == Payload::Blind;
        let ids = self.pick(&[Ids::None, Ids::Words, Ids::Numbers]);
        let transport = self.pick(&[
            Transport::EventStream,
            Transport::EventStream,
            Transport::Frames,
            Transport::Messages,
        ]);
        let coding = self.pick(&[Coding::Gzip, Coding::Deflate, Coding::Brotli]);
        let is_coded = self.one_in(4) && transport == Transport::EventStream;
        let deflate = self.pick(&[None, Some(false), Some(true)]);
        Setting {
            transport,
            coding: is_coded.then_some(coding),
            deflate: deflate.filter(|_| transport == Transport::Frames),
            signed: self.one_in(4),
            ids: if told { Ids::Numbers } else { ids },
            payload,
            continuity: self.one_in(2) || told,
            dedupe: self.one_in(4),
            heals: !self.one_in(4),
            start: self.pick(&[
                Start::Now,
                Start::Cursor(first),
                Start::Cursor(first),
                Start::Since(first),
            ]),
            key: self.pick(&[Key::None, Key::Fixed, Key::OnDemand]),
            retry: self.pick(&[0, 10, 1000, 1000, 5000]),
            idle: self.pick(&[None, Some(2_000), Some(30_000), Some(300_000)]),
            max_reconnects: self.pick(&[None, None, Some(0), Some(2), Some(6)]),
            entries,
            every: self.pick(&[1, 70, 900, 15_000]),
        }
    }

    fn plan(&mut self, setting: &Setting) -> Plan {
        Plan {
            fate: self.fate(setting.transport),
            delay: self.pick(&[0, 1, 40, 700, 11_000, 45_000]),
            tells: !self.one_in(4),
            serve: if self.one_in(8) {
                let some = 1 + self.up_to(5) as usize;
                let skips = match setting.payload {
                    Payload::Blind => Serve::Twice,
                    _ => Serve::Skips(some),
                };
                self.pick(&[
                    skips,
                    Serve::FromTheBeginning,
                    Serve::FromNow,
                    Serve::Back(some),
                    Serve::Twice,
                ])
            } else {
                Serve::Honest
            },
            dated: !self.one_in(6),
            piece: self.pick(&[1, 7, 100, 1000, usize::MAX, usize::MAX]),
            gap: self.pick(&[0, 0, 1, 30]),
            retry: self.one_in(5).then(|| self.pick(&[0, 10, 3000])),
            cut: (!self.one_in(8)).then(|| {
                let most = self.pick(&[300, 3000]);
                (self.up_to(most) as usize, self.ending())
            }),
        }
    }

    fn fate(&mut self, transport: Transport) -> Fate {
        use TransportErrorKind as Failure;
        if !self.one_in(3) {
            return Fate::Good;
        }
        let wait = self.pick(&[None, None, Some(0), Some(3), Some(120)]);
        match self.up_to(11) {
            0 => match self.pick(&[Failure::Connect, Failure::Resolve, Failure::Tls]) {
                // As of a proxy that can't reach the host.
                Failure::Connect => Fate::Fails(Failure::Connect, wait),
                kind => Fate::Fails(kind, None),
            },
            1 => Fate::Fails(self.pick(&[Failure::Broken, Failure::Protocol]), None),
            2 if self.one_in(3) => Fate::Fails(
                self.pick(&[
                    Failure::Certificate,
                    Failure::Unsupported,
                    Failure::Proxy,
                    Failure::Request,
                ]),
                None,
            ),
            3 => Fate::ConnectTimeout,
            4 => Fate::Silence,
            5 => Fate::Nothing,
            6 => Fate::Status(self.pick(&[429, 500, 502, 503, 599]), wait),
            7 => Fate::Status(self.pick(&[401, 401, 400, 403, 404, 410, 410, 206]), wait),
            8 if self.one_in(3) => Fate::WrongType,
            9 if self.one_in(3) => Fate::NoContent,
            10 if transport == Transport::Frames && self.one_in(3) => Fate::WrongAccept,
            _ => Fate::Redirect {
                status: self.pick(&[301, 302, 303, 307, 308]),
                elsewhere: self.one_in(3),
                with_position: self.one_in(2),
                wait: self.pick(&[None, None, Some(2)]),
            },
        }
    }

    fn ending(&mut self) -> Ending {
        let stops = self.one_in(6);
        let code = if stops {
            self.pick(&[1002, 1003, 1007, 1008, 1009, 3000, 4401, 4410, 4410])
        } else {
            self.pick(&[1000, 1001, 1011, 1012, 1013, 4000, 4408, 4429])
        };
        self.pick(&[Ending::Complete, Ending::Broken, Ending::Silence, Ending::Close(code)])
    }

    fn key(&mut self) -> KeyPlan {
        KeyPlan {
            delay: self.pick(&[0, 100, 10_000, 29_999, 31_000]),
            answer: self.pick(&[
                KeyAnswer::Key,
                KeyAnswer::None,
                KeyAnswer::Fails,
                KeyAnswer::Never,
            ]),
        }
    }

    fn trick(&mut self) -> Trick {
        let told = self.pick(&[
            Told::Connected,
            Told::Head,
            Told::Data,
            Told::Message,
            Told::End,
            Told::Key,
        ]);
        let span = self.pick(&[5, 25, 1_000, 31_000, 400_000, 7_200_000]);
        match self.up_to(11) {
            0 => Trick::EarlyElapsed,
            1 => Trick::Suspended(span),
            2 => Trick::TimeFirst,
            3 => Trick::ClockBack(span),
            4 | 5 => Trick::Stale(told),
            6 | 7 => Trick::Again(told),
            8 => Trick::Rush,
            9 => Trick::Interleave,
            10 => Trick::SlowConsumer(span),
            _ => self.pick(&[Trick::Close, Trick::Kill]),
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  seed {}: {:?}", self.seed, self.setting)?;
        for (number, plan) in self.exchanges.iter().enumerate() {
            writeln!(f, "  exchange {}: {plan:?}", number + 1)?;
        }
        for (number, key) in self.keys.iter().enumerate() {
            writeln!(f, "  key {}: {key:?}", number + 1)?;
        }
        for (wait, trick) in &self.tricks {
            writeln!(f, "  at wait {wait}: {trick:?}")?;
        }
        Ok(())
    }
}
