//! What goes to standard output and standard error, in the forms that commands share.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::failure::Failure;

/// How a reply is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    // Without a text of their own in `--help`, which says enough by the names.
    Table,
    Json,
    Yaml,
}

/// Writes to standard output, to the last byte: a full disk is an error, and keeps no part of it.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let length = output_file().and_then(|file| Some(file.metadata().ok()?.len()));
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let (Err(_), Some(length)) = (&written, length) {
        // Where it can't be taken back, the next run begins a new line.
        let _ = take_back(length, text.len() as u64);
    }
    written.map_err(Failure::output)
}

/// Cuts off the part of a text that came into a file of this length, so that what is appended next
/// is no end of it.
fn take_back(length: u64, text: u64) -> io::Result<()> {
    let Some(mut file) = output_file() else { return Ok(()) };
    let now = file.metadata()?.len();
    // Others may write to the file, too: what is more than the text is not its part.
    if now > length && now < length.saturating_add(text) {
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
    }
    Ok(())
}

/// Begins a new line where output is appended to a file that ends within one: a crash, a power cut
/// or a full disk has left the part of a line there, and what follows would be lost behind it.
pub(crate) fn begin_line() -> Result<(), Failure> {
    let Some(file) = output_file() else { return Ok(()) };
    let length = file.metadata().map_err(Failure::output)?.len();
    if length == 0 || last_byte(length).is_ok_and(|byte| byte == b'\n') {
        return Ok(());
    }
    print("\n")
}

/// Reads the last byte of the file that output goes to, by a name that Linux has for it: the shell
/// has opened it to be written to, and no more.
fn last_byte(length: u64) -> io::Result<u8> {
    let mut file = File::open("/proc/self/fd/1")?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Returns the file that output goes to; a pipe or a terminal keeps nothing.
fn output_file() -> Option<File> {
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok()?.is_file().then_some(file)
}

/// Waits until what was printed is on the disk, where it goes to a file.
pub(crate) fn sync_output() -> Result<(), Failure> {
    output_file().map_or(Ok(()), |file| file.sync_data()).map_err(Failure::output)
}

/// Says something beside the output.
pub(crate) fn note(text: &str) {
    // With standard error gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// What may come from a peer, without what steers a terminal; line ends stay.
pub(crate) fn harmless(text: &str) -> String {
    let steers = |char: char| char.is_control() && char != '\n';
    text.chars().map(|char| if steers(char) { '\u{fffd}' } else { char }).collect()
}

/// Data on its way to standard output, where that is a terminal without what steers the terminal:
/// JSON, and some other forms, have such characters raw or decoded. Anywhere else data stays.
pub(crate) fn data(text: String) -> String {
    if io::stdout().is_terminal() { escaped(&text) } else { text }
}

/// Escapes control characters as JSON does, so that JSON stays JSON.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() && !matches!(char, '\n' | '\t') {
            escaped += &format!("\\u{:04x}", u32::from(char));
        } else {
            escaped.push(char);
        }
    }
    escaped
}

/// Prints a reply; `columns` are the fields of a table, each with its name.
pub(crate) fn reply(value: &Value, output: Output, columns: &[&str]) -> Result<(), Failure> {
    match output {
        Output::Json => {
            let text = serde_json::to_string_pretty(value);
            let text = text.map_err(|error| Failure::new(1, "no JSON", error))?;
            print(&data(text + "\n"))
        }
        Output::Yaml => {
            let text = serde_yaml_ng::to_string(value);
            print(&data(text.map_err(|error| Failure::new(1, "no YAML", error))?))
        }
        Output::Table => print(&table(value, columns)),
    }
}

/// A row for each item of an array; of one object, a row for each field.
fn table(value: &Value, columns: &[&str]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    match value {
        Value::Array(items) => {
            table.set_header(columns.iter().map(|name| name.to_uppercase()));
            for item in items {
                table.add_row(columns.iter().map(|name| cell(&item[*name])));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                table.add_row([harmless(name), cell(value)]);
            }
        }
        other => return cell(other) + "\n",
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Prints a reply that has URLs and code, for people as text to be copied.
pub(crate) fn code(value: &Value, output: Output) -> Result<(), Failure> {
    if output != Output::Table {
        return reply(value, output, &[]);
    }
    let (runtime, snippets) = (&value["runtime"], &value["snippets"]);
    let mut text = String::new();
    for (name, url) in runtime.as_object().into_iter().flatten() {
        if let Some(url) = url.as_str() {
            text += &format!("{name:<20}{url}\n");
        }
    }
    let language = cell(&snippets["selectedLanguage"]);
    for (name, of) in [("curl", ""), ("wget", ""), ("sse", &*language), ("websocket", &language)] {
        if let Some(snippet) = snippets["selectedSnippets"][name].as_str() {
            text += format!("\n# {name} {of}").trim_end();
            text += &format!("\n{snippet}\n");
        }
    }
    let languages = snippets["availableLanguages"].as_array().into_iter().flatten();
    let languages: Vec<_> = languages.map(|language| cell(&language["value"])).collect();
    if !languages.is_empty() {
        text += &format!("\n# --language takes {}\n", languages.join(", "));
    }
    print(&data(text))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        other => harmless(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_replaced_in_both_control_ranges() {
        let due = "a\u{fffd}[1m\u{fffd}2J\u{fffd}\nb";
        assert_eq!(harmless("a\u{1b}[1m\u{9b}2J\u{7f}\nb"), due);
    }

    #[test]
    fn data_on_a_terminal_is_escaped_as_json_has_it() {
        assert_eq!(escaped("{\"a\":\"\u{9b}2J\"}\t\n"), "{\"a\":\"\\u009b2J\"}\t\n");
    }

    #[test]
    fn a_cell_of_a_table_never_steers_the_terminal() {
        let value = serde_json::json!([{ "name": "a\u{1b}[2Jb" }]);
        assert!(!table(&value, &["name"]).contains('\u{1b}'));
        let value = serde_json::json!({ "a\u{1b}[2Jb": 1 });
        assert!(!table(&value, &[]).contains('\u{1b}'));
    }
}
