//! Collecting accessed and dirty bits.

use crate::format::PageFormat;
use crate::memory::PhysMem;
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use crate::walk::{Region, Slot, Tables, Visitor};
use core::marker::PhantomData;

/// What processors did to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Start of the page.
    pub virt: u64,
    /// Its size.
    pub size: PageSize,
    /// It was used.
    pub accessed: bool,
    /// It was written.
    pub dirty: bool,
}

struct Harvest<F, S> {
    clear: bool,
    sink: S,
    format: PhantomData<F>,
}

impl<F: PageFormat, M: PhysMem, S: FnMut(Activity)> Visitor<M> for Harvest<F, S> {
    fn entry(&mut self, mem: &mut M, slot: &Slot, level: usize, virt: u64) -> Flush {
        let bits = F::ACCESSED | F::DIRTY;
        let mut entry = slot.entry;
        let mut flush = Flush::None;
        if self.clear && entry & bits != 0 {
            entry = mem.modify(slot.table, slot.index, bits, 0);
            flush = Flush::Range;
        }
        (self.sink)(Activity {
            virt,
            size: PageSize::at_level(level),
            accessed: entry & F::ACCESSED != 0,
            dirty: entry & F::DIRTY != 0,
        });
        flush
    }
}

impl<F: PageFormat> Tables<F> {
    /// Tells `sink` about every page in what is left of `region` after `done` bytes, looking at up to
    /// `budget` entries, and clears the bits if `clear`. A page that reaches over an edge of the region ends
    /// the operation with [`Straddles`](crate::MapError::Straddles).
    ///
    /// A page whose bits were cleared is recorded again only after the flush: flush first, then read what
    /// the pages hold.
    pub fn harvest<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        clear: bool,
        done: u64,
        budget: usize,
        sink: impl FnMut(Activity),
    ) -> Result<Progress, Failure> {
        let mut visitor = Harvest::<F, _> {
            clear,
            sink,
            format: PhantomData,
        };
        self.visit(mem, region, 0, done, budget, &mut visitor)
    }
}
