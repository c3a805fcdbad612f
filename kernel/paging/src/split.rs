//! Splitting a page.

use crate::error::MapError;
use crate::format::{COUNT_ONE, ENTRIES, LARGE, PageFormat, is_present, is_table, large};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::Flush;
use crate::size::PageSize;
use crate::walk::{Region, Tables, Walk};

impl<F: PageFormat> Tables<F> {
    /// Splits the page of `size` at `virt` into 512 of the next smaller size with the same frames,
    /// permissions (withheld ones too), memory type, accessed and dirty bits. Takes one table; one bounded
    /// step of 512 to 1,024 table writes.
    pub fn split<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        virt: u64,
        size: PageSize,
    ) -> Result<Flush, MapError> {
        let (walk, smaller) = self.find(mem, virt, size)?;
        let level = size as usize;
        let leaf = walk.entry;
        if walk.level != level || is_table::<F>(leaf) {
            return Err(MapError::WrongSize);
        }
        let table = pool.alloc(mem).ok_or(MapError::OutOfTables)?;
        let first = leaf & !LARGE | large(smaller);
        let mut entry = first;
        for at in 0..ENTRIES {
            mem.write(table, at, entry);
            entry += smaller.bytes();
        }
        let parent = table | F::TABLE | (ENTRIES as u64 * COUNT_ONE);
        let was = mem.modify(walk.table, walk.index(), !0, parent);
        // What processors recorded in the page while the table was filled.
        let late = was & !leaf & (F::ACCESSED | F::DIRTY);
        if late != 0 {
            for at in 0..ENTRIES {
                mem.modify(table, at, 0, late);
            }
        }
        Ok(Flush::All)
    }

    /// The entry for `virt` in the tables that map pages of `size`, or the one above it that ends the walk;
    /// and the next smaller size.
    pub(crate) fn find<M: PhysMem>(
        &self,
        mem: &M,
        virt: u64,
        size: PageSize,
    ) -> Result<(Walk, PageSize), MapError> {
        let smaller = size.smaller().ok_or(MapError::WrongSize)?;
        if virt & (size.bytes() - 1) != 0 {
            return Err(MapError::Misaligned);
        }
        let length = size.bytes();
        Region { virt, length }.check::<F>(0)?;
        let walk = self.reach(mem, virt, size as usize);
        if !is_present::<F>(walk.entry) {
            return Err(MapError::NotMapped);
        }
        Ok((walk, smaller))
    }
}
