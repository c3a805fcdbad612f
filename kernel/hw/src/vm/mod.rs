//! The kernel's own virtual memory: see [`layout`].
//!
//! Built once by [`early`](crate::early); afterwards device registers, firmware tables and stacks are mapped
//! until root starts, from pages that are still free then. [`finish`] ends that and says what memory is left.
#![allow(unsafe_code)] // Page tables of the running kernel.

mod audit;
mod construct;
mod error;
mod format;
pub mod image;
pub mod layout;
mod memory;
mod plan;
#[cfg(test)]
mod tests;
pub mod trampoline;
mod windows;

pub use audit::{Violation, wx_audit};
pub(crate) use construct::construct;
pub use error::MapError;
pub use format::KernelFormat;
pub use image::text_range;
pub use layout::{DIRECT_MAP, phys_to_virt};
pub use windows::{map_device, map_firmware, map_framebuffer, map_stack};

use memory::{BootPool, Physical};
use pagurus_boot::platform::MemorySet;
use pagurus_boot::{BootPages, PAGE, Range};
use pagurus_paging::{Mapping, PhysMem, Tables};
use spin::Mutex;

/// The kernel's page tables and what they are made from.
struct Vm {
    tables: Tables<KernelFormat>,
    memory: Physical,
    pages: BootPages,
    /// Pages must lie below this to be reachable.
    limit: u64,
    /// Whether boot is over.
    finished: bool,
    /// Next free address of the device window.
    next_device: usize,
    /// Next free address of the stack window.
    next_stack: usize,
    /// Physical addresses of the image.
    image: Range,
}

static VM: Mutex<Option<Vm>> = Mutex::new(None);

impl Vm {
    /// Maps all of `mapping`, whose `virt` is a canonical address.
    fn map(&mut self, mapping: &Mapping) -> Result<(), MapError> {
        let mapping = Mapping {
            virt: format::walker_address(mapping.virt as usize),
            ..*mapping
        };
        let mut pool = BootPool {
            pages: &mut self.pages,
            limit: self.limit,
        };
        self.tables
            .map(&mut self.memory, &mut pool, &mapping, 0, usize::MAX)
            .map(|_| ())
            .map_err(|failure| MapError::Tables(failure.error))
    }

    fn take_pages(&mut self, count: u64) -> Result<u64, MapError> {
        if self.finished {
            return Err(MapError::Finished);
        }
        let limit = self.limit;
        self.pages.take(count, limit).ok_or(MapError::OutOfMemory)
    }
}

/// Runs `action` on the kernel's page tables.
fn with<T>(action: impl FnOnce(&mut Vm) -> Result<T, MapError>) -> Result<T, MapError> {
    action(VM.lock().as_mut().ok_or(MapError::NotReady)?)
}

/// Physical address of the kernel's top-level page table. Its lower half is empty; its upper half never
/// changes and is what every address space copies. 0 before there is one.
pub fn kernel_pml4() -> u64 {
    VM.lock().as_ref().map_or(0, |vm| vm.tables.root())
}

/// Physical addresses of the kernel's image.
pub fn image_range() -> Range {
    VM.lock().as_ref().map_or(Range::new(0, 0), |vm| vm.image)
}

/// Takes `count` adjacent pages of RAM for good. Their contents are undefined. Returns the physical address.
///
/// # Errors
/// [`MapError::OutOfMemory`], or [`MapError::Finished`] after [`finish`].
pub fn alloc_boot_pages(count: u64) -> Result<u64, MapError> {
    with(|vm| vm.take_pages(count))
}

/// Ends boot: no page is taken from here on. Returns the free RAM, which becomes untyped memory.
///
/// # Errors
/// [`MapError::Finished`] the second time: the memory is given out once.
pub fn finish() -> Result<MemorySet, MapError> {
    with(|vm| {
        if core::mem::replace(&mut vm.finished, true) {
            return Err(MapError::Finished);
        }
        Ok(vm.pages.free().clone())
    })
}

/// Leaves the identity map: called once, at the kernel's final address. Frees the stack of the first steps.
///
/// # Safety
/// The direct map must be in force, and nothing may use the lower half any more.
pub(crate) unsafe fn leave_identity_map() -> Result<(), MapError> {
    with(|vm| {
        // SAFETY: the direct map covers all RAM, and all tables are in RAM.
        vm.memory = unsafe { Physical::new(DIRECT_MAP) };
        vm.limit = layout::DIRECT_MAP_BYTES;
        vm.memory.write(vm.tables.root(), 0, 0);
        // SAFETY: the same tables again, to forget the lower half; its pages are not global.
        unsafe { x86::controlregs::cr3_write(vm.tables.root()) };
        let segments = image::segments();
        let pages = (segments.load_end - segments.end) / PAGE;
        vm.pages.give_back(vm.image.end, pages);
        Ok(())
    })
}

const _: () = assert!(PAGE == x86::bits64::paging::BASE_PAGE_SIZE as u64);
