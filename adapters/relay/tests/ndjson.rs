//! Rules of the store in files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use restless_relay::proto::StreamEvent;
use restless_relay::proto::event::SseId;
use restless_relay::{Batch, Content, Ndjson, Position, Record, Sink, Stored};

fn record(id: u64, data: &str) -> Record {
    let text = format!(
        "{{\"type\":\"update\",\n\"meta\":{{\"timestamp\":\"1970-01-01T00:00:07Z\"}},\"data\":{data}}}"
    );
    let event = StreamEvent::parse(text, SseId::Own(&id.to_string())).unwrap();
    Record::new(Some(id.to_string()), Content::Event(event))
}

fn batch(expected: Position, ids: &[u64]) -> Arc<Batch> {
    Arc::new(Batch::new("orders", expected, ids.iter().map(|id| record(*id, "1")).collect()))
}

fn lines(folder: &Path, number: u32) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(folder.join(format!("orders.{number:08}.ndjson"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_record_is_one_line_with_its_number_and_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    assert_eq!(sink.store(batch(Position::default(), &[10, 11])).await.unwrap(), Stored::Stored);
    let lines = lines(folder.path(), 1);
    assert_eq!((&lines[1]["sequence"], &lines[1]["cursor"]), (&2.into(), &"11".into()));
    assert_eq!(lines[1]["event"]["data"], 1);
}

/// Opens the folder again: records 10 and 11 are there, and the next one has the next number.
async fn goes_on_behind_two_records(folder: &Path) {
    let mut sink = Ndjson::open(folder).unwrap();
    let position = sink.position("orders").await.unwrap();
    assert_eq!(position, Position::new(2, Some("11".into())));
    let _ = sink.store(batch(position, &[12])).await.unwrap();
    let numbers: Vec<_> = lines(folder, 1).iter().map(|l| l["sequence"].clone()).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn a_torn_line_is_cut_off_and_the_whole_ones_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    let _ = sink.store(batch(Position::default(), &[10, 11])).await.unwrap();
    drop(sink);
    let path = folder.path().join("orders.00000001.ndjson");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"sequence":3,"cursor":"12","event":{"ty"#).unwrap();
    drop(file);
    goes_on_behind_two_records(folder.path()).await;
}

/// As after a power failure: the last write's end came to the disk, and its middle did not.
#[tokio::test]
async fn what_follows_a_hole_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    let _ = sink.store(batch(Position::default(), &[10, 11, 12, 13])).await.unwrap();
    drop(sink);
    let path = folder.path().join("orders.00000001.ndjson");
    let mut bytes = fs::read(&path).unwrap();
    let line = bytes.len() / 4;
    bytes[2 * line + 5..3 * line + 5].fill(0);
    fs::write(&path, bytes).unwrap();
    goes_on_behind_two_records(folder.path()).await;
}

/// Each write and each sync to it is good, and all of it goes with the process.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_deleted_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap().most_file_bytes(1);
    let _ = sink.store(batch(Position::default(), &[10])).await.unwrap();
    let first = sink.position("orders").await.unwrap();
    let _ = sink.store(batch(first.clone(), &[11])).await.unwrap();
    let second = sink.position("orders").await.unwrap();
    fs::remove_file(folder.path().join("orders.00000002.ndjson")).unwrap();
    let error = sink.store(batch(second, &[12])).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("orders.00000002"), "{error}");
    // The files that are left say where the feed stands, whether it is asked for or stored to.
    assert_eq!(sink.position("orders").await.unwrap(), first);
    assert_eq!(sink.store(batch(first, &[11])).await.unwrap(), Stored::Stored);
    assert_eq!(lines(folder.path(), 2).len(), 1);
    fs::remove_file(folder.path().join("orders.00000001.ndjson")).unwrap();
    fs::remove_file(folder.path().join("orders.00000002.ndjson")).unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::default());
}

#[tokio::test]
async fn a_name_that_no_file_can_have_is_an_error_that_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path().join("made/of/three")).unwrap();
    let error = sink.position(&"long".repeat(100)).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert!(error.to_string().starts_with("the name is too long: "), "{error}");
}

#[tokio::test]
async fn a_full_file_is_followed_by_another_and_an_empty_last_one_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap().most_file_bytes(1);
    let _ = sink.store(batch(Position::default(), &[10])).await.unwrap();
    let _ = sink.store(batch(Position::new(1, Some("10".into())), &[11])).await.unwrap();
    assert_eq!(lines(folder.path(), 2)[0]["sequence"], 2);
    drop(sink);
    fs::write(folder.path().join("orders.00000003.ndjson"), r#"{"sequence":"#).unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    assert_eq!(sink.position("orders").await.unwrap(), Position::new(2, Some("11".into())));
}

/// As after a folder that could not be synced once its new file was there.
#[tokio::test]
async fn a_next_file_that_is_there_already_is_taken_at_the_second_try() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap().most_file_bytes(1);
    let _ = sink.store(batch(Position::default(), &[10])).await.unwrap();
    fs::write(folder.path().join("orders.00000002.ndjson"), "").unwrap();
    let next = batch(Position::new(1, Some("10".into())), &[11]);
    assert!(sink.store(Arc::clone(&next)).await.unwrap_err().is_transient());
    assert_eq!(sink.store(next).await.unwrap(), Stored::Stored);
    assert_eq!(lines(folder.path(), 2)[0]["sequence"], 2);
}

#[tokio::test]
async fn an_event_that_nests_as_deep_as_is_allowed_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    let deep = format!("{}1{}", "[".repeat(199), "]".repeat(199));
    let deep = Batch::new("orders", Position::default(), vec![record(10, &deep)]);
    let _ = sink.store(Arc::new(deep)).await.unwrap();
    drop(sink);
    let mut sink = Ndjson::open(folder.path()).unwrap();
    assert_eq!(sink.position("orders").await.unwrap().sequence, 1);
}

#[tokio::test]
async fn a_feed_s_name_never_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path().join("in")).unwrap();
    let records = vec![record(10, "1")];
    let batch = Batch::new("../out/a.b", Position::default(), records);
    let _ = sink.store(Arc::new(batch)).await.unwrap();
    assert!(folder.path().join("in/%2E%2E%2Fout%2Fa%2Eb.00000001.ndjson").exists());
    assert_eq!(sink.position("../out/a").await.unwrap(), Position::default());
}

#[tokio::test]
async fn a_worker_that_is_behind_stores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Ndjson::open(folder.path()).unwrap();
    let first = batch(Position::default(), &[10]);
    let _ = sink.store(Arc::clone(&first)).await.unwrap();
    assert_eq!(sink.store(first).await.unwrap(), Stored::Moved);
    assert_eq!(lines(folder.path(), 1).len(), 1);
}

#[test]
fn a_folder_that_is_open_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Ndjson::open(folder.path()).unwrap();
    let error = Ndjson::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
}

/// A small file system in memory, where this machine lets a test have one.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(folder.path());
        if mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        println!("no file system may be mounted here: not tried on a full disk");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_may_pass_and_loses_nothing() {
    let Some(small) = Small::mount() else { return };
    let folder = small.0.path();
    let filler = folder.join("filler");
    let mut sink = Ndjson::open(folder).unwrap();
    let _ = sink.store(batch(Position::default(), &[10])).await.unwrap();
    let position = sink.position("orders").await.unwrap();
    let _ = fs::write(&filler, vec![b'x'; 64 << 10]);
    let ids: Vec<u64> = (11..110).collect();
    let error = sink.store(batch(position, &ids)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    fs::remove_file(filler).unwrap();
    // What there was room for is stored, as far as its lines are whole.
    let position = sink.position("orders").await.unwrap();
    let stored = usize::try_from(position.sequence).unwrap() - 1;
    assert!(stored < ids.len(), "{stored} were stored");
    assert_eq!(sink.store(batch(position, &ids[stored..])).await.unwrap(), Stored::Stored);
    let numbers: Vec<_> = lines(folder, 1).iter().map(|line| line["sequence"].clone()).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
}
