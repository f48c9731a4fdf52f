//! Which fault a request takes.

use super::*;

fn status_of(fault: Option<Fault>) -> Option<u16> {
    match fault?.head {
        Head::Status(status, _) => Some(status.as_u16()),
        _ => None,
    }
}

#[test]
fn faults_are_taken_in_order() {
    let faults = Faults::default();
    faults.push(Fault::status(500));
    faults.push(Fault::status(501));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), Some(500));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), Some(501));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), None);
}

#[test]
fn fault_for_a_stream_waits_for_that_stream() {
    let faults = Faults::default();
    faults.push(Fault::status(500).for_stream("a"));
    faults.push(Fault::status(501));
    assert_eq!(status_of(faults.take_runtime(Some("b"), Transport::Sse, false)), Some(501));
    assert_eq!(status_of(faults.take_runtime(Some("b"), Transport::Sse, false)), None);
    assert_eq!(status_of(faults.take_runtime(Some("a"), Transport::Sse, false)), Some(500));
}

#[test]
fn fault_fits_one_side_only() {
    let faults = Faults::default();
    faults.push(Fault::status(500).on_rest());
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), None);
    assert_eq!(status_of(faults.take_rest()), Some(500));
}

#[test]
fn fault_of_websockets_waits_for_one() {
    let faults = Faults::default();
    faults.push(Fault::status(500).on_websocket());
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), None);
    assert_eq!(status_of(faults.take_runtime(None, Transport::WebSocket, false)), Some(500));
}

#[test]
fn fault_is_taken_as_often_as_it_says() {
    let faults = Faults::default();
    faults.push(Fault::status(500).times(2));
    faults.push(Fault::status(501).times(0));
    assert_eq!(faults.pending(), 2);
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), Some(500));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), Some(500));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), None);
}

#[test]
fn fault_of_who_resumes_waits_for_one() {
    let faults = Faults::default();
    faults.push(Fault::refuse_position(410));
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, false)), None);
    assert_eq!(status_of(faults.take_runtime(None, Transport::Sse, true)), Some(410));
}

#[test]
fn fault_for_everybody_counts_as_the_most_there_can_be() {
    let faults = Faults::default();
    faults.push(Fault::status(500).times(usize::MAX));
    faults.push(Fault::status(501));
    assert_eq!(faults.pending(), usize::MAX);
}
