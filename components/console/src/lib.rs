//! The operator console: a shell for people on the first serial line, and a control channel for programs on the third.
//!
//! Everything but the serial ports and the messages to other components is here and pure: keys become lines
//! ([`keys`], [`editor`], [`history`], [`mod@complete`]), lines become commands ([`command`]), commands ask the
//! [`System`](system::System) and yield [records](record) ([`mod@run`], [`log_lines`]), and records become text ([`text`], [`table`]) or JSON
//! ([`json`]). The two users of all that are [`shell`] and [`control`].
//! [`machines`] holds the serial lines of virtual machines, to which the shell attaches the terminal.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cells;
pub mod command;
pub mod complete;
pub mod control;
pub mod editor;
pub mod history;
pub mod json;
pub mod keys;
pub mod log_lines;
pub mod machines;
pub mod record;
pub mod run;
pub mod shell;
pub mod style;
pub mod suggest;
pub mod system;
pub mod table;
pub mod terminal;
pub mod text;
pub mod units;

/// The release that this console belongs to.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
