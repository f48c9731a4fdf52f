//! The steps, in the order in which they are tried.

#![allow(clippy::needless_pass_by_ref_mut, reason = "each step is a row of one table")]

mod answer;
mod feed;
mod key;
mod network;
mod stream;
mod websocket;

use std::error::Error;

use crate::doctor::Step;

/// The list of steps. Each exit code is the step's own for good: scripts tell by it what failed.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "key", exit_code: 20, run: |case| Box::pin(key::shape(case)) },
    Step { name: "proxy", exit_code: 21, run: |case| Box::pin(network::proxy(case)) },
    Step { name: "names", exit_code: 22, run: |case| Box::pin(network::names(case)) },
    Step { name: "tcp", exit_code: 23, run: |case| Box::pin(network::tcp(case)) },
    Step { name: "tunnel", exit_code: 24, run: |case| Box::pin(network::tunnel(case)) },
    Step { name: "tls", exit_code: 25, run: |case| Box::pin(network::tls(case)) },
    Step { name: "feed", exit_code: 35, run: |case| Box::pin(feed::choose(case)) },
    Step { name: "http", exit_code: 26, run: |case| Box::pin(answer::http(case)) },
    Step { name: "key accepted", exit_code: 27, run: |case| Box::pin(answer::accepted(case)) },
    Step { name: "clock", exit_code: 28, run: |case| Box::pin(answer::clock(case)) },
    Step { name: "first byte", exit_code: 29, run: |case| Box::pin(stream::first_byte(case)) },
    Step { name: "held back", exit_code: 30, run: |case| Box::pin(stream::held_back(case)) },
    Step { name: "cut or end", exit_code: 31, run: |case| Box::pin(stream::cut_or_end(case)) },
    Step { name: "silence", exit_code: 32, run: |case| Box::pin(stream::silence(case)) },
    Step { name: "longest URL", exit_code: 33, run: |case| Box::pin(answer::longest_url(case)) },
    Step { name: "websocket", exit_code: 34, run: |case| Box::pin(websocket::upgrade(case)) },
];

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    crate::failure::causes(error).join(": ")
}
