//! What never ends, and what comes in floods: each attack in pieces of 1 byte and of 4 KiB.

use restless_proto::subscription::{RejectReason, SubscriptionMachine};
use restless_proto::{Error, TransportErrorKind, ws};

use super::memory;
use super::peer::{LIMIT, Peer, call, event, follow, frame, frames, stream};

/// What it has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The connection is left, with an error of HTTP/1.
    NotHttp,
    /// An event is rejected for its size, and the next one comes.
    Rejected,
    /// Nothing is told, and the next event comes.
    PassedOver,
    /// The subscription ends, or the call fails, over a limit.
    Limit,
}

/// What a peer says, by how much of it there is to be.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    over: Over,
    begin: &'static [u8],
    again: &'static [u8],
    due: Due,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// From the first byte of the answer on.
    Head,
    /// The content of an event stream.
    EventStream,
    /// The content of an event stream, in chunks.
    Chunks,
    WebSocketHead,
    Frames,
    CompressedFrames,
    /// The content of a reply to a call.
    Reply,
}

const fn attack(
    name: &'static str,
    over: Over,
    begin: &'static [u8],
    again: &'static [u8],
    due: Due,
) -> Attack {
    Attack { name, over, begin, again, due }
}

/// The head of a frame that goes on for [`MUCH`] bytes, and is the first of its message.
const FRAME: &[u8] = b"\x01\x7f\0\0\0\0\x00\x08\0\0";

/// An empty block of DEFLATE, as a message (RFC 7692 §7.2.3.6).
const EMPTY_COMPRESSED: &[u8] = b"\xC1\x01\x00";

pub(crate) const ATTACKS: &[Attack] = &[
    // Without end.
    attack("a status line", Over::Head, b"HTTP/1.1 200 O", b"K", Due::NotHttp),
    attack("a field's name", Over::Head, b"HTTP/1.1 200 OK\r\n", b"n", Due::NotHttp),
    attack("a field's value", Over::Head, b"HTTP/1.1 200 OK\r\na: ", b"v", Due::NotHttp),
    attack("fields", Over::Head, b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", Due::NotHttp),
    attack("a folded field", Over::Head, b"HTTP/1.1 200 OK\r\na: b\r\n", b" c\r\n", Due::NotHttp),
    attack("empty lines before a head", Over::Head, b"", b"\r\n", Due::NotHttp),
    attack("interim responses", Over::Head, b"", b"HTTP/1.1 103\r\n\r\n", Due::NotHttp),
    attack("what is no HTTP", Over::Head, b"", b"SSH-2.0-x ", Due::NotHttp),
    attack("a WebSocket's head", Over::WebSocketHead, b"HTTP/1.1 101\r\na: ", b"v", Due::NotHttp),
    attack("a chunk's size", Over::Chunks, b"", b"0", Due::NotHttp),
    attack("a chunk's extension", Over::Chunks, b"1;a=", b"b", Due::NotHttp),
    attack("a trailer section", Over::Chunks, b"0\r\n", b"a: b\r\n", Due::NotHttp),
    attack("a line of data", Over::EventStream, b"data: ", b"d", Due::Rejected),
    attack("a field of an event's name", Over::EventStream, b"", b"f", Due::PassedOver),
    attack("an event's type", Over::EventStream, b"event: ", b"t", Due::Rejected),
    attack("an id", Over::EventStream, b"id: ", b"i", Due::Rejected),
    attack("a comment", Over::EventStream, b":", b"c", Due::PassedOver),
    attack("lines of data", Over::EventStream, b"", b"data: d\n", Due::Rejected),
    attack("empty lines of data", Over::EventStream, b"", b"data\n", Due::Rejected),
    attack("a message of one frame", Over::Frames, FRAME, b"m", Due::Rejected),
    attack("a reply", Over::Reply, b"", b" ", Due::Limit),
    // In floods.
    attack("comments", Over::EventStream, b"", b":\n", Due::PassedOver),
    attack("blank lines", Over::EventStream, b"", b"\n", Due::PassedOver),
    attack("ids without data", Over::EventStream, b"", b"id: 7\n\n", Due::PassedOver),
    attack("reconnection times", Over::EventStream, b"", b"retry: 1000\n", Due::PassedOver),
    attack(
        "events of another name",
        Over::EventStream,
        b"",
        b"event: x\ndata: y\n\n",
        Due::PassedOver,
    ),
    attack("chunks of one byte", Over::Chunks, b"", b"1\r\n\n\r\n", Due::PassedOver),
    attack("pings", Over::Frames, b"", b"\x89\x04ping", Due::PassedOver),
    attack("pongs", Over::Frames, b"", b"\x8A\x04pong", Due::PassedOver),
    attack("empty messages", Over::Frames, b"", b"\x81\x00", Due::PassedOver),
    attack("empty fragments", Over::Frames, b"\x01\0", b"\x00\x00", Due::Rejected),
    attack("fragments of one byte", Over::Frames, b"\x01\0", b"\x00\x01f", Due::Rejected),
    attack(
        "empty messages, compressed",
        Over::CompressedFrames,
        b"",
        EMPTY_COMPRESSED,
        Due::PassedOver,
    ),
];

/// Bytes of an attack that pass each limit: of `data` and a line end, one byte counts.
const ENOUGH: usize = 6 * LIMIT;

/// Bytes of an attack in pieces of 4 KiB, and in pieces of one byte, which take longer: several
/// times what may be held, so that whoever keeps them all is found.
const MUCH: usize = 64 * LIMIT;
const MUCH_BY_ONE: usize = 16 * LIMIT;

impl Attack {
    /// So many bytes of it, in pieces of this size. What the client held at most.
    pub(crate) fn play(&self, bytes: usize, piece: usize) -> usize {
        let mut wire = self.begin.to_vec();
        while wire.len() < bytes {
            wire.extend(self.again);
        }
        if self.over == Over::Reply {
            let mut peer = call(restless_proto::streams::list());
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n", usize::MAX);
            peer.say(&wire, piece);
            if bytes == ENOUGH {
                let told = peer.told.last().unwrap();
                assert!(matches!(told, Err(Error::Limit(_))), "{}: {told:?}", self.name);
            }
            return peer.most_held;
        }
        let mut peer = self.meets();
        peer.say(&wire, piece);
        if bytes == ENOUGH {
            self.judge(&mut peer);
        }
        peer.most_held
    }

    /// What the client may hold: a few times the limit, and the windows of DEFLATE.
    fn allowed(&self) -> usize {
        let windows = if self.over == Over::CompressedFrames { 64 << 10 } else { 0 };
        4 * LIMIT + windows
    }

    /// A client that has got as far as the attack begins.
    fn meets(&self) -> Peer<SubscriptionMachine> {
        const DEFLATE: &str = "sec-websocket-extensions: permessage-deflate\r\n";
        match self.over {
            Over::Head => follow(stream()),
            Over::EventStream => follow(stream()).opens(),
            Over::Chunks => {
                let mut peer = follow(stream());
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                            transfer-encoding: chunked\r\n\r\n";
                peer.say(head.as_bytes(), usize::MAX);
                peer
            }
            Over::WebSocketHead => follow(frames()),
            Over::Frames => follow(frames()).upgrades(""),
            Over::CompressedFrames => {
                follow(frames().deflate(Some(ws::Deflate::default()))).upgrades(DEFLATE)
            }
            Over::Reply => panic!("a call"),
        }
    }

    fn judge(&self, peer: &mut Peer<SubscriptionMachine>) {
        let name = self.name;
        match self.due {
            Due::NotHttp => {
                let error = peer.error().unwrap_or_else(|| panic!("{name}: {:?}", peer.told));
                assert!(
                    matches!(error, Error::Transport(error) if matches!(error.kind(),
                        TransportErrorKind::Protocol | TransportErrorKind::Unsupported)),
                    "{name}: {error:?}"
                );
                assert!(!peer.is_open(), "{name}");
            }
            Due::Limit => assert!(matches!(peer.error(), Some(Error::Limit(_))), "{name}"),
            Due::Rejected | Due::PassedOver => {
                assert!(peer.is_open(), "{name}: {:?}", peer.told);
                self.goes_on(peer);
                assert_eq!(peer.data(), Some("7"), "{name}: {:?}", peer.told);
                match peer.rejected().map(|it| &it.reason) {
                    Some(RejectReason::TooLarge(_)) => {
                        assert_eq!(self.due, Due::Rejected, "{name}")
                    }
                    Some(_) => panic!("{name}: {:?}", peer.told),
                    None => assert_eq!(self.due, Due::PassedOver, "{name}: {:?}", peer.told),
                }
            }
        }
    }

    /// The peer comes to its senses, and sends an event.
    fn goes_on(&self, peer: &mut Peer<SubscriptionMachine>) {
        let block = format!("\n\ndata: {}\n\n", event("7"));
        let message = frame(0x81, event("7").as_bytes());
        match (self.over, self.name) {
            (Over::EventStream, _) => peer.say(block.as_bytes(), usize::MAX),
            (Over::Chunks, _) => {
                let chunk = format!("{:x}\r\n{block}\r\n", block.len());
                peer.say(chunk.as_bytes(), usize::MAX);
            }
            // Its one frame was longer than all of it.
            (_, "a message of one frame") => {
                let mut left = MUCH + FRAME.len() - ENOUGH;
                while left > 0 {
                    let piece = [b'm'; 4096];
                    let piece = &piece[..left.min(4096)];
                    peer.say(piece, usize::MAX);
                    left -= piece.len();
                }
                peer.say(&[&b"\x80\x00"[..], &message].concat(), usize::MAX);
            }
            (_, "empty fragments" | "fragments of one byte") => {
                peer.say(&[&b"\x80\x00"[..], &message].concat(), usize::MAX);
            }
            _ => peer.say(&message, usize::MAX),
        }
    }
}

#[test]
fn what_never_ends_comes_to_a_typed_error_or_is_passed_over_within_bounded_memory() {
    let _alone = memory::alone();
    for attack in ATTACKS {
        for (bytes, piece) in [(ENOUGH, 1), (ENOUGH, 4096), (MUCH_BY_ONE, 1), (MUCH, 4096)] {
            let most = attack.play(bytes, piece);
            let name = attack.name;
            assert!(most <= attack.allowed(), "{name}, {bytes} by {piece}: {most} bytes were held");
        }
    }
}

#[test]
fn what_never_ends_is_not_copied_again_with_each_piece() {
    let _alone = memory::alone();
    for attack in ATTACKS {
        let asked = |bytes| {
            let before = memory::asked_for();
            attack.play(bytes, 1);
            memory::asked_for() - before
        };
        // Below every limit, so that all of it is read.
        let (half, whole) = (asked(LIMIT / 4), asked(LIMIT / 2));
        let allowed = 3 * half + (64 << 10);
        assert!(whole <= allowed, "{}: {half} bytes, and of twice as much {whole}", attack.name);
    }
}
