//! What the screen shows, and how events and keys change that. The terminal and the clock are
//! elsewhere.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use restless_tokio::StreamEvent;
use restless_tokio::event::timestamp::unix_ms;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Change, Document, Ended, Event, Item};

use super::seconds::Seconds;
use crate::failure::causes;

/// All that is on the screen.
pub(super) struct Model {
    /// What has come from the feeds.
    came: Came,
    /// What is shown in its place, while the screen is held. What the user chooses is no part of
    /// it, and stays when the screen goes on.
    held: Option<Came>,
    /// Which of the feeds that are shown is looked at.
    pub(super) chosen: usize,
    /// Feeds are shown whose name has this in it, in any case.
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) is_typing: bool,
    /// How many lines of the document are above the screen.
    pub(super) scroll: usize,
    /// What the last key has done, where that can't be seen.
    pub(super) note: Option<String>,
}

/// What comes from the feeds, whatever the user does.
#[derive(Clone)]
struct Came {
    feeds: Vec<Feed>,
    /// Losses and ends, the newest first.
    log: VecDeque<String>,
}

/// One subscription.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) state: State,
    pub(super) events: u64,
    pub(super) rejected: u64,
    pub(super) reconnects: u64,
    /// The last event's id.
    pub(super) id: Option<String>,
    /// From the last event's time to when it came, in milliseconds: both clocks count.
    pub(super) lag_ms: Option<i64>,
    /// How long the upstream took for the last event, in milliseconds.
    pub(super) latency_ms: Option<i64>,
    /// The present document, or the last data where the mode is unknown.
    pub(super) document: Document,
    /// Whether nobody knows if updates are all data or patches.
    pub(super) is_mode_unknown: bool,
    /// Places of the document that have changed, and when.
    pub(super) changed: Vec<(String, Instant)>,
    pub(super) seconds: Seconds,
}

/// What a feed is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    /// The connection stands, and no answer comes.
    Unanswered,
    Open,
    Waiting,
    Ended,
}

/// What a key asks for, beyond what the model does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Copy(String),
    Quit,
}

/// A key, as far as this program knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Next,
    Previous,
    PageDown,
    PageUp,
    Enter,
    Escape,
    Backspace,
    Interrupt,
}

/// How long a change can be seen.
pub(super) const FLASH: Duration = Duration::from_millis(1500);
const MOST_LOG_LINES: usize = 200;
/// More places than this flash as one: the whole document.
const MOST_CHANGED: usize = 256;
const PAGE: usize = 10;

impl Model {
    /// Shows feeds of these names and payload modes, as far as the modes are known.
    pub(super) fn new(feeds: impl IntoIterator<Item = (String, Option<PayloadMode>)>) -> Self {
        let feeds = feeds.into_iter().map(|(name, mode)| Feed::new(name, mode)).collect();
        Self {
            came: Came { feeds, log: VecDeque::new() },
            held: None,
            chosen: 0,
            filter: String::new(),
            is_typing: false,
            scroll: 0,
            note: None,
        }
    }

    /// Takes what happened in a feed, at this time: by a clock that only goes forward, by the
    /// calendar in Unix milliseconds, and as a text. Whether its document wants a snapshot.
    pub(super) fn take(
        &mut self,
        feed: usize,
        event: &Event,
        now: Instant,
        ms: i64,
        clock: &str,
    ) -> bool {
        let Some(feed) = self.came.feeds.get_mut(feed) else { return false };
        if let Some(line) = feed.take(event, now, ms) {
            self.came.log.push_front(format!("{clock} {}: {line}", feed.name));
            self.came.log.truncate(MOST_LOG_LINES);
        }
        feed.document.wants_snapshot()
    }

    /// Seconds pass, also where nothing comes.
    pub(super) fn advance(&mut self, now: Instant) {
        for feed in &mut self.came.feeds {
            feed.seconds.advance(now);
            feed.changed.retain(|(_, at)| now.saturating_duration_since(*at) < FLASH);
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    /// All feeds, as they are shown.
    pub(super) fn feeds(&self) -> &[Feed] {
        &self.in_sight().feeds
    }

    /// Losses and ends as they are shown, the newest first.
    pub(super) fn log(&self) -> &VecDeque<String> {
        &self.in_sight().log
    }

    fn in_sight(&self) -> &Came {
        self.held.as_ref().unwrap_or(&self.came)
    }

    /// The feeds that the filter lets through.
    pub(super) fn shown(&self) -> Vec<&Feed> {
        let filter = self.filter.to_lowercase();
        self.feeds().iter().filter(|feed| feed.name.to_lowercase().contains(&filter)).collect()
    }

    /// The feed that is looked at; `None` where the filter lets none through.
    pub(super) fn looked_at(&self) -> Option<&Feed> {
        self.shown().get(self.chosen).copied()
    }

    pub(super) fn press(&mut self, key: Key) -> Asked {
        self.note = None;
        if key == Key::Interrupt {
            return Asked::Quit;
        }
        if self.is_typing {
            self.edit(key);
            return Asked::Nothing;
        }
        match key {
            Key::Char('q') => return Asked::Quit,
            Key::Char('p' | ' ') => {
                self.held = if self.held.is_some() { None } else { Some(self.came.clone()) };
            }
            Key::Char('/') => self.is_typing = true,
            Key::Char('c') => match self.looked_at().and_then(|feed| feed.id.clone()) {
                Some(id) => {
                    self.note = Some(format!("copied {id}"));
                    return Asked::Copy(id);
                }
                None => self.note = Some("no event with an id has come".to_owned()),
            },
            Key::Next | Key::Char('j') => self.choose(self.chosen.saturating_add(1)),
            Key::Previous | Key::Char('k') => self.choose(self.chosen.saturating_sub(1)),
            Key::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            Key::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            Key::Escape => self.set_filter(String::new()),
            Key::Char(_) | Key::Enter | Key::Backspace | Key::Interrupt => {}
        }
        Asked::Nothing
    }

    fn edit(&mut self, key: Key) {
        let mut filter = self.filter.clone();
        match key {
            Key::Char(char) => filter.push(char),
            Key::Backspace => {
                filter.pop();
            }
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                filter.clear();
            }
            Key::Next | Key::Previous | Key::PageDown | Key::PageUp | Key::Interrupt => {}
        }
        self.set_filter(filter);
    }

    fn set_filter(&mut self, filter: String) {
        if filter != self.filter {
            self.filter = filter;
            self.choose(0);
        }
    }

    fn choose(&mut self, feed: usize) {
        self.chosen = feed.min(self.shown().len().saturating_sub(1));
        self.scroll = 0;
    }
}

impl Feed {
    fn new(name: String, mode: Option<PayloadMode>) -> Self {
        Self {
            name,
            state: State::Connecting,
            events: 0,
            rejected: 0,
            reconnects: 0,
            id: None,
            lag_ms: None,
            latency_ms: None,
            is_mode_unknown: mode.is_none(),
            document: Document::new(mode.unwrap_or(PayloadMode::FullData)),
            changed: Vec::new(),
            seconds: Seconds::default(),
        }
    }

    /// Takes what happened, and answers with a line for the log, where it is worth one.
    fn take(&mut self, event: &Event, now: Instant, ms: i64) -> Option<String> {
        match self.document.take_event(event) {
            Change::Value(paths) if paths.len() <= MOST_CHANGED => {
                self.changed.extend(paths.into_iter().map(|path| (path, now)));
                let too_many = self.changed.len().saturating_sub(MOST_CHANGED);
                self.changed.drain(..too_many);
            }
            Change::Value(_) => self.changed = vec![(String::new(), now)],
            _ => {}
        }
        match event {
            Event::Opened(_) => self.state = State::Open,
            Event::Unanswered => {
                self.state = State::Unanswered;
                return Some("no answer yet: something in between may hold it back".to_owned());
            }
            Event::Item(Item::Event(event)) => self.count(event, now, ms),
            Event::Item(Item::Rejected(rejected)) => {
                self.rejected += 1;
                return Some(format!("rejected: {}", causes(&rejected.reason).join(": ")));
            }
            Event::Lost(lost) => {
                self.state = State::Waiting;
                self.reconnects += 1;
                return Some(format!("lost: {}", causes(&lost.reason).join(": ")));
            }
            Event::Ended(ended) => {
                self.state = State::Ended;
                return Some(match ended {
                    Ended::Closed => "closed".to_owned(),
                    Ended::Complete => "the server ended the stream".to_owned(),
                    Ended::NoContent => "the server said: no more (204)".to_owned(),
                    ended => match ended.clone().into_error() {
                        Some(error) => causes(&error).join(": "),
                        None => "gave up: the reconnects brought no event".to_owned(),
                    },
                });
            }
            _ => {}
        }
        None
    }

    fn count(&mut self, event: &StreamEvent, now: Instant, ms: i64) {
        self.events += 1;
        if let Some(id) = event.event_id() {
            self.id = Some(id.to_owned());
        }
        self.lag_ms = unix_ms(&event.meta().timestamp()).map(|at| ms.saturating_sub(at).max(0));
        self.latency_ms = event.meta().latency_ms();
        self.seconds.count(now, event.raw().len(), self.lag_ms, self.latency_ms);
    }
}
