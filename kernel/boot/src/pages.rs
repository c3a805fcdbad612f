//! Pages for the kernel's own use while it boots.

use crate::platform::MemorySet;
use crate::range::{PAGE, Range};

/// The memory that is still free at boot. Whatever is never taken becomes untyped memory for root.
#[derive(Clone, Debug, Default)]
pub struct BootPages {
    free: MemorySet,
}

impl BootPages {
    /// Hands out from `free`, which must be whole pages.
    pub const fn new(free: MemorySet) -> BootPages {
        BootPages { free }
    }

    /// Takes `count` adjacent pages below `limit`, the lowest that are free: small pieces at the bottom are
    /// worth least as untyped memory. Returns the physical address; `None` if there are none.
    pub fn take(&mut self, count: u64, limit: u64) -> Option<u64> {
        self.take_aligned(count, PAGE, limit)
    }

    /// Like [`BootPages::take`], starting at a multiple of `align` (a power of two, in bytes).
    pub fn take_aligned(&mut self, count: u64, align: u64, limit: u64) -> Option<u64> {
        let length = count.checked_mul(PAGE)?;
        let found = self.free.find(length, align, Range::new(0, limit))?;
        self.free.remove(found);
        Some(found.start)
    }

    /// Gives back `count` pages that were taken.
    pub fn give_back(&mut self, address: u64, count: u64) {
        let length = count.saturating_mul(PAGE);
        self.free
            .insert(Range::sized(address, length).unwrap_or_default());
    }

    /// What is free.
    pub fn free(&self) -> &MemorySet {
        &self.free
    }
}
