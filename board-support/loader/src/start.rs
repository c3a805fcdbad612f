//! Finds, checks, places and enters the kernel.
#![allow(unsafe_code)] // Memory that the firmware describes, and the jump into the kernel.

use crate::report::Report;
use crate::screen::Screen;
use crate::{KERNEL, LoadError};
use core::convert::Infallible;
use core::mem::MaybeUninit;
use core::num::NonZeroU64;
use hermit_entry::Entry;
use hermit_entry::boot_info::{BootInfo, HardwareInfo, PlatformInfo, RawBootInfo};
use hermit_entry::elf::{KernelObject, LoadedKernel};
use pagurus_boot::multiboot2::{self, HEADER_BYTES, Info, MAGIC};
use pagurus_boot::{BootPages, PAGE, Platform, Range};

/// The entry code maps this much.
const MAPPED: u64 = 1 << 32;
/// The kernel's alignment: its pages may then be large ones.
const KERNEL_ALIGN: u64 = 2 << 20;

unsafe extern "C" {
    // Defined by `loader.ld`. Only their addresses mean something.
    static __loader_start: u8;
    static __loader_end: u8;
}

/// Where the loader lies. GRUB puts modules right behind it.
fn loader() -> Range {
    Range::new(
        (&raw const __loader_start).addr() as u64,
        (&raw const __loader_end).addr() as u64,
    )
}

/// Starts the kernel; comes back only if it cannot be started.
pub fn start_kernel(
    magic: u32,
    information: u32,
    report: &mut Report,
) -> Result<Infallible, LoadError> {
    // Until the boot information says otherwise.
    report.use_screen(Some(Screen::vga()));
    if magic != MAGIC {
        return Err(LoadError::NotMultiboot2(magic));
    }
    let bytes =
        information_bytes(information).map_err(|error| LoadError::Platform(error.into()))?;
    let info = Info::parse(bytes).map_err(|error| LoadError::Platform(error.into()))?;
    report.use_screen(Screen::described(&info));

    let platform = Platform::from_multiboot2(bytes, information.into(), loader())
        .map_err(LoadError::Platform)?;
    let module = platform.module(KERNEL).ok_or(LoadError::NoKernel)?;
    // SAFETY: the module lies in RAM below 4 GiB, which is mapped, and overlaps nothing that is written to:
    // `Platform` made sure of that.
    let file = unsafe { memory(module.range) };
    let payload = pagurus_payload::check(file).map_err(LoadError::Payload)?;
    let kernel = KernelObject::parse(file).map_err(LoadError::Kernel)?;

    let place = BootPages::new(platform.free.clone())
        .take_aligned(payload.memory.div_ceil(PAGE), KERNEL_ALIGN, MAPPED)
        .ok_or(LoadError::NoMemory(payload.memory))?;
    // SAFETY: the memory was free: RAM in which neither loader nor modules nor boot information lie.
    let target = unsafe {
        core::slice::from_raw_parts_mut(place as *mut MaybeUninit<u8>, payload.memory as usize)
    };
    let LoadedKernel {
        load_info,
        entry_point,
    } = kernel.load_kernel(target, place);

    let boot_info = BootInfo {
        hardware_info: HardwareInfo {
            phys_addr_range: 0..platform.ram.ranges().last().map_or(0, |range| range.end),
            serial_port_base: report.serial_port(),
            device_tree: None,
        },
        load_info,
        platform_info: PlatformInfo::Multiboot {
            command_line: Some(info.command_line()),
            multiboot_info_addr: NonZeroU64::new(information.into())
                .ok_or(LoadError::NotMultiboot2(0))?,
        },
    };
    enter(&RawBootInfo::from(boot_info), entry_point)
}

/// The multiboot2 information in memory.
fn information_bytes(address: u32) -> Result<&'static [u8], multiboot2::InfoError> {
    let header = Range::sized(address.into(), HEADER_BYTES as u64).unwrap_or_default();
    // SAFETY: GRUB's magic number says that the information is there; everything below 4 GiB is mapped, and
    // nobody writes to it.
    let size = unsafe { memory(header) }.first_chunk().map_or(
        Err(multiboot2::InfoError::NotMultiboot2),
        multiboot2::total_size,
    )?;
    let whole = Range::sized(address.into(), size as u64)
        .filter(|range| range.end <= MAPPED)
        .ok_or(multiboot2::InfoError::NotMultiboot2)?;
    // SAFETY: as above, and the end is mapped as well.
    Ok(unsafe { memory(whole) })
}

/// Physical memory as bytes.
///
/// # Safety
/// The range must be memory below 4 GiB to which nobody writes from now on.
unsafe fn memory(range: Range) -> &'static [u8] {
    // SAFETY: the caller's promise; low memory is mapped one to one.
    unsafe { core::slice::from_raw_parts(range.start as *const u8, range.length() as usize) }
}

/// Enters the kernel.
fn enter(boot_info: &RawBootInfo, entry_point: u64) -> ! {
    // SAFETY: the payload check found the entry point in the kernel's code, and every hermit-entry kernel has
    // this signature. The boot information lives as long as this stack, which is never left.
    unsafe {
        let entry = core::mem::transmute::<*const (), Entry>(entry_point as *const ());
        entry(&*core::ptr::from_ref(boot_info), 0)
    }
}

/// Stops the processor for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: interrupts are off; the processor just stops.
        unsafe { x86::halt() };
    }
}
