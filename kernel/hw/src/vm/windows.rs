//! What is mapped piece by piece during boot: registers, firmware tables, stacks.

use super::layout::{DEVICE_WINDOW, DIRECT_MAP_BYTES, STACK_WINDOW, WINDOW_BYTES};
use super::{MapError, with};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_boot::{PAGE, Range};
use pagurus_paging::Mapping;

/// Maps device registers, uncached, for good. Returns where the byte at `phys` appears.
///
/// # Errors
/// [`MapError`]; among others if the range is RAM, which nobody may map uncached besides the direct map.
pub fn map_device(phys: u64, length: u64) -> Result<*mut u8, MapError> {
    map(phys, length, Rights::RW, CacheMode::Uncached)
}

/// Maps the memory of a screen, which is written in order and rarely read. Returns where the byte at `phys`
/// appears.
///
/// # Errors
/// As for [`map_device`].
pub fn map_framebuffer(phys: u64, length: u64) -> Result<*mut u8, MapError> {
    map(phys, length, Rights::RW, CacheMode::WriteCombining)
}

/// Makes memory that the firmware filled readable: the direct map if it is RAM, else a window. Returns where
/// the byte at `phys` appears.
///
/// # Errors
/// As for [`map_device`], but RAM is allowed.
pub fn map_firmware(phys: u64, length: u64) -> Result<*const u8, MapError> {
    let in_ram = crate::early::platform().is_some_and(|platform| {
        Range::sized(phys, length).is_some_and(|range| platform.ram.contains(range))
    });
    if in_ram {
        return Ok(super::phys_to_virt(phys) as *const u8);
    }
    map(phys, length, Rights::READ, CacheMode::Default).map(<*mut u8>::cast_const)
}

fn map(phys: u64, length: u64, perms: Rights, cache: CacheMode) -> Result<*mut u8, MapError> {
    let range = Range::sized(phys, length)
        .filter(|range| !range.is_empty() && range.end <= DIRECT_MAP_BYTES)
        .ok_or(MapError::BadRange { phys, length })?
        .pages_touched();
    let ram = |platform: &pagurus_boot::Platform| platform.ram.overlaps(range);
    if crate::early::platform().is_some_and(ram) {
        return Err(MapError::IsRam { phys });
    }
    with(|vm| {
        if vm.finished {
            return Err(MapError::Finished);
        }
        let virt = vm.next_device;
        let used = (virt - DEVICE_WINDOW) as u64;
        if range.length() > WINDOW_BYTES - used {
            return Err(MapError::WindowFull);
        }
        vm.map(&Mapping {
            virt: virt as u64,
            phys: range.start,
            length: range.length(),
            perms,
            cache,
        })?;
        vm.next_device += range.length() as usize;
        Ok((virt + (phys - range.start) as usize) as *mut u8)
    })
}

/// Makes a stack of `pages` pages with a page below it that is not mapped, so that an overflow faults instead
/// of destroying something. Returns its top, which is aligned to a page.
///
/// # Errors
/// [`MapError`].
pub fn map_stack(pages: u64) -> Result<usize, MapError> {
    with(|vm| {
        let length = pages
            .checked_mul(PAGE)
            .filter(|length| *length > 0 && *length < WINDOW_BYTES)
            .ok_or(MapError::BadRange { phys: 0, length: 0 })?;
        let used = (vm.next_stack - STACK_WINDOW) as u64;
        if length + PAGE > WINDOW_BYTES - used {
            return Err(MapError::WindowFull);
        }
        let phys = vm.take_pages(pages)?;
        let bottom = vm.next_stack + PAGE as usize;
        vm.map(&Mapping {
            virt: bottom as u64,
            phys,
            length,
            perms: Rights::RW,
            cache: CacheMode::Default,
        })?;
        vm.next_stack = bottom + length as usize;
        Ok(vm.next_stack)
    })
}
