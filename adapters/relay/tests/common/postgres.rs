//! A PostgreSQL server of a test's own: Debian's, started on loopback in a temporary folder.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use super::port::free_port;

/// A server of its own, gone with the test.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// `None` where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("PostgreSQL is not installed here: not tried");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        own(folder.path());
        let data = folder.path().join("data");
        let made = as_server(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let port = free_port();
        let child = run(&programs, folder.path(), port);
        let mut server = Self { folder, programs, port, child };
        server.until_ready();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    fn until_ready(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        let asked = self.programs.join("pg_isready");
        loop {
            let ready = Command::new(&asked)
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status();
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(Instant::now() < end, "PostgreSQL did not start");
            // Behind a kill it ends at once for as long as a process of the old server is not over.
            if self.child.try_wait().unwrap().is_some() {
                self.child = run(&self.programs, self.folder.path(), self.port);
            }
            std::thread::yield_now();
        }
    }

    /// As a crash: what it had not made durable is gone.
    pub(crate) fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = fs::remove_file(self.folder.path().join("data/postmaster.pid"));
        self.child = run(&self.programs, self.folder.path(), self.port);
        self.until_ready();
    }

    pub(crate) async fn query(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query(sql, &[]).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().collect();
    versions.sort_by_key(fs::DirEntry::file_name);
    let programs = versions.pop()?.path().join("bin");
    programs.join("postgres").exists().then_some(programs)
}

/// The server refuses to run as root.
fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = ids() {
        command.uid(user).gid(group);
    }
    command
}

fn ids() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").is_ok_and(|me| {
        use std::os::unix::fs::MetadataExt as _;
        me.uid() == 0
    });
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let postgres = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = postgres.split(':').skip(2).map_while(|field| field.parse().ok());
    let ids = (fields.next()?, fields.next()?);
    root.then_some(ids)
}

fn own(folder: &Path) {
    if let Some((user, group)) = ids() {
        std::os::unix::fs::chown(folder, Some(user), Some(group)).unwrap();
    }
}

fn run(programs: &Path, folder: &Path, port: u16) -> Child {
    as_server(&programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder)
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
