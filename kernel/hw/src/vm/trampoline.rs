//! Page tables with which other processors start.
//!
//! A processor turns paging on in a page below 1 MiB that is mapped one to one, and needs its tables below
//! 4 GiB. The kernel's own tables satisfy neither, so the ones of the first steps are used again: they map
//! that one page, readable and executable, and the kernel's upper half.

use super::format::KernelFormat;
use super::layout::IMAGE;
use super::{MapError, with};
use crate::early::bootstrap::{DIRECTORIES, DIRECTORY_POINTERS, ROOT, TABLES};
use pagurus_abi::Rights;
use pagurus_boot::platform::TRAMPOLINE;
use pagurus_paging::format::ENTRIES;
use pagurus_paging::{PageFormat, PhysMem};

/// Table that maps 4 KiB pages, in place of the map of the second GiB.
const PAGES: usize = DIRECTORIES + 1;

/// Builds the tables and returns the physical address of the top-level one. The code at
/// [`TRAMPOLINE`] must be in place already: it cannot be written through these tables.
///
/// # Errors
/// [`MapError::NotReady`] before the kernel has its own page tables.
pub fn build() -> Result<u32, MapError> {
    with(|vm| {
        for table in &TABLES {
            table.clear();
        }
        let image = vm.image.start;
        let phys = |number: usize| {
            let virt = (&raw const TABLES[number]).addr();
            image + (virt - IMAGE) as u64
        };
        let table = |number| phys(number) | KernelFormat::TABLE;
        TABLES[ROOT].set(0, table(DIRECTORY_POINTERS));
        TABLES[DIRECTORY_POINTERS].set(0, table(DIRECTORIES));
        TABLES[DIRECTORIES].set(0, table(PAGES));
        let page = TRAMPOLINE.start;
        // Not global: it must vanish with the change to other tables.
        let attributes = KernelFormat::protection(Rights::READ | Rights::EXECUTE) & !(1 << 8);
        TABLES[PAGES].set((page >> 12) as usize, page | attributes);
        for index in ENTRIES / 2..ENTRIES {
            let entry = vm.memory.read(vm.tables.root(), index);
            TABLES[ROOT].set(index, entry);
        }
        Ok(phys(ROOT) as u32)
    })
}

/// Takes the map of the trampoline page away, once no processor starts any more.
pub fn clear() {
    for table in &TABLES {
        table.clear();
    }
}
