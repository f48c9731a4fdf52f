//! Every scenario of the suite on tokio.

use restless_emulator::Emulator;
use restless_tests::run::on_a_thread;
use restless_tokio::{Client, Tokio, streams};

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

/// An idle connection moves only while the runtime that made it is driven, so a call on another one
/// does not wait for it. Each keeps its own.
#[test]
fn a_call_does_not_wait_for_another_runtime() {
    on_a_thread(|| {
        let emulator = Emulator::start().expect("an emulator");
        let client = Client::builder()
            .api_key(emulator.api_key())
            .base_url(emulator.api_base_url())
            .build()
            .expect("a client");
        let [one, other] = [(), ()].map(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime")
        });
        for runtime in [&one, &other, &one, &other] {
            runtime.block_on(client.send(streams::list())).expect("a page");
        }
        assert_eq!(emulator.connections(), 2);
    });
}
