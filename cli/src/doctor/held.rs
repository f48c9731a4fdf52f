//! Whether something on the way holds events back, by when what came came.

use std::time::{Duration, Instant};

/// What the times of a stream's pieces say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Each block came alone: so many blocks, and the longest time between two.
    Free { blocks: usize, longest: Duration },
    /// So many heartbeats came at once; a service sends each only after a silence.
    Lump { heartbeats: usize },
    /// The last block is torn, and its rest did not come: so many bytes came until then.
    Torn { bytes: usize },
    /// Nothing.
    Silent,
}

/// Two heartbeats nearer than this were not sent so: there was a silence between them.
const TOGETHER: Duration = Duration::from_millis(20);

/// Judges a stream that was listened to until `until`, in a silence at its end or not.
pub(crate) fn judge<B: AsRef<[u8]>>(pieces: &[(Instant, B)], until: Instant) -> Flow {
    let mut text = Vec::new();
    let mut ends: Vec<(Instant, bool)> = Vec::new();
    // Where the block begins that is read now, and where the search for its end goes on.
    let (mut at, mut from) = (0, 0);
    for (when, piece) in pieces {
        text.extend_from_slice(piece.as_ref());
        while let Some(end) = block_end(&text, at, from) {
            let block = text.get(at..end).unwrap_or_default();
            ends.push((*when, block.starts_with(b":")));
            (at, from) = (end, end);
        }
        // The mark of an end may be torn.
        from = at.max(text.len().saturating_sub(LONGEST_MARK - 1));
    }
    let Some((last, _)) = pieces.last() else { return Flow::Silent };
    let lump = ends
        .chunk_by(|(a, _), (b, _)| b.duration_since(*a) < TOGETHER)
        .map(|together| together.iter().filter(|(_, heartbeat)| *heartbeat).count())
        .max()
        .unwrap_or_default();
    if lump > 1 {
        return Flow::Lump { heartbeats: lump };
    }
    if at < text.len() && until.duration_since(*last) > Duration::from_secs(1) {
        return Flow::Torn { bytes: text.len() };
    }
    let times: Vec<_> = ends.iter().map(|(when, _)| *when).collect();
    let gaps = times.windows(2).map(|pair| match pair {
        [a, b] => b.duration_since(*a),
        _ => Duration::ZERO,
    });
    Flow::Free { blocks: ends.len(), longest: gaps.max().unwrap_or_default() }
}

/// What an empty line looks like behind another line, with each of the line ends.
const MARKS: [&[u8]; 3] = [b"\n\n", b"\r\n\r\n", b"\r\r"];

const LONGEST_MARK: usize = 4;

/// Returns where the block that begins at `at` has ended, looking from `from` on.
fn block_end(text: &[u8], at: usize, from: usize) -> Option<usize> {
    (from + 1..=text.len()).find(|end| {
        let block = text.get(at..*end).unwrap_or_default();
        MARKS.iter().any(|mark| block.ends_with(mark))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pieces: &[(u64, &str)]) -> Flow {
        let begin = Instant::now();
        let pieces: Vec<_> =
            pieces.iter().map(|(ms, text)| (begin + Duration::from_millis(*ms), text)).collect();
        judge(&pieces, begin + Duration::from_secs(60))
    }

    #[test]
    fn heartbeats_one_by_one_are_free_and_at_once_a_lump() {
        assert_eq!(
            judged(&[(0, ": hb\n\n"), (200, ": hb\n\n"), (500, ": hb\n\n")]),
            Flow::Free { blocks: 3, longest: Duration::from_millis(300) },
        );
        assert_eq!(judged(&[(900, ": hb\n\n: hb\n\n: hb\n\n")]), Flow::Lump { heartbeats: 3 });
        assert_eq!(judged(&[(9, ": hb\n\n"), (12, ": hb\n\n")]), Flow::Lump { heartbeats: 2 });
    }

    #[test]
    fn a_block_ends_at_an_empty_line_wherever_its_mark_is_torn() {
        for mark in ["\n\n", "\r\n\r\n", "\r\r"] {
            let text = format!("data: 1{mark}data: 2{mark}");
            for cut in 0..=text.len() {
                let (before, behind) = text.split_at(cut);
                let flow = judged(&[(0, before), (0, behind)]);
                assert_eq!(
                    flow,
                    Flow::Free { blocks: 2, longest: Duration::ZERO },
                    "{cut} {mark:?}"
                );
            }
        }
    }

    #[test]
    fn events_at_once_are_a_replay_and_no_lump() {
        let flow = judged(&[(0, "id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n")]);
        assert_eq!(flow, Flow::Free { blocks: 2, longest: Duration::ZERO });
    }

    #[test]
    fn an_event_whose_rest_does_not_come_is_held_by_a_buffer() {
        assert_eq!(judged(&[(0, "data: 1\n\ndata: 2")]), Flow::Torn { bytes: 16 });
        assert_eq!(judged(&[]), Flow::Silent);
    }
}
