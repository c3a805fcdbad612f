//! Walking down the tables and along their entries.

use crate::error::MapError;
use crate::format::{ADDRESS, COUNT_ONE, ENTRIES, LEVELS, PageFormat};
use crate::format::{count, is_present, is_table};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::{Failure, Flush, Progress};
use crate::size::PageSize;
use core::marker::PhantomData;

const ROOT_LEVEL: usize = LEVELS - 1;
pub(crate) const PAGE_MASK: u64 = 0xfff;

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

/// log2 of the bytes that an entry of a table at `level` stands for.
pub(crate) const fn span_bits(level: usize) -> u32 {
    12 + 9 * level as u32
}

/// Which entry of a table at `level` stands for an address.
pub(crate) const fn index(virt: u64, level: usize) -> usize {
    (virt >> span_bits(level)) as usize % ENTRIES
}

/// An entry: where it is and what it was when it was read.
pub(crate) struct Slot {
    pub table: u64,
    pub index: usize,
    pub entry: u64,
}

/// The end of a walk to an address.
pub(crate) struct Walk {
    virt: u64,
    /// Level of the table in which the walk ended.
    pub level: usize,
    /// That table.
    pub table: u64,
    /// Its entry for the address.
    pub entry: u64,
    /// The table above, and its entry that refers to this table; 0 when that is the root.
    upper: u64,
    parent: u64,
    /// All entries for tables on the way, or-ed.
    pub above: u64,
}

impl Walk {
    /// Place in the table of the entry for the address.
    pub fn index(&self) -> usize {
        index(self.virt, self.level)
    }

    /// Makes the entry for the address refer to an empty table, and walks on into that.
    pub fn extended<F: PageFormat, M: PhysMem>(&self, mem: &mut M, table: u64) -> Walk {
        let entry = table | F::TABLE;
        mem.write(self.table, self.index(), entry);
        self.added(mem, 1);
        Walk {
            virt: self.virt,
            level: self.level - 1,
            table,
            entry: 0,
            upper: self.table,
            parent: entry,
            above: self.above | entry,
        }
    }

    /// Takes note that `added` entries of the table came into use.
    pub fn added<M: PhysMem>(&self, mem: &mut M, added: usize) {
        if self.level < ROOT_LEVEL {
            self.set_parent(mem, self.parent + added as u64 * COUNT_ONE);
        }
    }

    /// Takes note that `removed` entries of the table are zero again, and says whether none is left in use.
    fn removed<M: PhysMem>(&self, mem: &mut M, removed: usize) -> bool {
        if self.level == ROOT_LEVEL {
            return false;
        }
        let parent = self.parent - removed as u64 * COUNT_ONE;
        self.set_parent(mem, parent);
        count(parent) == 0
    }

    /// Stores the entry that refers to the table. This may lose its accessed bit, which nobody looks at.
    fn set_parent<M: PhysMem>(&self, mem: &mut M, parent: u64) {
        mem.write(self.upper, index(self.virt, self.level + 1), parent);
    }
}

/// What to do with the entries of a range.
pub(crate) trait Visitor<M> {
    /// For each entry in use, in a table at `level`; `virt` is the first address that it stands for.
    fn entry(&mut self, mem: &mut M, slot: &Slot, level: usize, virt: u64) -> Flush;

    /// After the last entry in one table, to which `walk` led.
    fn leave(&mut self, _mem: &mut M, _walk: &Walk) -> Flush {
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
    #[inline]
    pub(crate) fn descend<M: PhysMem>(&self, mem: &M, virt: u64, floor: usize) -> Walk {
        let mut walk = Walk {
            virt,
            level: ROOT_LEVEL,
            table: self.root,
            entry: mem.read(self.root, index(virt, ROOT_LEVEL)),
            upper: 0,
            parent: 0,
            above: 0,
        };
        for level in (floor..ROOT_LEVEL).rev() {
            if !is_table::<F>(walk.entry) {
                break;
            }
            let table = walk.entry & ADDRESS;
            walk = Walk {
                virt,
                level,
                table,
                entry: mem.read(table, index(virt, level)),
                upper: walk.table,
                parent: walk.entry,
                above: walk.above | walk.entry,
            };
        }
        walk
    }

    /// [`descend`](Self::descend) where it is not worth another copy of its code.
    #[inline(never)]
    pub(crate) fn reach<M: PhysMem>(&self, mem: &M, virt: u64, floor: usize) -> Walk {
        self.descend(mem, virt, floor)
    }

    /// Visits the entries in use of a range: pages, and entries of level `floor` whatever they are. Entries
    /// not in use count against the budget too.
    #[inline]
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
            let walk = self.descend(mem, virt, floor);
            let bits = span_bits(walk.level);
            let span = 1 << bits;
            let first = walk.index();
            // Only the first and the last entry can reach over the edges of the range.
            let mut start = virt & !(span - 1);
            let entries = ((end - start - 1) >> bits) as usize + 1;
            let last = first + entries.min(ENTRIES - first).min(left);
            let mut index = first;
            while index < last {
                let entry = mem.read(walk.table, index);
                if is_present::<F>(entry) {
                    let straddles = start < region.virt || end - start < span;
                    if walk.level > floor && is_table::<F>(entry) || straddles {
                        break;
                    }
                    let slot = Slot {
                        table: walk.table,
                        index,
                        entry,
                    };
                    flush = flush.max(visitor.entry(mem, &slot, walk.level, start));
                }
                start += span;
                index += 1;
            }
            flush = flush.max(visitor.leave(mem, &walk));
            left -= index - first;
            virt = start.max(virt).min(end);
            if index == first {
                return Err(Failure {
                    error: MapError::Straddles { virt: start },
                    done: virt - region.virt,
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

    /// Takes note that `removed` entries of the table at the end of `walk` are zero again, and frees the
    /// tables that have none left.
    pub(crate) fn removed<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        walk: &Walk,
        removed: usize,
    ) -> Flush {
        if !walk.removed(mem, removed) {
            return Flush::None;
        }
        self.prune(mem, pool, walk.virt, walk.level);
        Flush::All
    }

    /// Frees the empty table at `level` on the way to `virt`, and those above it that become empty by that.
    #[cold]
    #[inline(never)]
    fn prune<M: PhysMem, P: TablePool>(&self, mem: &mut M, pool: &mut P, virt: u64, level: usize) {
        let mut tables = [self.root; LEVELS];
        for at in (level + 1..LEVELS).rev() {
            tables[at - 1] = mem.read(tables[at], index(virt, at)) & ADDRESS;
        }
        for at in level + 1..LEVELS {
            mem.write(tables[at], index(virt, at), 0);
            pool.free(mem, tables[at - 1]);
            let upper = at + 1;
            if upper == LEVELS {
                break;
            }
            let parent = mem.read(tables[upper], index(virt, upper)) - COUNT_ONE;
            mem.write(tables[upper], index(virt, upper), parent);
            if count(parent) > 0 {
                break;
            }
        }
    }
}
