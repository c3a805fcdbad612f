//! Memory at addresses: the page that ping and pong share, and what ping borrows.
#![allow(unsafe_code)] // Addresses that the system's description or this component fixed.

use crate::slots;
use pagurus_rt::memory::SharedWords;

/// The page that is shared with pong.
pub fn board() -> SharedWords {
    words(slots::SCOREBOARD_ADDRESS as u64, slots::SCOREBOARD_BYTES)
}

/// Memory that was just mapped for the caller alone.
pub fn words(address: u64, bytes: usize) -> SharedWords {
    // SAFETY: the callers pass what root or they themselves mapped, writable, and use it only as long as it is mapped;
    // nothing else refers to it.
    unsafe { SharedWords::new(address, bytes / size_of::<u64>()) }
}
