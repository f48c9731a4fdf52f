//! An event that owns its text, and the id that came beside it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use memchr::memchr;
use serde::{Serialize, Serializer};

use super::data::RawJson;
use super::envelope::{Envelope, ErrorDetail, Meta};
use super::error::Error;
use super::fields::ExtraFields;
use super::kind::Kind;
use super::parts::Parts;
use super::timestamp;
use crate::redact::shown;
use crate::text::shared_text;

/// An event that owns its text: cheap to clone and to send elsewhere. The event's parts are slices
/// of what arrived.
///
/// The event's id is the first text of these three that is not empty: the `id` field of the event's
/// SSE frame, the id in the JSON text, the last event ID that an earlier frame left over (WHATWG
/// HTML §9.2.6).
///
/// ```
/// use restless_proto::event::{Kind, SseId, StreamEvent};
///
/// let text = r#"{"type":"update","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":{"n":1}}"#;
/// let event = StreamEvent::parse(text, SseId::Own("7"))?;
/// assert_eq!(event.kind(), Kind::Update);
/// assert_eq!(event.event_id(), Some("7"));
/// assert_eq!(event.data().unwrap_or_default().get(), r#"{"n":1}"#);
/// # Ok::<(), restless_proto::event::Error>(())
/// ```
#[derive(Clone)]
pub struct StreamEvent {
    text: ByteString,
    parts: Parts,
    /// The event's id, where the text does not have the id in this form.
    id: Option<Arc<str>>,
    /// Whether that id is of an earlier frame, so that other events may bear it too.
    is_left_over: bool,
}

/// The id that comes with an event by SSE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth place for an id to come from")]
pub enum SseId<'a> {
    /// No id comes beside the event, as over WebSocket.
    #[default]
    None,
    /// The id is the `id` field of the event's own frame.
    Own(&'a str),
    /// The id is the last event ID that an earlier frame of the connection set.
    Leftover(&'a str),
}

/// Where an event stands in its stream.
pub(crate) enum Place<'a> {
    /// By its id, which is not empty.
    Id(&'a str),
    /// By its time, in Unix milliseconds.
    Time(i64),
}

impl StreamEvent {
    /// Reads an event's JSON text, and keeps the text. A `Bytes` is kept as it is, not copied.
    ///
    /// # Errors
    ///
    /// Where the bytes are not UTF-8, and as [`Envelope::parse`].
    pub fn parse(text: impl Into<Bytes>, id: SseId<'_>) -> Result<Self, Error> {
        let text = shared_text(text.into())
            .map_err(|error| Error::NotUtf8 { offset: error.valid_up_to() })?;
        Self::from_text(text, id).map_err(|(error, _)| error)
    }

    /// Does the same for bytes that were checked for UTF-8. A text that is no event comes back with
    /// the error.
    pub(crate) fn from_text(text: ByteString, id: SseId<'_>) -> Result<Self, (Error, ByteString)> {
        let envelope = match Envelope::parse(&text) {
            Ok(envelope) => envelope,
            Err(error) => return Err((error, text)),
        };
        let parts = envelope.parts();
        let in_json = envelope.event_id().filter(|id| !id.is_empty());
        let is_left_over = matches!((id, &in_json), (SseId::Leftover(_), None));
        let id = match (id, in_json) {
            (SseId::Own(id), _) | (SseId::Leftover(id), None) if !id.is_empty() => {
                Some(Arc::from(id))
            }
            (_, Some(Cow::Owned(id))) => Some(Arc::from(id)),
            (_, Some(Cow::Borrowed(_)) | None) => None,
        };
        Ok(Self { text, parts, id, is_left_over })
    }

    /// Returns the event's `type`: an update or an error.
    pub fn kind(&self) -> Kind {
        self.envelope().kind()
    }

    /// Returns when and how the service asked its upstream.
    pub fn meta(&self) -> Meta<'_> {
        self.envelope().meta()
    }

    /// Returns the payload as it arrived; `None` where it is absent or null.
    pub fn data(&self) -> Option<RawJson<'_>> {
        self.envelope().data()
    }

    /// Returns the payload as a slice of the bytes that arrived, and keeps those bytes alive.
    pub fn data_bytes(&self) -> Option<Bytes> {
        self.data().map(|data| self.text.slice_ref(data.get()).into_bytes())
    }

    /// Returns the whole text as it arrived.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.text.into_bytes()
    }

    /// Returns what went wrong, for an error event. The service may leave the detail out.
    pub fn error(&self) -> Option<ErrorDetail<'_>> {
        self.envelope().error()
    }

    /// Returns the [signature](crate::signature) of the data:
    /// [`Signer::verify_event`](crate::signature::Signer::verify_event) checks the signature.
    pub fn signature(&self) -> Option<Cow<'_, str>> {
        self.envelope().signature()
    }

    /// Returns the event's id, by the order at [`StreamEvent`]. The id is empty only where the text
    /// says so and no other id came.
    pub fn event_id(&self) -> Option<&str> {
        match &self.id {
            Some(id) => Some(id),
            None => self.parts.event_id.map(|id| id.of(&self.text)),
        }
    }

    /// Returns the event's id where the id is its own, and not empty: by such an id an event is
    /// known again.
    pub(crate) fn own_id(&self) -> Option<&str> {
        self.event_id().filter(|id| !id.is_empty() && !self.is_left_over)
    }

    /// Returns the position after this event, to resume a stream from: its id, else its timestamp
    /// as Unix milliseconds. An id with a NUL in it counts as absent, as in an event stream (WHATWG
    /// HTML §9.2.6). `None` for an event with neither, which leaves the position as it was.
    pub fn cursor(&self) -> Option<Cow<'_, str>> {
        self.place().map(|place| match place {
            Place::Id(id) => Cow::Borrowed(id),
            Place::Time(ms) => Cow::Owned(ms.to_string()),
        })
    }

    /// The same before it becomes a text.
    pub(crate) fn place(&self) -> Option<Place<'_>> {
        match self.event_id() {
            Some(id) if !id.is_empty() && memchr(0, id.as_bytes()).is_none() => Some(Place::Id(id)),
            _ => self.unix_ms().map(Place::Time),
        }
    }

    /// When the service asked, in Unix milliseconds.
    pub(crate) fn unix_ms(&self) -> Option<i64> {
        timestamp::unix_ms(&self.meta().timestamp())
    }

    /// Returns the fields beside those above.
    pub fn extra(&self) -> ExtraFields<'_> {
        self.envelope().extra()
    }

    /// Returns the whole text.
    pub fn raw(&self) -> &str {
        &self.text
    }

    /// Returns the event as it is in its text, without the id of its SSE frame.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope::of(&self.text, self.parts)
    }
}

/// Compares text and id.
impl PartialEq for StreamEvent {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.event_id() == other.event_id()
    }
}

impl Eq for StreamEvent {}

/// Writes all fields in snake_case, null where they are absent, and the extra ones as they came.
impl Serialize for StreamEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.envelope().serialize_with_id(serializer, self.event_id())
    }
}

impl fmt::Debug for StreamEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEvent")
            .field("event_id", &self.event_id().map(shown))
            .field("text", &format_args!("{}", shown(&self.text)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::json::error::JsonProblem;

    const TIME: &str = "2026-03-24T00:00:00Z";

    fn parse(text: &str) -> StreamEvent {
        StreamEvent::parse(text.to_owned(), SseId::None).unwrap()
    }

    fn refused(text: &str) -> Error {
        StreamEvent::parse(text.to_owned(), SseId::None).unwrap_err()
    }

    /// An update with more fields beside the required ones.
    fn with(fields: &str) -> String {
        format!(r#"{{"type":"update","meta":{{"timestamp":"{TIME}"}}{fields}}}"#)
    }

    /// An update with more fields in `meta`.
    fn with_meta(fields: &str) -> String {
        format!(r#"{{"type":"update","meta":{{"timestamp":"{TIME}"{fields}}}}}"#)
    }

    fn extra(fields: ExtraFields<'_>) -> Vec<(String, &str)> {
        fields.map(|(key, value)| (key.into_owned(), value.get())).collect()
    }

    #[test]
    fn an_event_is_cheap_to_clone_and_can_be_sent_elsewhere() {
        fn requires<T: Clone + Send + Sync + 'static>(_: &T) {}
        let event = parse(&with(""));
        requires(&event);
        assert_eq!(event.clone().raw().as_ptr(), event.raw().as_ptr());
    }

    #[test]
    fn data_is_a_slice_of_what_arrived() {
        let text = Bytes::from(with(r#", "data" : { "b":1.0,"a":"\u00e9" } "#));
        let event = StreamEvent::parse(text.clone(), SseId::None).unwrap();
        let data = event.data_bytes().unwrap();
        assert_eq!(data, r#"{ "b":1.0,"a":"\u00e9" }"#);
        assert!(text.as_ptr_range().contains(&data.as_ptr()));
        assert_eq!(event.data().unwrap().get().as_ptr(), data.as_ptr());
    }

    #[test]
    fn data_is_parsed_into_any_type_on_demand() {
        let event = parse(&with(r#","data":{"n":[1,2],"s":"x"}"#));
        let data = event.data().unwrap();
        let value: Value = data.parse().unwrap();
        assert_eq!(value["n"][1], 2);
        let borrowed: BTreeMap<&str, &serde_json::value::RawValue> = data.parse().unwrap();
        assert_eq!(borrowed["n"].get(), "[1,2]");
        let error = data.parse::<Vec<u8>>().unwrap_err();
        assert!(matches!(error, Error::Data(_)));
        assert_eq!(event.data().unwrap_or_default().parse::<Value>().unwrap(), value);
    }

    #[test]
    fn data_that_can_t_be_read_and_fields_without_a_name_show_no_key() {
        let event = parse(&with(r#","data":"rs_0123abcd","apiKey":"canary","rs_0123abcd":1"#));
        let error = event.data().unwrap().parse::<f64>().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        assert!(cause.to_string().starts_with("invalid type: string \"rs_…\""), "{cause}");
        for shown in [format!("{error:?}"), format!("{:?}", event.extra())] {
            assert!(!shown.contains("0123") && !shown.contains("canary"), "{shown}");
        }
        assert_eq!(format!("{:?}", event.extra()), r#"{"apiKey", "rs_…"}"#);
    }

    #[test]
    fn absent_data_and_null_are_none() {
        assert_eq!(parse(&with("")).data(), None);
        assert_eq!(parse(&with(r#","data":null"#)).data(), None);
        assert_eq!(parse(&with(r#","data":1,"data":null"#)).data(), None);
    }

    #[test]
    fn data_may_nest_200_levels_deep_and_no_deeper() {
        let nested = |levels: usize| {
            with(&format!(r#","data":{}{}"#, "[".repeat(levels), "]".repeat(levels)))
        };
        let event = parse(&nested(200));
        event.data().unwrap().parse::<Value>().unwrap();
        event.data().unwrap().parse::<serde::de::IgnoredAny>().unwrap();
        for levels in [201, 100_000] {
            let Error::NotJson(error) = refused(&nested(levels)) else { panic!("{levels}") };
            assert_eq!(error.problem(), JsonProblem::TooDeep);
        }
    }

    #[test]
    fn a_float_that_no_double_holds_is_refused_in_data_too() {
        let Error::NotJson(error) = refused(&with(r#","data":[1e400]"#)) else { panic!() };
        assert_eq!(error.problem(), JsonProblem::NumberRange);
    }

    #[test]
    fn its_own_frames_id_wins_over_the_one_in_json_and_a_leftover_does_not() {
        let json = with(r#","event_id":"json""#);
        let id = |text: &str, id| {
            let event = StreamEvent::parse(text.to_owned(), id).unwrap();
            event.event_id().map(str::to_owned)
        };
        let some = |id: &str| Some(id.to_owned());
        assert_eq!(id(&json, SseId::None), some("json"));
        assert_eq!(id(&json, SseId::Own("own")), some("own"));
        assert_eq!(id(&json, SseId::Own("")), some("json"));
        assert_eq!(id(&json, SseId::Leftover("old")), some("json"));
        for without in ["", r#","event_id":null"#, r#","event_id":"""#] {
            assert_eq!(id(&with(without), SseId::Leftover("old")), some("old"), "{without}");
        }
        assert_eq!(id(&with(""), SseId::Own("")), None);
        assert_eq!(id(&with(r#","event_id":"""#), SseId::Leftover("")), some(""));
        assert_eq!(id(&with(r#","event_id":"a\n""#), SseId::None), some("a\n"));
    }

    #[test]
    fn the_cursor_is_the_id_or_else_the_time() {
        let cursor = |text: &str| parse(text).cursor().map(Cow::into_owned);
        assert_eq!(cursor(&with(r#","event_id":"7""#)).as_deref(), Some("7"));
        assert_eq!(cursor(&with(r#","event_id":"""#)).as_deref(), Some("1774310400000"));
        assert_eq!(cursor(&with("")).as_deref(), Some("1774310400000"));
        // As of an event stream's id, which is ignored then.
        assert_eq!(cursor(&with(r#","event_id":"a\u0000b""#)).as_deref(), Some("1774310400000"));
        assert_eq!(cursor(r#"{"type":"error","meta":{"timestamp":"soon"}}"#), None);
    }

    #[test]
    fn of_twins_the_one_with_a_value_counts() {
        let id = |fields: &str| parse(&with(fields)).event_id().map(str::to_owned);
        for (fields, due) in [
            (r#","eventId":"camel","event_id":"snake""#, Some("camel")),
            (r#","event_id":"snake","eventId":"camel""#, Some("camel")),
            (r#","eventId":null,"event_id":"snake""#, Some("snake")),
            (r#","eventId":"","event_id":"snake""#, Some("snake")),
            (r#","eventId":"","event_id":null"#, Some("")),
            (r#","eventId":null,"event_id":"""#, Some("")),
            (r#","eventId":"camel","event_id":5"#, Some("camel")),
            (r#","eventId":null,"event_id":null"#, None),
        ] {
            assert_eq!(id(fields).as_deref(), due, "{fields}");
        }
        let event = parse(&with_meta(
            r#","latencyMs":null,"latency_ms":2,"attemptId":"","attempt_id":"a""#,
        ));
        assert_eq!(event.meta().latency_ms(), Some(2));
        assert_eq!(event.meta().attempt_id().as_deref(), Some("a"));
    }

    #[test]
    fn the_order_of_the_keys_changes_nothing() {
        let members = [
            r#""type":"update""#,
            r#""meta":{"timestamp":"t","attempt_id":"a","status":200,"latency_ms":3}"#,
            r#""data":[1]"#,
            r#""error":null"#,
            r#""signature":"s""#,
            r#""event_id":"7""#,
            r#""x":1"#,
        ];
        for first in 0..members.len() {
            for left_out in 2..members.len() {
                let turned = members.iter().cycle().skip(first).take(members.len());
                let rest = turned.filter(|member| **member != members[left_out]);
                let rest: Vec<&str> = rest.copied().collect();
                let event = parse(&format!("{{{}}}", rest.join(",")));
                assert_eq!(event.meta().attempt_id().as_deref(), Some("a"));
                assert_eq!(
                    (event.meta().status(), event.meta().latency_ms()),
                    (Some(200), Some(3))
                );
                let left = |n: usize, due| (n != left_out).then_some(due);
                assert_eq!(event.data().map(RawJson::get), left(2, "[1]"));
                assert_eq!(event.signature().as_deref(), left(4, "s"));
                assert_eq!(event.event_id(), left(5, "7"));
                assert_eq!(event.extra().count(), usize::from(left_out != 6));
            }
        }
    }

    #[test]
    fn a_member_that_comes_again_behind_the_usual_ones_counts() {
        let text = with(r#","data":1,"error":null,"signature":"s","data":2,"signature":null"#);
        let event = parse(&text);
        assert_eq!(event.data().map(RawJson::get), Some("2"));
        assert_eq!(event.signature(), None);
        let event = parse(&with_meta(r#","status":1,"status":2,"timestamp":"later""#));
        assert_eq!((event.meta().status(), &*event.meta().timestamp()), (Some(2), "later"));
    }

    #[test]
    fn of_equal_keys_the_last_one_counts_whole() {
        let event = parse(
            r#"{"type":1,"type":"error","meta":{"timestamp":"a","status":1},"meta":{"timestamp":"b"}}"#,
        );
        assert_eq!(event.kind(), Kind::Error);
        assert_eq!(event.meta().timestamp(), "b");
        assert_eq!(event.meta().status(), None);
        let event = parse(&with(
            r#","event_id":"a","event_id":null,"error":{"code":"c","message":"m"},"error":null"#,
        ));
        assert_eq!((event.event_id(), event.error().is_none()), (None, true));
    }

    #[test]
    fn keys_and_texts_may_be_spelt_with_escapes() {
        let text =
            r#"{"\u0074ype":"\u0075pdate","meta":{"timest\u0061mp":"\u00e9"},"signature":"a\/b"}"#;
        let event = parse(text);
        assert_eq!(event.kind(), Kind::Update);
        assert_eq!(event.meta().timestamp(), "é");
        assert_eq!(event.signature().as_deref(), Some("a/b"));
        assert_eq!(extra(event.extra()), []);
    }

    #[test]
    fn unknown_fields_are_kept_at_every_level_as_they_came() {
        let event = parse(
            r#"{"type":"error","z":{"a_b": 1.0},"meta":{"timestamp":"t","fooBar":[ 2 ],"foo_bar":1},
                "error":{"code":"c","message":"m","retryAfter":3},"\u007a":null}"#,
        );
        let own = |fields: &[(&'static str, &'static str)]| -> Vec<(String, &'static str)> {
            fields.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
        };
        assert_eq!(extra(event.extra()), own(&[("z", r#"{"a_b": 1.0}"#), ("z", "null")]));
        assert_eq!(extra(event.meta().extra()), own(&[("fooBar", "[ 2 ]"), ("foo_bar", "1")]));
        assert_eq!(extra(event.error().unwrap().extra()), own(&[("retryAfter", "3")]));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_fields_path() {
        let one_line = |error: Error| {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.starts_with(char::is_uppercase), "{text}");
            text
        };
        for (text, due) in [
            ("{}".to_owned(), "the event has no type"),
            (r#"{"type":"update"}"#.to_owned(), "the event has no meta"),
            (r#"{"type":"update","meta":{}}"#.to_owned(), "the event has no meta.timestamp"),
            (with(r#","eventId":5"#), "the event's eventId should be a string, not another number"),
            (with(r#","error":{"code":"c"}"#), "the event has no error.message"),
            (with(r#","error":"failed""#), "the event's error should be an object, not a string"),
            (
                with_meta(r#","status":"200""#),
                "the event's meta.status should be a whole number of 64 bits, not a string",
            ),
            ("[]".to_owned(), "the event's value should be an object, not an array"),
            ("nonsense".to_owned(), "the event is not JSON"),
        ] {
            assert_eq!(one_line(refused(&text)), due, "{text}");
        }
        let unknown =
            refused(&format!(r#"{{"type":"{}\n","meta":{{"timestamp":"t"}}}}"#, "x".repeat(99)));
        assert_eq!(
            one_line(unknown).len(),
            "the event's type is \"\", which is unknown".len() + 64
        );
    }

    #[test]
    fn bytes_that_are_no_utf_8_are_refused() {
        let error = StreamEvent::parse(&b"{\"type\":\"\xff\"}"[..], SseId::None).unwrap_err();
        assert!(matches!(error, Error::NotUtf8 { offset: 9 }));
    }

    #[test]
    fn an_event_is_written_with_all_its_fields_in_snake_case() {
        let text = with_meta(r#","attemptId":"a","latencyMs":7.0,"status":null,"more":[1.0]"#);
        let event = StreamEvent::parse(text, SseId::Own("5")).unwrap();
        assert_eq!(
            serde_json::to_string(&event.meta()).unwrap(),
            format!(
                r#"{{"timestamp":"{TIME}","attempt_id":"a","status":null,"latency_ms":7,"payload_mode_fallback":null,"more":[1.0]}}"#
            )
        );
        let event =
            parse(&with(r#","data":[1.50],"x":1e5,"error":{"message":"m","code":"c","n":{}}"#));
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            format!(
                r#"{{"type":"update","meta":{},"data":[1.50],"error":{{"code":"c","message":"m","n":{{}}}},"signature":null,"event_id":null,"x":1e5}}"#,
                serde_json::to_string(&event.meta()).unwrap(),
            )
        );
    }
}
