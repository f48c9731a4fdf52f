use restless_proto::JsonProblem;
use restless_proto::event::{Envelope, Error, ExtraFields, SseId, StreamEvent};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Whatever the text, an event is read from it or refused; what is read lies inside the text, is
/// JSON by another reader's judgement, and is the same whether the text is owned or lent.
pub fn event_envelope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        let error = StreamEvent::parse(data.to_vec(), SseId::None).expect_err("no UTF-8");
        assert!(matches!(error, Error::NotUtf8 { .. }), "{error}");
        return;
    };
    let owned = StreamEvent::parse(text.to_owned(), SseId::None);
    let event = match (Envelope::parse(text), owned) {
        (Ok(event), Ok(owned)) => {
            compare(event, &owned);
            event
        }
        (Err(error), Err(owned)) => {
            assert_eq!(error.to_string(), owned.to_string());
            assert!(!error.to_string().contains('\n'));
            if let Error::NotJson(error) = error {
                check_refusal(text, error.problem());
            }
            return;
        }
        (lent, owned) => panic!("lent: {lent:?}, owned: {owned:?}"),
    };

    read::<&RawValue>(text).expect("an event is JSON");
    // A tree has no place for an integer of more than 300 digits.
    let Ok(whole) = read::<Value>(text) else { return };
    assert_eq!(whole["type"], event.kind().as_str());
    assert_eq!(whole["meta"]["timestamp"], *event.meta().timestamp());
    let data = event.data().unwrap_or_default();
    assert!(event.data().is_none() || lies_inside(text, data.get()));
    assert_eq!(data.parse::<Value>().expect("data is JSON"), whole["data"]);
    assert!(event.data().is_none() || data.get() != "null");

    check_extra(text, event.extra(), &whole);
    check_extra(text, event.meta().extra(), &whole["meta"]);
    if let Some(error) = event.error() {
        assert_eq!(whole["error"]["code"], *error.code());
        assert_eq!(whole["error"]["message"], *error.message());
        check_extra(text, error.extra(), &whole["error"]);
    }

    // What is written of an event is an event again, and says the same.
    let written = serde_json::to_string(&event).expect("an event can be written");
    let again = Envelope::parse(&written).expect("a written event is an event");
    assert_eq!(serde_json::to_string(&again).expect("an event can be written"), written);
}

/// Checks a refusal: another reader refuses the text too, or the text breaks a rule that only ours
/// has.
fn check_refusal(text: &str, problem: JsonProblem) {
    use JsonProblem::{LoneSurrogate, NumberRange, TooDeep};
    let is_ours_alone = matches!(problem, LoneSurrogate | NumberRange | TooDeep);
    assert!(is_ours_alone || read::<&RawValue>(text).is_err(), "{problem} in {text:?}");
}

fn compare(lent: Envelope<'_>, owned: &StreamEvent) {
    assert_eq!(lent.raw(), owned.raw());
    assert_eq!(lent.event_id().as_deref(), owned.event_id());
    assert_eq!(lent.signature(), owned.signature());
    assert_eq!(lent.data(), owned.data());
    assert_eq!(lent.data().map(|data| data.get().as_bytes()), owned.data_bytes().as_deref());
    assert!(owned.cursor().is_none_or(|cursor| !cursor.is_empty()));

    let own = |id| StreamEvent::parse(owned.raw().to_owned(), id).expect("as before");
    assert_eq!(own(SseId::Own("own")).cursor().as_deref(), Some("own"));
    let leftover = own(SseId::Leftover("old"));
    let due = owned.event_id().filter(|id| !id.is_empty()).unwrap_or("old");
    assert_eq!(leftover.event_id(), Some(due));
}

fn check_extra(text: &str, extra: ExtraFields<'_>, whole: &Value) {
    let mut last = std::collections::BTreeMap::new();
    for (key, value) in extra {
        assert!(lies_inside(text, value.get()));
        last.insert(key, value);
    }
    for (key, value) in last {
        assert_eq!(value.parse::<Value>().expect("a field is JSON"), whole[&*key]);
    }
}

/// What another reader makes of the text. How deep it nests is known by now.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

fn lies_inside(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes().as_ptr_range(), part.as_bytes().as_ptr_range());
    text.start <= part.start && part.end <= text.end
}
