//! What takes long, in a line on a terminal: on standard error, and gone before anything else is
//! written.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Makes a line that is empty so far, and hidden where standard error is no terminal.
pub(crate) fn line() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // A template that can't be read would be a bug of ours, and its test's to find.
    let style = ProgressStyle::with_template(TEMPLATE);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// The same, moving by itself while nobody has time for it.
pub(crate) fn spinner() -> ProgressBar {
    let bar = line();
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    bar
}

/// Cut where the terminal ends: a line that goes on in the next row stays there.
const TEMPLATE: &str = "{spinner} {wide_msg}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_can_be_read() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
