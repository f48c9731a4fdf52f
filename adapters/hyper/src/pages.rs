//! A list, walked.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use restless_proto::model::{Stream, StreamsResponse};
use restless_proto::{CallMachine, Error, TransportErrorKind, streams};

use crate::driver::Driver;
use crate::{Client, Runtime};

/// The streams of a list, one by one; pages are asked for as they are needed.
///
/// Each page is a call with the client's timeout and tries. [`streams::Pages`] says when the walk
/// ends, and what concurrent changes do to the walk. An `Err` is the end, once; then comes `None`.
#[must_use = "a list moves only while it is polled"]
pub struct Pages<R: Runtime> {
    client: Client<R>,
    pages: Option<streams::Pages>,
    call: Option<Driver<R, CallMachine<StreamsResponse>>>,
    /// The rest of the page that came last.
    page: std::vec::IntoIter<Stream>,
}

impl<R: Runtime> Pages<R> {
    pub(crate) fn new(client: Client<R>, list: streams::List) -> Self {
        let page = Vec::new().into_iter();
        Self { client, pages: Some(streams::Pages::new(list)), call: None, page }
    }

    /// Waits for the next stream; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]. The error is the last item.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call gives the stream.
    pub async fn next(&mut self) -> Option<Result<Stream, Error>> {
        poll_fn(|cx| self.poll_stream(cx)).await
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Stream, Error>>> {
        loop {
            if let Some(stream) = self.page.next() {
                return Poll::Ready(Some(Ok(stream)));
            }
            let Some(pages) = &mut self.pages else { return Poll::Ready(None) };
            let call = match (&mut self.call, pages.next_call()) {
                (Some(call), _) => call,
                (call, Some(next)) => match self.client.driver(next) {
                    Ok(driver) => call.insert(driver),
                    Err(error) => return self.fail(error.into()),
                },
                (None, None) => {
                    self.pages = None;
                    return Poll::Ready(None);
                }
            };
            let answer = ready!(call.poll_event(cx));
            self.call = None;
            match answer {
                Some(Ok(page)) => self.page = pages.take(page).into_iter(),
                Some(Err(error)) => return self.fail(error),
                None => return self.fail(TransportErrorKind::Broken.into()),
            }
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Stream, Error>>> {
        self.pages = None;
        Poll::Ready(Some(Err(error)))
    }
}

impl<R: Runtime> futures_core::Stream for Pages<R> {
    type Item = Result<Stream, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_stream(cx)
    }
}

impl<R: Runtime> fmt::Debug for Pages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("pages", &self.pages).finish_non_exhaustive()
    }
}
