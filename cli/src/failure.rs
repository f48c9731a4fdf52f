//! Why a command did not do what it was asked to, and what the process ends with.

use std::error::Error as StdError;
use std::fmt::Display;
use std::iter::successors;

use restless_tokio::Error;

use crate::output::harmless;

/// What a process ends with, as `--help` and the manual page say it.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done; the stream has ended, or the limit is reached
  1    the output can't be written
  2    the arguments or settings can't work
  3    the service, or who stands before it, said no
  4    the service can't be reached, or was not for long enough
  5    the store of `relay` can't be used
  20.. the step of `doctor` that failed first, by its number there
  130  interrupted twice";

/// What helps where the way to the service may be the reason.
const DOCTOR: &str = "`restless doctor` looks for what is wrong on the way";

/// An exit code, and what to say on standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    /// What went wrong, then each of its causes. Empty where all is said already.
    causes: Vec<String>,
    hint: Option<&'static str>,
}

impl Failure {
    /// With what failed, and why.
    pub(crate) fn new(code: u8, what: impl Display, why: impl StdError) -> Self {
        let mut causes = vec![what.to_string()];
        causes.extend(self::causes(&why));
        Self { code, causes, hint: None }
    }

    /// Arguments or settings that can't work.
    pub(crate) fn usage(why: impl StdError) -> Self {
        Self { code: 2, causes: causes(&why), hint: None }
    }

    /// With a message of its own.
    pub(crate) fn message(code: u8, message: impl Into<String>) -> Self {
        Self { code, causes: vec![message.into()], hint: None }
    }

    /// All has been said already.
    pub(crate) fn silent(code: u8) -> Self {
        Self { code, causes: Vec::new(), hint: None }
    }

    /// The output can't be written.
    pub(crate) fn output(why: std::io::Error) -> Self {
        // Whoever read us has enough: `restless tail … | head -1`.
        if why.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: 0, causes: Vec::new(), hint: None };
        }
        Self::new(1, "the output can't be written", why)
    }

    /// Which of several it was.
    pub(crate) fn of(mut self, which: &str) -> Self {
        if let Some(first) = self.causes.first_mut() {
            *first = format!("{which}: {first}");
        }
        self
    }

    /// With what helps.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// One line, and in verbose each cause on a line of its own.
    pub(crate) fn told(&self, is_verbose: bool) -> String {
        if self.causes.is_empty() {
            return String::new();
        }
        // What a peer answered is in it: that is one line, and steers no terminal.
        let line = |cause: &String| harmless(cause).replace('\n', " ");
        let causes: Vec<_> = self.causes.iter().map(line).collect();
        let causes = causes.join(if is_verbose { "\n  because: " } else { ": " });
        let hint = self.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("restless: {causes}{hint}\n")
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.code
    }
}

/// By who must act.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Config(_) | Error::Misuse(_) => 2,
            Error::Refused(_)
            | Error::Content(_)
            | Error::Redirect(_)
            | Error::Handshake(_)
            | Error::Closed(_) => 3,
            _ => 4,
        };
        let hint = match &error {
            Error::Refused(refused) if refused.status() == http::StatusCode::UNAUTHORIZED => {
                Some("`restless config` shows which key counts, and where it comes from")
            }
            Error::Refused(refused) if refused.status() == http::StatusCode::NOT_FOUND => {
                Some("`restless streams ls` lists what there is")
            }
            Error::Refused(refused) if refused.status() == http::StatusCode::UPGRADE_REQUIRED => {
                Some("something in between passes no WebSocket on; without --ws none is needed")
            }
            Error::Content(_)
            | Error::Handshake(_)
            | Error::Transport(_)
            | Error::Timeout(_)
            | Error::GaveUp(_) => Some(DOCTOR),
            _ => None,
        };
        Self { code, causes: causes(&error), hint }
    }
}

/// An error and its causes, without those that the error before them has said already.
pub(crate) fn causes(error: &dyn StdError) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for cause in successors(Some(error), |error| (*error).source()).map(ToString::to_string) {
        if !causes.last().is_some_and(|last| last.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_said_is_one_line_and_never_steers_the_terminal() {
        let failure = Failure::message(3, "no\u{1b}[2J\nway").hint("wait");
        assert_eq!(failure.told(false), "restless: no\u{fffd}[2J way (wait)\n");
    }

    #[test]
    fn a_cause_that_has_been_said_is_not_said_again() {
        #[derive(Debug, thiserror::Error)]
        #[error("IO error: {0}")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("refused"));
        assert_eq!(causes(&error), ["IO error: refused"]);
    }
}
