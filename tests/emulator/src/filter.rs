//! jq filters, by the jaq crates, so that no filter harms the process: see [`guard`] and [`meter`].

mod guard;
mod meter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::read;

use crate::json;
use meter::{Meter, Metered, Run, Stop};

/// Longest filter, in bytes: nesting costs stack, and is measured only once the text is read.
const MAX_FILTER_BYTES: usize = 4 * 1024;
/// The stack of the thread that a filter runs on, in bytes, of which only what is touched is memory:
/// twice what the worst text of that length takes in a debug build.
pub(crate) const STACK: usize = 128 * 1024 * 1024;
/// Most work of one run, and with it a bound of its memory: each value that goes from one step to
/// the next costs one for every value in it, and one for every 16 bytes of text.
const MAX_WORK: u64 = 10_000_000;
/// Most outputs of one run, and most bytes of all of them.
const MAX_OUTPUTS: usize = 10_000;
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;
/// The name that the filter is called by.
const NAME: &str = "the_filter_itself";

type Filter = jaq_core::Filter<Metered>;

/// Whether `filter` compiles; the error says where it stopped making sense.
pub(crate) async fn check(filter: &str) -> Result<(), String> {
    let filter = filter.to_owned();
    on_a_thread(move |_| compile(&filter).map(drop)).await
}

/// What `filter` makes of `document`: its output, an array of them where there are several, and
/// `None` where there is none. The spelling of numbers that are passed through is kept.
pub(crate) async fn apply(filter: &str, document: &str) -> Result<Option<String>, String> {
    let (filter, document) = (filter.to_owned(), document.to_owned());
    on_a_thread(move |cancelled| run(&filter, &document, &Meter::new(MAX_WORK, cancelled))).await
}

/// Runs `work` where it can block or panic without harm to the server. Who no longer waits for it
/// has it stopped.
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

fn run(filter: &str, document: &str, meter: &Meter) -> Result<Option<String>, String> {
    let filter = compile(filter)?;
    let input = read::parse_single(document.as_bytes()).map_err(|error| error.to_string())?;
    let context = Ctx::<Metered>::new(Run { lut: &filter.lut, meter }, Vars::new([]));
    let mut outputs = Vec::new();
    let mut bytes = 0;
    for output in filter.id.run((context, input)) {
        // Not `unwrap_valr`: that one ends the process when the filter says `halt`.
        let output = match output {
            Ok(value) => value.to_string(),
            Err(exception) => {
                let error = exception.get_err().map(|error| shortened(&error.to_string()));
                let halted =
                    || meter.stopped().map_or_else(|| "the filter halted".to_owned(), Stop::why);
                return Err(error.unwrap_or_else(|_| halted()));
            }
        };
        bytes += output.len();
        if outputs.len() == MAX_OUTPUTS || bytes > MAX_OUTPUT_BYTES {
            return Err(format!("more than {MAX_OUTPUTS} outputs or {MAX_OUTPUT_BYTES} bytes"));
        }
        outputs.push(output);
    }
    let text = match outputs.len() {
        0 => return Ok(None),
        1 => outputs.swap_remove(0),
        _ => format!("[{}]", outputs.join(",")),
    };
    // jaq writes NaN and binary text in ways that are not JSON.
    json::parse(&text).map_err(|error| format!("the output is not JSON: {error}"))?;
    Ok(Some(text))
}

fn compile(filter: &str) -> Result<Filter, String> {
    if filter.len() > MAX_FILTER_BYTES {
        return Err(format!("longer than {MAX_FILTER_BYTES} bytes"));
    }
    let arena = Arena::default();
    // Once for what is wrong with it, and once for what it says.
    Loader::new([])
        .load(&arena, File { code: filter, path: () })
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))?;
    let term = parse(filter, |parser| parser.term()).ok_or("a filter has no modules")?;
    let own = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let definitions = own
        .map(guard::guard_own)
        .chain([guard::guard(NAME, term)])
        .collect::<Result<Vec<_>, _>>()?;
    let functions = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        // The server's environment is none of a filter's business.
        .filter(|(name, ..)| !["env", "fromjson"].contains(name))
        .chain(meter::functions());
    let modules = Loader::new(definitions)
        .load(&arena, File { code: NAME, path: () })
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))?;
    Compiler::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))
}

fn describe(errors: impl Iterator<Item = impl std::fmt::Debug>) -> String {
    shortened(&errors.map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; "))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
