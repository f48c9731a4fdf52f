//! Every scenario of the suite on smol: as a task of an executor, woken by smol's reactor.

use restless_smol::Smol;
use restless_tests::run::on_a_thread;

fn run<F>(scenario: fn(Smol) -> F)
where
    F: Future<Output = ()> + 'static,
{
    on_a_thread(move || {
        let executor = async_executor::LocalExecutor::new();
        let task = executor.spawn(scenario(Smol));
        async_io::block_on(executor.run(task));
    });
}

restless_tests::scenarios!(crate::run);
