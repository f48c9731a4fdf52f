//! A list, page by page.

use std::collections::HashSet;

use super::streams::List;
use crate::call::Call;
use crate::model::{Stream, StreamsResponse};

/// All streams of a [`list`](super::streams::list), a page at a time: which call is next, and what
/// its reply brings that is new.
///
/// The walk starts at the list's offset, takes the list's limit as the size of a page, and goes on
/// behind the streams that have come. The walk ends where the service says that the last page has
/// come. The walk also ends at a page that is empty or only repeats streams, whatever the service
/// says, so that a service that gives one page over and over holds nobody up. The ids that have
/// come are remembered for that.
///
/// The service counts from the first stream anew for each page: a stream that is created meanwhile
/// is given once, but a stream that is deleted meanwhile may make another one slip through.
///
/// ```
/// use restless_proto::model::StreamsResponse;
/// use restless_proto::{Call, Error, streams};
///
/// fn all(
///     send: impl Fn(Call<StreamsResponse>) -> Result<StreamsResponse, Error>,
/// ) -> Result<(), Error> {
///     let mut pages = streams::Pages::new(streams::list().limit(100));
///     while let Some(call) = pages.next_call() {
///         for stream in pages.take(send(call)?) {
///             println!("{}", stream.name);
///         }
///     }
///     Ok(())
/// }
/// # let none = r#"{"streams":[],"paginationInfo":{"hasNextPage":true}}"#;
/// # all(|_| Ok(serde_json::from_str(none).unwrap())).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "it makes no call by itself"]
pub struct Pages {
    next: Option<List>,
    seen: HashSet<String>,
}

impl Pages {
    /// Starts at the first page of this list.
    pub fn new(list: List) -> Self {
        Self { next: Some(list), seen: HashSet::new() }
    }

    /// Returns the call for the next page; `None` once the walk is over.
    pub fn next_call(&self) -> Option<Call<StreamsResponse>> {
        self.next.clone().map(Call::from)
    }

    /// Takes the reply to [`next_call`](Self::next_call), and returns the streams that are new in
    /// it.
    pub fn take(&mut self, page: StreamsResponse) -> Vec<Stream> {
        let count = u64::try_from(page.streams.len()).unwrap_or(u64::MAX);
        let mut streams = page.streams;
        streams.retain(|stream| self.seen.insert(stream.id.clone()));
        let more = page.pagination_info.has_next_page && !streams.is_empty();
        self.next = self.next.take().filter(|_| more).map(|list| list.behind(count));
        streams
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::streams;
    use crate::service::Service;

    fn page(ids: &[&str], has_next_page: bool) -> StreamsResponse {
        let streams: Vec<_> = ids
            .iter()
            .map(|id| {
                serde_json::json!({
                    "id": id, "name": id, "status": "ACTIVE", "method": "GET", "url": "u",
                    "payloadMode": "FULL_DATA", "pollingInterval": 30,
                })
            })
            .collect();
        let page = serde_json::json!({
            "streams": streams, "paginationInfo": {"hasNextPage": has_next_page},
        });
        serde_json::from_value(page).unwrap()
    }

    /// Returns the query of the next call.
    fn asks(pages: &Pages) -> Option<String> {
        let request = pages.next_call()?.request(&Service::default()).unwrap();
        request.uri().query().map(str::to_owned)
    }

    fn takes(pages: &mut Pages, ids: &[&str], has_next_page: bool) -> Vec<String> {
        let new = pages.take(page(ids, has_next_page));
        new.into_iter().map(|stream| stream.id).collect()
    }

    #[test]
    fn each_page_begins_behind_what_has_come() {
        let mut pages = Pages::new(streams::list().limit(2).offset(10));
        assert_eq!(asks(&pages).unwrap(), "limit=2&offset=10");
        assert_eq!(takes(&mut pages, &["a", "b"], true), ["a", "b"]);
        assert_eq!(asks(&pages).unwrap(), "limit=2&offset=12");
        // The service may give less than it is asked for.
        assert_eq!(takes(&mut pages, &["c"], true), ["c"]);
        assert_eq!(asks(&pages).unwrap(), "limit=2&offset=13");
        assert_eq!(takes(&mut pages, &["d"], false), ["d"]);
        assert_eq!(asks(&pages), None);
    }

    #[test]
    fn an_empty_or_repeated_page_is_the_end() {
        for last in [&[][..], &["a", "b"], &["b"]] {
            let mut pages = Pages::new(streams::list());
            takes(&mut pages, &["a", "b"], true);
            assert_eq!(takes(&mut pages, last, true), [""; 0], "{last:?}");
            assert_eq!(asks(&pages), None, "{last:?}");
        }
    }

    #[test]
    fn pages_that_take_turns_come_to_an_end() {
        let mut pages = Pages::new(streams::list());
        takes(&mut pages, &["a"], true);
        takes(&mut pages, &["b"], true);
        assert_eq!(takes(&mut pages, &["a"], true), [""; 0]);
        assert_eq!(asks(&pages), None);
    }

    #[test]
    fn what_has_moved_to_the_next_page_is_not_given_twice() {
        let mut pages = Pages::new(streams::list().limit(2));
        takes(&mut pages, &["a", "b"], true);
        assert_eq!(takes(&mut pages, &["b", "c"], true), ["c"]);
        assert_eq!(asks(&pages).unwrap(), "limit=2&offset=4");
    }

    #[test]
    fn a_page_after_the_end_changes_nothing() {
        let mut pages = Pages::new(streams::list());
        takes(&mut pages, &["a"], false);
        takes(&mut pages, &["b"], true);
        assert_eq!(asks(&pages), None);
    }
}
