//! The tables inside an AddressSpace object.

use crate::memory::{PhysMem, TablePool};

const TABLE_BYTES: u64 = 4096;

/// A pool of page tables in one piece of zeroed physical memory.
///
/// Tables that came back are linked through their first entry, nearest first. A link is a table address,
/// so as an entry it has no permission bit: a processor that still has the table in its caches finds
/// nothing there, in any format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    base: u64,
    /// First table that was never handed out.
    next: u64,
    end: u64,
    /// Table that came back last, or 0.
    free: u64,
    in_use: usize,
}

impl Pool {
    /// The pool of tables in `[base, end)`, zeroed memory; both 4 KiB aligned, `base` not 0.
    pub const fn new(base: u64, end: u64) -> Pool {
        Pool {
            base,
            next: base,
            end,
            free: 0,
            in_use: 0,
        }
    }

    /// The pool of an AddressSpace object of `2^size_bits` zeroed bytes at `object`, whose first 4 KiB are
    /// the root table.
    pub const fn of_object(object: u64, size_bits: u8) -> Pool {
        Pool::new(object + TABLE_BYTES, object + (1 << size_bits))
    }

    /// Tables handed out; the root table is not counted.
    pub const fn in_use(&self) -> usize {
        self.in_use
    }

    /// Tables in all; the root table is not counted.
    pub const fn total(&self) -> usize {
        ((self.end - self.base) / TABLE_BYTES) as usize
    }
}

impl TablePool for Pool {
    fn available(&self) -> usize {
        self.total() - self.in_use
    }

    fn alloc(&mut self, mem: &mut impl PhysMem) -> Option<u64> {
        let table = if self.free != 0 {
            let table = self.free;
            self.free = mem.read(table, 0);
            // The other 511 entries were zero when the table came back.
            mem.write(table, 0, 0);
            table
        } else if self.next < self.end {
            let table = self.next;
            self.next += TABLE_BYTES;
            table
        } else {
            return None;
        };
        self.in_use += 1;
        Some(table)
    }

    fn free(&mut self, mem: &mut impl PhysMem, table: u64) {
        mem.write(table, 0, self.free);
        self.free = table;
        self.in_use -= 1;
    }
}
