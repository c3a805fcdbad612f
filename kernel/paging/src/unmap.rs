//! Taking mappings away.

use crate::format::PageFormat;
use crate::memory::{PhysMem, TablePool};
use crate::outcome::{Failure, Flush, Progress};
use crate::walk::{Region, Slot, Tables, Visitor, Walk};

struct Unmap<'a, F, P> {
    tables: &'a Tables<F>,
    pool: &'a mut P,
    removed: usize,
}

impl<F: PageFormat, M: PhysMem, P: TablePool> Visitor<M> for Unmap<'_, F, P> {
    fn entry(&mut self, mem: &mut M, slot: &Slot, _level: usize, _virt: u64) -> Flush {
        mem.write(slot.table, slot.index, 0);
        self.removed += 1;
        Flush::Range
    }

    fn leave(&mut self, mem: &mut M, walk: &Walk) -> Flush {
        let removed = core::mem::take(&mut self.removed);
        if removed == 0 {
            return Flush::None;
        }
        self.tables.removed(mem, self.pool, walk, removed)
    }
}

impl<F: PageFormat> Tables<F> {
    /// Unmaps what is left of `region` after `done` bytes, looking at up to `budget` entries, and frees
    /// tables that became empty. Parts that are not mapped are passed over.
    ///
    /// A page that reaches over an edge of the region stays, and the operation ends there with
    /// [`Straddles`](crate::MapError::Straddles).
    pub fn unmap<M: PhysMem, P: TablePool>(
        &self,
        mem: &mut M,
        pool: &mut P,
        region: Region,
        done: u64,
        budget: usize,
    ) -> Result<Progress, Failure> {
        let mut visitor = Unmap {
            tables: self,
            pool,
            removed: 0,
        };
        self.visit(mem, region, 0, done, budget, &mut visitor)
    }
}
