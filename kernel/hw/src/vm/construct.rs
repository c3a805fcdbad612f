//! Building the kernel's page tables.
#![allow(unsafe_code)] // Physical memory before the direct map.

use super::layout::{
    DEVICE_WINDOW, DIRECT_MAP, DIRECT_MAP_BYTES, IMAGE, MAX_IMAGE_BYTES, STACK_WINDOW,
    TOP_LEVEL_BYTES,
};
use super::memory::{BootPool, Physical};
use super::{KernelFormat, MapError, VM, Vm, format, image};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_boot::{BootPages, PAGE, Platform, Range};
use pagurus_paging::{Mapping, PageFormat, PageSize, PhysMem, TablePool, Tables};

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
pub unsafe fn construct(
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

    let mut vm = Vm {
        tables: Tables::new(root, largest),
        memory,
        pages,
        limit,
        finished: false,
        next_device: DEVICE_WINDOW,
        next_stack: STACK_WINDOW,
        image: Range::new(
            platform.image.start,
            platform.image.start + image::segments().end,
        ),
    };
    map_image(&mut vm)?;
    map_ram(&mut vm, platform)?;
    *VM.lock() = Some(vm);
    Ok(root)
}

fn map_image(vm: &mut Vm) -> Result<(), MapError> {
    let segments = image::segments();
    if segments.end > MAX_IMAGE_BYTES {
        return Err(MapError::ImageTooLarge);
    }
    let (text, text_end) = segments.text;
    for (start, end, perms) in [
        (0, text, Rights::READ),
        (text, text_end, Rights::READ | Rights::EXECUTE),
        (segments.data, segments.end, Rights::RW),
    ] {
        vm.map(&Mapping {
            virt: IMAGE as u64 + start,
            phys: vm.image.start + start,
            length: end - start,
            perms,
            cache: CacheMode::Default,
        })?;
    }
    Ok(())
}

/// The direct map. The kernel's constants and code must not be writable through it.
fn map_ram(vm: &mut Vm, platform: &Platform) -> Result<(), MapError> {
    let within = Range::new(0, DIRECT_MAP_BYTES);
    let constant = Range::new(vm.image.start, vm.image.start + image::segments().data);
    for range in platform.ram.ranges() {
        let range = range.intersection(within);
        let below = Range::new(range.start, range.end.min(constant.start));
        let above = Range::new(range.start.max(constant.end), range.end);
        for (piece, perms) in [
            (below, Rights::RW),
            (range.intersection(constant), Rights::READ),
            (above, Rights::RW),
        ] {
            if piece.length() < PAGE {
                continue;
            }
            vm.map(&Mapping {
                virt: DIRECT_MAP as u64 + piece.start,
                phys: piece.start,
                length: piece.length(),
                perms,
                cache: CacheMode::Default,
            })?;
        }
    }
    Ok(())
}
