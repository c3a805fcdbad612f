//! The log collector.
//!
//! - [`store`] keeps lines in bounded memory and lets no component crowd out another.
//! - [`rate`] limits how fast one component may append.
//! - [`clean`] makes text from elsewhere fit to be shown on an operator's terminal.
//! - [`collector`] puts these together behind the messages of `pagurus-protocol`.
//! - [`pump`] moves the kernel's trace records to the second serial line.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod clean;
pub mod collector;
pub mod pump;
pub mod rate;
pub mod store;
