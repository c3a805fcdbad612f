//! The demonstration: ping asks, pong answers.

use crate::wire::requests;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

requests! { 4 version 1 {
    1: Ping => Pong;
    2: Statistics => Answered;
} }

/// Asks for an answer with the same numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Ping {
    /// Counted up by the sender.
    pub sequence: u64,
    /// Anything.
    pub payload: u64,
}

/// The answer to [`Ping`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Pong {
    /// As in the request.
    pub sequence: u64,
    /// As in the request.
    pub payload: u64,
}

/// Asks how much was answered so far.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Statistics;

/// The answer to [`Statistics`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Answered {
    /// Pings answered since the component started.
    pub count: u64,
}
