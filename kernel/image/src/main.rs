//! The Pagurus kernel.
#![no_std]
#![no_main]

mod entry;
mod firmware;
mod handover;
mod machine;
mod root;

use pagurus_boot::Platform;
use pagurus_hw::console;
use pagurus_hw::early;
use pagurus_hw::{sync, vm};

/// The kernel at its final address, on the boot processor. The order of the steps matters.
extern "C" fn main() -> ! {
    let Some(boot) = early::platform() else {
        early::stop(format_args!(
            "main was called before the platform was known"
        ));
    };
    // The early console's port, or the usual one where the loader named none.
    console::init_serial(console::COM1);
    console::print(format_args!("Pagurus {}\n", env!("CARGO_PKG_VERSION")));
    report(boot);
    let platform = match machine::init(boot) {
        Ok(platform) => platform,
        Err(error) => stop(format_args!("this machine cannot be used: {error}")),
    };
    machine::start_processors(&platform);
    check_page_tables();
    if let Err(error) = start_root(boot, &platform) {
        stop(format_args!("cannot start root: {error}"));
    }
    pagurus_hw::entry::run()
}

/// Prints what firmware and loader left.
fn report(boot: &Platform) {
    console::print(format_args!(
        "memory: {} MiB, {} MiB free\n",
        boot.ram.bytes() >> 20,
        boot.free.bytes() >> 20,
    ));
    console::print(format_args!(
        "kernel at {}, {} modules\n",
        boot.image,
        boot.modules.len()
    ));
}

/// Makes sure that the kernel's page tables keep the rules.
fn check_page_tables() {
    match vm::wx_audit() {
        Ok(None) => console::print(format_args!(
            "page tables: no page is writable and executable\n"
        )),
        Ok(Some(violation)) => stop(format_args!("page tables: {violation}")),
        Err(error) => stop(format_args!("page tables: {error}")),
    }
}

fn start_root(
    boot: &Platform,
    platform: &pagurus_hw::acpi::Platform,
) -> Result<(), root::RootError> {
    let module = boot.module("root").ok_or(root::RootError::NoModule)?;
    let file = firmware::module(module);
    let image = root::image(file)?;
    handover::create_root(boot, platform, &image)
}

/// Says why, and stops all processors for good.
fn stop(reason: core::fmt::Arguments<'_>) -> ! {
    sync::freeze_others();
    console::print_last(format_args!("\nPagurus: {reason}\nPagurus: halted\n"));
    sync::park()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}
