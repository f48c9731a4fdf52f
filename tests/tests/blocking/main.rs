//! Every scenario of the suite by the async client that `restless-blocking` wraps, polled by the
//! thread that waits, as its methods do; the methods themselves are driven in [`api`].

mod api;

use restless_smol::Smol;
use restless_tests::run::on_a_thread;

fn run<F>(scenario: fn(Smol) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || async_io::block_on(scenario(Smol)));
}

restless_tests::scenarios!(crate::run);
