//! Where in the stream a subscription stands.

use std::sync::OnceLock;
use std::time::SystemTime;

use http::HeaderMap;
use url::Url;

use crate::event::{Place, StreamEvent};
use crate::kinds::ConfigError;
use crate::query;
use crate::runtime_url::{with_cursor, with_since, without_position, without_since};
use crate::semantics::date;

/// The one owner of the position: the cursor, and until there is a cursor, `since`.
///
/// An empty cursor or `since` counts as absent. Where the caller gave neither, in an option or in
/// the URL, the `Date` of the first good answer is `since`: what is sent during an outage before
/// the first event comes all the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    cursor: Option<Cursor>,
    since: Option<String>,
    /// Whether the caller's URL has a `since`, which then goes out with the URL.
    url_has_since: bool,
    /// Whether `since` is the `Date` of an answer.
    since_is_of_an_answer: bool,
    /// Whether the position was given up: until there is a new cursor, requests name none, whatever
    /// the caller's URL says.
    given_up: bool,
}

#[derive(Clone, Debug)]
enum Cursor {
    Text(String),
    /// The time of an event without an id, in Unix milliseconds. Its text is made for who asks:
    /// mostly the next event comes before anybody does.
    Time(i64, OnceLock<String>),
}

/// The longest cursor, from the caller or from a stream; the service's cursors are 13 digits.
pub(super) const MOST_CURSOR_BYTES: usize = 4096;

impl Position {
    /// Starts at the caller's options, which go before what the URL says.
    ///
    /// # Errors
    ///
    /// When an option is too long to be sent with each connect.
    pub(super) fn new(
        url: &Url,
        cursor: Option<String>,
        since: Option<String>,
    ) -> Result<Self, ConfigError> {
        let filled = |text: &String| !text.is_empty();
        let cursor = cursor.filter(filled).or_else(|| query::value(url, "cursor").filter(filled));
        let since = since.filter(filled);
        for (field, text) in [("cursor", &cursor), ("since", &since)] {
            if let Some(text) = text.as_ref().filter(|text| text.len() > MOST_CURSOR_BYTES) {
                let length = format!("{} bytes", text.len());
                return Err(ConfigError::new(field, length, "at most 4 KiB"));
            }
        }
        let url_has_since = query::value(url, "since").is_some_and(|since| !since.is_empty());
        let cursor = cursor.map(Cursor::Text);
        let (since_is_of_an_answer, given_up) = (false, false);
        Ok(Self { cursor, since, url_has_since, since_is_of_an_answer, given_up })
    }

    /// Takes the fields of a good answer, whose `Date` is where to resume, as long as nothing else
    /// says so. The `Date` of an answer is by the clock of the service, as the times of events are.
    pub(super) fn answered(&mut self, fields: &HeaderMap) {
        if self.given_up || self.cursor.is_some() || self.since.is_some() || self.url_has_since {
            return;
        }
        let since =
            date::date(fields).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        // As the service counts the time of an event.
        self.since = since.map(|since| since.as_millis().to_string());
        self.since_is_of_an_answer = true;
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_ref().map(|cursor| match cursor {
            Cursor::Text(text) => text.as_str(),
            Cursor::Time(ms, text) => text.get_or_init(|| ms.to_string()),
        })
    }

    /// Gives the position up, and returns the cursor from before: the next connect names none,
    /// which is the way to full data.
    pub(super) fn give_up(&mut self) -> Option<String> {
        self.since = None;
        self.given_up = true;
        let cursor = self.cursor().map(str::to_owned);
        self.cursor = None;
        cursor
    }

    /// Whether the position is none that the caller or an event gave, but the time of an answer.
    pub(super) fn is_of_an_answer(&self) -> bool {
        self.since_is_of_an_answer && self.since.is_some() && self.cursor.is_none()
    }

    /// Forgets the time of an answer: the next answer says anew where to resume.
    pub(super) fn forget_answer(&mut self) {
        self.since = None;
    }

    /// Whether the position was given up, and nothing has moved it since.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up && self.cursor.is_none()
    }

    /// Moves behind an event that was handed out: to the event's [cursor](StreamEvent::cursor). An
    /// id that is too long for a URL counts as absent: otherwise the events after such an id would
    /// come again for ever.
    pub(super) fn move_behind(&mut self, event: &StreamEvent) {
        let time = match event.place() {
            Some(Place::Id(id)) if id.len() <= MOST_CURSOR_BYTES => return self.move_to(id),
            Some(Place::Id(_)) => event.unix_ms(),
            Some(Place::Time(ms)) => Some(ms),
            None => None,
        };
        if let Some(ms) = time {
            self.cursor = Some(Cursor::Time(ms, OnceLock::new()));
        }
    }

    /// Moves to where an id in the stream says. A text that is empty, or too long for a URL, leaves
    /// the position alone.
    pub(super) fn move_to(&mut self, cursor: &str) {
        if cursor.is_empty() || cursor.len() > MOST_CURSOR_BYTES {
            return;
        }
        // There may be an event a second for months: the text is reused, not allocated anew.
        if let Some(Cursor::Text(text)) = &mut self.cursor {
            text.clear();
            text.push_str(cursor);
        } else {
            self.cursor = Some(Cursor::Text(cursor.to_owned()));
        }
    }

    /// Returns `url` with the position in its query: the cursor and no `since`, or else `since`.
    pub(super) fn place_in(&self, url: &Url) -> Url {
        match (self.cursor(), &self.since) {
            (Some(cursor), _) => with_cursor(&without_since(url), cursor),
            (None, Some(since)) => with_since(url, since),
            (None, None) if self.given_up => without_position(url),
            (None, None) => url.clone(),
        }
    }

    /// Does the same for a URL that a redirect leads to. A cursor that the server put there stays,
    /// and so does the server's `since` as long as there is no cursor.
    pub(super) fn place_in_redirect(&self, url: &Url) -> Url {
        // An empty parameter counts as absent.
        let says = |name| query::value(url, name).is_some_and(|value| !value.is_empty());
        let stays = says("cursor") || (self.cursor.is_none() && says("since"));
        if stays { url.clone() } else { self.place_in(url) }
    }
}

/// Whether a request to this URL names a position.
pub(super) fn is_in(url: &Url) -> bool {
    ["cursor", "since"].iter().any(|name| query::value(url, name).is_some_and(|it| !it.is_empty()))
}

/// Returns the cursor that a request to this URL sends: ours, or the cursor that a redirect has put
/// there.
pub(super) fn sent_to(url: &Url) -> Option<String> {
    query::value(url, "cursor").filter(|cursor| !cursor.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SseId;

    fn placed(url: &str, cursor: &str, since: &str) -> String {
        let url = Url::parse(url).unwrap();
        let position = Position::new(&url, Some(cursor.into()), Some(since.into())).unwrap();
        position.place_in(&url).to_string()
    }

    #[test]
    fn a_cursor_takes_the_place_of_since_wherever_that_came_from() {
        assert_eq!(placed("http://s/?streamId=a", "", "5"), "http://s/?streamId=a&since=5");
        assert_eq!(placed("http://s/?streamId=a", "7", "5"), "http://s/?streamId=a&cursor=7");
        assert_eq!(
            placed("http://s/?since=1&streamId=a", "7", ""),
            "http://s/?streamId=a&cursor=7"
        );
        assert_eq!(
            placed("http://s/?cursor=7&streamId=a", "", "5"),
            "http://s/?cursor=7&streamId=a"
        );
    }

    #[test]
    fn an_empty_position_in_a_redirect_is_none() {
        let url = Url::parse("http://s/").unwrap();
        for (cursor, since, due) in [("77", "", "cursor=77"), ("", "5", "since=5")] {
            let position = Position::new(&url, Some(cursor.into()), Some(since.into())).unwrap();
            for location in ["http://s/x?cursor=", "http://s/x?since=", "http://s/x?cursor=&since="]
            {
                let placed = position.place_in_redirect(&Url::parse(location).unwrap());
                assert!(placed.query().is_some_and(|query| query.contains(due)), "{placed}");
            }
        }
    }

    #[test]
    fn the_first_cursor_is_the_url_s_own_unless_an_option_says_another() {
        let url = Url::parse("http://s/?cursor=old").unwrap();
        let first = |option: Option<&str>| {
            let position = Position::new(&url, option.map(str::to_owned), None).unwrap();
            position.cursor().map(str::to_owned)
        };
        assert_eq!(first(None).as_deref(), Some("old"));
        assert_eq!(first(Some("new")).as_deref(), Some("new"));
        assert_eq!(first(Some("")).as_deref(), Some("old"));
    }

    #[test]
    fn what_is_too_long_to_be_sent_is_refused_and_not_shown() {
        let url = Url::parse("http://s/").unwrap();
        let most = "7".repeat(MOST_CURSOR_BYTES);
        Position::new(&url, Some(most.clone()), Some(most.clone())).unwrap();
        let over = Some(format!("{most}7"));
        let in_url = with_cursor(&url, over.as_deref().unwrap());
        for (refused, field) in [
            (Position::new(&url, over.clone(), None), "cursor"),
            (Position::new(&url, None, over.clone()), "since"),
            (Position::new(&in_url, None, None), "cursor"),
        ] {
            let error = refused.unwrap_err();
            assert_eq!((error.field(), error.value()), (field, "4097 bytes"));
        }
    }

    #[test]
    fn behind_an_event_whose_id_is_too_long_is_its_timestamp() {
        let text = r#"{"type":"update","meta":{"timestamp":"1970-01-01T00:00:07Z"},"data":1}"#;
        let mut position = Position::default();
        for (id, due) in [
            ("3".to_owned(), "3"),
            ("9".repeat(MOST_CURSOR_BYTES + 1), "7000"),
            (String::new(), "7000"),
        ] {
            position.move_behind(&StreamEvent::parse(text, SseId::Own(&id)).unwrap());
            assert_eq!(position.cursor(), Some(due));
        }
    }

    fn answer(date: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::DATE, date.parse().unwrap())])
    }

    #[test]
    fn the_date_of_the_first_good_answer_is_since() {
        let mut position = Position::default();
        let url = Url::parse("http://s/?streamId=a").unwrap();
        for (date, due) in [
            ("never", "http://s/?streamId=a"),
            ("Thu, 01 Jan 1970 00:00:07 GMT", "http://s/?streamId=a&since=7000"),
            ("Thu, 01 Jan 1970 00:00:09 GMT", "http://s/?streamId=a&since=7000"),
        ] {
            position.answered(&answer(date));
            assert_eq!(position.place_in(&url).as_str(), due);
        }
        position.move_to("3");
        assert_eq!(position.place_in(&url).as_str(), "http://s/?streamId=a&cursor=3");
    }

    #[test]
    fn a_date_takes_the_place_of_nothing_that_the_caller_gave() {
        for (url, cursor, since, due) in [
            ("http://s/", "3", "", "http://s/?cursor=3"),
            ("http://s/", "", "5", "http://s/?since=5"),
            ("http://s/?cursor=3", "", "", "http://s/?cursor=3"),
            ("http://s/?since=5", "", "", "http://s/?since=5"),
            ("http://s/?since=", "", "", "http://s/?since=7000"),
        ] {
            let url = Url::parse(url).unwrap();
            let mut position =
                Position::new(&url, Some(cursor.into()), Some(since.into())).unwrap();
            position.answered(&answer("Thu, 01 Jan 1970 00:00:07 GMT"));
            assert_eq!(position.place_in(&url).as_str(), due);
        }
    }

    #[test]
    fn a_position_that_is_given_up_is_named_no_more() {
        for (url, due) in [
            ("http://s/?streamId=a", "http://s/?streamId=a&cursor=8"),
            ("http://s/?streamId=a&cursor=1&since=2", "http://s/?streamId=a&cursor=8"),
        ] {
            let url = Url::parse(url).unwrap();
            let mut position = Position::new(&url, Some("7".into()), Some("5".into())).unwrap();
            assert_eq!(position.give_up().as_deref(), Some("7"));
            // Nor is it the time of the answer, as long as nothing has come of that.
            position.answered(&answer("Thu, 01 Jan 1970 00:00:07 GMT"));
            assert_eq!(position.place_in(&url).as_str(), "http://s/?streamId=a");
            assert!(position.is_given_up());
            position.move_to("8");
            assert_eq!(position.place_in(&url).as_str(), due);
            assert!(!position.is_given_up());
        }
    }

    #[test]
    fn an_empty_text_moves_nothing() {
        let mut position = Position::default();
        position.move_to("3");
        position.move_to("");
        assert_eq!(position.cursor(), Some("3"));
    }

    #[test]
    fn a_redirect_that_drops_the_position_gets_it_back() {
        let mut position = Position::default();
        position.move_to("3");
        for (location, due) in [
            ("http://s/x", "http://s/x?cursor=3"),
            ("http://s/x?cursor=2", "http://s/x?cursor=2"),
            ("http://s/x?since=1&y=2", "http://s/x?y=2&cursor=3"),
            ("http://s/x?since=1&cursor=2", "http://s/x?since=1&cursor=2"),
        ] {
            let url = Url::parse(location).unwrap();
            let placed = position.place_in_redirect(&url);
            assert_eq!(placed.as_str(), due);
            let sent = if due.contains("cursor=2") { "2" } else { "3" };
            assert_eq!(sent_to(&placed).as_deref(), Some(sent));
        }
    }

    #[test]
    fn as_long_as_there_is_no_cursor_the_since_of_a_redirect_stays() {
        let url = Url::parse("http://s/").unwrap();
        let position = Position::new(&url, None, Some("5".into())).unwrap();
        for (location, due) in
            [("http://s/x", "http://s/x?since=5"), ("http://s/x?since=1", "http://s/x?since=1")]
        {
            let placed = position.place_in_redirect(&Url::parse(location).unwrap());
            assert_eq!(placed.as_str(), due);
            assert_eq!(sent_to(&placed), None);
        }
    }
}
