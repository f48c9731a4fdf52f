//! Listening: all that is said, by `tracing` and by whoever hands it over.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

/// All that was said: by `tracing` at its finest level, by this crate and by those below it, and
/// by everything that is handed to [`note_text`](Self::note_text).
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic while writing").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Whoever listens to this thread.
    static LISTENER: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

/// Ends it when dropped.
pub(super) struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENER.set(None);
    }
}

impl Heard {
    /// Listens on this thread until the guard is dropped.
    ///
    /// The subscriber is the process', once: `tracing` remembers for each place in the code whether
    /// anybody listens there, and with one of a thread's own, the other threads' answer may stand.
    pub(super) fn listen() -> (Self, Listening) {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let format = tracing_subscriber::fmt::layer()
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(|| LISTENER.with_borrow(Clone::clone).unwrap_or_default())
                .with_filter(dynamic_filter_fn(|_, _| LISTENER.with_borrow(Option::is_some)));
            let subscriber = tracing_subscriber::registry().with(format);
            tracing::subscriber::set_global_default(subscriber).expect("the only one");
        });
        let heard = Self::default();
        LISTENER.set(Some(heard.clone()));
        (heard, Listening)
    }

    pub(super) fn note_text(&self, text: &str) {
        self.0.lock().expect("no panic while writing").extend_from_slice(text.as_bytes());
    }

    pub(super) fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic while writing");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
