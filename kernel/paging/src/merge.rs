//! Merging pages.

use crate::error::MapError;
use crate::format::{ADDRESS, ENTRIES, LARGE, PageFormat, WITHHELD, is_present, is_table, large};
use crate::memory::{PhysMem, TablePool};
use crate::outcome::Flush;
use crate::size::PageSize;
use crate::walk::Tables;

impl<F: PageFormat> Tables<F> {
    /// Merges 512 pages into the page of `size` at `virt` if their frames are one piece and their permissions
    /// (withheld ones too) and memory types are the same. Accessed and dirty bits are or-ed; write permission
    /// that was withheld from all of them by one change is withheld from the page. Frees the table; one
    /// bounded step of up to 513 table reads and 514 writes.
    pub fn merge<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        virt: u64,
        size: PageSize,
    ) -> Result<Flush, MapError> {
        let (walk, smaller) = self.find(mem, virt, size)?;
        let level = size as usize;
        let parent = walk.entry;
        if walk.level != level || !is_table::<F>(parent) || size > self.largest {
            return Err(MapError::WrongSize);
        }
        let table = parent & ADDRESS;
        let recorded = F::ACCESSED | F::DIRTY;
        let first = mem.read(table, 0) & !recorded;
        let is_page = is_present::<F>(first) && first & LARGE == large(smaller);
        if !is_page || first & ADDRESS & (size.bytes() - 1) != 0 {
            return Err(MapError::NotUniform { virt });
        }
        for at in 0..ENTRIES {
            let entry = mem.read(table, at);
            let offset = (at as u64) << smaller.bits();
            if entry & !recorded != first + offset {
                let virt = virt + offset;
                return Err(MapError::NotUniform { virt });
            }
        }

        let mut leaf = first | LARGE;
        if parent & WITHHELD != 0 && leaf & F::WRITE != 0 {
            leaf = leaf & !F::WRITE | WITHHELD;
        }
        mem.write(walk.table, walk.index(), leaf);
        // Processors may use the table and record in it until its entries are gone.
        let mut activity = 0;
        for at in 0..ENTRIES {
            activity |= mem.modify(table, at, !0, 0) & recorded;
        }
        mem.modify(walk.table, walk.index(), 0, activity);
        pool.free(mem, table);
        Ok(Flush::All)
    }
}
