//! Every driver of this repository takes the trial: the four adapters, the `subscribe` programs
//! over them, one that is told what to do by its standard input, and the drivers of
//! `bring-your-own`.

mod common;

use std::marker::PhantomData;
use std::time::Duration;

use restless_async_std::AsyncStd;
use restless_hyper::{ClientBuilder, Events, Runtime};
use restless_proto::{Call as ApiCall, Error, model, streams};
use restless_smol::Smol;
use restless_tokio::Tokio;
use restless_trial::{
    Answer, Call, Driver, Ending, Endpoint, Failure, Follow, Following, How, Program, Skills, Told,
    Trial,
};

/// A process takes a while to start, so its connections are not cut at every byte.
const STEP: usize = 24;

/// For a rule, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// The slowest rules wait.
const JOBS: usize = 8;

/// A client of this SDK's own, as a driver.
trait Own: Send + Sync + Sized + 'static {
    /// A running subscription, and what it runs on.
    type Events;

    fn send(
        endpoint: &Endpoint,
        timeout: Option<Duration>,
        call: ApiCall<model::Stream>,
    ) -> Result<model::Stream, Error>;
    fn subscribe(follow: &Follow) -> Result<Self::Events, Error>;
    fn next(events: &mut Self::Events) -> Option<Told>;
    fn close(events: &mut Self::Events);

    /// Each rule holds, over calls and both transports.
    fn holds(self) {
        let report = Trial::new().patience(PATIENCE).jobs(JOBS).run(OwnDriver(self));
        println!("{report}");
        assert!(report.is_good() && report.held() == report.entries().len());
    }
}

struct OwnDriver<O>(O);

impl<O: Own> Driver for OwnDriver<O> {
    fn skills(&self) -> Skills {
        Skills::ALL
    }

    fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let (endpoint, timeout, call) = match call {
            Call::Create { endpoint, name, url, timeout } => {
                (endpoint, timeout, streams::create(name.as_str(), url.as_str()).into())
            }
            Call::Get { endpoint, id, timeout } => (endpoint, timeout, streams::get(id)),
            _ => return Err(Failure::new("a call that is not known here")),
        };
        Ok(Answer::new(O::send(endpoint, *timeout, call)?.id))
    }

    fn follow(&self, follow: &Follow) -> Box<dyn Following> {
        Box::new(OwnEvents::<O>(O::subscribe(follow)))
    }
}

struct OwnEvents<O: Own>(Result<O::Events, Error>);

impl<O: Own> Following for OwnEvents<O> {
    fn next(&mut self) -> Told {
        match &mut self.0 {
            Ok(events) => O::next(events)
                .unwrap_or_else(|| Told::Ended(Ending::new(How::Failed, "nothing more"))),
            Err(error) => Told::Ended(Ending::new(How::Failed, error.to_string())),
        }
    }

    fn close(&mut self) {
        if let Ok(events) = &mut self.0 {
            O::close(events);
        }
    }
}

/// An adapter for async code, on an executor.
struct Async<R, E>(PhantomData<fn() -> (R, E)>);

trait Executor: Default + 'static {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;
}

struct OnTokio(tokio::runtime::Runtime);
#[derive(Default)]
struct OnSmol;
#[derive(Default)]
struct OnAsyncStd;

impl Default for OnTokio {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self(runtime.expect("a runtime"))
    }
}

impl Executor for OnTokio {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

impl Executor for OnSmol {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_io::block_on(future)
    }
}

impl Executor for OnAsyncStd {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

fn builder<R: Runtime + Default>(endpoint: &Endpoint) -> ClientBuilder<R> {
    let builder = ClientBuilder::<R>::new(R::default()).api_key(endpoint.api_key.as_str());
    let builder = builder.base_url(endpoint.api_base_url.as_str());
    builder.stream_base_url(endpoint.stream_base_url.as_str())
}

impl<R: Runtime + Default, E: Executor> Own for Async<R, E> {
    type Events = (E, Events<R>);

    fn send(
        endpoint: &Endpoint,
        timeout: Option<Duration>,
        call: ApiCall<model::Stream>,
    ) -> Result<model::Stream, Error> {
        let builder = builder::<R>(endpoint);
        let client = match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        };
        E::default().block_on(async { client.build()?.send(call).await })
    }

    fn subscribe(follow: &Follow) -> Result<Self::Events, Error> {
        let client = builder::<R>(&follow.endpoint).build()?;
        Ok((E::default(), client.subscribe(follow.subscription())?))
    }

    fn next((executor, events): &mut Self::Events) -> Option<Told> {
        loop {
            let event = executor.block_on(events.next_event())?;
            if let Some(told) = Told::of(event, events.cursor()) {
                return Some(told);
            }
        }
    }

    fn close((_, events): &mut Self::Events) {
        events.close();
    }
}

struct Blocking;

impl Own for Blocking {
    type Events = restless_blocking::Events;

    fn send(
        endpoint: &Endpoint,
        timeout: Option<Duration>,
        call: ApiCall<model::Stream>,
    ) -> Result<model::Stream, Error> {
        let builder = blocking_builder(endpoint);
        let client = match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        };
        client.build()?.send(call)
    }

    fn subscribe(follow: &Follow) -> Result<Self::Events, Error> {
        Ok(blocking_builder(&follow.endpoint).build()?.subscribe(follow.subscription())?)
    }

    fn next(events: &mut Self::Events) -> Option<Told> {
        loop {
            let event = events.next_event()?;
            if let Some(told) = Told::of(event, events.cursor()) {
                return Some(told);
            }
        }
    }

    fn close(events: &mut Self::Events) {
        events.close();
    }
}

fn blocking_builder(endpoint: &Endpoint) -> restless_blocking::ClientBuilder {
    let builder = restless_blocking::Client::builder().api_key(endpoint.api_key.as_str());
    let builder = builder.base_url(endpoint.api_base_url.as_str());
    builder.stream_base_url(endpoint.stream_base_url.as_str())
}

#[test]
fn restless_tokio_holds() {
    Async::<Tokio, OnTokio>(PhantomData).holds();
}

#[test]
fn restless_smol_holds() {
    Async::<Smol, OnSmol>(PhantomData).holds();
}

#[test]
fn restless_async_std_holds() {
    Async::<AsyncStd, OnAsyncStd>(PhantomData).holds();
}

#[test]
fn restless_blocking_holds() {
    Blocking.holds();
}

/// A program that is told what to do by its standard input, and says all by its output, holds all.
#[test]
fn a_driver_by_stdin_holds() {
    let path = common::example("driver-by-stdin");
    let program = Program::new(path.display().to_string()).by_stdin();
    let report = Trial::new().step(STEP).patience(PATIENCE).jobs(JOBS).run(program);
    println!("{report}");
    assert!(report.is_good() && report.held() == report.entries().len());
}

/// Each program holds all that is about what it can do.
macro_rules! programs {
    ($($test:ident: $name:literal $(, $skill:ident)*;)*) => {$(
        #[test]
        fn $test() {
            let path = common::example($name);
            let program = Program::new(path.display().to_string())$(.$skill())*;
            let report = Trial::new().step(STEP).patience(PATIENCE).jobs(JOBS).run(program);
            println!("{report}");
            assert!(report.is_good());
        }
    )*};
}

programs! {
    subscribe_tokio_holds: "subscribe-tokio";
    subscribe_smol_holds: "subscribe-smol";
    subscribe_async_std_holds: "subscribe-async-std";
    subscribe_blocking_holds: "subscribe-blocking";
    reqwest_holds: "byo-reqwest", creates_first, without_websocket;
    ureq_holds: "byo-ureq", creates_first, without_websocket;
    async_tungstenite_holds: "byo-async-tungstenite", without_events, without_deflate;
    tcp_stream_holds: "byo-tcp-stream", creates_first;
    single_threaded_holds: "byo-single-threaded", creates_first;
    compio_holds: "byo-compio", creates_first;
    mio_holds: "byo-mio", creates_first;
}
