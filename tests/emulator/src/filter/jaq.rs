//! Filters in jaq, in this process, kept from doing harm to it: see [`guard`] and [`meter`].

use jaq_core::load::{Arena, File, Loader, parse};
use jaq_core::{Compiler, Ctx, Vars};
use jaq_json::{Num, Val, read};

use super::meter::{self, Meter, Metered, Run, Stop};
use super::{MAX_FILTER_BYTES, differences, guard, outputs, shortened};

/// What runs here.
pub(crate) const NAME: &str = "jaq 3.1";
/// What jaq's command line has beside its libraries, and two that it lacks.
const MORE: &str = include_str!("defs.jq");
/// The name that the filter is called by.
const CALLED: &str = "the_filter_itself";

type Filter = jaq_core::Filter<Metered>;

/// What to warn of in `filter`; the error says where it stopped making sense.
pub(super) fn check(filter: &str) -> Result<Vec<String>, String> {
    compile(filter)?;
    let term = parse(filter, |parser| parser.term());
    Ok(term.map(|term| differences::warnings(&term)).unwrap_or_default())
}

pub(super) fn run(filter: &str, document: &str, meter: &Meter) -> Result<Option<String>, String> {
    let filter = compile(filter)?;
    let input = read::parse_single(document.as_bytes()).map_err(|error| error.to_string())?;
    let context = Ctx::<Metered>::new(Run { lut: &filter.lut, meter }, Vars::new([]));
    outputs(filter.id.run((context, input)).map(|output| match output {
        Ok(value) => Ok(written(value)),
        // Not `unwrap_valr`: that one ends the process when the filter says `halt`.
        Err(exception) => {
            let error = exception.get_err().map(|error| shortened(&error.to_string()));
            let halted =
                || meter.stopped().map_or_else(|| "the filter halted".to_owned(), Stop::why);
            Err(error.unwrap_or_else(|_| halted()))
        }
    }))
}

/// A value as jq writes it: NaN is null, and what is infinite the largest number.
fn written(value: Val) -> String {
    let text = value.to_string();
    // In a string, where these are no numbers, nothing is changed.
    let suspect = ["NaN", "Infinity"].iter().any(|word| text.contains(word));
    if suspect { finite(value).to_string() } else { text }
}

fn finite(value: Val) -> Val {
    match value {
        Val::Num(Num::Float(number)) if number.is_nan() => Val::Null,
        Val::Num(Num::Float(number)) if number.is_infinite() => {
            Val::Num(Num::Float(f64::MAX.copysign(number)))
        }
        Val::Arr(items) => items.iter().cloned().map(finite).collect(),
        Val::Obj(members) => {
            let members = members.iter().map(|(key, item)| (key.clone(), finite(item.clone())));
            Val::obj(members.collect())
        }
        other => other,
    }
}

pub(super) fn compile(filter: &str) -> Result<Filter, String> {
    if filter.len() > MAX_FILTER_BYTES {
        return Err(format!("longer than {MAX_FILTER_BYTES} bytes"));
    }
    let arena = Arena::default();
    // Once for what is wrong with it, and once for what it says.
    Loader::new([])
        .load(&arena, File { code: filter, path: () })
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))?;
    let term = parse(filter, |parser| parser.term()).ok_or("a filter has no modules")?;
    let more = parse(MORE, |parser| parser.defs()).ok_or("the definitions can't be read")?;
    let own = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(more);
    let definitions = own
        .map(guard::guard_own)
        .chain([guard::guard(CALLED, term)])
        .collect::<Result<Vec<_>, _>>()?;
    let functions = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        // The server's environment is none of a filter's business.
        .filter(|(name, ..)| !["env", "fromjson"].contains(name))
        .chain(meter::functions());
    let modules = Loader::new(definitions)
        .load(&arena, File { code: CALLED, path: () })
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))?;
    Compiler::default()
        .with_funs(functions)
        .compile(modules)
        .map_err(|errors| describe(errors.into_iter().map(|(_, error)| error)))
}

fn describe(errors: impl Iterator<Item = impl std::fmt::Debug>) -> String {
    shortened(&errors.map(|error| format!("{error:?}")).collect::<Vec<_>>().join("; "))
}
