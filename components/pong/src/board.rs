//! The page that ping and pong share.
#![allow(unsafe_code)] // Memory at an address that the system's description fixes.

use crate::slots;
use pagurus_rt::memory::SharedWords;

/// The page as words.
pub fn board() -> SharedWords {
    // SAFETY: root mapped so many bytes there for as long as the component runs; nothing else refers to them.
    unsafe {
        SharedWords::new(
            slots::SCOREBOARD_ADDRESS as u64,
            slots::SCOREBOARD_BYTES / size_of::<u64>(),
        )
    }
}
