//! The messages between components, typed.
//!
//! A message is a fixed structure ([`wire::Body`]), optionally followed by bytes (text, rows). What it asks
//! for stands in its label: the protocol, the protocol's version and the number of the request
//! ([`wire::Label`]). The answer's label is 0, or the number of a [`failure::Reason`].
//!
//! One module for each protocol: [`log`], [`root`], [`memory`], [`ping`]. [`start`] is not a message but the
//! page that a component finds when it starts, [`slots`] the fixed places in its capability space, [`stop`] how it ends.
//! A guest's [`serial_line`] is no protocol of messages either, but shared memory with a [`byte_ring`] each way.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod byte_ring;
pub mod crash;
pub mod failure;
pub mod log;
pub mod memory;
pub mod name;
pub mod ping;
pub mod root;
pub mod serial_line;
pub mod slots;
pub mod start;
pub mod stop;
pub mod trace_stream;
pub mod wire;

pub use failure::{Failure, Reason};
pub use name::Name;
pub use wire::{Body, Empty, Label, Request};
