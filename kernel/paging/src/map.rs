//! Mapping memory.

use crate::error::MapError;
use crate::format::{ADDRESS, COUNT_SHIFT, ENTRIES, PageFormat, is_present, large};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use crate::walk::{Path, Region, Tables, index};
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
        let attributes = F::protection(mapping.perms) | F::memory_type(mapping.cache);

        let mut done = done;
        let mut left = budget;
        while done < mapping.length && left > 0 {
            let virt = mapping.virt + done;
            let phys = mapping.phys + done;
            let size = self.fitting(virt | phys, mapping.length - done);
            let level = size as usize;

            let mut path = self.descend(mem, virt, level);
            if path.level > level {
                if is_present::<F>(path.entries[path.level]) {
                    return Err(fail(MapError::Occupied { virt }, done));
                }
                self.grow(mem, pool, &mut path, level)
                    .map_err(|error| fail(error, done))?;
            }

            let first = index(virt, level);
            let pages = (ENTRIES - first)
                .min(left)
                .min(((mapping.length - done) >> size.bits()) as usize);
            let mut entry = phys | attributes | large(size);
            let mut set = 0;
            while set < pages && !is_present::<F>(mem.read(path.tables[level], first + set)) {
                mem.write(path.tables[level], first + set, entry);
                entry += size.bytes();
                set += 1;
            }
            path.added(mem, level, set);
            done += (set as u64) << size.bits();
            left -= set;
            if set < pages {
                let virt = mapping.virt + done;
                return Err(fail(MapError::Occupied { virt }, done));
            }
        }
        Ok(Progress {
            done,
            complete: done == mapping.length,
            flush: Flush::None,
        })
    }

    /// The largest page for addresses with these bits (or-ed) and this much memory.
    fn fitting(&self, addresses: u64, length: u64) -> PageSize {
        let fits = |size: PageSize| {
            size <= self.largest && addresses & (size.bytes() - 1) == 0 && length >= size.bytes()
        };
        if !fits(PageSize::Size2M) {
            PageSize::Size4K
        } else if fits(PageSize::Size1G) {
            PageSize::Size1G
        } else {
            PageSize::Size2M
        }
    }

    /// Makes the tables that are missing between the end of `path` and `level`, all or none. The lowest
    /// one is empty: the caller fills it.
    fn grow<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        path: &mut Path,
        level: usize,
    ) -> Result<(), MapError> {
        if pool.available() < path.level - level {
            return Err(MapError::OutOfTables);
        }
        for at in (level + 1..=path.level).rev() {
            let table = pool.alloc(mem).ok_or(MapError::OutOfTables)?;
            path.entries[at] = table | F::TABLE;
            path.tables[at - 1] = table;
            path.write(mem, at);
            path.added(mem, at, 1);
        }
        path.level = level;
        Ok(())
    }
}

fn check<F: PageFormat>(mapping: &Mapping, done: u64) -> Result<(), MapError> {
    mapping.region().check::<F>(done)?;
    if mapping.phys & !ADDRESS & 0xfff != 0 {
        return Err(MapError::Misaligned);
    }
    // Nothing above the address bits, and no carry into them from the last page.
    if mapping.phys & !ADDRESS != 0 || mapping.length > (1 << COUNT_SHIFT) - mapping.phys {
        return Err(MapError::OutOfRange);
    }
    F::check(mapping.perms)
}
