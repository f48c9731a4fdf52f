//! Filters in a real jq: a process for each run, under the limits that a run in jaq has.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{MAX_FILTER_BYTES, MAX_OUTPUT_BYTES, collect, meter::MAX_RUN, shortened};

/// Most memory of a run, in KiB.
const MAX_MEMORY_KIB: usize = 1024 * 1024;

/// Whether jq compiles `filter`.
pub(super) async fn check(jq: &Path, filter: &str) -> Result<(), String> {
    // Without input there is nothing to run it on.
    output(jq, filter, "").await.map(drop)
}

/// What jq makes of `document`.
pub(super) async fn apply(
    jq: &Path,
    filter: &str,
    document: &str,
) -> Result<Option<String>, String> {
    let output = output(jq, filter, document).await?;
    let text = String::from_utf8(output).map_err(|_| "the output is not UTF-8".to_owned())?;
    collect(text.lines().map(|line| Ok(line.to_owned())))
}

async fn output(jq: &Path, filter: &str, document: &str) -> Result<Vec<u8>, String> {
    if filter.len() > MAX_FILTER_BYTES {
        return Err(format!("longer than {MAX_FILTER_BYTES} bytes"));
    }
    if has_modules(filter) {
        return Err("a filter has no modules".to_owned());
    }
    let run = tokio::time::timeout(MAX_RUN, run(jq, filter, document)).await;
    let Output { status, stdout, stderr } = run
        .map_err(|_| took_too_long(MAX_RUN))?
        .map_err(|error| format!("{} did not run: {error}", jq.display()))?;
    if stdout.len() > MAX_OUTPUT_BYTES {
        return Err(format!("more than {MAX_OUTPUT_BYTES} bytes"));
    }
    if status.success() {
        return Ok(stdout);
    }
    let told = String::from_utf8_lossy(&stderr);
    let told = told.trim().trim_start_matches("jq: ");
    Err(if told.is_empty() { format!("jq ended with {status}") } else { shortened(told) })
}

async fn run(jq: &Path, filter: &str, document: &str) -> std::io::Result<Output> {
    let mut jq = command(jq)
        .arg("-c")
        .arg("--")
        .arg(filter)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Who no longer waits for it has it ended.
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout, stderr) = (jq.stdin.take(), jq.stdout.take(), jq.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that ends before it has read everything has said why.
            let _ = stdin.write_all(document.as_bytes()).await;
        }
    };
    let read = |limit: usize| limit as u64 + 1;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reads = async {
        let all = async {
            if let Some(stdout) = stdout {
                stdout.take(read(MAX_OUTPUT_BYTES)).read_to_end(&mut out).await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let told = async {
            if let Some(stderr) = stderr {
                stderr.take(read(MAX_FILTER_BYTES)).read_to_end(&mut err).await?;
            }
            Ok(())
        };
        tokio::try_join!(all, told)
    };
    let ((), read) = tokio::join!(write, reads);
    read?;
    // What is more than is read blocks nobody: its pipe is closed.
    Ok(Output { status: jq.wait().await?, stdout: out, stderr: err })
}

/// jq with bounded memory, where a shell can bound it.
#[cfg(unix)]
fn command(jq: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    let bounded = format!("ulimit -c 0; ulimit -v {MAX_MEMORY_KIB}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(bounded).arg(jq);
    shell
}

#[cfg(not(unix))]
fn command(jq: &Path) -> Command {
    let _ = MAX_MEMORY_KIB;
    Command::new(jq)
}

fn took_too_long(limit: Duration) -> String {
    format!("the filter ran for more than {} s", limit.as_secs())
}

/// Whether a filter begins with what reads other files. Only there may it stand.
fn has_modules(filter: &str) -> bool {
    let lines = filter.lines().map(str::trim_start);
    let first = lines.skip_while(|line| line.is_empty() || line.starts_with('#')).next();
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let word = first.and_then(|line| line.split(|char| !is_word(char)).next());
    matches!(word, Some("import" | "include" | "module"))
}
