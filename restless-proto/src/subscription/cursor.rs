//! Where in the stream a subscription stands.

use url::Url;

use crate::http::query;
use crate::url::{with_cursor, with_since, without_since};

/// The one owner of the position: the cursor, and until there is one, `since`.
///
/// An empty cursor or `since` is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    cursor: Option<String>,
    since: Option<String>,
}

/// Longest cursor that is taken from a stream; the service's are 13 digits.
pub(super) const MOST_CURSOR_BYTES: usize = 4096;

impl Position {
    /// The caller's options go before what the URL says.
    pub(super) fn new(url: &Url, cursor: Option<String>, since: Option<String>) -> Self {
        let filled = |text: &String| !text.is_empty() && text.len() <= MOST_CURSOR_BYTES;
        Self {
            cursor: cursor.filter(filled).or_else(|| query::value(url, "cursor").filter(filled)),
            since: since.filter(filled),
        }
    }

    pub(super) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Moves to where an event or an id in the stream says; an empty text moves nothing, nor does
    /// one that no URL could carry back.
    pub(super) fn move_to(&mut self, cursor: &str) {
        if cursor.is_empty() || cursor.len() > MOST_CURSOR_BYTES {
            return;
        }
        // An event a second for months: the text is reused, not allocated anew.
        let text = self.cursor.get_or_insert_default();
        text.clear();
        text.push_str(cursor);
    }

    /// `url` with the position in its query: the cursor, and then no `since`; else `since`.
    pub(super) fn place_in(&self, url: &Url) -> Url {
        match (&self.cursor, &self.since) {
            (Some(cursor), _) => with_cursor(&without_since(url), cursor),
            (None, Some(since)) => with_since(url, since),
            (None, None) => url.clone(),
        }
    }

    /// The same for a URL that a redirect leads to: a position that the server put there stays.
    pub(super) fn place_in_redirect(&self, url: &Url) -> Url {
        let placed = ["cursor", "since"].iter().any(|name| query::value(url, name).is_some());
        if placed { url.clone() } else { self.place_in(url) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(url: &str, cursor: &str, since: &str) -> String {
        let url = Url::parse(url).unwrap();
        Position::new(&url, Some(cursor.into()), Some(since.into())).place_in(&url).to_string()
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
    fn the_first_cursor_is_the_url_s_own_unless_an_option_says_another() {
        let url = Url::parse("http://s/?cursor=old").unwrap();
        assert_eq!(Position::new(&url, None, None).cursor(), Some("old"));
        assert_eq!(Position::new(&url, Some("new".into()), None).cursor(), Some("new"));
        assert_eq!(Position::new(&url, Some(String::new()), None).cursor(), Some("old"));
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
            ("http://s/x?since=1", "http://s/x?since=1"),
        ] {
            let url = Url::parse(location).unwrap();
            assert_eq!(position.place_in_redirect(&url).as_str(), due);
        }
    }
}
