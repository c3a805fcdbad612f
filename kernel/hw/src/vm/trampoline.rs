//! The page in which other processors start, and the page tables with which they do.
//!
//! A processor starts in real mode in a page below 1 MiB, turns paging on there, so the page must be mapped one
//! to one, and needs its tables below 4 GiB. The kernel's own tables satisfy neither, so the ones of the first
//! steps are used again: they map that one page, readable and executable, and the kernel's upper half. The
//! page may hold part of a boot module; [`remove`] puts that back.
#![allow(unsafe_code)] // Writes to memory that the loader may have used.

use super::format::KernelFormat;
use super::layout::IMAGE;
use super::{MapError, phys_to_virt, with};
use crate::early::bootstrap::{DIRECTORIES, DIRECTORY_POINTERS, ROOT, TABLES};
use pagurus_abi::Rights;
use pagurus_abi::layout::PAGE_SIZE;
use pagurus_paging::format::ENTRIES;
use pagurus_paging::{PageFormat, PhysMem};
use spin::Mutex;

/// Table that maps 4 KiB pages, in place of the map of the second GiB.
const PAGES: usize = DIRECTORIES + 1;
/// Bit of an entry: survives a change of tables. The trampoline's page must not.
const GLOBAL: u64 = 1 << 8;

/// What was in the page before.
struct Saved {
    page: u64,
    bytes: [u8; PAGE_SIZE],
}

static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

/// What a starting processor needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trampoline {
    /// Physical address of the page; its number is the vector of the start-up interrupt.
    pub page: u32,
    /// Physical address of the top-level page table.
    pub root: u32,
}

/// Finds the page, lets `write` fill it, and builds the tables; the code cannot write to its own page after it
/// turned paging on. `write` gets the trampoline and the page's bytes.
///
/// # Errors
/// [`MapError::NoTrampoline`] if there is no RAM below 640 KiB, [`MapError::NotReady`] before the kernel has
/// its own page tables.
pub fn install(
    write: impl FnOnce(Trampoline, &mut [u8; PAGE_SIZE]),
) -> Result<Trampoline, MapError> {
    let page = crate::early::platform()
        .ok_or(MapError::NotReady)?
        .trampoline()
        .ok_or(MapError::NoTrampoline)?
        .start;
    let root = build_tables(page)?;
    let trampoline = Trampoline {
        page: page as u32,
        root,
    };
    let mut saved = SAVED.lock();
    // SAFETY: the page is RAM, so it is in the direct map. Nobody else uses it: the kernel hands out no memory
    // below 1 MiB, and the modules are not given out before the other processors run.
    let bytes = unsafe { &mut *(phys_to_virt(page) as *mut [u8; PAGE_SIZE]) };
    if saved.is_none() {
        *saved = Some(Saved {
            page,
            bytes: *bytes,
        });
    }
    write(trampoline, bytes);
    Ok(trampoline)
}

/// Puts back what was in the page and takes its map away. No processor may be starting any more.
pub fn remove() {
    for table in &TABLES {
        table.clear();
    }
    if let Some(saved) = SAVED.lock().take() {
        // SAFETY: as in `install`.
        unsafe { (phys_to_virt(saved.page) as *mut [u8; PAGE_SIZE]).write(saved.bytes) };
    }
}

fn build_tables(page: u64) -> Result<u32, MapError> {
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
        let attributes = KernelFormat::protection(Rights::READ | Rights::EXECUTE) & !GLOBAL;
        TABLES[PAGES].set((page >> 12) as usize, page | attributes);
        for index in ENTRIES / 2..ENTRIES {
            let entry = vm.memory.read(vm.tables.root(), index);
            TABLES[ROOT].set(index, entry);
        }
        Ok(phys(ROOT) as u32)
    })
}
