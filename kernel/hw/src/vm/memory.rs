//! How the kernel reaches page tables, and where new ones come from.
#![allow(unsafe_code)] // Physical memory.

use core::sync::atomic::{AtomicU64, Ordering};
use pagurus_boot::BootPages;
use pagurus_paging::{PhysMem, TablePool};

/// Physical memory, seen at a constant distance: 0 while the boot-time identity map is in force, then the
/// direct map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Physical {
    offset: usize,
}

impl Physical {
    /// # Safety
    /// All page tables ever asked for must be mapped writable at `offset` plus their physical address, and be
    /// nothing but page tables.
    pub const unsafe fn new(offset: usize) -> Physical {
        Physical { offset }
    }

    fn entry(&self, table: u64, index: usize) -> &AtomicU64 {
        debug_assert!(index < 512);
        let address = self.offset + table as usize + (index % 512) * 8;
        // SAFETY: `new`'s promise; entries are aligned. Processors walk the tables meanwhile, hence atomic.
        unsafe { AtomicU64::from_ptr(address as *mut u64) }
    }
}

impl PhysMem for Physical {
    fn read(&self, table: u64, index: usize) -> u64 {
        self.entry(table, index).load(Ordering::Relaxed)
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        self.entry(table, index).store(entry, Ordering::Relaxed);
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        let update = |old: u64| Some((old & !clear) | set);
        let entry = self.entry(table, index);
        match entry.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(old) | Err(old) => old,
        }
    }
}

/// Tables from the pages that are free at boot.
pub(super) struct BootPool<'a> {
    /// The pages.
    pub pages: &'a mut BootPages,
    /// Pages must end below this physical address to be reachable.
    pub limit: u64,
}

impl TablePool for BootPool<'_> {
    fn available(&self) -> usize {
        let below = pagurus_boot::Range::new(0, self.limit);
        let bytes = |range: &pagurus_boot::Range| range.intersection(below).length();
        let free: u64 = self.pages.free().ranges().iter().map(bytes).sum();
        (free / pagurus_boot::PAGE) as usize
    }

    fn alloc(&mut self, mem: &mut impl PhysMem) -> Option<u64> {
        let table = self.pages.take(1, self.limit)?;
        for index in 0..512 {
            mem.write(table, index, 0);
        }
        Some(table)
    }

    fn free(&mut self, _: &mut impl PhysMem, table: u64) {
        self.pages.give_back(table, 1);
    }
}
