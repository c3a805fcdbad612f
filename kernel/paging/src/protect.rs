//! Changing permissions.

use crate::format::{PageFormat, WITHHELD, is_table};
use crate::memory::PhysMem;
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use crate::walk::{Region, Slot, Tables, Visitor};
use core::marker::PhantomData;
use pagurus_abi::Rights;

struct Protect<F> {
    bits: u64,
    format: PhantomData<F>,
}

impl<F: PageFormat, M: PhysMem> Visitor<M> for Protect<F> {
    fn entry(&mut self, mem: &mut M, slot: &Slot, _level: usize, _virt: u64) -> Flush {
        let mut bits = self.bits;
        if slot.entry & WITHHELD != 0 && bits & F::WRITE != 0 {
            bits = bits & !F::WRITE | WITHHELD;
        }
        change(mem, slot, F::PROTECTION | WITHHELD, bits, Flush::Range)
    }
}

struct Withhold<F> {
    withhold: bool,
    format: PhantomData<F>,
}

impl<F: PageFormat, M: PhysMem> Visitor<M> for Withhold<F> {
    fn entry(&mut self, mem: &mut M, slot: &Slot, level: usize, _virt: u64) -> Flush {
        let (from, to) = if self.withhold {
            (F::WRITE, WITHHELD)
        } else {
            (WITHHELD, F::WRITE)
        };
        if slot.entry & from == 0 {
            return Flush::None;
        }
        let flush = if level > 0 && is_table::<F>(slot.entry) {
            Flush::All
        } else {
            Flush::Range
        };
        change(mem, slot, from, to, flush)
    }
}

/// Replaces the bits `mask` of an entry by `bits`; `flush` if that changed it.
fn change<M: PhysMem>(mem: &mut M, slot: &Slot, mask: u64, bits: u64, flush: Flush) -> Flush {
    if slot.entry & mask == bits {
        return Flush::None;
    }
    mem.modify(slot.table, slot.index, mask & !bits, bits);
    flush
}

impl<F: PageFormat> Tables<F> {
    /// Gives the pages in what is left of `region` after `done` bytes the permissions `perms`, looking at up
    /// to `budget` entries. Write permission that [`write_protect`](Self::write_protect) withholds stays
    /// withheld. Parts that are not mapped are passed over; a page that reaches over an edge of the region
    /// ends the operation with [`Straddles`](crate::MapError::Straddles).
    pub fn protect<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        perms: Rights,
        done: u64,
        budget: usize,
    ) -> Result<Progress, Failure> {
        F::check(perms).map_err(|error| Failure {
            error,
            done,
            flush: Flush::None,
        })?;
        let mut visitor = Protect::<F> {
            bits: F::protection(perms),
            format: PhantomData,
        };
        self.visit(mem, region, 0, done, budget, &mut visitor)
    }

    /// Withholds write permission from everything in what is left of `region` after `done` bytes, looking at
    /// up to `budget` entries of the tables that map pages of `size`: where such an entry refers to a table,
    /// all pages below it lose write permission by this one change, and so do pages mapped there while the
    /// table lives.
    /// Pages larger than `size` are protected whole. `region` is aligned to `size`, or the operation ends with
    /// [`Straddles`](crate::MapError::Straddles) at what reaches over its edge.
    ///
    /// To trace writes, withhold at a large size; on a write fault
    /// ([`Translation::write_protected`](crate::Translation::write_protected)) split the page, which stays
    /// protected in its parts, or withhold one level below, and give write permission back where it is due.
    pub fn write_protect<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        size: PageSize,
        done: u64,
        budget: usize,
    ) -> Result<Progress, Failure> {
        self.withhold(mem, region, size, done, budget, true)
    }

    /// Gives back what [`write_protect`](Self::write_protect) with the same `region` and `size` withheld, and
    /// nothing else: a page that was not writable before is not writable afterwards.
    pub fn write_unprotect<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        size: PageSize,
        done: u64,
        budget: usize,
    ) -> Result<Progress, Failure> {
        self.withhold(mem, region, size, done, budget, false)
    }

    fn withhold<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        size: PageSize,
        done: u64,
        budget: usize,
        withhold: bool,
    ) -> Result<Progress, Failure> {
        let mut visitor = Withhold::<F> {
            withhold,
            format: PhantomData,
        };
        self.visit(mem, region, size as usize, done, budget, &mut visitor)
    }
}
