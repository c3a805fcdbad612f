//! The boot loader stage: started by GRUB, starts the kernel.
//!
//! GRUB loads this program, the kernel and the other modules, and enters here by the multiboot2 protocol. The
//! kernel is a `hermit-entry` payload: a relocatable ELF file that any loader of that interface can start.
//! This one checks it, puts it into free memory at a multiple of 2 MiB, relocates it, and hands it the
//! multiboot2 information as it is.
//!
//! Whatever is missing or damaged ends in one sentence on the serial port and the screen that names the
//! thing and the remedy, and in a halted processor.
#![no_std]
#![no_main]

mod entry;
mod heap;
mod report;
mod screen;
mod start;

use core::fmt::{self, Write};
use hermit_entry::elf::ParseKernelError;
use pagurus_boot::PlatformError;
use pagurus_payload::PayloadError;
use report::Report;

/// Name of the module that holds the kernel.
const KERNEL: &str = "kernel";

/// Why the kernel is not started.
enum LoadError {
    /// Whoever started the loader is no multiboot2 loader.
    NotMultiboot2(u32),
    /// What it left is not usable.
    Platform(PlatformError),
    /// There is no kernel among the modules.
    NoKernel,
    /// The kernel's file is damaged or not a kernel.
    Payload(PayloadError),
    /// The kernel's file is not a kernel for this loader.
    Kernel(ParseKernelError),
    /// There is no free piece of memory for the kernel; this many bytes are needed.
    NoMemory(u64),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NotMultiboot2(magic) => write!(
                f,
                "started with {magic:#x} instead of the multiboot2 magic number; in grub.cfg, load this \
                 program with 'multiboot2'"
            ),
            LoadError::Platform(error) => error.fmt(f),
            LoadError::NoKernel => write!(
                f,
                "there is no module named '{KERNEL}'; grub.cfg needs the line 'module2 /boot/kernel {KERNEL}'"
            ),
            LoadError::Payload(error) => write!(
                f,
                "module '{KERNEL}': {error}; build the ISO again or write it to the medium again"
            ),
            LoadError::Kernel(error) => write!(
                f,
                "module '{KERNEL}': {error}; kernel and loader must come from the same build"
            ),
            LoadError::NoMemory(bytes) => write!(
                f,
                "no {bytes} bytes of free memory in one piece below 4 GiB for module '{KERNEL}'"
            ),
        }
    }
}

/// Called by the entry code with what GRUB left in the registers.
pub(crate) extern "C" fn main(magic: u32, information: u32) -> ! {
    let mut report = Report::new();
    let error = match start::start_kernel(magic, information, &mut report) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    fail(&mut report, format_args!("{error}"))
}

fn fail(report: &mut Report, message: fmt::Arguments<'_>) -> ! {
    // A report cannot fail; there is nobody to tell if it did.
    let _ = writeln!(
        report,
        "\nPagurus loader: {message}\nPagurus loader: halted"
    );
    start::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut report = Report::new();
    report.use_screen(Some(screen::Screen::vga()));
    fail(
        &mut report,
        format_args!("this is a fault of the loader: {info}"),
    )
}
