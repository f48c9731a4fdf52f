//! A PostgreSQL database.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Batch, Content, DeadLetter, Position, Record, Sink, SinkError, Stored};

/// A store in a PostgreSQL database, with tables of its own beside whatever is there.
///
/// ```sql
/// CREATE TABLE restless_feeds  (feed text PRIMARY KEY, sequence bigint, cursor text);
/// CREATE TABLE restless_events (feed text, sequence bigint, cursor text, type text,
///                               unix_ms bigint, event json, PRIMARY KEY (feed, sequence));
/// CREATE TABLE restless_dead   (feed text, sequence bigint, cursor text, reason text, data bytea,
///                               PRIMARY KEY (feed, sequence));
/// ```
///
/// One transaction stores a batch, and moves the position by compare-and-set: `UPDATE … WHERE
/// sequence = …` has to move a row, or the transaction stores nothing. A batch is durable when the
/// transaction returns: `synchronous_commit` is set for each transaction, whatever the server's
/// default is.
///
/// Events are `json`, which keeps their spelling; `jsonb` refuses `\u0000` and numbers such as
/// 1e-20000. The sink wants a tokio runtime, on which each connection has a task.
///
/// A failure that may pass costs the connection, and the next step makes another one: a connection
/// that breaks, a server that has become read-only by a failover, a table that another session has
/// locked ([`lock_timeout`](Self::lock_timeout)), a statement that takes longer than four minutes
/// (a shorter `statement_timeout` of the server's counts), and a step that takes longer than five.
/// The server itself gives up by then, so that no session of the sink's is left behind. Where the
/// address leaves them out, a connect has 10 s, what was sent 30 s to arrive, and a silent
/// connection is probed after 30 s.
pub struct Postgres {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    lock_timeout: Duration,
    client: Option<Client>,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS restless_feeds (
        feed text PRIMARY KEY, sequence bigint NOT NULL, cursor text
    );
    CREATE TABLE IF NOT EXISTS restless_events (
        feed text NOT NULL, sequence bigint NOT NULL, cursor text, type text NOT NULL,
        unix_ms bigint, event json NOT NULL, PRIMARY KEY (feed, sequence)
    );
    CREATE TABLE IF NOT EXISTS restless_dead (
        feed text NOT NULL, sequence bigint NOT NULL, cursor text, reason text NOT NULL,
        data bytea NOT NULL, PRIMARY KEY (feed, sequence)
    );
";

/// The longest time for a step: a server may be gone without a word.
const STEP: Duration = Duration::from_secs(300);
/// The longest time for a statement, by the server's clock.
const STATEMENT: Duration = Duration::from_secs(240);
/// The longest wait for a lock, unless set otherwise.
const LOCK: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);

/// What one of two workers is told that make the tables in the same moment.
const MADE_MEANWHILE: [SqlState; 2] = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE];

impl Postgres {
    /// Takes a database by its URL or key-value string, as libpq has them. The first step connects.
    /// The connection goes without TLS: for a socket on this machine, or a network that is trusted.
    ///
    /// # Errors
    ///
    /// Where the string can't be read.
    pub fn new(database: &str) -> Result<Self, SinkError> {
        let mut config: Config = database.parse().map_err(|error: tokio_postgres::Error| {
            SinkError::will_not_pass("the database's address can't be read").with_source(error)
        })?;
        let unset = Config::new();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if config.get_keepalives_idle() == unset.get_keepalives_idle() {
            config.keepalives_idle(SILENCE);
        }
        Ok(Self { config, tls: None, lock_timeout: LOCK, client: None })
    }

    /// The most bytes of an event's text. A field has at most 1 GiB; the text is sent and checked
    /// in less.
    pub const MOST_RECORD_BYTES: usize = 256 << 20;

    /// Sets how long a step waits where another session has locked a table, as `CREATE INDEX` does:
    /// after that time the step fails for now, and is tried again. Default: 60 s; at least 1 ms and
    /// at most 240 s. A shorter `lock_timeout` of the server's counts.
    #[must_use]
    pub fn lock_timeout(mut self, span: Duration) -> Self {
        self.lock_timeout = span.clamp(Duration::from_millis(1), STATEMENT);
        self
    }

    /// Whether the address asks for TLS: by `sslmode=require`, or because a host is beyond this
    /// machine and the address leaves `sslmode=disable` out.
    pub fn wants_tls(&self) -> bool {
        let mode = self.config.get_ssl_mode();
        let is_here = |host: &Host| match host {
            Host::Tcp(name) => {
                let address = name.parse::<IpAddr>();
                name == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        };
        // Where an address is given, it is connected to, whatever the host's name.
        let addresses = self.config.get_hostaddrs();
        let all_here = match addresses {
            [] => self.config.get_hosts().iter().all(is_here),
            addresses => addresses.iter().all(IpAddr::is_loopback),
        };
        mode == SslMode::Require || (mode != SslMode::Disable && !all_here)
    }

    /// Connects over TLS, with this configuration. A server without TLS is refused, unless the
    /// address says `sslmode=disable`.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        if self.config.get_ssl_mode() != SslMode::Disable {
            self.config.ssl_mode(SslMode::Require);
        }
        self.tls = Some(config);
        self
    }

    /// Returns a connection that stands, as far as is known.
    async fn client(&mut self) -> Result<&mut Client, SinkError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            let client = match &self.tls {
                None => {
                    let connected = self.config.connect(NoTls).await;
                    let (client, connection) = connected.map_err(|e| failed("connecting to", e))?;
                    tokio::spawn(connection);
                    client
                }
                Some(tls) => {
                    let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
                    let connected = self.config.connect(tls).await;
                    let (client, connection) = connected.map_err(|e| failed("connecting to", e))?;
                    tokio::spawn(connection);
                    client
                }
            };
            let tables = format!("{}{TABLES}", patience(self.lock_timeout));
            match client.batch_execute(&tables).await {
                Err(error) if error.code().is_some_and(|code| MADE_MEANWHILE.contains(code)) => {}
                made => made.map_err(|e| failed("making the tables of", e))?,
            }
            self.client = Some(client);
        }
        self.client.as_mut().ok_or_else(|| SinkError::may_pass("no connection to PostgreSQL"))
    }
}

impl Postgres {
    /// Lets a step have its time, and gives up the connection where the step has failed for now.
    async fn step<T>(
        &mut self,
        step: impl AsyncFnOnce(&mut Client, &str) -> Result<T, SinkError>,
    ) -> Result<T, SinkError> {
        let patience = patience(self.lock_timeout);
        let run = async {
            let client = self.client().await?;
            step(client, &patience).await
        };
        let done = tokio::time::timeout(STEP, run).await.unwrap_or_else(|_| {
            self.cancel();
            Err(SinkError::may_pass(format!("no answer from PostgreSQL within {STEP:?}")))
        });
        if done.as_ref().is_err_and(SinkError::is_transient) {
            self.client = None;
        }
        done
    }

    /// Asks the server to end what is under way: without its end, the connection stays.
    fn cancel(&self) {
        let Some(token) = self.client.as_ref().map(Client::cancel_token) else { return };
        let tls = self.tls.as_deref().cloned();
        tokio::spawn(async move {
            let asked = async {
                match tls {
                    None => token.cancel_query(NoTls).await,
                    Some(tls) => token.cancel_query(MakeRustlsConnect::new(tls)).await,
                }
            };
            // A server that is gone has nothing to end.
            drop(tokio::time::timeout(CONNECT, asked).await);
        });
    }
}

/// What begins each transaction, beside what it is for: the server itself gives up before the step
/// does, unless its own settings are shorter.
fn patience(lock_timeout: Duration) -> String {
    let (lock, statement) = (lock_timeout.as_millis(), STATEMENT.as_millis());
    format!(
        "SELECT set_config(name, most, true)
         FROM (VALUES ('lock_timeout', '{lock}ms'), ('statement_timeout', '{statement}ms'))
         AS longest (name, most)
         WHERE current_setting(name)::interval NOT BETWEEN '1ms' AND most::interval;"
    )
}

async fn position(client: &mut Client, patience: &str, feed: &str) -> Result<Position, SinkError> {
    let read = |e| failed("reading from", e);
    let transaction = client.transaction().await.map_err(read)?;
    transaction.batch_execute(patience).await.map_err(read)?;
    let row = transaction
        .query_opt("SELECT sequence, cursor FROM restless_feeds WHERE feed = $1", &[&feed])
        .await
        .map_err(read)?;
    transaction.commit().await.map_err(read)?;
    let Some(row) = row else { return Ok(Position::default()) };
    let sequence: i64 = row.try_get(0).map_err(read)?;
    Ok(Position::new(sequence.try_into().unwrap_or_default(), row.try_get(1).map_err(read)?))
}

impl Sink for Postgres {
    async fn position(&mut self, feed: &str) -> Result<Position, SinkError> {
        self.step(async |client, patience| position(client, patience, feed).await).await
    }

    async fn store(&mut self, batch: Arc<Batch>) -> Result<Stored, SinkError> {
        self.step(async |client, patience| match store(client, patience, &batch).await {
            Ok(stored) => Ok(stored),
            Err(error) if is_about_data(&error) => Err(refused(client, &batch, error).await),
            Err(error) => Err(failed("storing in", error)),
        })
        .await
    }

    fn most_record_bytes(&self) -> Option<usize> {
        Some(Self::MOST_RECORD_BYTES)
    }
}

async fn store(
    client: &mut Client,
    patience: &str,
    batch: &Batch,
) -> Result<Stored, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let settings = format!("{patience} SET LOCAL synchronous_commit = on");
    transaction.batch_execute(&settings).await?;
    let feed = &*batch.feed;
    let (expected, reached) = (signed(batch.expected.sequence), batch.position());
    if batch.expected.sequence == 0 {
        // The row has to be there to be moved: a missing position could never move.
        transaction
            .execute(
                "INSERT INTO restless_feeds VALUES ($1, 0, NULL) ON CONFLICT DO NOTHING",
                &[&feed],
            )
            .await?;
    }
    let moved = transaction
        .execute(
            "UPDATE restless_feeds SET sequence = $3, cursor = $4 WHERE feed = $1 AND sequence = $2",
            &[&feed, &expected, &signed(reached.sequence), &reached.cursor],
        )
        .await?;
    if moved == 0 {
        transaction.rollback().await?;
        return Ok(Stored::Moved);
    }
    let mut events = Events::default();
    let mut letters = Vec::new();
    for (number, record) in batch.numbered() {
        match &record.content {
            Content::Event(event) => {
                events.numbers.push(signed(number));
                events.cursors.push(record.cursor.as_deref());
                events.kinds.push(event.kind().as_str());
                events.times.push(record.unix_ms());
                events.texts.push(event.raw());
            }
            Content::Dead(letter) => letters.push((number, record, letter)),
        }
    }
    if !events.numbers.is_empty() {
        let Events { numbers, cursors, kinds, times, texts } = &events;
        transaction
            .execute(
                "INSERT INTO restless_events
                 SELECT $1, n, c, k, t, e::json FROM unnest($2::bigint[], $3::text[], $4::text[],
                 $5::bigint[], $6::text[]) AS row (n, c, k, t, e)",
                &[&feed, numbers, cursors, kinds, times, texts],
            )
            .await?;
    }
    for (number, record, letter) in letters {
        bury(&transaction, feed, signed(number), record, letter).await?;
    }
    transaction.commit().await?;
    Ok(Stored::Stored)
}

/// The columns of a batch's events.
#[derive(Default)]
struct Events<'a> {
    numbers: Vec<i64>,
    cursors: Vec<Option<&'a str>>,
    kinds: Vec<&'a str>,
    times: Vec<Option<i64>>,
    texts: Vec<&'a str>,
}

async fn bury(
    transaction: &tokio_postgres::Transaction<'_>,
    feed: &str,
    number: i64,
    record: &Record,
    letter: &DeadLetter,
) -> Result<(), tokio_postgres::Error> {
    // A text of PostgreSQL's can't hold NUL.
    let reason = letter.reason.replace('\0', "\u{FFFD}");
    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&feed, &number, &record.cursor, &reason, &&letter.data[..]];
    transaction.execute("INSERT INTO restless_dead VALUES ($1, $2, $3, $4, $5)", &row).await?;
    Ok(())
}

/// Whether the error is a data exception: something in the batch is no value of its column.
fn is_about_data(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        code.code().starts_with("22") || *code == SqlState::STATEMENT_TOO_COMPLEX
    })
}

/// Finds the record that the error is about: each record is tried by itself.
async fn refused(client: &Client, batch: &Batch, error: tokio_postgres::Error) -> SinkError {
    for (index, record) in batch.records.iter().enumerate() {
        let Some(event) = record.event() else { continue };
        let read = client.query_one("SELECT ($1::text)::json IS NULL", &[&event.raw()]).await;
        match read {
            Err(error) if is_about_data(&error) => {
                return SinkError::record(index, "PostgreSQL does not take it").with_source(error);
            }
            Err(error) => return failed("reading from", error),
            Ok(_) => {}
        }
    }
    failed("storing in", error)
}

/// Makes a number one of PostgreSQL's. A feed of 2^63 records would take longer than there is time.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn failed(what: &str, error: tokio_postgres::Error) -> SinkError {
    let what = format!("{what} PostgreSQL");
    let may_pass = match error.code() {
        None => may_pass_without_an_answer(&error),
        // The server has become a standby, and another server takes its place; or this machine was
        // suspended within a transaction (25P03, and 25P04 from version 17 on).
        Some(code) if matches!(code.code(), "25006" | "25P03" | "25P04") => true,
        Some(code) => {
            let class = code.code().get(..2).unwrap_or_default();
            // Connections, transactions that met another (40001, 40P01), resources, the
            // operator, the disk.
            matches!(class, "08" | "40" | "53" | "55" | "57" | "58")
        }
    };
    let of = if may_pass { SinkError::may_pass } else { SinkError::will_not_pass };
    of(what).with_source(error)
}

/// Without an answer, the connection is gone, or was never there. What has another cause than I/O
/// is about the address, the password or TLS, and would come again; so is a certificate that is
/// not trusted.
fn may_pass_without_an_answer(error: &tokio_postgres::Error) -> bool {
    let Some(cause) = error.source() else { return true };
    let Some(io) = cause.downcast_ref::<std::io::Error>() else { return false };
    let tls = io.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    !matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// Leaves out all of the database's address that may be a secret.
impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.config.get_hosts();
        f.debug_struct("Postgres").field("hosts", &hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_wanted_to_wherever_the_address_leads_beyond_this_machine() {
        for (database, wants) in [
            ("host=localhost", false),
            ("host=127.0.0.1 sslmode=require", true),
            ("host=/run/postgresql", false),
            ("postgres://u@db.test/d", true),
            ("host=db.test sslmode=disable", false),
            ("host=localhost,db.test", true),
            ("host=localhost hostaddr=10.0.0.5", true),
            ("hostaddr=10.0.0.5", true),
            ("host=db.test hostaddr=127.0.0.1", false),
        ] {
            assert_eq!(Postgres::new(database).unwrap().wants_tls(), wants, "{database}");
        }
    }
}
