//! Physical memory for tests on the host, and a check of the tables in it.

use crate::format::{ADDRESS, ENTRIES, LEVELS, PageFormat};
use crate::format::{count, is_present, is_table};
use crate::memory::PhysMem;
use std::vec::Vec;

/// A piece of physical memory for tables. Access outside of it panics.
#[derive(Clone, Debug)]
pub struct SimMem {
    base: u64,
    tables: Vec<[u64; ENTRIES]>,
}

impl SimMem {
    /// `tables` zeroed tables from physical address `base` on.
    pub fn new(base: u64, tables: usize) -> SimMem {
        assert!(base.is_multiple_of(4096), "memory is page aligned");
        SimMem {
            base,
            tables: vec![[0; ENTRIES]; tables],
        }
    }

    /// Physical address where the memory ends.
    pub fn end(&self) -> u64 {
        self.base + self.tables.len() as u64 * 4096
    }

    fn number(&self, table: u64) -> usize {
        assert!(
            table >= self.base && table.is_multiple_of(4096),
            "no table at {table:#x}"
        );
        ((table - self.base) / 4096) as usize
    }
}

impl PhysMem for SimMem {
    fn read(&self, table: u64, index: usize) -> u64 {
        self.tables[self.number(table)][index]
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        let number = self.number(table);
        self.tables[number][index] = entry;
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        let number = self.number(table);
        let entry = &mut self.tables[number][index];
        let was = *entry;
        *entry = was & !clear | set;
        was
    }
}

/// Checks everything that the walker relies on in the tables below the first `roots` entries of the root
/// table, and returns how many tables there are, the root not counted: entries not in use are zero, counts
/// are right, no table is empty or referred to twice.
///
/// # Panics
/// When something of that is not so.
pub fn check<F: PageFormat>(mem: &SimMem, root: u64, roots: usize) -> usize {
    let mut seen = std::collections::BTreeSet::from([root]);
    let mut pending = vec![(root, LEVELS - 1, None)];
    while let Some((table, level, expected)) = pending.pop() {
        let mut used = 0;
        let last = if level == LEVELS - 1 { roots } else { ENTRIES };
        for at in 0..last {
            let entry = mem.read(table, at);
            if !is_present::<F>(entry) {
                assert_eq!(
                    entry, 0,
                    "entry {at} of {table:#x} is neither in use nor zero"
                );
                continue;
            }
            used += 1;
            if level > 0 && is_table::<F>(entry) {
                let below = entry & ADDRESS;
                assert!(seen.insert(below), "table {below:#x} has two parents");
                pending.push((below, level - 1, Some(count(entry))));
            } else {
                assert!(level < LEVELS - 1, "a page in the root table");
                assert_eq!(count(entry), 0, "a page with a count");
            }
        }
        if let Some(expected) = expected {
            assert_eq!(used, expected, "count of table {table:#x}");
            assert_ne!(used, 0, "table {table:#x} is empty");
        }
    }
    seen.len() - 1
}
