//! Every scenario of the suite on async-std.

use restless_async_std::AsyncStd;
use restless_tests::run::on_a_thread;

fn run<F>(scenario: fn(AsyncStd) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || async_std::task::block_on(scenario(AsyncStd)));
}

restless_tests::scenarios!(crate::run);
