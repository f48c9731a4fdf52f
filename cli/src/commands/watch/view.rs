//! Draws the model.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Sparkline};

use super::model::{Feed, Model, State};
use super::seconds::Second;
use super::tree::{self, TreeLine};

const FEEDS_WIDTH: u16 = 34;
const LOG_HEIGHT: u16 = 5;
const KEYS: &str = "q quit  p pause  / filter  j k feed  PgUp PgDn document  c copy id";
/// What is shown where it may be no document.
const MODE_UNKNOWN: &str = "last data or patch";

type Figure = fn(&Second) -> u64;

/// The figures under the document, a line for each.
const FIGURES: [(&str, Figure); 4] = [
    ("events/s", |second| second.events),
    ("bytes/s", |second| second.bytes),
    ("upstream ms", |second| second.latency_ms),
    ("lag ms", |second| second.lag_ms),
];
const FIGURE_LABEL_WIDTH: u16 = 20;

/// Draws all of it, whatever the size.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now: Instant) {
    let [title, middle, log, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(LOG_HEIGHT),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let [feeds, right] =
        Layout::horizontal([Constraint::Length(FEEDS_WIDTH), Constraint::Min(0)]).areas(middle);
    let [document, figures] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(FIGURES.len() as u16)])
            .areas(right);

    frame.render_widget(title_line(model), title);
    draw_feeds(frame, model, feeds);
    if let Some(feed) = model.looked_at() {
        draw_document(frame, feed, model.scroll, now, document);
        draw_figures(frame, feed, figures);
    }
    draw_log(frame, model, log);
    let keys_line = model.note.as_deref().unwrap_or(KEYS);
    frame.render_widget(Paragraph::new(keys_line).style(dim()), keys);
}

fn title_line(model: &Model) -> Line<'static> {
    let mut spans = vec![Span::styled("restless watch", bold())];
    let (shown, all) = (model.shown().len(), model.feeds().len());
    spans.push(if shown == all {
        Span::raw(format!("  {all} feed{}", if all == 1 { "" } else { "s" }))
    } else {
        Span::raw(format!("  {shown} of {all} feeds"))
    });
    if model.is_typing || !model.filter.is_empty() {
        let cursor = if model.is_typing { "_" } else { "" };
        spans.push(Span::raw(format!("  filter: {}{cursor}", model.filter)));
    }
    if model.is_paused() {
        spans.push(Span::styled("  PAUSED", bold().fg(Color::Yellow)));
    }
    Line::from(spans)
}

fn draw_feeds(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::new().borders(Borders::ALL).title("feed      last  ev/s   lag  re");
    let height = usize::from(block.inner(area).height);
    // The one that is looked at is always in sight.
    let first = (model.chosen + 1).saturating_sub(height);
    let lines: Vec<Line<'_>> = model
        .shown()
        .into_iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(n, feed)| feed_line(feed, n == model.chosen))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn feed_line(feed: &Feed, is_looked_at: bool) -> Line<'static> {
    let (sign, color) = match feed.state {
        State::Connecting => ('~', Color::Yellow),
        State::Unanswered => ('?', Color::Yellow),
        State::Open if feed.document.stale().is_some() => ('!', Color::Yellow),
        State::Open => ('*', Color::Green),
        State::Waiting => ('x', Color::Red),
        State::Ended => ('-', Color::DarkGray),
    };
    let lag = feed.lag_ms.map_or_else(|| "-".to_owned(), short_time);
    let last = feed.id.as_deref().unwrap_or("-");
    let text = format!(
        " {:<8.8} {:>5.5} {:>5} {:>5} {:>3}",
        end_of(&feed.name, 8),
        end_of(last, 5),
        feed.seconds.last().events,
        lag,
        feed.reconnects.min(999),
    );
    let style =
        if is_looked_at { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
    Line::from(vec![
        Span::styled(sign.to_string(), Style::new().fg(color)),
        Span::styled(text, style),
    ])
}

fn draw_document(frame: &mut Frame<'_>, feed: &Feed, scroll: usize, now: Instant, area: Rect) {
    let title = match (feed.document.stale(), feed.document.error()) {
        (Some(stale), _) => format!("{} STALE: {stale}", feed.name),
        (None, Some(event)) => {
            let error =
                event.error().map_or_else(|| "an error".to_owned(), |error| error.to_string());
            format!("{} {error}", feed.name)
        }
        (None, None) => feed.name.clone(),
    };
    let mut counts = format!("{} event{}", feed.events, if feed.events == 1 { "" } else { "s" });
    if feed.rejected > 0 {
        counts += &format!(", {} rejected", feed.rejected);
    }
    let counts = Line::from(counts).right_aligned();
    let mut block = Block::new().borders(Borders::ALL).title(title).title_bottom(counts);
    if feed.is_mode_unknown {
        block = block.title_bottom(MODE_UNKNOWN);
    }
    let height = usize::from(block.inner(area).height);
    let lines = feed.document.text().map(|text| tree::lines(&text)).unwrap_or_default();
    let first = scroll.min(lines.len().saturating_sub(height));
    let shown: Vec<Line<'_>> =
        lines.iter().skip(first).take(height).map(|line| tree_line(line, feed, now)).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

fn tree_line(line: &TreeLine, feed: &Feed, now: Instant) -> Line<'static> {
    let is_new = feed.changed.iter().any(|(place, at)| {
        now.saturating_duration_since(*at) < super::model::FLASH
            && tree::touches(place, &line.place)
    });
    let style = if is_new { bold().fg(Color::Black).bg(Color::Yellow) } else { Style::new() };
    let indent = "  ".repeat(line.level.min(20));
    let mut spans = vec![Span::raw(indent)];
    if !line.key.is_empty() {
        spans.push(Span::styled(format!("{}: ", line.key), Style::new().fg(Color::Cyan)));
    }
    spans.push(Span::styled(line.value.clone(), style));
    Line::from(spans)
}

fn draw_figures(frame: &mut Frame<'_>, feed: &Feed, area: Rect) {
    let rows = Layout::vertical([Constraint::Length(1); FIGURES.len()]).split(area);
    for ((name, figure), row) in FIGURES.into_iter().zip(rows.iter()) {
        let [label, spark] =
            Layout::horizontal([Constraint::Length(FIGURE_LABEL_WIDTH), Constraint::Min(0)])
                .areas(*row);
        let last = figure(&feed.seconds.last());
        frame.render_widget(Paragraph::new(format!("{name:<12}{last:>7} ")), label);
        let bars = feed.seconds.of(usize::from(spark.width), figure);
        frame.render_widget(
            Sparkline::default().data(bars).style(Style::new().fg(Color::Cyan)),
            spark,
        );
    }
}

fn draw_log(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::new().borders(Borders::TOP).title("losses");
    let lines: Vec<Line<'_>> = match model.log().is_empty() {
        true => vec![Line::styled("none", dim())],
        false => model.log().iter().map(|line| Line::raw(line.as_str())).collect(),
    };
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// A time in milliseconds, in five characters.
fn short_time(ms: i64) -> String {
    match ms {
        ..1000 => format!("{ms}ms"),
        1000..6_000_000 => format!("{}s", ms / 1000),
        _ => format!("{}h", (ms / 3_600_000).min(9999)),
    }
}

/// The last so many characters: names and ids differ at their ends.
fn end_of(text: &str, most: usize) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(most)).collect()
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

#[cfg(test)]
mod tests;
