//! The page of the trial: it does what the test says that has opened it, and tells what happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{AbortHandle, FutureExt as _, abortable};
use restless_proto::subscription::{Ended, Event, Item, SubscriptionMachine};
use restless_proto::{
    Call, CallOptions, ConfigError, Error, Service, Subscription, model, streams,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageEvent, WebSocket};

use crate::driver::{drive, entropy, now};
use crate::wire::{self, Follow, How, Order, Report, Told, What};

/// Where the test is told what happens in a run.
#[derive(Clone)]
struct Teller {
    test: WebSocket,
    run: u64,
}

impl Teller {
    fn tell(&self, told: Told) {
        let report = serde_json::to_string(&Report { run: self.run, told });
        // With the test gone, nobody is left to tell.
        let _ = report.map(|report| self.test.send_with_str(&report));
    }
}

/// Takes orders from the test, at the server that the page comes from.
#[wasm_bindgen(start)]
fn start() -> Result<(), JsValue> {
    let host = web_sys::window().ok_or("no window")?.location().host()?;
    let test = WebSocket::new(&format!("ws://{host}/orders"))?;
    let page = Teller { test: test.clone(), run: 0 };
    let hook = page.clone();
    std::panic::set_hook(Box::new(move |panic| hook.tell(Told::Failed(panic.to_string()))));
    let runs = Rc::new(RefCell::new(HashMap::new()));
    let order = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        let text = message.data().as_string().unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(order) => obey(order, &page.test, &runs),
            Err(error) => page.tell(Told::Failed(error.to_string())),
        }
    });
    test.set_onmessage(Some(order.as_ref().unchecked_ref()));
    // For as long as the page is there.
    order.forget();
    Ok(())
}

fn obey(order: Order, test: &WebSocket, runs: &Rc<RefCell<HashMap<u64, AbortHandle>>>) {
    let run = order.run;
    if let What::Close = order.what {
        if let Some(handle) = runs.borrow_mut().remove(&run) {
            handle.abort();
        }
        return;
    }
    let (task, handle) = abortable(obeyed(order.what, Teller { test: test.clone(), run }));
    runs.borrow_mut().insert(run, handle);
    let runs = Rc::clone(runs);
    spawn_local(task.map(move |_| drop(runs.borrow_mut().remove(&run))));
}

async fn obeyed(what: What, teller: Teller) {
    match what {
        What::Get { service, id, timeout } => {
            teller.tell(call(&service, timeout, streams::get(id)).await);
        }
        What::Create { service, name, url, timeout } => {
            teller.tell(call(&service, timeout, streams::create(name, url).into()).await);
        }
        What::Follow(asked) => {
            if let Err(error) = follow(&asked, &teller).await {
                teller.tell(Told::Ended { how: How::Failed, text: causes(&error) });
            }
        }
        What::Close => {}
    }
}

async fn call(
    service: &wire::Service,
    timeout: Option<Duration>,
    call: Call<model::Stream>,
) -> Told {
    let options = CallOptions::default();
    let options = match timeout {
        Some(timeout) => options.timeout(timeout),
        None => options,
    };
    let machine =
        service_of(service).and_then(|service| call.start(&service, options, entropy(), now()));
    let answer = match machine {
        Ok(mut machine) => drive(&mut machine, |answer, _| ControlFlow::Break(answer)).await,
        Err(error) => return Told::Failed(causes(&error)),
    };
    match answer {
        Some(Ok(stream)) => Told::Answer(stream.id),
        Some(Err(error)) => Told::Failed(causes(&error)),
        None => Told::Failed("a call without an answer".to_owned()),
    }
}

async fn follow(asked: &Follow, teller: &Teller) -> Result<(), ConfigError> {
    let mut subscription = Subscription::stream(asked.stream.as_str());
    if asked.websocket {
        subscription = subscription.whole_messages();
    }
    if let Some(cursor) = &asked.cursor {
        subscription = subscription.cursor(cursor.as_str());
    }
    if let Some(since) = &asked.since {
        subscription = subscription.since(since.as_str());
    }
    if let Some(retry) = asked.retry {
        subscription = subscription.retry(retry);
    }
    if let Some(idle) = asked.idle {
        subscription = subscription.idle_timeout(idle);
    }
    if let Some(most) = asked.max_reconnects {
        subscription = subscription.max_reconnects(most);
    }
    let mut machine = subscription.start(&service_of(&asked.service)?, entropy(), now())?;
    let tell = |event, machine: &SubscriptionMachine| {
        if let Some(told) = told(event, machine.cursor()) {
            teller.tell(told);
        }
        ControlFlow::<()>::Continue(())
    };
    drive(&mut machine, tell).await;
    Ok(())
}

fn service_of(service: &wire::Service) -> Result<Service, ConfigError> {
    let with_key = if service.api_key.is_empty() {
        Service::default()
    } else {
        Service::new(service.api_key.as_str())
    };
    with_key
        .with_api_base_url(&service.api_base_url)?
        .with_stream_base_url(&service.stream_base_url)
}

fn told(event: Event, cursor: Option<&str>) -> Option<Told> {
    Some(match event {
        Event::Opened(_) => Told::Opened,
        Event::Item(Item::Event(event)) => Told::Event {
            id: event.event_id().map(str::to_owned),
            cursor: cursor.map(str::to_owned),
            data: event.data().map(|data| data.get().to_owned()),
            error: event.error().map(|error| error.raw().to_owned()),
        },
        Event::Item(Item::Rejected(rejected)) => Told::Rejected(causes(&rejected)),
        Event::Lost(lost) => Told::Lost(causes(&lost.reason)),
        Event::Ended(ended) => end(ended),
        _ => return None,
    })
}

fn end(ended: Ended) -> Told {
    let gave_up = matches!(ended, Ended::GaveUp { .. });
    let error = ended.into_error();
    let how = match &error {
        _ if gave_up => How::GaveUp,
        None => How::Complete,
        Some(
            Error::Refused(_)
            | Error::Content(_)
            | Error::Redirect(_)
            | Error::Handshake(_)
            | Error::Closed(_),
        ) => How::Refused,
        Some(_) => How::Failed,
    };
    Told::Ended { how, text: error.map_or_else(String::new, |error| causes(&error)) }
}

/// An error and its causes, in one line.
fn causes(error: &dyn StdError) -> String {
    let errors = std::iter::successors(Some(error), |error| (*error).source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
