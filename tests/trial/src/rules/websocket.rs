//! What only a WebSocket has (RFC 6455).

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use async_tungstenite::tungstenite::{self, Message};
use restless_emulator::Fault;

use super::losses::{envelope, frame};
use super::table;
use crate::driver::How;
use crate::rule::{Check, Over};
use crate::stage::{Stage, ended, ensure, field};

const WEBSOCKET: &[Over] = &[Over::WebSocket];

table! {
    pings_are_answered: WEBSOCKET, "RFC 6455 §5.5.2, §5.5.3";
    fragments_are_one_event: WEBSOCKET, "RFC 6455 §5.4";
    a_ping_between_fragments_does_no_harm: WEBSOCKET, "RFC 6455 §5.4";
    a_cut_in_a_frame_loses_nothing: WEBSOCKET, "RFC 6455 §7.1.7";
    a_close_that_may_pass_is_connected_again: WEBSOCKET, "RFC 6455 §7.4";
    a_close_that_refuses_ends_it_with_its_reason: WEBSOCKET, "RFC 6455 §7.4.1";
    a_masked_frame_is_no_event: WEBSOCKET, "RFC 6455 §5.1";
    reserved_bits_are_no_event: WEBSOCKET, "RFC 6455 §5.2";
    a_message_that_is_no_event_does_no_harm: WEBSOCKET, "the service's contract, Runtime events";
    compressed_messages_are_read: WEBSOCKET, "RFC 7692 §7.2.2", needs Deflate;
    enough_is_told_to_the_peer_or_the_connection_ends: WEBSOCKET, "RFC 6455 §7.1.1";
}

/// Pings, then an event behind the last one's pong.
fn pings_are_answered(stage: &Stage) -> Check {
    const PINGS: usize = 200;
    let (address, done) = serve(|mut socket| {
        for n in 0..PINGS {
            socket.send(Message::Ping(n.to_string().into())).map_err(|error| error.to_string())?;
        }
        let last = Message::Pong((PINGS - 1).to_string().into());
        while socket.read().map_err(|error| format!("no pong came: {error}"))? != last {}
        socket.send(Message::text(envelope(Some("7")))).map_err(|error| error.to_string())?;
        // A driver that has enough closes.
        while socket.read().is_ok() {}
        Ok(())
    })?;
    let mut follow = stage.follow();
    follow.endpoint.stream_base_url = format!("http://{address}");
    follow.max_reconnects = Some(0);
    let story = stage.take(follow, 1);
    ensure!(story.ids() == ["7"], "{story:?}; the server says {:?}", done.try_recv());
    done.recv_timeout(SOON).unwrap_or_else(|_| Err("the connection is left open".to_owned()))
}

fn fragments_are_one_event(stage: &Stage) -> Check {
    stage.fault(Fault::none().in_fragments(7));
    stage.publish(3)?;
    stage.take_log(3).map(drop)
}

fn a_ping_between_fragments_does_no_harm(stage: &Stage) -> Check {
    let text = envelope(Some("7"));
    let (first, rest) = text.split_at(20);
    let frames = [frame(0x01, first), frame(0x89, "in between"), frame(0x80, rest)];
    stage.fault(Fault::raw(frames).then_stall());
    let story = stage.take(stage.follow(), 1);
    ensure!(story.ids() == ["7"], "{story:?}");
    Ok(())
}

fn a_cut_in_a_frame_loses_nothing(stage: &Stage) -> Check {
    for fault in [Fault::cut_in_header(), Fault::cut_in_payload(), Fault::cut_between_fragments()] {
        stage.fault(fault.after_events(1));
    }
    stage.publish(5)?;
    stage.take_log(5).map(drop)
}

fn a_close_that_may_pass_is_connected_again(stage: &Stage) -> Check {
    for fault in [Fault::close(1011, "a bug"), Fault::close_without_code(), Fault::close(1000, "")]
    {
        stage.fault(fault.after_events(1));
    }
    stage.publish(5)?;
    stage.take_log(5)?;
    let count = stage.requests().len();
    ensure!(count == 4, "it connected {count} times");
    Ok(())
}

fn a_close_that_refuses_ends_it_with_its_reason(stage: &Stage) -> Check {
    stage.fault(Fault::close(1008, "not for you"));
    stage.publish(1)?;
    let ending = stage.end(stage.follow())?;
    ended(&ending, How::Refused, &["1008", "not for you"])?;
    let count = stage.requests().len();
    ensure!(count == 1, "it was asked {count} times");
    Ok(())
}

fn a_masked_frame_is_no_event(stage: &Stage) -> Check {
    stage.fault(Fault::masked());
    broken_once(stage)
}

fn reserved_bits_are_no_event(stage: &Stage) -> Check {
    stage.fault(Fault::reserved_bits(2));
    broken_once(stage)
}

/// The driver fails the connection, and the next one brings what this one was to bring.
fn broken_once(stage: &Stage) -> Check {
    stage.publish(2)?;
    stage.take_log(2)?;
    let count = stage.requests().len();
    ensure!(count == 2, "it connected {count} times");
    Ok(())
}

fn a_message_that_is_no_event_does_no_harm(stage: &Stage) -> Check {
    stage.fault(Fault::text("no event at all").after_events(1));
    stage.publish(3)?;
    stage.take_log(3)?;
    let count = stage.requests().len();
    ensure!(count == 1, "it connected {count} times");
    Ok(())
}

/// A message that leans on the one before it, fragments with a ping between them, and a message
/// that was left as it is. Another connection has another window. What a driver asks of the server
/// is granted (RFC 7692 §7.1): a window for each message alone, or a small window, which text that
/// is not compressed fits in.
fn compressed_messages_are_read(stage: &Stage) -> Check {
    stage.publish(1)?;
    stage.take_log(1)?;
    let requests = stage.requests();
    let offer = requests.first().and_then(|asked| field(asked, "sec-websocket-extensions"));
    let offers = offer.is_some_and(|offer| offer.contains("permessage-deflate"));
    ensure!(offers, "it offers {offer:?}");
    let asks = |name: &str| {
        let mut parameters = offer.unwrap_or_default().split([';', ',']).map(str::trim);
        parameters.find(|it| it.split('=').next() == Some(name)).map(str::to_owned)
    };
    let alone = asks("server_no_context_takeover");
    let small = asks("server_max_window_bits").filter(|bits| bits.contains('='));
    let granted = ["permessage-deflate".to_owned()].into_iter().chain(alone.clone());
    let granted: Vec<_> = granted.chain(small.clone()).collect();
    let level = if small.is_some() { 0 } else { 6 };
    let is_apart = alone.is_some();
    for ids in [["1", "2", "3", "4"], ["5", "6", "7", "8"]] {
        let [alone, leans, parts, plain] = ids.map(|id| envelope(Some(id)));
        let mut window = flate2::Compress::new(flate2::Compression::new(level), false);
        let mut payload = |text: &str| {
            if is_apart {
                window.reset();
            }
            compressed(&mut window, text)
        };
        let (alone, leans, parts) = (payload(&alone)?, payload(&leans)?, payload(&parts)?);
        let leans_on_it = leans.len() < alone.len() / 2;
        ensure!(leans_on_it || is_apart || level == 0, "the window did not help");
        let (first, rest) = parts.split_at(parts.len() / 2);
        let frames = [
            frame(0xc1, &alone),
            frame(0xc1, &leans),
            frame(0x41, first),
            frame(0x89, "in between"),
            frame(0x80, rest),
            frame(0x81, plain),
            // 1000, as the stream ends in good order.
            frame(0x88, b"\x03\xe8"),
        ];
        let compressed = Fault::raw(frames).then_stall();
        stage.fault(compressed.header("sec-websocket-extensions", granted.join("; ")));
    }
    let story = stage.take(stage.follow(), 8);
    ensure!(story.ids() == ["1", "2", "3", "4", "5", "6", "7", "8"], "{story:?}");
    Ok(())
}

/// Returns a message's payload (RFC 7692 §7.2.1).
fn compressed(window: &mut flate2::Compress, text: &str) -> Result<Vec<u8>, String> {
    let mut payload = Vec::with_capacity(text.len() + 64);
    let done = window.compress_vec(text.as_bytes(), &mut payload, flate2::FlushCompress::Sync);
    done.map_err(|error| error.to_string())?;
    Ok(payload.strip_suffix(b"\x00\x00\xff\xff").unwrap_or(&payload).to_vec())
}

fn enough_is_told_to_the_peer_or_the_connection_ends(stage: &Stage) -> Check {
    let (address, done) = serve(|mut socket| {
        socket.send(Message::text(envelope(Some("7")))).map_err(|error| error.to_string())?;
        loop {
            match socket.read() {
                Ok(Message::Close(_)) => return Ok(()),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) =>
                {
                    return Err("the connection is left open".to_owned());
                }
                Err(_) => return Ok(()),
            }
        }
    })?;
    let mut follow = stage.follow();
    follow.endpoint.stream_base_url = format!("http://{address}");
    follow.max_reconnects = Some(0);
    let story = stage.take(follow, 1);
    ensure!(story.ids() == ["7"], "{story:?}");
    done.recv_timeout(SOON).unwrap_or_else(|_| Err("the connection is left open".to_owned()))
}

/// Serves one WebSocket. The server ends by itself where the driver says nothing for long.
fn serve(
    talk: impl FnOnce(tungstenite::WebSocket<std::net::TcpStream>) -> Check + Send + 'static,
) -> Result<(SocketAddr, Receiver<Check>), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let talked =
            listener.accept().map_err(|error| error.to_string()).and_then(|(socket, _)| {
                socket.set_read_timeout(Some(SOON)).map_err(|error| error.to_string())?;
                let socket = tungstenite::accept(socket).map_err(|error| error.to_string())?;
                talk(socket)
            });
        // Where the check has ended, nobody asks any more.
        let _ = sender.send(talked);
    });
    Ok((address, receiver))
}

/// The time for a driver to say something.
const SOON: Duration = Duration::from_secs(5);
