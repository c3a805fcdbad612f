//! The Pagurus kernel.
#![no_std]
#![no_main]

mod entry;

use pagurus_hw::early::{self, console};
use pagurus_hw::vm;

/// The kernel at its final address, on the boot processor. The order of the steps matters.
extern "C" fn main() -> ! {
    console::print(format_args!("Pagurus {}\n", env!("CARGO_PKG_VERSION")));
    report_platform();
    report_audit();
    debug_exit(0x10)
}

/// Prints what firmware and loader left.
fn report_platform() {
    let Some(platform) = early::platform() else {
        early::stop(format_args!(
            "main was called before the platform was known"
        ));
    };
    console::print(format_args!(
        "memory: {} KiB, of which {} KiB free, in {} ranges\n",
        platform.ram.bytes() / 1024,
        platform.free.bytes() / 1024,
        platform.ram.ranges().len(),
    ));
    console::print(format_args!("kernel at {}\n", platform.image));
    for module in &platform.modules {
        console::print(format_args!("module {} at {}\n", module.name, module.range));
    }
}

/// Makes sure that the kernel's page tables keep the rules.
fn report_audit() {
    match vm::wx_audit() {
        Ok(None) => console::print(format_args!(
            "page tables: no page is writable and executable\n"
        )),
        Ok(Some(violation)) => early::stop(format_args!("page tables: {violation}")),
        Err(error) => early::stop(format_args!("page tables: {error}")),
    }
}

/// Ends the emulator.
#[allow(unsafe_code)] // Ports.
fn debug_exit(code: u32) -> ! {
    // SAFETY: on a real machine nothing is at these ports.
    unsafe {
        x86::io::outl(0xf4, code);
        for byte in b"Shutdown" {
            x86::io::outb(0x8900, *byte);
        }
    }
    early::stop(format_args!("end"))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    early::stop(format_args!("{info}"))
}
