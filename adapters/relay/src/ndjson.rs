//! A folder of files, one JSON object a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::{Batch, Content, Position, Record, Sink, SinkError, Stored};

/// A store in a folder: for each feed files `FEED.00000001.ndjson`, `FEED.00000002.ndjson`, ….
///
/// ```json
/// {"sequence":1,"cursor":"1700000000000","event":{"type":"update","meta":{},"data":1}}
/// {"sequence":2,"cursor":"1700000000001","dead":{"reason":"no JSON","data":"bm8ganNvbg=="}}
/// ```
///
/// A whole line is the atomic step: a record, its number and the cursor behind it. A batch is one
/// write and one `fdatasync`; a crash within it leaves the first lines of the batch, which count,
/// and behind them what is cut off when the folder is opened again: a torn line, or, where the
/// power failed, what follows a hole. A file system that shows old data in such a hole (ext4 with
/// `data=writeback`) is no place for such a folder. A line end within an event, which JSON allows
/// between tokens, becomes a space. The data of a dead letter is in base64.
///
/// A file that is deleted while the sink writes to it is a failure that may pass: the feed then
/// stands where the files that are left say.
///
/// The folder belongs to one process: a lock on the file `lock` keeps a second one out, as far as
/// the file system has locks.
#[derive(Debug)]
pub struct Ndjson {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    most_file_bytes: u64,
    _lock: Lock,
    feeds: std::collections::HashMap<String, Log>,
}

/// The file that is held open for its lock.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // The file's end would do it, but for a child process that is just being started, and has
        // the file until it is.
        let _ = fs4::FileExt::unlock(&self.0);
    }
}

/// The last file of a feed.
#[derive(Debug)]
struct Log {
    file: File,
    number: u64,
    /// The length of the file's whole lines.
    bytes: u64,
    /// Whether a write has failed, so that what lies behind those lines is to be cut off.
    is_torn: bool,
    /// Whether the file can't even be cut off: the volume may be another one by now.
    is_lost: bool,
    position: Position,
}

/// The size at which a next file is begun, unless set otherwise.
const MOST_FILE_BYTES: u64 = 64 << 20;

/// The characters that stand for themselves in a file's name: letters, digits, `-` and `_`.
const IN_NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// The longest name of a file, in bytes, on nearly all file systems.
const LONGEST_NAME: usize = 255;

/// The step of the search for holes and for line ends.
const STEP: u64 = 64 << 10;

impl Ndjson {
    /// Opens a folder, or makes one. The call blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// Where the file can't be made or written to, or is open in another process.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, SinkError> {
        let folder = folder.into();
        let failed = |error| io_failed("the folder", &folder, error);
        create_folder(&folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        if let Err(error) = fs4::FileExt::try_lock(&lock) {
            let what = at("another process has the folder open, or it can't be locked:", &folder);
            return Err(SinkError::will_not_pass(what).with_source(error));
        }
        let most_file_bytes = MOST_FILE_BYTES;
        let _lock = Lock(lock);
        let inner = Inner { folder, most_file_bytes, _lock, feeds: Default::default() };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Sets the size at which a next file is begun. Default: 64 MiB. A file is larger where its
    /// last batch is.
    #[must_use]
    pub fn most_file_bytes(self, most: u64) -> Self {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).most_file_bytes = most;
        self
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let inner = Arc::clone(&self.inner);
        blocking::unblock(move || {
            let done = work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
            // Before the caller goes on: it may drop the sink, and open the folder again.
            drop(inner);
            done
        })
        .await
    }
}

impl Sink for Ndjson {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        let feed = feed.to_owned();
        self.run(move |inner| {
            // Where the file is gone, the folder says where the feed stands.
            let _ = inner.forget_what_is_gone(&feed);
            Ok(inner.log(&feed)?.position.clone())
        })
        .await
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        self.run(move |inner| inner.store(&batch)).await
    }
}

impl Inner {
    /// Forgets a file that was deleted while it was open: what is written there goes with the
    /// process, though each write and each sync is good.
    fn forget_what_is_gone(&mut self, feed: &str) -> Result<(), SinkError> {
        let Some(log) = self.feeds.get(feed) else { return Ok(()) };
        let path = self.path(feed, log.number);
        if log.is_lost {
            cut(&path, log.bytes).map_err(|e| io_failed("the file", &path, e))?;
        } else if !is_deleted(&log.file, &path) {
            return Ok(());
        }
        self.feeds.remove(feed);
        Err(SinkError::may_pass(at("the file is gone:", &path)))
    }

    /// Returns the feed's last file, read to its end where it was not open.
    fn log(&mut self, feed: &str) -> Result<&mut Log, SinkError> {
        if !self.feeds.contains_key(feed) {
            let log = self.open_log(feed)?;
            self.feeds.insert(feed.to_owned(), log);
        }
        self.feeds.get_mut(feed).ok_or_else(|| SinkError::will_not_pass("no such feed"))
    }

    fn open_log(&self, feed: &str) -> Result<Log, SinkError> {
        let mut numbers = self.numbers(feed)?;
        // The process before this one may have ended before it had made a file's name durable.
        sync_folder(&self.folder).map_err(|e| io_failed("the folder", &self.folder, e))?;
        let Some(number) = numbers.pop() else {
            let path = self.path(feed, 1);
            if path.file_name().is_some_and(|name| name.len() > LONGEST_NAME) {
                return Err(SinkError::will_not_pass(at("the name is too long:", &path)));
            }
            if path.exists() {
                let what = at("here, the name of another feed is the same:", &path);
                return Err(SinkError::will_not_pass(what));
            }
            return self.begin_log(feed, 1, None);
        };
        let log = self.read_log(feed, number)?;
        let (file, bytes) = (log.file, log.bytes);
        // A file that was begun and got no line says nothing; the file before does.
        let mut position = log.position;
        while position.is_none() {
            let Some(before) = numbers.pop() else { break };
            position = self.read_log(feed, before)?.position;
        }
        let position = position.unwrap_or_default();
        Ok(Log { file, number, bytes, is_torn: false, is_lost: false, position })
    }

    /// Returns the numbers of the feed's files, rising.
    fn numbers(&self, feed: &str) -> Result<Vec<u64>, SinkError> {
        let failed = |e| io_failed("the folder", &self.folder, e);
        let prefix = format!("{}.", utf8_percent_encode(feed, IN_NAME));
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            let number = number.and_then(|rest| rest.strip_suffix(".ndjson"));
            numbers.extend(number.and_then(|digits| digits.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, feed: &str, number: u64) -> PathBuf {
        self.folder.join(format!("{}.{number:08}.ndjson", utf8_percent_encode(feed, IN_NAME)))
    }

    fn begin_log(
        &self,
        feed: &str,
        number: u64,
        position: Option<Position>,
    ) -> Result<Log, SinkError> {
        let path = self.path(feed, number);
        let failed = |e| io_failed("the file", &path, e);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(failed)?;
        // The file's name is durable only with the folder.
        sync_folder(&self.folder).map_err(|e| io_failed("the folder", &self.folder, e))?;
        let position = position.unwrap_or_default();
        Ok(Log { file, number, bytes: 0, is_torn: false, is_lost: false, position })
    }

    fn read_log(&self, feed: &str, number: u64) -> Result<Whole, SinkError> {
        let path = self.path(feed, number);
        let failed = |e| io_failed("the file", &path, e);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let solid = before_hole(&mut file, length).map_err(failed)?;
        let bytes = line_end_before(&mut file, solid).map_err(failed)?;
        if bytes < length {
            file.set_len(bytes).map_err(failed)?;
        }
        // The process before this one may have ended between its write and its sync: lines count
        // once they are durable.
        file.sync_data().map_err(failed)?;
        if bytes == 0 {
            return Ok(Whole { file, bytes, position: None });
        }
        let start = line_end_before(&mut file, bytes - 1).map_err(failed)?;
        let mut line = Vec::new();
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        (&mut file).take(bytes - start).read_to_end(&mut line).map_err(failed)?;
        let Some(position) = position_in(&line) else {
            let what = at("the last line says no position:", &path);
            return Err(SinkError::will_not_pass(what));
        };
        Ok(Whole { file, bytes, position: Some(position) })
    }

    fn store(&mut self, batch: &Batch) -> Result<Stored, SinkError> {
        let most = self.most_file_bytes;
        self.forget_what_is_gone(&batch.feed)?;
        let (bytes, number, position) = {
            let log = self.log(&batch.feed)?;
            (log.bytes, log.number, log.position.clone())
        };
        if position.sequence != batch.expected.sequence {
            return Ok(Stored::Moved);
        }
        if bytes >= most {
            match self.begin_log(&batch.feed, number.saturating_add(1), Some(position)) {
                Ok(next) => drop(self.feeds.insert(batch.feed.to_string(), next)),
                Err(error) => {
                    // The file may be there all the same: the folder is looked through again.
                    self.feeds.remove(&*batch.feed);
                    return Err(error);
                }
            }
        }
        let mut lines = Vec::new();
        for (number, record) in batch.numbered() {
            write_line(&mut lines, number, record);
        }
        let log = self.log(&batch.feed)?;
        log.write(&lines).map_err(|e| io_failed("the file of", Path::new(&*batch.feed), e))?;
        log.position = batch.position();
        Ok(Stored::Stored)
    }
}

/// What a file holds.
struct Whole {
    file: File,
    bytes: u64,
    position: Option<Position>,
}

impl Log {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.write_behind(lines);
        if written.is_err() {
            // The next write does it again. This is for a process that ends before: the next one
            // would take what the system's memory holds for what is on the disk.
            self.is_lost = self.file.set_len(self.bytes).is_err();
        }
        written
    }

    fn write_behind(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            // What a failed sync has left in the system's memory would read as if it were on the
            // disk.
            self.file.set_len(self.bytes)?;
            self.file.sync_data()?;
        }
        self.is_torn = true;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.is_torn = false;
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        Ok(())
    }
}

/// Cuts off what is behind the lines that are known to be on the disk: what a failed sync has left
/// in the system's memory would read as if it were there, too.
fn cut(path: &Path, bytes: u64) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if file.metadata()?.len() > bytes {
        file.set_len(bytes)?;
        file.sync_data()?;
    }
    Ok(())
}

/// Whether a file has lost its name. A file system that counts no names may say 0 for each file:
/// there the name says it.
#[cfg(unix)]
fn is_deleted(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(open) = file.metadata() else { return false };
    let is_there = |named: fs::Metadata| (named.dev(), named.ino()) == (open.dev(), open.ino());
    open.nlink() == 0 && !fs::metadata(path).is_ok_and(is_there)
}

/// Elsewhere a file that is open keeps its name.
#[cfg(not(unix))]
fn is_deleted(_: &File, _: &Path) -> bool {
    false
}

/// Returns the place of the first hole before `end`, or `end`. After a power failure, parts of the
/// last write may have come to the disk without those before them, which then read as zeros. JSON
/// has no such byte.
fn before_hole(file: &mut File, end: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut start = 0;
    file.seek(SeekFrom::Start(0))?;
    while start < end {
        block.clear();
        (&mut *file).take(STEP.min(end - start)).read_to_end(&mut block)?;
        if let Some(at) = block.iter().position(|byte| *byte == 0) {
            return Ok(start + at as u64);
        }
        if block.is_empty() {
            break;
        }
        start += block.len() as u64;
    }
    Ok(end)
}

/// Returns the place behind the last line end before `end`, or 0.
fn line_end_before(file: &mut File, mut end: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn write_line(lines: &mut Vec<u8>, number: u64, record: &Record) {
    let cursor = record.cursor.as_deref().map_or(Value::Null, Value::from);
    lines.extend_from_slice(format!(r#"{{"sequence":{number},"cursor":{cursor},"#).as_bytes());
    match &record.content {
        Content::Event(event) => {
            lines.extend_from_slice(br#""event":"#);
            let text = event.raw().bytes();
            lines.extend(text.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        }
        Content::Dead(letter) => {
            let (reason, data) = (Value::from(&*letter.reason), BASE64.encode(&letter.data));
            let dead = format!(r#""dead":{{"reason":{reason},"data":"{data}"}}"#);
            lines.extend_from_slice(dead.as_bytes());
        }
    }
    lines.extend_from_slice(b"}\n");
}

/// What a line says of the position; the event is passed over, however deep it nests.
#[derive(Deserialize)]
struct Said {
    sequence: u64,
    cursor: Option<String>,
}

fn position_in(line: &[u8]) -> Option<Position> {
    let Said { sequence, cursor } = serde_json::from_slice(line).ok()?;
    Some(Position::new(sequence, cursor))
}

/// Makes a folder and those above it, durably.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing = folder.ancestors().take_while(|path| !path.as_os_str().is_empty());
    let missing: Vec<_> = missing.take_while(|path| !path.exists()).collect();
    fs::create_dir_all(folder)?;
    for made in missing {
        let above = made.parent().filter(|path| !path.as_os_str().is_empty());
        sync_folder(above.unwrap_or_else(|| Path::new(".")))?;
    }
    Ok(())
}

/// Makes a folder's entries durable, which they are once the folder is; on Windows they are by
/// themselves.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(folder)?.sync_all() }
}

fn at(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}

fn io_failed(what: &str, path: &Path, error: io::Error) -> SinkError {
    let will_not_pass = matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
    );
    let of = if will_not_pass { SinkError::will_not_pass } else { SinkError::may_pass };
    of(at(what, path)).with_source(error)
}

#[cfg(test)]
mod tests {
    use restless_proto::StreamEvent;
    use restless_proto::event::SseId;

    use super::*;

    fn batch(expected: Position, id: &str) -> Arc<Batch> {
        let text = r#"{"type":"update","meta":{"timestamp":"1970-01-01T00:00:07Z"},"data":1}"#;
        let event = StreamEvent::parse(text, SseId::Own(id)).unwrap();
        let record = Record::new(Some(id.to_owned()), Content::Event(event));
        Arc::new(Batch::new("orders", expected, vec![record]))
    }

    /// As where a volume was taken away, and is there again.
    #[tokio::test]
    async fn a_file_that_takes_neither_a_line_nor_a_cut_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Ndjson::open(folder.path()).unwrap();
        let _ = sink.store(batch(Position::default(), "10")).await.unwrap();
        let position = sink.position("orders").await.unwrap();
        let path = folder.path().join("orders.00000001.ndjson");
        {
            let mut inner = sink.inner.lock().unwrap();
            let log = inner.feeds.get_mut("orders").unwrap();
            // It is open to be read alone.
            log.file = File::open(&path).unwrap();
        }
        let next = batch(position.clone(), "11");
        let error = sink.store(Arc::clone(&next)).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        // Memory has a line that never came to the disk, and shows it to whoever reads the file.
        let mut lines = Vec::new();
        next.numbered().for_each(|(number, record)| write_line(&mut lines, number, record));
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&lines).unwrap();
        assert_eq!(sink.position("orders").await.unwrap(), position);
        assert_eq!(sink.store(next).await.unwrap(), Stored::Stored);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
