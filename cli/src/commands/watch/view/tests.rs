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
    let feeds = ["Orders", "Prices"].map(|name| (name.to_owned(), Some(PayloadMode::FullData)));
    let mut model = Model::new(feeds);
    for n in 1..=3 {
        model.take(0, &event(n, n * 10), now, NOW_MS, "00:00:00");
    }
    model.advance(now + Duration::from_secs(1));
    model
}

fn screen(model: &Model, now: Instant, size: (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal");
    terminal.draw(|frame| draw(frame, model, now)).expect("drawn");
    let buffer = terminal.backend().buffer().clone();
    let width = usize::from(size.0);
    let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    symbols.chunks(width).map(|row| row.concat().trim_end().to_owned()).collect()
}

#[test]
fn feeds_document_figures_and_keys_fit_in_80_by_24() {
    let now = Instant::now();
    let rows = screen(&model(now), now, (80, 24));
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
        screen(&model(now), now, size);
    }
}

#[test]
fn a_changed_place_flashes_and_then_no_more() {
    let now = Instant::now();
    let model = model(now);
    let flashes = |at| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        terminal.draw(|frame| draw(frame, &model, at)).expect("drawn");
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
    model.press(Key::Char('p'));
    model.press(Key::Char('/'));
    for char in "PRI".chars() {
        model.press(Key::Char(char));
    }
    let rows = screen(&model, now, (80, 24));
    assert_eq!(rows[0], "restless watch  1 of 2 feeds  filter: PRI_  PAUSED");
    assert!(rows[2].contains("Prices") && !rows[3].contains("Orders"), "{rows:#?}");
    model.press(Key::Escape);
    assert_eq!(model.shown().len(), 2);
}

#[test]
fn keys_choose_copy_and_quit() {
    let mut model = model(Instant::now());
    assert_eq!(model.press(Key::Char('c')), Asked::Copy("3".to_owned()));
    assert_eq!(model.press(Key::Next), Asked::Nothing);
    assert_eq!(model.looked_at().map(|feed| feed.name.as_str()), Some("Prices"));
    assert_eq!(model.press(Key::Char('c')), Asked::Nothing);
    assert_eq!(model.press(Key::Char('q')), Asked::Quit);
    model.press(Key::Char('/'));
    assert_eq!(model.press(Key::Char('q')), Asked::Nothing);
    assert_eq!(model.press(Key::Interrupt), Asked::Quit);
}

#[test]
fn what_comes_while_paused_is_shown_afterwards() {
    let now = Instant::now();
    let mut model = model(now);
    let shown = |model: &Model| {
        let rows = screen(model, now, (80, 24));
        (rows[0].ends_with("PAUSED"), rows[6].contains("total: 40"))
    };
    assert_eq!(model.press(Key::Char('p')), Asked::Nothing);
    model.take(0, &event(4, 40), now, NOW_MS, "00:00:01");
    assert_eq!(shown(&model), (true, false));
    assert_eq!(model.press(Key::Char(' ')), Asked::Nothing);
    assert_eq!(shown(&model), (false, true));
}

#[test]
fn what_is_chosen_while_paused_stays_chosen() {
    let names = ["Orders 1", "Prices 2", "Prices 3"];
    let feeds = names.map(|name| (name.to_owned(), Some(PayloadMode::FullData)));
    let mut model = Model::new(feeds);
    model.press(Key::Char('p'));
    model.press(Key::Char('/'));
    for char in "pri".chars() {
        model.press(Key::Char(char));
    }
    model.press(Key::Enter);
    model.press(Key::Next);
    model.press(Key::PageDown);
    let chosen = |model: &Model| {
        let name = model.looked_at().map(|feed| feed.name.clone());
        (name, model.filter.clone(), model.scroll > 0, model.is_paused())
    };
    let due = |is_paused| (Some("Prices 3".to_owned()), "pri".to_owned(), true, is_paused);
    assert_eq!(chosen(&model), due(true));
    model.press(Key::Char('p'));
    assert_eq!(chosen(&model), due(false));
}

#[test]
fn data_that_may_be_a_patch_is_not_shown_as_the_document() {
    let now = Instant::now();
    for (mode, due) in [(None, true), (Some(PayloadMode::FullData), false)] {
        let mut model = Model::new([("Orders".to_owned(), mode)]);
        model.take(0, &event(1, 10), now, NOW_MS, "00:00:00");
        let rows = screen(&model, now, (80, 24));
        assert!(rows[6].contains("  total: 10"), "{rows:#?}");
        assert!(rows[13].ends_with("─1 event┘"), "{rows:#?}");
        assert_eq!(rows[13].contains("└last data or patch─"), due, "{rows:#?}");
    }
}
