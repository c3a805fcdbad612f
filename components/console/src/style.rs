//! Colours (ECMA-48, select graphic rendition), where the operator asked for them.

use pagurus_protocol::log::Level;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Headings.
    Heading,
    /// Something failed.
    Error,
    /// Something is odd.
    Warning,
    /// All is well.
    Good,
    /// Of less interest.
    Faint,
}

impl Style {
    /// What switches it on, or nothing without colours.
    pub const fn start(self, colour: bool) -> &'static str {
        if !colour {
            return "";
        }
        match self {
            Style::Heading => "\x1b[1m",
            Style::Error => "\x1b[31m",
            Style::Warning => "\x1b[33m",
            Style::Good => "\x1b[32m",
            Style::Faint => "\x1b[2m",
        }
    }

    /// What switches every style off, or nothing without colours.
    pub const fn end(colour: bool) -> &'static str {
        if colour { "\x1b[0m" } else { "" }
    }

    /// The style of log lines of a level.
    pub const fn of_level(level: Option<Level>) -> Option<Style> {
        match level {
            Some(Level::Error) => Some(Style::Error),
            Some(Level::Warn) => Some(Style::Warning),
            Some(Level::Debug | Level::Trace) => Some(Style::Faint),
            _ => None,
        }
    }
}
