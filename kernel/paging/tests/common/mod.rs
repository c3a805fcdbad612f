//! Shared by the tests: a processor written from the manuals, and the model of what should be mapped.
#![allow(dead_code)]

pub mod driver;
pub mod manual;
pub mod model;
pub mod processor;

use pagurus_paging::sim::SimMem;
use pagurus_paging::{PageFormat, PageSize, Pool, Tables};

/// Where the tables lie.
pub const BASE: u64 = 0x10_0000;

/// One address space object: root table, pool, memory.
pub struct Space<F> {
    pub mem: SimMem,
    pub pool: Pool,
    pub tables: Tables<F>,
}

impl<F: PageFormat> Space<F> {
    /// An address space with a root and `tables` more.
    pub fn new(tables: usize, largest: PageSize) -> Self {
        let mem = SimMem::new(BASE, tables + 1);
        Space {
            pool: Pool::new(BASE + 4096, mem.end()),
            tables: Tables::new(BASE, largest),
            mem,
        }
    }

    /// Entry `index` of the table at which one arrives by `path` from the root.
    pub fn entry(&self, path: &[usize], index: usize) -> u64 {
        use pagurus_paging::PhysMem;
        let table = path.iter().fold(BASE, |table, at| {
            self.mem.read(table, *at) & 0x000f_ffff_ffff_f000
        });
        self.mem.read(table, index)
    }
}
