//! Which feed is followed.

use restless_tokio::model::{Stream, StreamStatus};
use restless_tokio::{Error, streams};

use super::chain;
use crate::doctor::case::{Wanted, is_about_key};
use crate::doctor::{Case, Finding};
use crate::exchange::STEP;

/// The stream that was asked for, or one of the account: one that is active, if there is one.
pub(super) async fn choose(case: &mut Case) -> Finding {
    if !case.reaches {
        return Finding::skipped("there is no connection to follow it on");
    }
    let word = match case.wanted.clone() {
        Wanted::Url(_) => return Finding::good("the one that the URL names"),
        Wanted::Id(id) => {
            case.choose(&id);
            return Finding::good(format!("the stream {id}"));
        }
        Wanted::Word(word) => Some(word),
        Wanted::Any => None,
    };
    let listed = tokio::time::timeout(2 * STEP, first(case, word.as_deref())).await;
    let (why, word) = match (listed, word) {
        (Ok(Ok(Some(stream))), word) => {
            case.choose(stream.id.as_str());
            let Stream { name, id, status, .. } = stream;
            let which = if word.is_some() { "" } else { ", the first of the account" };
            return Finding::good(format!("{name} ({id}), {status}{which}"));
        }
        (Ok(Ok(None)), Some(word)) => {
            case.reaches = false;
            return Finding::failed(
                format!("no stream has the id or the name {word:?}"),
                "`restless streams ls` lists what there is",
            );
        }
        (Ok(Ok(None)), None) => {
            case.reaches = false;
            return Finding::failed(
                "the account has no stream",
                "`restless streams create` makes one; or name a feed by its URL",
            );
        }
        (Ok(Err(Error::Refused(refused))), word) if is_about_key(refused.status()) => {
            // The stream's own answer is to say so, where it is the key.
            case.choose(word.as_deref().unwrap_or("none"));
            return Finding::note(
                format!("the REST API answers {}", refused.status()),
                "whether that is the key, the steps below say",
            );
        }
        (Ok(Err(error)), word) => (chain(&error), word),
        (Err(_), word) => (format!("no answer in {} s", (2 * STEP).as_secs()), word),
    };
    let found = format!("the REST API at {}: {}", case.client.service().api_base_url(), why);
    match word {
        Some(word) => {
            case.choose(&word);
            Finding::note(found, "it was not looked up, and is taken for an id")
        }
        None => {
            case.reaches = false;
            Finding::failed(
                found,
                "the way to streams is good this far, and the one to the REST API is not: \
                 RESTLESS_API_BASE_URL says where that is; `restless doctor URL` goes without it",
            )
        }
    }
}

/// The first stream that has this id or name; without one, the first that is active, or the first.
async fn first(case: &Case, word: Option<&str>) -> Result<Option<Stream>, Error> {
    let mut pages = case.client.pages(streams::list());
    let mut other = None;
    while let Some(stream) = pages.next().await {
        let stream = stream?;
        let is_right = match word {
            Some(word) => stream.id.as_str() == word || stream.name == word,
            None => stream.status == StreamStatus::Active,
        };
        if is_right {
            return Ok(Some(stream));
        }
        if word.is_none() && other.is_none() {
            other = Some(stream);
        }
    }
    Ok(other)
}
