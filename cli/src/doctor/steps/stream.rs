//! What comes in an event stream, and when.

use std::time::{Duration, Instant};

use http::{Version, header};

use crate::doctor::case::Stream;
use crate::doctor::held::{Flow, judge};
use crate::doctor::{Case, Finding};
use crate::exchange::{End, piece};

const NO_STREAM: &str = "there is no event stream";

fn open(case: &mut Case) -> Option<&mut Stream> {
    let stream = case.stream.as_mut()?;
    (stream.response.status().is_success() && stream.is_event_stream()).then_some(stream)
}

/// The beginning of what is no event stream, as far as it comes at once.
pub(super) async fn page(stream: &mut Stream) -> String {
    const MOST: usize = 4 << 10;
    let bytes = |stream: &Stream| stream.pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>();
    read(stream, Duration::from_secs(1), |stream| bytes(stream) >= MOST).await;
    let pieces = stream.pieces.iter().map(|(_, piece)| String::from_utf8_lossy(piece));
    pieces.collect()
}

/// Reads on until time is up, enough has come, or it ends.
async fn read(stream: &mut Stream, span: Duration, enough: impl Fn(&Stream) -> bool) {
    let until = tokio::time::Instant::now() + span;
    while stream.end.is_none() && !enough(stream) {
        match tokio::time::timeout_at(until, piece(&mut stream.response)).await {
            Err(_) => return,
            Ok(Ok(bytes)) => stream.pieces.push((Instant::now(), bytes)),
            Ok(Err(end)) => stream.end = Some(end),
        }
    }
}

/// When the first byte comes.
pub(super) async fn first_byte(case: &mut Case) -> Finding {
    let listen = case.options.listen;
    let Some(stream) = open(case) else { return Finding::skipped(NO_STREAM) };
    read(stream, listen, |stream| !stream.pieces.is_empty()).await;
    match (stream.pieces.first(), stream.end) {
        (Some((when, _)), _) => {
            let after = when.duration_since(stream.opened).as_millis();
            Finding::good(format!("{after} ms after the head"))
        }
        (None, Some(_)) => Finding::failed("the stream ended without one", "does the feed exist?"),
        (None, None) => Finding::note(
            format!("none in {} s", listen.as_secs()),
            "a feed that is quiet sends a heartbeat each 15 s; the next step asks for what is kept",
        ),
    }
}

/// Whether what the service sends at different times comes so.
pub(super) async fn held_back(case: &mut Case) -> Finding {
    let listen = case.options.listen;
    if let Some(fields) = &case.short {
        let name = case.suspect(fields);
        let found = format!("yes, by {name}: not even the head of the stream comes");
        return Finding::failed(found, advice(&name));
    }
    let Some(stream) = open(case) else { return Finding::skipped(NO_STREAM) };
    read(stream, listen, |stream| stream.pieces.len() >= 64).await;
    let mut flow = judge(&stream.pieces, Instant::now());
    let fields = stream.response.headers().clone();
    if flow == Flow::Silent && stream.end.is_none() {
        // What is kept, from the oldest event on, may be more than what holds back has room for.
        let mut url = case.url.clone();
        url.query_pairs_mut().append_pair("since", "0");
        if let Ok(response) = case.ask(&url, case.options.key.as_deref(), listen).await {
            let opened = Instant::now();
            let mut kept = Stream { response, opened, pieces: Vec::new(), end: None };
            read(&mut kept, listen.min(Duration::from_secs(5)), |_| false).await;
            flow = judge(&kept.pieces, Instant::now());
        }
    }
    let name = case.suspect(&fields);
    let advice = advice(&name);
    match flow {
        Flow::Free { blocks, longest } => Finding::good(format!(
            "no: {blocks} came one by one, up to {:.1} s apart",
            longest.as_secs_f64()
        )),
        Flow::Lump { heartbeats } => Finding::failed(
            format!(
                "yes, by {name}: {heartbeats} heartbeats came at once, that were sent one by one"
            ),
            advice,
        ),
        Flow::Torn { bytes } => Finding::failed(
            format!(
                "yes, by {name}: {bytes} bytes came, the last event in part, and its rest did not"
            ),
            advice,
        ),
        Flow::Silent => Finding::failed(
            format!(
                "nothing came at all, not what is kept either: {name} holds it, or the feed is empty"
            ),
            advice,
        ),
    }
}

/// What to turn off in a box that holds back.
fn advice(name: &str) -> &'static str {
    match name {
        "nginx" => {
            "nginx: `proxy_buffering off;` and `gzip off;` for this place, and no \
             `proxy_ignore_headers X-Accel-Buffering`"
        }
        "privoxy" => "privoxy: `{-filter -deanimate-gifs}` for this host",
        name if name.starts_with("the proxy ") => {
            "it filters or scans what it passes on, and waits for the end: turn that off for this \
             host (privoxy: `{-filter -deanimate-gifs}`); https, or NO_PROXY, goes past it"
        }
        _ => {
            "find the box that buffers or filters answers, and turn that off for this host (nginx: \
             `proxy_buffering off;`)"
        }
    }
}

/// Whether the framing can tell a cut from an end (RFC 9112 §6.3).
pub(super) async fn cut_or_end(case: &mut Case) -> Finding {
    let is_tls = case.is_tls();
    let Some(stream) = open(case) else { return Finding::skipped(NO_STREAM) };
    let fields = stream.response.headers();
    let framed = fields.contains_key(header::TRANSFER_ENCODING)
        || fields.contains_key(header::CONTENT_LENGTH);
    match (stream.end, framed) {
        (Some(End::Cut), _) => {
            Finding::note("the stream was cut just now, and it shows", "it reconnects")
        }
        (_, true) => Finding::good("yes: the content says by itself where it ends"),
        (_, false) if is_tls => {
            Finding::good("by TLS alone: the content does not say where it ends")
        }
        (_, false) => {
            let old = if stream.response.version() < Version::HTTP_11 { " (HTTP/1.0)" } else { "" };
            Finding::note(
                format!("no{old}: neither chunks nor a length, so a cut looks like an end"),
                "the client reconnects after either; a box that speaks HTTP/1.1 would tell",
            )
        }
    }
}

/// How long a quiet connection lives.
pub(super) async fn silence(case: &mut Case) -> Finding {
    let Some(span) = case.options.patient else { return Finding::skipped("--patient watches it") };
    let Some(stream) = open(case) else { return Finding::skipped(NO_STREAM) };
    let begun = Instant::now();
    read(stream, span, |_| false).await;
    let ended = Instant::now();
    let times = stream.pieces.iter().map(|(when, _)| *when).filter(|when| *when >= begun);
    let (mut last, mut longest) = (begun, Duration::ZERO);
    for when in times.chain([ended]) {
        longest = longest.max(when.duration_since(last));
        last = when;
    }
    let quiet = stream.pieces.last().map_or(begun, |(when, _)| *when).max(begun);
    let quiet = ended.duration_since(quiet).as_secs_f64();
    match stream.end {
        None => Finding::good(format!("{:.1} s of it, and it stands", longest.as_secs_f64())),
        Some(End::Clean) => Finding::failed(
            format!("ended in good order after {quiet:.1} s of it"),
            "a box ends what is quiet: its read timeout has to be longer than 15 s, between heartbeats",
        ),
        Some(End::Cut) => Finding::failed(
            format!("cut after {quiet:.1} s of it"),
            "a box cuts what is quiet: `proxy_read_timeout` (nginx), `timeout server` and `timeout \
             client` (haproxy) have to be longer than 15 s, between heartbeats",
        ),
    }
}
