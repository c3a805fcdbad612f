//! Walking down the tables and along their entries.

use crate::error::MapError;
use crate::format::{ADDRESS, COUNT_SHIFT, ENTRIES, LEVELS, PageFormat, count};
use crate::format::{is_present, is_table};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use core::marker::PhantomData;

const ROOT_LEVEL: usize = LEVELS - 1;
const PAGE_MASK: u64 = 0xfff;

/// The page tables of one address space: the physical address of its root table and the largest page that
/// the machine has in this format.
#[derive(Debug)]
pub struct Tables<F> {
    root: u64,
    pub(crate) largest: PageSize,
    format: PhantomData<F>,
}

impl<F> Clone for Tables<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Tables<F> {}

/// A range of virtual (for guests: guest-physical) addresses, in bytes; multiples of 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub virt: u64,
    /// Length.
    pub length: u64,
}

impl Region {
    /// Refuses what the format cannot map; afterwards no sum in the range overflows.
    pub(crate) fn check<F: PageFormat>(&self, done: u64) -> Result<(), MapError> {
        if (self.virt | self.length | done) & PAGE_MASK != 0 {
            return Err(MapError::Misaligned);
        }
        let inside = self.virt >= F::START && self.virt < F::END;
        if !inside || self.length == 0 || self.length > F::END - self.virt || done > self.length {
            return Err(MapError::OutOfRange);
        }
        Ok(())
    }
}

/// Which entry of a table at `level` an address belongs to.
pub(crate) const fn index(virt: u64, level: usize) -> usize {
    (virt >> (12 + 9 * level)) as usize % ENTRIES
}

/// The way from the root down to the entry for an address: table and entry at each level from the root to
/// `level`.
pub(crate) struct Path {
    pub virt: u64,
    pub level: usize,
    pub tables: [u64; LEVELS],
    pub entries: [u64; LEVELS],
}

impl Path {
    /// Takes note that `added` entries of the table at `level` came into use.
    pub fn added<M: PhysMem>(&mut self, mem: &mut M, level: usize, added: usize) {
        let parent = level + 1;
        if parent < LEVELS {
            // A plain write may lose an accessed bit, which nobody looks at in entries for tables.
            self.entries[parent] += (added as u64) << COUNT_SHIFT;
            self.write(mem, parent);
        }
    }

    /// Takes note that `removed` entries of the lowest table on the path are zero again. Frees tables that
    /// have none left.
    pub fn removed<M: PhysMem, P: TablePool>(
        &mut self,
        mem: &mut M,
        pool: &mut P,
        removed: usize,
    ) -> Flush {
        let mut flush = Flush::None;
        let mut removed = removed as u64;
        for parent in self.level + 1..LEVELS {
            self.entries[parent] -= removed << COUNT_SHIFT;
            if count(self.entries[parent]) > 0 {
                self.write(mem, parent);
                break;
            }
            self.entries[parent] = 0;
            self.write(mem, parent);
            pool.free(mem, self.tables[parent - 1]);
            flush = Flush::All;
            removed = 1;
        }
        flush
    }

    /// Stores the entry at `level`.
    pub fn write<M: PhysMem>(&self, mem: &mut M, level: usize) {
        mem.write(
            self.tables[level],
            index(self.virt, level),
            self.entries[level],
        );
    }
}

/// An entry in use, on the way along a range.
pub(crate) struct Slot {
    pub table: u64,
    pub index: usize,
    pub entry: u64,
    pub level: usize,
    pub virt: u64,
}

/// What to do with the entries of a range.
pub(crate) trait Visitor<M> {
    /// For each entry in use.
    fn entry(&mut self, mem: &mut M, slot: &Slot) -> Flush;

    /// After the last entry in one table; `path` leads there.
    fn leave(&mut self, _mem: &mut M, _path: &mut Path) -> Flush {
        Flush::None
    }
}

impl<F: PageFormat> Tables<F> {
    /// The tables whose root is at physical address `root`; pages of up to `largest` are made.
    pub const fn new(root: u64, largest: PageSize) -> Self {
        Tables {
            root,
            largest,
            format: PhantomData,
        }
    }

    /// Physical address of the root table.
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// Walks to the entry for `virt` at level `floor`, or above it where the tables end earlier.
    pub(crate) fn descend<M: PhysMem>(&self, mem: &M, virt: u64, floor: usize) -> Path {
        let mut path = Path {
            virt,
            level: ROOT_LEVEL,
            tables: [self.root; LEVELS],
            entries: [0; LEVELS],
        };
        let mut table = self.root;
        for level in (floor..LEVELS).rev() {
            let entry = mem.read(table, index(virt, level));
            path.level = level;
            path.tables[level] = table;
            path.entries[level] = entry;
            if !is_table::<F>(entry, level) {
                break;
            }
            table = entry & ADDRESS;
        }
        path
    }

    /// Visits the entries in use of a range: pages, and entries of level `floor` whatever they are. Entries
    /// not in use count against the budget too.
    pub(crate) fn visit<M: PhysMem>(
        &self,
        mem: &mut M,
        region: Region,
        floor: usize,
        done: u64,
        budget: usize,
        visitor: &mut impl Visitor<M>,
    ) -> Result<Progress, Failure> {
        let mut flush = Flush::None;
        region
            .check::<F>(done)
            .map_err(|error| Failure { error, done, flush })?;
        let end = region.virt + region.length;
        let mut virt = region.virt + done;
        let mut left = budget;
        while virt < end && left > 0 {
            let mut path = self.descend(mem, virt, floor);
            let level = path.level;
            let span = 1 << (12 + 9 * level);
            let first = index(virt, level);
            let mut straddles = None;
            // Where the tables end above the floor, the entry may begin before the range.
            let mut start = virt & !(span - 1);
            for at in first..ENTRIES {
                if start >= end || left == 0 {
                    break;
                }
                let entry = mem.read(path.tables[level], at);
                if is_present::<F>(entry) {
                    if level > floor && is_table::<F>(entry, level) {
                        break;
                    }
                    if start < region.virt || end - start < span {
                        straddles = Some(start);
                        break;
                    }
                    let slot = Slot {
                        table: path.tables[level],
                        index: at,
                        entry,
                        level,
                        virt: start,
                    };
                    flush = flush.max(visitor.entry(mem, &slot));
                }
                start += span;
                left -= 1;
            }
            flush = flush.max(visitor.leave(mem, &mut path));
            virt = start.clamp(virt, end);
            let done = virt - region.virt;
            if let Some(virt) = straddles {
                return Err(Failure {
                    error: MapError::Straddles { virt },
                    done,
                    flush,
                });
            }
        }
        Ok(Progress {
            done: virt - region.virt,
            complete: virt == end,
            flush,
        })
    }
}
