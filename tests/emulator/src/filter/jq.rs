//! Filters in a real jq: a process of its own for each run, with nothing of the emulator's
//! environment, that is killed and reaped at its limits.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{MAX_FILTER_BYTES, MAX_OUTPUT_BYTES, MAX_RUN, outputs, shortened, too_much};

/// Most memory of a run, in MiB, where the shell can bound it.
const MAX_MEMORY: u32 = 512;
/// Longest time between two looks at whether the run is still wanted.
const LOOK: Duration = Duration::from_millis(10);
/// Most of standard error that is looked at, in bytes.
const MAX_ERROR_BYTES: u64 = 64 * 1024;
/// A home that lacks a `.jq`. Without the variable, jq would ask the system where the home is.
const HOME: &str = "/dev/null";

/// A jq that has said which version it is.
#[derive(Debug, Clone)]
pub(crate) struct Jq {
    program: PathBuf,
    version: String,
    /// Longest run.
    limit: Duration,
}

impl Jq {
    /// The jq at `program`: a path, or a name to look for in `PATH`.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub(crate) fn find(program: &Path) -> Result<Self, String> {
        let found = located(program).ok_or("there is no such program")?;
        let mut jq = Self { program: found, version: String::new(), limit: MAX_RUN };
        let ended = jq.execute(&["--version"], String::new(), &AtomicBool::new(false))?;
        let version = String::from_utf8_lossy(&ended.output).trim().to_owned();
        if !version.starts_with("jq-") {
            let line = version.lines().next().unwrap_or_default();
            return Err(format!("it says that it is {line:?}, and not jq-…"));
        }
        jq.version = version;
        Ok(jq)
    }

    /// Returns what the jq calls itself: `jq-1.6`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Whether `filter` compiles.
    pub(super) fn check(&self, filter: &str, cancelled: &AtomicBool) -> Result<(), String> {
        // Without input jq reads the filter and is done.
        self.filtered(filter, String::new(), cancelled).map(drop)
    }

    pub(super) fn run(
        &self,
        filter: &str,
        document: String,
        cancelled: &AtomicBool,
    ) -> Result<Option<String>, String> {
        let output = self.filtered(filter, document, cancelled)?;
        // A line end within a string is escaped.
        let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        outputs(lines.map(|line| Ok(String::from_utf8_lossy(line).into_owned())))
    }

    fn filtered(
        &self,
        filter: &str,
        document: String,
        cancelled: &AtomicBool,
    ) -> Result<Vec<u8>, String> {
        if filter.len() > MAX_FILTER_BYTES {
            return Err(format!("longer than {MAX_FILTER_BYTES} bytes"));
        }
        if filter.contains('\0') {
            return Err("a filter has no NUL".to_owned());
        }
        // jq would read files of the disk.
        if [false, true].iter().any(|continued| begins_with_a_module(filter, *continued)) {
            return Err("a filter has no modules".to_owned());
        }
        // The space: what begins with `-` is no option.
        let ended = self.execute(&["-c", &format!(" {filter}")], document, cancelled)?;
        if ended.status.success() {
            return Ok(ended.output);
        }
        Err(ended.why())
    }

    /// Runs jq to its end, or stops the run at its limits.
    fn execute(
        &self,
        args: &[&str],
        input: String,
        cancelled: &AtomicBool,
    ) -> Result<Ended, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.program.display());
        let child = bounded(&self.program)
            .args(args)
            .env_clear()
            .env("HOME", HOME)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut running = Running(child);
        let deadline = Instant::now() + self.limit;
        let (stdin, stdout, stderr) =
            (running.0.stdin.take(), running.0.stdout.take(), running.0.stderr.take());
        if let Some(mut stdin) = stdin {
            // What reads no further has its reasons, and its exit tells them.
            std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        }
        let output = stdout.map(|stdout| reading(stdout, MAX_OUTPUT_BYTES as u64 + 1));
        let error = stderr.map(|stderr| reading(stderr, MAX_ERROR_BYTES));
        let wait = |from: Option<Receiver<Vec<u8>>>| -> Result<Vec<u8>, String> {
            loop {
                match from.as_ref().map(|from| from.recv_timeout(LOOK)) {
                    Some(Ok(bytes)) => return Ok(bytes),
                    Some(Err(RecvTimeoutError::Timeout)) => self.may_go_on(deadline, cancelled)?,
                    Some(Err(RecvTimeoutError::Disconnected)) | None => return Ok(Vec::new()),
                }
            }
        };
        let output = wait(output)?;
        if output.len() > MAX_OUTPUT_BYTES {
            return Err(too_much());
        }
        let error = wait(error)?;
        loop {
            if let Some(status) = running.0.try_wait().map_err(failed)? {
                return Ok(Ended { status, output, error });
            }
            self.may_go_on(deadline, cancelled)?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn may_go_on(&self, deadline: Instant, cancelled: &AtomicBool) -> Result<(), String> {
        if cancelled.load(Ordering::Relaxed) {
            Err("the filter was stopped".to_owned())
        } else if Instant::now() > deadline {
            Err(format!("the filter ran for more than {} s", self.limit.as_secs_f64()))
        } else {
            Ok(())
        }
    }
}

/// A process that is killed and reaped if nobody waits for its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Neither fails for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that has ended.
struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    error: Vec<u8>,
}

impl Ended {
    /// The last thing that jq complained of: what a filter wrote by itself stands before it.
    fn why(&self) -> String {
        let error = String::from_utf8_lossy(&self.error);
        let complaint = error.rfind("jq: error").map_or(&*error, |start| &error[start..]);
        let complaint = complaint.trim().trim_start_matches("jq: error");
        // Where in the input: it is one document.
        let complaint = match complaint.strip_prefix(" (at ").and_then(|at| at.split_once(')')) {
            Some((_, rest)) => rest,
            None => complaint,
        };
        match (complaint.trim_start_matches([':', ' ']), self.status.code()) {
            ("", Some(code)) => format!("the filter halted with exit code {code}"),
            ("", None) => format!("jq was killed; it may take {MAX_MEMORY} MiB"),
            (complaint, _) => shortened(complaint),
        }
    }
}

/// The first `most` bytes of what comes, once no more comes or so many are there. What comes then
/// is read too, for whoever writes it would wait for ever.
fn reading(mut from: impl Read + Send + 'static, most: u64) -> Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What breaks off here shows in the exit.
        let _ = from.by_ref().take(most).read_to_end(&mut bytes);
        // Nobody asks where the run was stopped.
        let _ = tell.send(bytes);
        let _ = io::copy(&mut from, &mut io::sink());
    });
    told
}

/// The program, under a shell's limits for itself where there is such a shell: it takes the shell's
/// place, and a run that outlives the emulator is ended by the system.
#[cfg(unix)]
fn bounded(program: &Path) -> Command {
    let limits = format!(
        "ulimit -c 0; ulimit -t {}; ulimit -v {} 2>&-; unset PWD OLDPWD; exec \"$0\" \"$@\"",
        MAX_RUN.as_secs() + 1,
        MAX_MEMORY * 1024,
    );
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(limits).arg(program);
    command
}

#[cfg(not(unix))]
fn bounded(program: &Path) -> Command {
    Command::new(program)
}

/// Where a program is that is given as a path, or as a name in `PATH`.
fn located(program: &Path) -> Option<PathBuf> {
    let is_name = program.file_name() == Some(program.as_os_str());
    let path = std::env::var_os("PATH").filter(|_| is_name);
    let within = |path: &OsStr| {
        std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
    };
    match path {
        Some(path) => within(&path),
        None => std::path::absolute(program).ok().filter(|file| file.is_file()),
    }
}

/// Whether the first word, behind white space and comments, begins a module or loads one. Since jq
/// 1.7 a comment goes on in the next line where its own ends with an odd number of backslashes.
fn begins_with_a_module(filter: &str, continued: bool) -> bool {
    let mut rest = filter.trim_start();
    while let Some(comment) = rest.strip_prefix('#') {
        let mut lines = comment.split_inclusive('\n');
        let mut length = 0;
        for line in lines.by_ref() {
            length += line.len();
            let text = line.trim_end_matches(['\n', '\r']);
            let backslashes = text.len() - text.trim_end_matches('\\').len();
            if !continued || backslashes % 2 == 0 {
                break;
            }
        }
        rest = comment[length..].trim_start();
    }
    let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
    matches!(word, Some("module" | "import" | "include"))
}

/// The jq that tests use: `RESTLESS_JQ`, or one in `PATH`. Where there is none the run says so.
#[cfg(test)]
pub(super) fn installed() -> Option<Jq> {
    let program = std::env::var_os("RESTLESS_JQ").unwrap_or_else(|| "jq".into());
    match Jq::find(Path::new(&program)) {
        Ok(jq) => Some(jq),
        Err(why) => {
            eprintln!("skipped: no jq is installed here: {why}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> AtomicBool {
        AtomicBool::new(false)
    }

    fn run(filter: &str, document: &str) -> Option<Result<Option<String>, String>> {
        installed().map(|jq| jq.run(filter, document.to_owned(), &never()))
    }

    /// A filter, a document, and the data that comes of them, or a part of the error.
    type Case<'a> = (&'a str, &'a str, Result<Option<&'a str>, &'a str>);

    fn assert_all(cases: &[Case<'_>]) {
        let Some(jq) = installed() else { return };
        for (filter, document, due) in cases {
            let ran = jq.run(filter, (*document).to_owned(), &never());
            match (&ran, due) {
                (Ok(text), Ok(due)) => assert_eq!(text.as_deref(), *due, "{filter}"),
                (Err(why), Err(due)) => assert!(why.contains(due), "{filter}: {why}"),
                _ => panic!("{filter}: {ran:?}"),
            }
        }
    }

    #[test]
    fn outputs_are_those_of_jq() {
        assert_all(&[
            (".a", r#"{"a":[1,2]}"#, Ok(Some("[1,2]"))),
            (".[]", r#"[1,"a\nb"]"#, Ok(Some(r#"[1,"a\nb"]"#))),
            ("empty", "1", Ok(None)),
            ("-(.)", "1", Ok(Some("-1"))),
            ("del(.[0,2])", "[1,2,3,4]", Ok(Some("[2,4]"))),
            (".ms/1000", r#"{"ms":5000}"#, Ok(Some("5"))),
            (".meta.source=\"api\"", "{}", Ok(Some(r#"{"meta":{"source":"api"}}"#))),
            ("nan", "1", Ok(Some("null"))),
            (
                "[infinite, -infinite]",
                "1",
                Ok(Some("[1.7976931348623157e+308,-1.7976931348623157e+308]")),
            ),
            ("# a comment\n.", "1", Ok(Some("1"))),
            ("def import_all: 7; import_all", "1", Ok(Some("7"))),
        ]);
    }

    #[test]
    fn error_says_what_jq_says() {
        assert_all(&[
            (".a.b", r#"{"a":1}"#, Err("Cannot index number with")),
            (".a |", "1", Err("syntax error")),
            ("no_such_function", "1", Err("not defined")),
            ("error(\"no\")", "1", Err("no")),
            ("(\"jq: error: a lie\" | debug) | error(\"the truth\")", "1", Err("the truth")),
            ("\"gone\" | halt_error", "1", Err("gone")),
        ]);
    }

    #[test]
    fn filter_is_checked_without_a_document() {
        let Some(jq) = installed() else { return };
        assert_eq!(jq.check(".a.b", &never()), Ok(()));
        assert!(jq.check(".a |", &never()).is_err());
    }

    #[test]
    fn environment_of_a_run_is_cleared() {
        assert_all(&[
            ("env | del(.HOME)", "1", Ok(Some("{}"))),
            ("env.HOME", "1", Ok(Some("\"/dev/null\""))),
        ]);
    }

    #[test]
    fn filter_with_a_module_is_refused() {
        let no = Err("no modules");
        assert_all(&[
            ("import \"a\" as $a; .", "1", no),
            ("include \"a\"; .", "1", no),
            (" # b\n\n#c\n module {}; .", "1", no),
            ("# a \\\n b\nimport \"a\" as $a; .", "1", no),
            ("# a \\\nimport \"a\" as $a; .", "1", no),
        ]);
    }

    #[test]
    fn filter_too_long_or_with_nul_is_refused() {
        let long = format!(".{}", " ".repeat(MAX_FILTER_BYTES));
        assert_all(&[(&long, "1", Err("4096 bytes")), (".\0", "1", Err("no NUL"))]);
    }

    #[test]
    fn outputs_are_bounded_as_those_of_jaq() {
        let many = format!("range({})", super::super::MAX_OUTPUTS + 1);
        assert_all(&[(&many, "1", Err("outputs"))]);
        let Some(jq) = installed() else { return };
        let document = format!("\"{}\"", "a".repeat(MAX_OUTPUT_BYTES / 2));
        let ran = jq.run("., .", document, &never());
        assert!(ran.is_err_and(|why| why.contains("bytes")));
    }

    #[test]
    fn large_document_goes_in_while_output_comes_out() {
        let document = format!("[{}1]", "\"some text\",".repeat(50_000));
        let Some(ran) = run(".", &document) else { return };
        assert_eq!(ran, Ok(Some(document)));
    }

    /// The processes that this one has started and not reaped, by the system's word.
    #[cfg(target_os = "linux")]
    fn children(named: &str) -> usize {
        let own = std::process::id().to_string();
        let processes = std::fs::read_dir("/proc").expect("the processes");
        let stats = processes.flatten().filter_map(|process| {
            // It may end while it is looked at.
            std::fs::read_to_string(process.path().join("stat")).ok()
        });
        stats
            .filter(|stat| {
                let Some((name, rest)) = stat.rsplit_once(") ") else { return false };
                name.ends_with(named) && rest.split(' ').nth(1) == Some(&own)
            })
            .count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn run_is_killed_and_reaped_at_its_limit_and_when_nobody_waits() {
        let Some(jq) = installed() else { return };
        // Under a name of its own, for other tests run jq at the same time.
        let folder = std::env::temp_dir().join(format!("restless-jq-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("jq-limited");
        std::os::unix::fs::symlink(&jq.program, &program).expect("a link");
        let limit = Duration::from_millis(200);
        let jq = Jq { program, limit, ..jq };
        // About twice as long as the limit, if nobody stops it.
        let long = "last(range(2000000))";
        let ran = jq.run(long, "1".to_owned(), &never());
        let is_reaped = children("jq-limited") == 0;
        let cancelled = jq.run(long, "1".to_owned(), &AtomicBool::new(true));
        let is_reaped_again = children("jq-limited") == 0;
        std::fs::remove_dir_all(&folder).expect("a folder");
        assert_eq!(ran, Err("the filter ran for more than 0.2 s".to_owned()));
        assert_eq!(cancelled, Err("the filter was stopped".to_owned()));
        assert!(is_reaped && is_reaped_again);
    }

    #[test]
    fn program_that_is_no_jq_is_an_error_that_says_so() {
        let error = Jq::find(Path::new("/no/such/jq")).expect_err("nothing is there");
        assert_eq!(error, "there is no such program");
        #[cfg(unix)]
        {
            let error = Jq::find(Path::new("echo")).expect_err("it echoes");
            assert!(error.contains("not jq"), "{error}");
        }
    }
}
