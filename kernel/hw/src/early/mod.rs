//! From the loader's hands to the kernel's own page tables in the upper half.
//!
//! The kernel is entered at the physical address where the loader put it, in 64-bit mode, with whatever map of
//! low memory that loader needed. [`start`] runs there: it reads what firmware and loader left, builds the
//! kernel's page tables, relocates the image for its final address and goes there. Until the first line of
//! `main` nothing may keep an address of the image.
#![allow(unsafe_code)] // Page tables, relocation, and the jump to another copy of the running code.

pub(crate) mod bootstrap;
pub mod console;
mod relocate;

use crate::vm::{self, MapError, image, layout};
use core::fmt;
use pagurus_boot::multiboot2::{self, HEADER_BYTES, InfoError};
use pagurus_boot::{Platform, PlatformError, Range};
use pagurus_paging::PageSize;
use spin::Once;
use x86::controlregs::{self, Cr0, Cr4};
use x86::cpuid::CpuId;
use x86::msr;

/// Pages of the stack on which `main` runs.
pub const BOOT_STACK_PAGES: u64 = 16;
/// EFER: no-execute enable.
const EFER_NXE: u64 = 1 << 11;

/// What the loader says.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// Physical addresses of the kernel's image.
    pub image: Range,
    /// Physical address of the boot information, if the loader has one.
    pub information: Option<u64>,
    /// Base port of the serial line.
    pub serial_port: Option<u16>,
}

/// Why the kernel cannot start.
#[derive(Clone, Debug)]
enum StartError {
    NoInformation,
    HighInformation(u64),
    HighImage(Range),
    WrongImage(Range),
    Platform(PlatformError),
    NoExecuteDisable,
    FiveLevels,
    Relocation(u32),
    Map(MapError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoInformation => f.write_str(
                "the loader left no boot information, so there are no memory map and no modules; start \
                 Pagurus from its ISO",
            ),
            StartError::HighInformation(address) => {
                write!(f, "the boot information at {address:#x} lies above 4 GiB")
            }
            StartError::HighImage(range) => {
                write!(f, "the loader put the kernel at {range}, which is not below 4 GiB")
            }
            StartError::WrongImage(range) => write!(
                f,
                "the loader says that the kernel is at {range}, which is not where it runs or how large it is"
            ),
            StartError::Platform(error) => error.fmt(f),
            StartError::NoExecuteDisable => f.write_str(
                "the processor cannot protect pages from execution; enable XD/NX in the firmware set-up",
            ),
            StartError::FiveLevels => {
                f.write_str("the loader turned five-level paging on, which Pagurus does not use")
            }
            StartError::Relocation(kind) => {
                write!(f, "the kernel has a relocation of type {kind}; it was linked wrongly")
            }
            StartError::Map(error) => error.fmt(f),
        }
    }
}

impl From<InfoError> for StartError {
    fn from(error: InfoError) -> Self {
        StartError::Platform(error.into())
    }
}

impl From<PlatformError> for StartError {
    fn from(error: PlatformError) -> Self {
        StartError::Platform(error)
    }
}

impl From<MapError> for StartError {
    fn from(error: MapError) -> Self {
        StartError::Map(error)
    }
}

static PLATFORM: Once<Platform> = Once::new();

/// What firmware and loader left. `None` before [`start`] has read it.
pub fn platform() -> Option<&'static Platform> {
    PLATFORM.get()
}

/// Goes to the upper half and calls `main` there, on a stack with a guard page. If that is impossible, says why
/// on the serial line and stops.
///
/// # Safety
/// Called once, by the boot processor, right after the loader entered the kernel; the loader must have told
/// the truth in `handover`. `main` must be part of the kernel's image.
pub unsafe fn start(handover: Handover, main: extern "C" fn() -> !) -> ! {
    console::set_port(handover.serial_port);
    // SAFETY: the caller's promise.
    let Err(error) = unsafe { try_start(&handover, main) };
    stop(format_args!("cannot start: {error}"))
}

/// Says why, and stops the processor for good.
pub fn stop(reason: fmt::Arguments<'_>) -> ! {
    console::print(format_args!("\nPagurus: {reason}\nPagurus: halted\n"));
    loop {
        // SAFETY: interrupts are off until the kernel has handlers; the processor just stops.
        unsafe {
            x86::irq::disable();
            x86::halt();
        }
    }
}

/// # Safety
/// As for [`start`].
unsafe fn try_start(
    handover: &Handover,
    main: extern "C" fn() -> !,
) -> Result<core::convert::Infallible, StartError> {
    let segments = image::segments();
    let image = handover.image;
    let low_base = image::current_base();
    if image.end > bootstrap::MAPPED {
        return Err(StartError::HighImage(image));
    }
    if image.start != low_base as u64 || image.length() < segments.load_end {
        return Err(StartError::WrongImage(image));
    }
    let image = Range::new(image.start, image.start + segments.load_end);
    let largest = check_processor()?;

    // SAFETY: physical addresses below 4 GiB stay where they are, so code and stack do, too.
    let identity = unsafe { bootstrap::enter() };
    let information = information(handover.information)?;
    let address = information.as_ptr().addr() as u64;
    let platform = Platform::from_multiboot2(information, address, image)?;
    let platform = PLATFORM.call_once(|| platform);

    // SAFETY: low memory is mapped one to one; `Platform` left out of the free memory whatever is in use. The
    // loader's own memory is in it, but nothing of that is used any more.
    let root = unsafe { vm::construct(platform, identity, bootstrap::MAPPED, largest)? };
    let stack = vm::map_stack(BOOT_STACK_PAGES)?;

    // SAFETY: the new tables still map low memory one to one, writable and executable. Their no-execute bits
    // need EFER.NXE, which the processor has.
    unsafe {
        msr::wrmsr(msr::IA32_EFER, msr::rdmsr(msr::IA32_EFER) | EFER_NXE);
        controlregs::cr3_write(root);
    }
    let distance = layout::IMAGE - low_base;
    let main = main as *const () as usize + distance;
    // SAFETY: the image is writable at its low address. The code that runs until the jump does not care
    // whether an address it finds in the image is the low or the high one: both are mapped.
    unsafe { relocate::relocate(layout::IMAGE)? };
    // SAFETY: nothing writes to read-only pages from here on.
    unsafe { controlregs::cr0_write(controlregs::cr0() | Cr0::CR0_WRITE_PROTECT) };

    // SAFETY: both functions are part of the image, which is mapped and relocated for its high address; the
    // stack is mapped. Neither address comes from the image's memory, where it may have changed.
    unsafe {
        core::arch::asm!(
            "lea rax, [rip + {arrive}]",
            "add rax, rcx",
            "mov rsp, rdx",
            "xor ebp, ebp",
            "call rax",
            "ud2",
            arrive = sym arrive,
            in("rcx") distance,
            in("rdx") stack,
            in("rdi") main,
            options(noreturn)
        )
    }
}

/// The first code at the final address.
extern "C" fn arrive(main: usize) -> ! {
    // SAFETY: code, stack and everything else in use are in the upper half.
    if let Err(error) = unsafe { vm::leave_identity_map() } {
        stop(format_args!("cannot start: {error}"));
    }
    // SAFETY: `start` got this function and computed its final address.
    let main = unsafe { core::mem::transmute::<usize, extern "C" fn() -> !>(main) };
    main()
}

/// Refuses a processor without what the page tables need. Returns the largest page it has.
fn check_processor() -> Result<PageSize, StartError> {
    let features = CpuId::new().get_extended_processor_and_feature_identifiers();
    if !features
        .as_ref()
        .is_some_and(|info| info.has_execute_disable())
    {
        return Err(StartError::NoExecuteDisable);
    }
    // SAFETY: reading a control register in kernel mode.
    if unsafe { controlregs::cr4() }.contains(Cr4::CR4_ENABLE_LA57) {
        return Err(StartError::FiveLevels);
    }
    Ok(if features.is_some_and(|info| info.has_1gib_pages()) {
        PageSize::Size1G
    } else {
        PageSize::Size2M
    })
}

/// The multiboot2 information, while low memory is mapped one to one.
fn information(address: Option<u64>) -> Result<&'static [u8], StartError> {
    let address = address.ok_or(StartError::NoInformation)?;
    let bytes = |length: usize| {
        Range::sized(address, length as u64)
            .filter(|range| range.end <= bootstrap::MAPPED)
            .ok_or(StartError::HighInformation(address))?;
        // SAFETY: mapped, as just checked; nobody writes there, since `Platform` keeps it out of the free
        // memory.
        Ok::<_, StartError>(unsafe { core::slice::from_raw_parts(address as *const u8, length) })
    };
    let header = bytes(HEADER_BYTES)?
        .first_chunk()
        .ok_or(InfoError::NotMultiboot2)?;
    bytes(multiboot2::total_size(header)?)
}
