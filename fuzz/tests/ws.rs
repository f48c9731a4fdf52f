//! The committed corpora, through the bodies of their targets.

use std::fs;
use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).expect("the corpus is committed");
    let mut count = 0;
    for file in files {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        body(&fs::read(&path).expect("it can be read"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn ws_split() {
    replay("ws_split", restless_fuzz::ws::split);
}

#[test]
fn ws_deflate() {
    replay("ws_deflate", restless_fuzz::ws::deflate);
}
