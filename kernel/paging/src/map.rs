//! Mapping memory.

use crate::error::MapError;
use crate::format::{ADDRESS, ENTRIES, PHYS_END, PageFormat, is_present, large};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use crate::walk::{PAGE_MASK, Region, Tables};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;

/// A piece of physical memory at a virtual (for guests: guest-physical) address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it appears; a multiple of 4 KiB.
    pub virt: u64,
    /// Physical address; a multiple of 4 KiB.
    pub phys: u64,
    /// Bytes; a multiple of 4 KiB.
    pub length: u64,
    /// `READ`, `WRITE` and `EXECUTE`; other rights do not matter.
    pub perms: Rights,
    /// Memory type; [`CacheMode::Default`] is write-back.
    pub cache: CacheMode,
}

impl Mapping {
    /// The addresses that it takes.
    pub const fn region(&self) -> Region {
        Region {
            virt: self.virt,
            length: self.length,
        }
    }
}

/// How far a map came.
struct Cursor {
    virt: u64,
    end: u64,
    /// The entry for the page at `virt`, but for its size.
    entry: u64,
    /// Pages that may still be mapped.
    left: usize,
}

impl<F: PageFormat> Tables<F> {
    /// Maps what is left of `mapping` after `done` bytes, at most `budget` pages, each as large as addresses
    /// and length permit. Replaces nothing.
    ///
    /// After a failure the caller unmaps `[virt, virt + done)`, which frees every table that was made.
    pub fn map<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        mapping: &Mapping,
        done: u64,
        budget: usize,
    ) -> Result<Progress, Failure> {
        let fail = |error, done| Failure {
            error,
            done,
            flush: Flush::None,
        };
        check::<F>(mapping, done).map_err(|error| fail(error, done))?;
        let mut cursor = Cursor {
            virt: mapping.virt + done,
            end: mapping.virt + mapping.length,
            entry: (mapping.phys + done)
                | F::protection(mapping.perms)
                | F::memory_type(mapping.cache),
            left: budget,
        };
        while cursor.virt < cursor.end && cursor.left > 0 {
            match self.fitting(&cursor) {
                PageSize::Size4K => self.fill::<0, M, P>(mem, pool, &mut cursor),
                PageSize::Size2M => self.fill::<1, M, P>(mem, pool, &mut cursor),
                PageSize::Size1G => self.fill::<2, M, P>(mem, pool, &mut cursor),
            }
            .map_err(|error| fail(error, cursor.virt - mapping.virt))?;
        }
        Ok(Progress {
            done: cursor.virt - mapping.virt,
            complete: cursor.virt == cursor.end,
            flush: Flush::None,
        })
    }

    /// The size of the next page.
    fn fitting(&self, cursor: &Cursor) -> PageSize {
        let addresses = (cursor.virt | cursor.entry) & ADDRESS;
        let fits = |size: PageSize| {
            addresses & (size.bytes() - 1) == 0
                && cursor.end - cursor.virt >= size.bytes()
                && size <= self.largest
        };
        if !fits(PageSize::Size2M) {
            PageSize::Size4K
        } else if fits(PageSize::Size1G) {
            PageSize::Size1G
        } else {
            PageSize::Size2M
        }
    }

    /// Maps pages of one size into one table.
    #[inline(never)]
    fn fill<const LEVEL: usize, M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        cursor: &mut Cursor,
    ) -> Result<(), MapError> {
        let virt = cursor.virt;
        let walk = self.descend(mem, virt, LEVEL);
        if walk.level > LEVEL {
            if is_present::<F>(walk.entry) {
                return Err(MapError::Occupied { virt });
            }
            return self.grow(mem, pool, virt, LEVEL);
        }
        let size = PageSize::at_level(LEVEL);
        let first = walk.index();
        let pages = ((cursor.end - virt) >> size.bits()) as usize;
        let pages = pages.min(ENTRIES - first).min(cursor.left);
        let mut set = 0;
        while set < pages && !is_present::<F>(mem.read(walk.table, first + set)) {
            mem.write(walk.table, first + set, cursor.entry | large(size));
            cursor.entry += size.bytes();
            set += 1;
        }
        walk.added(mem, set);
        cursor.virt += (set as u64) << size.bits();
        cursor.left -= set;
        if set < pages {
            return Err(MapError::Occupied { virt: cursor.virt });
        }
        Ok(())
    }

    /// Makes the tables that are missing on the way to the entry for `virt` at `level`, all or none. The
    /// lowest one is left empty: the caller fills it.
    #[cold]
    #[inline(never)]
    fn grow<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        virt: u64,
        level: usize,
    ) -> Result<(), MapError> {
        let mut walk = self.reach(mem, virt, level);
        if pool.available() < walk.level - level {
            return Err(MapError::OutOfTables);
        }
        for _ in level..walk.level {
            let table = pool.alloc(mem).ok_or(MapError::OutOfTables)?;
            walk = walk.extended::<F, M>(mem, table);
        }
        Ok(())
    }
}

fn check<F: PageFormat>(mapping: &Mapping, done: u64) -> Result<(), MapError> {
    mapping.region().check::<F>(done)?;
    if mapping.phys & PAGE_MASK != 0 {
        return Err(MapError::Misaligned);
    }
    if mapping.phys >= PHYS_END || mapping.phys + mapping.length > PHYS_END {
        return Err(MapError::OutOfRange);
    }
    F::check(mapping.perms)
}
