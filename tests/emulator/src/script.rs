//! Content that is due by the clock.

use std::vec;

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::due::Due;

/// Pieces, each with the span behind the first request for a piece at which it is due. A piece that
/// is late makes none of the others late.
#[derive(Debug)]
pub(crate) struct Script {
    pieces: vec::IntoIter<(Duration, Bytes)>,
    began: Option<Instant>,
}

impl Script {
    pub(crate) fn new(pieces: Vec<(Duration, Bytes)>) -> Self {
        Self { pieces: pieces.into_iter(), began: None }
    }

    /// Returns the next piece as soon as it is due; `None` behind the last one. Dropping the future
    /// loses no piece.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.due()?.comes().await;
        self.pieces.next().map(|(_, piece)| piece)
    }

    /// When the next piece is due.
    fn due(&mut self) -> Option<Due> {
        let began = *self.began.get_or_insert_with(Instant::now);
        Some(Due::behind(began, self.pieces.as_slice().first()?.0))
    }
}

#[cfg(test)]
impl Script {
    pub(crate) fn left(&self) -> &[(Duration, Bytes)] {
        self.pieces.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_late_for_one_piece_is_in_time_for_the_next() {
        const STEP: Duration = Duration::from_millis(20);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let pieces = (0..3).map(|number| (STEP * number, Bytes::new())).collect();
            let mut script = Script::new(pieces);
            script.next().await.expect("the first");
            let began = script.began.expect("a beginning");
            tokio::time::sleep_until(began + STEP * 3 / 2).await;
            script.next().await.expect("the second");
            assert_eq!(script.due(), Some(Due::behind(began, STEP * 2)));
            script.next().await.expect("the third");
            assert!(began.elapsed() >= STEP * 2);
            assert!(script.next().await.is_none());
        });
    }
}
