//! jq filters: in a real [`jq`] where the emulator is told of one, else in [`jaq`].

pub(crate) mod differences;
mod guard;
pub(crate) mod jaq;
pub(crate) mod jq;
mod meter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::json;
use jq::Jq;
use meter::Meter;

/// The longest filter, in bytes: nesting costs stack, and is measured only once the text is read.
const MAX_FILTER_BYTES: usize = 4 * 1024;
/// The stack of the thread that a filter runs on, in bytes, of which only what is touched is
/// memory: twice what the worst text of that length takes in a debug build.
pub(crate) const STACK: usize = 128 * 1024 * 1024;
/// The longest run.
const MAX_RUN: Duration = Duration::from_secs(5);
/// Most work of one run in jaq, and with it a bound of its memory: each value that goes from one
/// step to the next costs one for every value in it, and one for every 16 bytes of text.
const MAX_WORK: u64 = 10_000_000;
/// Most outputs of one run, and most bytes of all of them.
const MAX_OUTPUTS: usize = 10_000;
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;

/// What runs the filters.
#[derive(Debug, Clone, Default)]
pub(crate) enum Engine {
    /// jaq, in this process.
    #[default]
    Jaq,
    /// A jq, in a process of its own for each run.
    Jq(Jq),
}

impl Engine {
    /// Returns the engine's name and version.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Jaq => jaq::NAME,
            Self::Jq(jq) => jq.version(),
        }
    }

    /// Returns what to warn of in `filter`, where the filter compiles; the error says where the
    /// filter stopped making sense.
    pub(crate) async fn check(&self, filter: &str) -> Result<Vec<String>, String> {
        let (engine, filter) = (self.clone(), filter.to_owned());
        on_a_thread(move |cancelled| {
            if filter.len() > MAX_FILTER_BYTES {
                return Err(format!("longer than {MAX_FILTER_BYTES} bytes"));
            }
            match engine {
                Self::Jaq => jaq::check(&filter).map_err(|why| {
                    format!("{why} (in {}, which runs filters here; see --jq)", jaq::NAME)
                }),
                Self::Jq(jq) => jq.check(&filter, &cancelled).map(|()| Vec::new()),
            }
        })
        .await
    }

    /// Returns what `filter` makes of `document`: its output, an array of outputs where there are
    /// several, and `None` where there is none.
    pub(crate) async fn apply(
        &self,
        filter: &str,
        document: &str,
    ) -> Result<Option<String>, String> {
        let (engine, filter, document) = (self.clone(), filter.to_owned(), document.to_owned());
        on_a_thread(move |cancelled| match engine {
            Self::Jaq => jaq::run(&filter, &document, &Meter::new(MAX_WORK, cancelled)),
            Self::Jq(jq) => jq.run(&filter, document, &cancelled),
        })
        .await
    }
}

/// Runs `work` where it can block or panic without harm to the server. Work whose caller has gone
/// is stopped.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce(Arc<AtomicBool>) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    struct StopOnDrop(Arc<AtomicBool>);

    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let waiting = StopOnDrop(Arc::default());
    let cancelled = Arc::clone(&waiting.0);
    let done = tokio::task::spawn_blocking(move || work(cancelled)).await;
    done.unwrap_or_else(|_panic| Err("the filter failed".to_owned()))
}

/// The outputs of a run as one text.
fn outputs(all: impl Iterator<Item = Result<String, String>>) -> Result<Option<String>, String> {
    let mut outputs = Vec::new();
    let mut bytes = 0;
    for output in all {
        let output = output?;
        bytes += output.len();
        if outputs.len() == MAX_OUTPUTS || bytes > MAX_OUTPUT_BYTES {
            return Err(too_much());
        }
        outputs.push(output);
    }
    let text = match outputs.len() {
        0 => return Ok(None),
        1 => outputs.swap_remove(0),
        _ => format!("[{}]", outputs.join(",")),
    };
    // jaq writes binary text, and keys that are no text, in ways that are not JSON.
    json::parse(&text).map_err(|error| format!("the output is not JSON: {error}"))?;
    Ok(Some(text))
}

fn too_much() -> String {
    format!("more than {MAX_OUTPUTS} outputs or {MAX_OUTPUT_BYTES} bytes")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
