use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use restless_tokio::StreamEvent;
use restless_tokio::event::SseId;
use restless_tokio::model::PayloadMode;
use restless_tokio::subscription::{Event, Item};

use super::super::model::{Asked, Key, Model};
use super::*;

fn event(id: u32, total: u32) -> Event {
    let text = format!(
        r#"{{"type":"update","event_id":"{id}","meta":{{"timestamp":"2026-03-24T00:00:00Z","latency_ms":42}},"data":{{"total":{total},"items":["a","b"]}}}}"#
    );
    Event::Item(Item::Event(StreamEvent::parse(text, SseId::None).expect("an event")))
}

/// 2026-03-24T00:00:00.250Z
const NOW_MS: i64 = 1_774_310_400_250;

fn model(now: Instant) -> Model {
    let feeds = ["Orders", "Prices"].map(|name| (name.to_owned(), PayloadMode::FullData));
    let mut model = Model::new(feeds);
    for n in 1..=3 {
        model.take(0, &event(n, n * 10), now, NOW_MS, "00:00:00");
    }
    model.advance(now + Duration::from_secs(1));
    model
}

fn screen(model: &Model, is_paused: bool, now: Instant, size: (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model, is_paused, now)).expect("drawn");
    let buffer = terminal.backend().buffer().clone();
    let width = usize::from(size.0);
    let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    symbols.chunks(width).map(|row| row.concat().trim_end().to_owned()).collect()
}

#[test]
fn feeds_document_figures_and_keys_fit_in_80_by_24() {
    let now = Instant::now();
    let rows = screen(&model(now), false, now, (80, 24));
    assert_eq!(rows.len(), 24);
    assert_eq!(rows[0], "restless watch  2 feeds");
    assert!(rows[2].starts_with("│~ Orders       3     3 250ms   0│"), "{rows:#?}");
    assert!(rows[1].contains("┌Orders─"), "{rows:#?}");
    assert!(rows[2].contains("│{2}"), "{rows:#?}");
    assert!(rows[3].contains("  items: [2]"), "{rows:#?}");
    assert!(rows[6].contains("  total: 30"), "{rows:#?}");
    assert!(rows[13].ends_with("─3 events┘"), "{rows:#?}");
    assert!(rows[14].contains("events/s          3"), "{rows:#?}");
    assert!(rows[16].contains("upstream ms      42"), "{rows:#?}");
    assert!(rows[23].starts_with("q quit  p pause"), "{rows:#?}");
}

#[test]
fn each_size_is_drawn() {
    let now = Instant::now();
    for size in [(1, 1), (20, 5), (34, 10), (80, 7), (200, 60)] {
        screen(&model(now), true, now, size);
    }
}

#[test]
fn a_changed_place_flashes_and_then_no_more() {
    let now = Instant::now();
    let model = model(now);
    let flashes = |at| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &model, false, at)).expect("drawn");
        let cells = terminal.backend().buffer().content().to_vec();
        cells.iter().any(|cell| cell.bg == Color::Yellow)
    };
    assert!(flashes(now + Duration::from_millis(100)));
    assert!(!flashes(now + Duration::from_secs(5)));
}

#[test]
fn a_filter_hides_the_feeds_that_it_does_not_name() {
    let now = Instant::now();
    let mut model = model(now);
    model.press(Key::Char('/'));
    for char in "PRI".chars() {
        model.press(Key::Char(char));
    }
    let rows = screen(&model, true, now, (80, 24));
    assert_eq!(rows[0], "restless watch  1 of 2 feeds  filter: PRI_  PAUSED");
    assert!(rows[2].contains("Prices") && !rows[3].contains("Orders"), "{rows:#?}");
    model.press(Key::Escape);
    assert_eq!(model.shown().len(), 2);
}

#[test]
fn keys_choose_copy_pause_and_quit() {
    let mut model = model(Instant::now());
    assert_eq!(model.press(Key::Char('c')), Asked::Copy("3".to_owned()));
    assert_eq!(model.press(Key::Next), Asked::Nothing);
    assert_eq!(model.looked_at().map(|feed| feed.name.as_str()), Some("Prices"));
    assert_eq!(model.press(Key::Char('c')), Asked::Nothing);
    assert_eq!(model.press(Key::Char('p')), Asked::Pause);
    assert_eq!(model.press(Key::Char('q')), Asked::Quit);
    model.press(Key::Char('/'));
    assert_eq!(model.press(Key::Char('q')), Asked::Nothing);
    assert_eq!(model.press(Key::Interrupt), Asked::Quit);
}
