use restless_proto::event::{SseId, StreamEvent};
use restless_proto::model::PayloadMode;
use restless_proto::subscription::{Change, Document, PatchError, Stale};
use serde_json::{Map, Value, json};

/// The first line is a document, the rest a patch: the document that holds it is afterwards what a
/// plain twin makes of it, which works on copies and knows no limits; or it is what it was, and
/// stale.
pub fn document_patch(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((document, patch)) = text.split_once('\n') else { return };
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    // A float that serde_json does not read as it was written is none for the twin: it would be
    // another number with each reading.
    let stays = |value: &Value| read(&value.to_string()).as_ref() == Some(value);
    let read_whole = |text: &str| read(text).filter(stays);
    let (Some(document), Some(patch)) = (read_whole(document), read_whole(patch)) else { return };

    let mut held = Document::new(PayloadMode::JsonPatch);
    let Some(full) = update(&document, json!("FULL_DATA")) else { return };
    assert!(matches!(held.take(&full), Change::Value(_)), "{:?}", held.stale());
    assert_eq!(value(&held), document);

    let Some(event) = update(&patch, Value::Null) else { return };
    let change = held.take(&event);
    // Ours alone has limits.
    if matches!(held.stale(), Some(Stale::Patch(PatchError::Limit(_)))) {
        assert_eq!(value(&held), document);
        return;
    }
    match (change, applied(&document, &patch)) {
        (Change::Value(paths), Some(due)) => {
            assert_eq!(value(&held), due);
            assert!(held.stale().is_none());
            // What is not told to have changed has not.
            assert!(is_told(Some(&document), Some(&due), "", &paths), "more than {paths:?}");
            for path in paths.iter().filter(|path| held.at(path).is_some()) {
                let text = held.at(path).expect("it is there");
                assert_eq!(due.pointer(path), read(&text).as_ref(), "{path}");
            }
        }
        (Change::Stale, None) => assert_eq!(value(&held), document, "something has changed"),
        (change, due) => panic!("{change:?}, and the twin: {due:?}"),
    }
}

/// `None` where it is no event: it nests too deep.
fn update(data: &Value, fallback: Value) -> Option<StreamEvent> {
    let meta = json!({"timestamp": "2026-03-24T00:00:00Z", "payload_mode_fallback": fallback});
    let text = json!({"type": "update", "meta": meta, "data": data}).to_string();
    StreamEvent::parse(text, SseId::None).ok()
}

fn value(document: &Document) -> Value {
    document.parse().expect("it holds one").expect("it is JSON")
}

/// Whether all that differs stands at the places that are told, or in them.
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

/// RFC 6902, as plainly as it can be said.
fn applied(document: &Value, patch: &Value) -> Option<Value> {
    let mut document = document.clone();
    for operation in patch.as_array()? {
        step(&mut document, operation.as_object()?)?;
    }
    Some(document)
}

fn step(document: &mut Value, operation: &Map<String, Value>) -> Option<()> {
    let text = |name| operation.get(name)?.as_str();
    let path = tokens(text("path")?)?;
    match text("op")? {
        "add" => add(document, &path, operation.get("value")?.clone()),
        "remove" => remove(document, &path).map(drop),
        "replace" => {
            *find(document, &path)? = operation.get("value")?.clone();
            Some(())
        }
        "move" => {
            let from = tokens(text("from")?)?;
            if path == from {
                return find(document, &path).map(drop);
            }
            if path.starts_with(&from) {
                return None;
            }
            let moved = remove(document, &from)?;
            add(document, &path, moved)
        }
        "copy" => {
            let copied = find(document, &tokens(text("from")?)?)?.clone();
            add(document, &path, copied)
        }
        "test" => {
            let due = operation.get("value")?;
            is_equal(find(document, &path)?, due).then_some(())
        }
        _ => None,
    }
}

fn tokens(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let is_spelt = |token: &str| token.replace("~0", "").replace("~1", "").find('~').is_none();
    let tokens = pointer.strip_prefix('/')?.split('/');
    tokens.map(|it| is_spelt(it).then(|| it.replace("~1", "/").replace("~0", "~"))).collect()
}

fn index(token: &str) -> Option<usize> {
    let number: usize = token.parse().ok()?;
    // Neither a sign nor leading zeros.
    (number.to_string() == token).then_some(number)
}

fn find<'a>(document: &'a mut Value, path: &[String]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, token| match value {
        Value::Array(elements) => elements.get_mut(index(token)?),
        Value::Object(members) => members.get_mut(token),
        _ => None,
    })
}

fn add(document: &mut Value, path: &[String], value: Value) -> Option<()> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Some(());
    };
    match find(document, parents)? {
        Value::Array(elements) => {
            let at = if last == "-" { elements.len() } else { index(last)? };
            (at <= elements.len()).then(|| elements.insert(at, value))
        }
        Value::Object(members) => {
            members.insert(last.clone(), value);
            Some(())
        }
        _ => None,
    }
}

/// Removes a value. The whole document stays, so that there is always something to hold.
fn remove(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match find(document, parents)? {
        Value::Array(elements) => {
            let at = index(last).filter(|at| *at < elements.len())?;
            Some(elements.remove(at))
        }
        Value::Object(members) => members.remove(last),
        _ => None,
    }
}

/// §4.6: numbers by their value.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let whole = |number: &serde_json::Number| {
                let of_float = || number.as_f64().filter(|float| float.fract() == 0.0);
                let small = || of_float().filter(|float| float.abs() < 1e30).map(|it| it as i128);
                number.as_i128().or_else(small)
            };
            match (whole(one), whole(other)) {
                (Some(one), Some(other)) => one == other,
                (None, None) => one.as_f64() == other.as_f64(),
                _ => false,
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, a)| other.get(name).is_some_and(|b| is_equal(a, b)))
        }
        _ => one == other,
    }
}
