//! jq filters, by the jaq crates.

use std::time::Duration;

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data};
use jaq_json::{Val, read};

use crate::json;

/// Longest filter, in bytes: nesting costs stack, so the text is bounded.
const MAX_FILTER_BYTES: usize = 8 * 1024;
/// Most outputs of one run, and most bytes of all of them.
const MAX_OUTPUTS: usize = 10_000;
const MAX_OUTPUT_BYTES: usize = 8 * 1024 * 1024;
/// Longest run. A filter may loop for ever; its thread is then left behind until it ends.
const MAX_RUN: Duration = Duration::from_secs(2);

type Filter = jaq_core::Filter<data::JustLut<Val>>;

/// Whether `filter` compiles; the error says where it stopped making sense.
pub(crate) async fn check(filter: &str) -> Result<(), String> {
    let filter = filter.to_owned();
    on_a_thread(move || compile(&filter).map(drop)).await
}

/// What `filter` makes of `document`: its output, an array of them where there are several, and
/// `None` where there is none. The spelling of numbers that are passed through is kept.
pub(crate) async fn apply(filter: &str, document: &str) -> Result<Option<String>, String> {
    let (filter, document) = (filter.to_owned(), document.to_owned());
    on_a_thread(move || run(&filter, &document)).await
}

/// Runs `work` where it can block, panic or loop without harm to the server.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    match tokio::time::timeout(MAX_RUN, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_panic)) => Err("the filter failed".to_owned()),
        Err(_elapsed) => Err(format!("the filter ran for more than {} s", MAX_RUN.as_secs())),
    }
}

fn run(filter: &str, document: &str) -> Result<Option<String>, String> {
    let filter = compile(filter)?;
    let input = read::parse_single(document.as_bytes()).map_err(|error| error.to_string())?;
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut outputs = Vec::new();
    let mut bytes = 0;
    for output in filter.id.run((context, input)) {
        // Not `unwrap_valr`: that one ends the process when the filter says `halt`.
        let output = match output {
            Ok(value) => value.to_string(),
            Err(exception) => {
                return Err(exception
                    .get_err()
                    .map_or_else(|_| "the filter halted".to_owned(), |error| error.to_string()));
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
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        // The server's environment is none of a filter's business.
        .filter(|function| function.0 != "env");
    let arena = Arena::default();
    let modules = Loader::new(definitions)
        .load(&arena, File { code: filter, path: () })
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))?;
    Compiler::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))
}

fn describe(errors: impl Iterator<Item = impl std::fmt::Debug>) -> String {
    let text = errors.map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; ");
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_output_is_the_data() {
        assert_eq!(run(".a", r#"{"a":[1,2]}"#), Ok(Some("[1,2]".to_owned())));
    }

    #[test]
    fn several_outputs_are_an_array() {
        assert_eq!(run(".[]", "[1,{\"a\":2}]"), Ok(Some("[1,{\"a\":2}]".to_owned())));
    }

    #[test]
    fn no_output_is_no_data() {
        assert_eq!(run("empty", "1"), Ok(None));
    }

    #[test]
    fn number_that_passes_through_keeps_its_spelling() {
        assert_eq!(
            run(".n", r#"{"n":1.10000000000000000000001}"#),
            Ok(Some("1.10000000000000000000001".to_owned()))
        );
    }

    #[test]
    fn error_of_the_filter_is_an_error() {
        assert!(run(".a", "[1]").is_err());
        assert!(compile(".a |").is_err());
        assert!(compile("no_such_function").is_err());
    }

    #[test]
    fn halt_does_not_end_the_process() {
        assert_eq!(run("halt(0)", "1"), Err("the filter halted".to_owned()));
    }

    #[test]
    fn environment_is_out_of_reach() {
        assert!(compile("env").is_err());
        assert!(compile("$ENV").is_err());
    }

    #[test]
    fn output_that_is_not_json_is_an_error() {
        assert!(run("nan", "1").is_err());
    }

    #[test]
    fn outputs_are_bounded() {
        assert!(run("range(100000)", "1").is_err());
    }
}
