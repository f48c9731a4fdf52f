//! Documents beside other hands' JSON Patch: random documents and patches, from a seed.
//!
//! `RESTLESS_DOCUMENTS=N` tries that many, 8,000 unless set. Where Python has `jsonpatch`, it is
//! asked too; where not, the run says so.

use std::io::Write as _;
use std::process::{Command, Stdio};

use restless_proto::event::{SseId, StreamEvent};
use restless_proto::model::PayloadMode;
use restless_proto::subscription::{Change, Document};
use serde_json::{Value, json};

/// A generator of numbers that is good enough to choose by (SplitMix64).
struct Choice(u64);

impl Choice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn value(&mut self, deepest: usize) -> Value {
        match self.below(if deepest == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 | 3 => json!(self.below(5)),
            4 => json!(self.of(&["", "a", "é", "\"\\/\n", "~"])),
            5 | 6 => (0..self.below(4)).map(|_| self.value(deepest - 1)).collect(),
            _ => {
                let names = ["a", "b", "", "a/b", "~1", "0", "é"];
                let members = (0..self.below(4))
                    .map(|_| (self.of(&names).to_string(), self.value(deepest - 1)));
                Value::Object(members.collect())
            }
        }
    }

    fn pointer(&mut self, pointers: &[String]) -> String {
        let pointer = self.of(pointers).clone();
        match self.below(16) {
            0 => pointer + "/-",
            1 => pointer + "/0",
            2 => pointer + "/1",
            3 => pointer + "/a",
            4 => pointer + "/01",
            _ => pointer,
        }
    }

    fn operation(&mut self, pointers: &[String]) -> Value {
        let path = self.pointer(pointers);
        match self.below(6) {
            0 => json!({"op": "add", "path": path, "value": self.value(2)}),
            1 => json!({"op": "remove", "path": path}),
            2 => json!({"op": "replace", "path": path, "value": self.value(2)}),
            3 => json!({"op": "move", "from": self.pointer(pointers), "path": path}),
            4 => json!({"op": "copy", "from": self.pointer(pointers), "path": path}),
            _ => json!({"op": "test", "path": path, "value": self.value(1)}),
        }
    }
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                pointers(element, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(member, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

fn update(data: &Value, fallback: Value) -> StreamEvent {
    let meta = json!({"timestamp": "2026-03-24T00:00:00Z", "payload_mode_fallback": fallback});
    let text = json!({"type": "update", "meta": meta, "data": data}).to_string();
    StreamEvent::parse(text, SseId::None).unwrap()
}

/// Whether all that differs between two documents stands at the places that are told, or in them.
fn is_told(old: Option<&Value>, new: Option<&Value>, at: &str, places: &[String]) -> bool {
    if old == new || places.iter().any(|place| place == at) {
        return true;
    }
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names = old.keys().chain(new.keys());
            names.all(|name| {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                is_told(old.get(name), new.get(name), &at, places)
            })
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let mut indices = 0..old.len().max(new.len());
            indices.all(|n| is_told(old.get(n), new.get(n), &format!("{at}/{n}"), places))
        }
        _ => false,
    }
}

/// Returns what ours makes of the patch. `None` for a patch that does not fit; the document then
/// stays as it was.
fn ours(document: &Value, patch: &Value) -> Option<Value> {
    let mut held = Document::new(PayloadMode::JsonPatch);
    held.take(&update(document, json!("FULL_DATA")));
    let change = held.take(&update(patch, Value::Null));
    let value: Value = held.parse().unwrap().unwrap();
    match change {
        Change::Value(places) => {
            let operations = patch.as_array().unwrap().len();
            assert!(places.len() <= 2 * operations);
            let told = is_told(Some(document), Some(&value), "", &places);
            assert!(told, "more has changed than {places:?}: {document}\n{patch}");
            // Of more operations, one may have removed what another had added.
            for place in places.iter().filter(|_| operations == 1) {
                let is_there = document.pointer(place).is_some() || value.pointer(place).is_some();
                assert!(is_there, "{place} never was there: {document}\n{patch}");
            }
            Some(value)
        }
        _ => {
            assert_eq!(
                &value, document,
                "a patch that does not fit has changed something: {patch}"
            );
            None
        }
    }
}

/// Whether others differ from each other there, so that they are no judges: a `remove` of all of
/// it, or a move into its own inside (§4.4 forbids it), or from a place to itself.
fn is_disputed(patch: &Value) -> bool {
    patch.as_array().unwrap().iter().any(|operation| {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        let (path, from) = (text("path"), text("from"));
        match &*text("op") {
            "remove" => path.is_empty(),
            "move" => from.is_empty() || path == from || path.starts_with(&format!("{from}/")),
            _ => false,
        }
    })
}

fn cases() -> Vec<(Value, Value)> {
    let count = std::env::var("RESTLESS_DOCUMENTS").ok();
    let count = count.map_or(8_000, |count| count.parse().unwrap());
    let mut choice = Choice(16);
    let mut cases = Vec::new();
    while cases.len() < count {
        let document = json!([choice.value(2), {"a": choice.value(2), "b": choice.value(2)}]);
        let mut places = Vec::new();
        pointers(&document, "", &mut places);
        let length = 1 + choice.below(3);
        let patch: Value = (0..length).map(|_| choice.operation(&places)).collect();
        if !is_disputed(&patch) {
            cases.push((document, patch));
        }
    }
    cases
}

#[test]
fn documents_are_what_the_crate_json_patch_makes_of_them() {
    let mut fitting = 0;
    for (document, patch) in cases() {
        let mut theirs = document.clone();
        let operations: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        // On a copy, and without its way to take a patch back.
        let applied = json_patch::patch_unsafe(&mut theirs, &operations);
        let theirs = applied.is_ok().then_some(theirs);
        fitting += usize::from(theirs.is_some());
        assert_eq!(ours(&document, &patch), theirs, "{document}\n{patch}");
    }
    assert!(fitting > cases().len() / 5, "only {fitting} patches fit: the cases say little");
}

#[test]
fn what_differs_between_two_documents_is_told() {
    let mut choice = Choice(17);
    for _ in 0..2_000 {
        let [old, new] = [(); 2].map(|()| json!([choice.value(2), {"a": choice.value(3)}]));
        let mut held = Document::new(PayloadMode::FullData);
        held.take(&update(&old, Value::Null));
        let Change::Value(places) = held.take(&update(&new, Value::Null)) else {
            panic!("{:?}", held.stale())
        };
        assert!(is_told(Some(&old), Some(&new), "", &places), "{old}\n{new}\n{places:?}");
        for place in &places {
            assert_ne!(old.pointer(place), new.pointer(place), "{place}: {old}\n{new}");
        }
    }
}

const ORACLE: &str = "
import sys, json, jsonpatch
for line in sys.stdin:
    document, patch = json.loads(line)
    try:
        print(json.dumps([jsonpatch.apply_patch(document, patch)]))
    except Exception:  # a pointer into a number is a TypeError there
        print('[]')
";

#[test]
fn documents_are_what_python_s_jsonpatch_makes_of_them() {
    // Older ones refuse to copy to the root, which RFC 6902 allows.
    let least = "import jsonpatch, sys; v = jsonpatch.__version__.split('.'); \
                 sys.exit((int(v[0]), int(v[1])) < (1, 47))";
    let python = Command::new("python3").args(["-c", least]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        println!("python3 has no jsonpatch 1.47 here: not compared with it");
        return;
    }
    let cases = cases();
    let mut child = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = cases.iter().map(|(d, p)| format!("{}\n", json!([d, p]))).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len());
    for (answer, (document, patch)) in answers.lines().zip(&cases) {
        let theirs: Vec<Value> = serde_json::from_str(answer).unwrap();
        assert_eq!(ours(document, patch), theirs.into_iter().next(), "{document}\n{patch}");
    }
}
