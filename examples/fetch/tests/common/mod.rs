//! The browser, and the server of its page.

pub(crate) mod browser;
pub(crate) mod page;
