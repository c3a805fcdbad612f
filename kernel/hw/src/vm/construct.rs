//! Building the kernel's page tables.
#![allow(unsafe_code)] // Physical memory before the direct map.

use super::layout::{DEVICE_WINDOW, MAX_IMAGE_BYTES, STACK_WINDOW, TOP_LEVEL_BYTES};
use super::memory::{BootPool, Physical};
use super::{KernelFormat, MapError, VM, Vm, format, image, plan};
use pagurus_boot::{BootPages, Platform, Range};
use pagurus_paging::{PageFormat, PageSize, PhysMem, TablePool, Tables};

/// Builds the kernel's page tables and remembers them. `identity` is the entry of the top-level table that
/// maps physical memory below `limit` one to one; the caller loads the tables, goes to the final addresses and
/// then calls [`leave_identity_map`](super::leave_identity_map). Returns the physical address of the top-level
/// table.
///
/// # Errors
/// [`MapError`], most likely for want of memory.
///
/// # Safety
/// Physical memory below `limit` must be mapped one to one, and `platform.free` must be free.
pub(crate) unsafe fn construct(
    platform: &Platform,
    identity: u64,
    limit: u64,
    largest: PageSize,
) -> Result<u64, MapError> {
    // SAFETY: tables come from free memory below `limit`, which is mapped one to one.
    let mut memory = unsafe { Physical::new(0) };
    let mut pages = BootPages::new(platform.free.clone());
    let mut pool = BootPool {
        pages: &mut pages,
        limit,
    };
    let root = pool.alloc(&mut memory).ok_or(MapError::OutOfMemory)?;
    memory.write(root, 0, identity);
    // What is mapped later must not need a new entry in the top-level table.
    for window in [DEVICE_WINDOW, STACK_WINDOW] {
        let table = pool.alloc(&mut memory).ok_or(MapError::OutOfMemory)?;
        let index = (format::walker_address(window) / TOP_LEVEL_BYTES) as usize;
        memory.write(root, index, table | KernelFormat::TABLE);
    }

    let segments = image::segments();
    let mut vm = Vm {
        tables: Tables::new(root, largest),
        memory,
        pages,
        limit,
        finished: false,
        next_device: DEVICE_WINDOW,
        next_stack: STACK_WINDOW,
        image: Range::new(platform.image.start, platform.image.start + segments.end),
    };
    if segments.end > MAX_IMAGE_BYTES {
        return Err(MapError::ImageTooLarge);
    }
    for mapping in plan::image(vm.image.start, &segments) {
        vm.map(&mapping)?;
    }
    let constants = Range::new(vm.image.start, vm.image.start + segments.data);
    for mapping in plan::direct_map(&platform.ram, constants) {
        vm.map(&mapping)?;
    }
    *VM.lock() = Some(vm);
    Ok(root)
}
