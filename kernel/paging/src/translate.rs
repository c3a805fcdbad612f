//! Looking an address up.

use crate::format::{ADDRESS, PageFormat, WITHHELD, is_present};
use crate::memory::PhysMem;
use crate::size::PageSize;
use crate::walk::Tables;
use pagurus_abi::Rights;

/// What an address is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address that belongs to the address asked for.
    pub phys: u64,
    /// What a processor may do there now.
    pub perms: Rights,
    /// `WRITE` is missing from `perms` because of [`Tables::write_protect`] only.
    pub write_protected: bool,
    /// Size of the page.
    pub size: PageSize,
}

impl<F: PageFormat> Tables<F> {
    /// What `virt` is mapped to.
    pub fn translate<M: PhysMem>(&self, mem: &M, virt: u64) -> Option<Translation> {
        if virt < F::START || virt >= F::END {
            return None;
        }
        let walk = self.descend(mem, virt, 0);
        let entry = walk.entry;
        if !is_present::<F>(entry) {
            return None;
        }
        let size = PageSize::at_level(walk.level);
        let offset = size.bytes() - 1;
        let mut perms = F::perms(entry);
        let may_write = perms.contains(Rights::WRITE) || entry & WITHHELD != 0;
        let withheld = (entry | walk.above) & WITHHELD != 0;
        perms.set(Rights::WRITE, may_write && !withheld);
        Some(Translation {
            phys: (entry & ADDRESS & !offset) | (virt & offset),
            perms,
            write_protected: may_write && withheld,
            size,
        })
    }
}
