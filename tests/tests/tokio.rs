//! Every scenario of the suite on tokio.

use restless_tests::run::on_a_thread;
use restless_tokio::Tokio;

fn run<F>(scenario: fn(Tokio) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(scenario(Tokio));
    });
}

restless_tests::scenarios!(crate::run);
