//! Reads vector files and runs their cases, one at a time, whatever happens in one.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// Runs one case of a file.
pub(crate) type Runner = fn(&Case) -> Checked;

/// What a runner found out.
pub(crate) enum Checked {
    /// Our behaviour is what the case (or, for a `better` case, its note) asks for.
    Ok,
    /// Our behaviour is another one; the text says how.
    Failed(String),
    /// A `better` case that the runner doesn't know by name; the text says what came out.
    Unknown(String),
}

impl Checked {
    /// Compares two things that print.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, due: &T) -> Self {
        if ours == due {
            Self::Ok
        } else {
            Self::Failed(format!("{what}: expected {due:?}, got {ours:?}"))
        }
    }

    /// The first of the two that is not fine.
    pub(crate) fn and(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Ok => next(),
            other => other,
        }
    }
}

/// One case. Fields of `input` and `expect` stay raw text, so that the order of keys and the
/// spelling of numbers are what the file has.
#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) input: BTreeMap<String, Box<RawValue>>,
    pub(crate) expect: BTreeMap<String, Box<RawValue>>,
    #[serde(default)]
    pub(crate) note: Option<String>,
    #[serde(default)]
    advice: Option<String>,
    /// What only some files have: `documented`, `whatwg_differs`, `whatwg_frames`, …
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Value>,
}

#[allow(dead_code)] // not every accessor is used by every file's runner
impl Case {
    /// Whether copying the SDK is not the aim.
    pub(crate) fn better(&self) -> bool {
        self.advice.as_deref() == Some("better")
    }

    /// Whether one of these has the same name and asks the same.
    fn is_among(&self, cases: &[Self]) -> bool {
        let same = |other: &Self| {
            let texts = |case: &Self| -> Vec<String> {
                case.input.iter().map(|(key, raw)| format!("{key}:{}", raw.get())).collect()
            };
            self.name == other.name && texts(self) == texts(other)
        };
        cases.iter().any(same)
    }

    /// A field of `input`, `None` where it is absent or null.
    pub(crate) fn input<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        read(&self.input, field)
    }

    /// A field of `expect`, `None` where it is absent or null.
    pub(crate) fn expect<T: DeserializeOwned>(&self, field: &str) -> Option<T> {
        read(&self.expect, field)
    }

    /// The raw text of a field of `input`.
    pub(crate) fn raw_input(&self, field: &str) -> Option<&str> {
        self.input.get(field).map(|raw| raw.get())
    }

    /// The raw text of a field of `expect`.
    pub(crate) fn raw_expect(&self, field: &str) -> Option<&str> {
        self.expect.get(field).map(|raw| raw.get())
    }

    /// Whether the SDK raised an error.
    pub(crate) fn expects_error(&self) -> bool {
        self.expect.contains_key("error")
    }
}

fn read<T: DeserializeOwned>(fields: &BTreeMap<String, Box<RawValue>>, field: &str) -> Option<T> {
    let raw = fields.get(field)?;
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    match Option::<T>::deserialize(&mut reader) {
        Ok(value) => value,
        Err(error) => panic!("field {field} of the vector: {error}"),
    }
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

/// Runs every file of the folder, prints a line for each, and fails if any case did, if a file is
/// unknown, empty or unreadable, and, where `whole`, if one that a runner exists for is missing.
pub(crate) fn run_folder(folder: &Path, runners: &[(&str, Runner)], whole: bool) -> ExitCode {
    let mut passed = 0;
    let mut failures = Vec::new();
    let names = match file_names(folder) {
        Ok(names) => names,
        Err(error) => {
            println!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    if names.is_empty() {
        failures.push(format!("{}: no vector file in it", folder.display()));
    }
    if whole {
        for (name, _) in runners.iter().filter(|(name, _)| !names.iter().any(|n| n == name)) {
            failures.push(format!("{name}: missing"));
        }
    }
    for name in &names {
        let Some((_, run)) = runners.iter().find(|(known, _)| known == name) else {
            failures.push(format!("{name}: no runner knows this file"));
            continue;
        };
        match run_file(&folder.join(format!("{name}.json")), *run) {
            Ok(counts) => {
                println!("{name}: {} cases ran", counts.ran);
                passed += counts.ran - counts.failed.len();
                failures.extend(counts.failed.iter().map(|failure| format!("{name}: {failure}")));
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    println!("{passed} passed, {} failed", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn file_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

struct Counts {
    ran: usize,
    failed: Vec<String>,
}

fn run_file(path: &Path, run: Runner) -> Result<Counts, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: File = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if file.cases.is_empty() {
        return Err("a file without a case".to_owned());
    }
    let ours = own_cases(path);
    let mut counts = Counts { ran: file.cases.len(), failed: Vec::new() };
    for case in &file.cases {
        match catch_unwind(AssertUnwindSafe(|| run(case))) {
            Ok(Checked::Ok) => {}
            // Known by name, but it asks something else than the case that the name is known for.
            Ok(Checked::Failed(how)) if case.better() && !case.is_among(&ours) => {
                println!("{}: known by name, not with this input", case.name);
                println!("    the SDK: {}", expectation(case));
                println!("    ours:    {how}");
            }
            Ok(Checked::Failed(how)) => counts.failed.push(format!("{}: {how}", case.name)),
            Ok(Checked::Unknown(came_out)) if case.better() => {
                println!("{}: not known by name", case.name);
                println!("    the SDK: {}", expectation(case));
                println!("    ours:    {came_out}");
            }
            Ok(Checked::Unknown(came_out)) => {
                counts.failed.push(format!("{}: not checked, got {came_out}", case.name));
            }
            Err(panic) => {
                counts.failed.push(format!("{}: panicked: {}", case.name, panic_text(&*panic)));
            }
        }
    }
    Ok(counts)
}

/// The cases of our own file of that name.
fn own_cases(path: &Path) -> Vec<Case> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    path.file_name()
        .and_then(|name| std::fs::read_to_string(own.join(name)).ok())
        .and_then(|text| serde_json::from_str::<File>(&text).ok())
        .map(|file| file.cases)
        .unwrap_or_default()
}

fn expectation(case: &Case) -> String {
    let fields: Vec<String> =
        case.expect.iter().map(|(key, raw)| format!("{key}: {}", raw.get())).collect();
    format!("{} ({})", fields.join(", "), case.note.as_deref().unwrap_or("no note"))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
