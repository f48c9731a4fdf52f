//! An SQLite database.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};

use crate::{Batch, Content, Position, Record, Sink, SinkError, Stored};

/// A store in an SQLite database, with tables of its own beside whatever is there.
///
/// ```sql
/// CREATE TABLE restless_feeds  (feed TEXT PRIMARY KEY, sequence INTEGER, cursor TEXT);
/// CREATE TABLE restless_events (feed TEXT, sequence INTEGER, cursor TEXT, type TEXT,
///                               unix_ms INTEGER, event TEXT, PRIMARY KEY (feed, sequence));
/// CREATE TABLE restless_dead   (feed TEXT, sequence INTEGER, cursor TEXT, reason TEXT, data BLOB,
///                               PRIMARY KEY (feed, sequence));
/// ```
///
/// One transaction stores a batch and moves the position. A batch is durable when the transaction
/// returns: the journal is in WAL mode with `synchronous=FULL`, set on each connection and read
/// back. WAL mode alone may lose the last transactions with the power.
///
/// A database whose file is deleted or replaced meanwhile takes no more, and ends the relay: what
/// is written there would go with the process.
///
/// Other processes may read the database at any time, and write to it: a database that is busy for
/// more than 5 s is a failure that may pass.
#[derive(Debug)]
pub struct Sqlite {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    connection: Connection,
    /// The file, where there is one.
    file: Option<Place>,
    each: Option<Box<Each>>,
}

type Each = dyn FnMut(&Transaction<'_>, u64, &Record) -> Result<(), SinkError> + Send;

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// The time for which a database that somebody else writes to is waited for.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS restless_feeds (
        feed TEXT PRIMARY KEY, sequence INTEGER NOT NULL, cursor TEXT
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS restless_events (
        feed TEXT NOT NULL, sequence INTEGER NOT NULL, cursor TEXT, type TEXT NOT NULL,
        unix_ms INTEGER, event TEXT NOT NULL, PRIMARY KEY (feed, sequence)
    );
    CREATE TABLE IF NOT EXISTS restless_dead (
        feed TEXT NOT NULL, sequence INTEGER NOT NULL, cursor TEXT, reason TEXT NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (feed, sequence)
    );
";

impl Sqlite {
    /// Opens a database, or makes one. The call blocks for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// Where the file can't be opened, is another thing than a database, or is refused durable
    /// writes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let connection = Connection::open(path).map_err(|e| failed("the database", e))?;
        Self::with(connection)
    }

    /// Takes a connection of the caller's, whose settings for durability are changed as said above.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with(connection: Connection) -> Result<Self, SinkError> {
        let set = |e| failed("the database's settings", e);
        connection.busy_timeout(BUSY).map_err(set)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0)).map_err(set)?;
        // The setting goes by name, and after the mode: the mode may set another.
        // On macOS, a sync without the other two leaves what is written in the drive's own memory.
        let durable =
            "PRAGMA synchronous=FULL; PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON";
        connection.execute_batch(durable).map_err(set)?;
        let level: i64 =
            connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(set)?;
        let in_memory = mode == "memory";
        if (mode != "wal" && !in_memory) || level != SYNCHRONOUS_FULL {
            let seen = format!("journal_mode is {mode}, synchronous is {level}");
            return Err(SinkError::will_not_pass(format!("the database is not durable: {seen}")));
        }
        connection.execute_batch(TABLES).map_err(|e| failed("the database's tables", e))?;
        let file = Place::of(&connection);
        Ok(Self { inner: Arc::new(Mutex::new(Inner { connection, file, each: None })) })
    }

    /// Calls a function with each record, in the transaction that stores the record: what the
    /// function writes to tables of the caller's is stored with the record, or not at all. The
    /// function gets the record's number in the feed, which never comes twice. The function may be
    /// called again for a record whose transaction failed.
    ///
    /// An error of [`SinkError::record`] is about that record, whatever index it names.
    #[must_use]
    pub fn each<F>(self, function: F) -> Self
    where
        F: FnMut(&Transaction<'_>, u64, &Record) -> Result<(), SinkError> + Send + 'static,
    {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).each = Some(Box::new(function));
        self
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        let inner = Arc::clone(&self.inner);
        blocking::unblock(move || {
            // A panic of the caller's function has rolled its transaction back.
            let done = work(&mut inner.lock().unwrap_or_else(PoisonError::into_inner));
            // Before the caller goes on: the database is closed where the caller drops the sink.
            drop(inner);
            done
        })
        .await
    }
}

const SYNCHRONOUS_FULL: i64 = 2;

impl Sink for Sqlite {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        let feed = feed.to_owned();
        self.run(move |inner| position(&inner.connection, &feed)).await
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        self.run(move |inner| inner.store(&batch)).await
    }
}

fn position(connection: &Connection, feed: &str) -> Result<Position, SinkError> {
    let mut select = connection
        .prepare_cached("SELECT sequence, cursor FROM restless_feeds WHERE feed = ?1")
        .map_err(|e| failed("the feed's position", e))?;
    let row = select.query_row([feed], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    let row = row.optional().map_err(|e| failed("the feed's position", e))?;
    Ok(match row {
        Some((sequence, cursor)) => Position::new(sequence.try_into().unwrap_or_default(), cursor),
        None => Position::default(),
    })
}

/// Which file it is, by its name and by its number in the file system.
struct Place {
    path: PathBuf,
    number: FileNumber,
}

/// The volume, and the file there.
type FileNumber = (u64, u64);

impl Place {
    /// Returns nothing for a database in memory, and where files have no numbers: there, a file
    /// that is open keeps its name.
    fn of(connection: &Connection) -> Option<Self> {
        let path = PathBuf::from(connection.path().filter(|path| !path.is_empty())?);
        let number = number_of(&std::fs::metadata(&path).ok()?)?;
        Some(Self { path, number })
    }

    /// Whether the name leads to another file by now, or to none.
    fn is_gone(&self) -> bool {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => number_of(&metadata) != Some(self.number),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

#[cfg(unix)]
fn number_of(metadata: &Metadata) -> Option<FileNumber> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn number_of(_: &Metadata) -> Option<FileNumber> {
    None
}

impl Inner {
    fn store(&mut self, batch: &Batch) -> Result<Stored, SinkError> {
        if let Some(file) = self.file.as_ref().filter(|file| file.is_gone()) {
            let what = format!("the database was deleted or replaced: {}", file.path.display());
            return Err(SinkError::will_not_pass(what));
        }
        let failed = |e| failed("the batch", e);
        // The lock to write comes first, or two writers that have both read could not go on.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        if position(&transaction, &batch.feed)?.sequence != batch.expected.sequence {
            return Ok(Stored::Moved);
        }
        {
            let mut event = transaction
                .prepare_cached("INSERT INTO restless_events VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                .map_err(failed)?;
            let mut dead = transaction
                .prepare_cached("INSERT INTO restless_dead VALUES (?1, ?2, ?3, ?4, ?5)")
                .map_err(failed)?;
            for (index, (number, record)) in batch.numbered().enumerate() {
                let (feed, cursor) = (&*batch.feed, &record.cursor);
                let sequence = signed(number)?;
                match &record.content {
                    Content::Event(content) => {
                        let kind = content.kind().as_str();
                        let row =
                            params![feed, sequence, cursor, kind, record.unix_ms(), content.raw()];
                        event.execute(row).map_err(failed)?;
                    }
                    Content::Dead(letter) => {
                        let row = params![feed, sequence, cursor, letter.reason, &letter.data[..]];
                        dead.execute(row).map_err(failed)?;
                    }
                }
                if let Some(each) = &mut self.each {
                    each(&transaction, number, record).map_err(|error| {
                        match error.record_index() {
                            Some(_) => SinkError::record(index, error.to_string()),
                            None => error,
                        }
                    })?;
                }
            }
            let reached = batch.position();
            let row = params![&*batch.feed, signed(reached.sequence)?, reached.cursor];
            transaction
                .prepare_cached(
                    "INSERT INTO restless_feeds VALUES (?1, ?2, ?3)
                     ON CONFLICT (feed) DO UPDATE SET sequence = ?2, cursor = ?3",
                )
                .and_then(|mut moved| moved.execute(row))
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Stored::Stored)
    }
}

fn signed(number: u64) -> Result<i64, SinkError> {
    i64::try_from(number).map_err(|e| SinkError::will_not_pass("too many records").with_source(e))
}

fn failed(what: &str, error: rusqlite::Error) -> SinkError {
    let may_pass = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::SystemIoFailure
        )
    );
    let error_of = if may_pass { SinkError::may_pass } else { SinkError::will_not_pass };
    error_of(format!("{what} in SQLite")).with_source(error)
}
