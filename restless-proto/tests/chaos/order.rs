//! How each item follows the one before it: what is told, beside what is so by the log.

use restless_proto::subscription::{Continuity, GapReason};

use super::log::{Entry, Form, unix_ms};
use super::script::{Ids, Setting};

/// What one machine tells of continuity, and what a client can know of it.
pub(crate) struct Order {
    setting: Setting,
    drops: bool,
    /// What was told last, and whether no item has come of it yet.
    pub(crate) told: Option<Continuity>,
    is_news: bool,
    /// The entries whose ids were handed out since the client began, or began anew.
    known: Vec<usize>,
    highest: Option<usize>,
    /// What makes a gap before the next item.
    due: Vec<GapReason>,
    has_stood: bool,
    /// The `Date` of the present answer, in milliseconds.
    answered: Option<u64>,
}

impl Order {
    /// `None` where it is not asked for. The entry is where the caller resumes.
    pub(crate) fn new(setting: &Setting, resumes_at: Option<&Entry>) -> Option<Self> {
        let resumes_at = resumes_at.map(|entry| entry.number).filter(|_| setting.ids != Ids::None);
        (setting.continuity || setting.dedupe).then(|| Self {
            setting: setting.clone(),
            drops: setting.dedupe,
            told: None,
            is_news: false,
            known: resumes_at.into_iter().collect(),
            highest: resumes_at,
            due: Vec::new(),
            has_stood: false,
            answered: None,
        })
    }

    pub(crate) fn stands(&mut self, resumes: bool, answered: Option<u64>) {
        self.answered = answered;
        if std::mem::replace(&mut self.has_stood, true) && !resumes && self.due.is_empty() {
            self.due.push(GapReason::NoPosition);
        }
    }

    pub(crate) fn gives_up(&mut self, why: GapReason, had_cursor: bool) {
        if had_cursor
            || self.told.is_some()
            || matches!(why, GapReason::Refused | GapReason::NoPosition)
        {
            self.due = vec![why];
        }
    }

    /// The id of this entry came without an item.
    pub(crate) fn moves_past(&mut self, number: usize) {
        self.highest = self.highest.max(Some(number));
    }

    pub(crate) fn tells(&mut self, continuity: &Continuity) -> Result<(), String> {
        if std::mem::replace(&mut self.is_news, true) {
            return Err(format!("tells {continuity:?} before an item of the last news has come"));
        }
        self.told = Some(continuity.clone());
        Ok(())
    }

    /// What was told last goes with an item that was dropped.
    pub(crate) fn is_cut_short(&mut self) {
        self.is_news = false;
    }

    /// Whether this entry is dropped, for it was handed out already.
    pub(crate) fn drops(&self, entry: &Entry, form: Form) -> bool {
        self.drops && self.is_repeated(entry, form)
    }

    fn is_repeated(&self, entry: &Entry, form: Form) -> bool {
        self.setting.ids != Ids::None
            && entry.is_event(form)
            && !self.begins_anew()
            && self.known.contains(&entry.number)
    }

    fn begins_anew(&self) -> bool {
        self.due.iter().any(|why| *why != GapReason::Rejected)
    }

    /// An item is handed out; `from` is the cursor before it.
    pub(crate) fn item(
        &mut self,
        entry: &Entry,
        form: Form,
        from: Option<&str>,
    ) -> Result<(), String> {
        let is_news = std::mem::take(&mut self.is_news);
        let told = self.told.clone().ok_or("an item, and no word of how it follows")?;
        let is_event = entry.is_event(form);
        let went_back = is_event
            && self.setting.ids == Ids::Numbers
            && self.highest.is_some_and(|highest| entry.number < highest);
        let mut reasons = self.due.clone();
        if went_back {
            reasons.push(GapReason::WentBack);
        }
        let had_past = !is_news || from.is_some() || self.has_past();
        if form == Form::Snapshot && had_past {
            reasons.push(GapReason::Snapshot);
        }
        let is_old = self.answered.is_some_and(|answered| unix_ms(entry.at) < answered);
        let is_repeated = self.is_repeated(entry, form);
        let behind = Some(entry.cursor()).filter(|_| is_event || entry.moves(&self.setting));
        let is_right = match &told {
            Continuity::Repeated => is_repeated && !self.drops,
            Continuity::Gap { to, why, .. } => {
                !is_repeated && is_news && reasons.contains(why) && *to == behind
            }
            _ if is_repeated || !reasons.is_empty() => false,
            Continuity::Live => !is_event || !is_old,
            Continuity::Replayed => !is_event || is_old,
            _ => false,
        };
        if !is_right {
            return Err(format!(
                "{told:?} is told of {}; what is so: repeated {is_repeated}, {reasons:?}",
                entry.cursor()
            ));
        }
        if matches!(told, Continuity::Gap { .. }) {
            if self.begins_anew() || went_back {
                self.known.clear();
                self.highest = None;
            }
            self.due.clear();
        }
        if is_event {
            self.known.push(entry.number);
            self.moves_past(entry.number);
        } else {
            self.due = vec![GapReason::Rejected];
        }
        Ok(())
    }

    /// Whether an item has come of this machine.
    fn has_past(&self) -> bool {
        !self.known.is_empty() || !self.due.is_empty()
    }
}
