//! What a driver does that it should not, and what happens to it.

use bytes::Bytes;
use http::Response;
use restless_proto::ApiKey;
use restless_proto::machine::{End, ExchangeId, Input};

use super::super::log::Ms;
use super::super::script::{Told, Transport, Trick};
use super::super::server::{self, FIN};
use super::{Run, Turn, at};

impl Run<'_> {
    /// What the script has for this wait. Something that ends the turn, if it does.
    pub(super) fn play_tricks(&mut self, deadline: Option<Ms>) -> Result<Option<Turn>, String> {
        let mut played = None;
        while let Some((_, trick)) =
            self.tricks.as_slice().first().copied().filter(|(wait, _)| *wait <= self.waits)
        {
            self.tricks.next();
            self.note(|| format!("! {trick:?}"));
            let current = self.exchange.as_ref().map(|it| it.id);
            match trick {
                Trick::EarlyElapsed => {
                    self.hand_in(Input::Elapsed, self.at());
                    played = Some(Turn::Go);
                }
                Trick::Suspended(span) => self.now = deadline.unwrap_or(0).max(self.now) + span,
                Trick::TimeFirst => self.time_first = true,
                Trick::ClockBack(span) => {
                    let back = at(self.now.saturating_sub(span));
                    self.hand_in(Input::Elapsed, back);
                    played = Some(Turn::Go);
                }
                Trick::Stale(told) => {
                    let old = self.old.get(self.waits as usize % self.old.len().max(1)).copied();
                    if old.is_some() {
                        self.count("stale input");
                    }
                    self.tell(told, old);
                    played = Some(Turn::Go);
                }
                Trick::Again(told) => {
                    if self.may_tell_again(told) {
                        self.tell(told, current);
                        played = Some(Turn::Go);
                    } else {
                        self.behind_the_end = Some(told);
                    }
                }
                Trick::Rush => {
                    self.now += 500;
                    self.take_what_is_due();
                    played = Some(Turn::Go);
                }
                Trick::Interleave => self.interleaves = true,
                Trick::SlowConsumer(span) => self.slow = Some(span),
                Trick::Close => {
                    self.checks.closed_by_user = true;
                    self.machine.close(self.at());
                    played = Some(Turn::Go);
                }
                Trick::Kill => {
                    self.count("killed");
                    return self.restart().map(Some);
                }
            }
        }
        Ok(played)
    }

    /// Whether it is no news of the present exchange, but late or said already.
    fn may_tell_again(&self, told: Told) -> bool {
        let Some(exchange) = &self.exchange else { return false };
        let over = exchange.end_came.is_some() || !exchange.is_open;
        match told {
            Told::Connected => exchange.head_came,
            Told::Head => exchange.head_came,
            Told::Data | Told::End => over,
            Told::Message => over || self.script.setting.transport != Transport::Messages,
            Told::Key => !self.asked,
        }
    }

    /// Tells something of an exchange that is not so.
    pub(super) fn tell(&mut self, told: Told, exchange: Option<ExchangeId>) {
        let now = self.at();
        if told == Told::Key {
            if !self.asked {
                let key = Some(ApiKey::new("rs_of_another"));
                self.hand_in(Input::Credentials(Ok(key)), now);
            }
            return;
        }
        let Some(exchange) = exchange else { return };
        let bogus = br#"{"type":"update","meta":{"timestamp":"2030-01-01T00:00:00Z"},"data":0}"#;
        self.hand_in(
            match told {
                Told::Connected => Input::Connected { exchange },
                Told::Head => {
                    let head = Response::builder().status(404).body(()).unwrap().into_parts().0;
                    Input::Response { exchange, head: Box::new(head) }
                }
                Told::Data if self.script.setting.transport == Transport::Frames => {
                    Input::Data { exchange, bytes: server::frame(FIN | 1, bogus).into() }
                }
                Told::Data => {
                    let block = [b"data: ", &bogus[..], b"\nid: bogus\n\n"].concat();
                    Input::Data { exchange, bytes: block.into() }
                }
                Told::Message => Input::Message { exchange, message: Bytes::from_static(bogus) },
                Told::End => Input::Ended { exchange, why: End::Complete },
                Told::Key => return,
            },
            now,
        );
    }
}
