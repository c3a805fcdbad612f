//! The entry point of a component on the machine.
// The entry point, and the pages that the parent passes.
#![allow(unsafe_code)]

use crate::Cap;
use crate::exit::Outcome;
use crate::logger::{self, Sink};
use crate::slots::SlotAllocator;
use crate::start::{Env, START, exit};
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use pagurus_abi::boot::{self, BootInfo};
use pagurus_protocol::slots;
use pagurus_protocol::start::StartInfo;

/// Exit code of a component whose start page is not one of this version.
pub const BAD_START: u64 = 0xbad;

core::arch::global_asm!(
    ".section .text._start, \"ax\", @progbits",
    ".global _start",
    ".type _start, @function",
    "_start:",
    // The stack ends here for debuggers, and a call expects it aligned to 16 bytes.
    "xor ebp, ebp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    ".size _start, . - _start",
    main = sym pagurus_main_symbol,
);

unsafe extern "C" {
    /// Made by [`entry!`] or [`root_entry!`].
    #[link_name = "pagurus_main"]
    fn pagurus_main_symbol(ipc_buffer: u64, info: u64) -> !;
}

/// Runs a component; called by what [`entry!`](crate::entry!) makes.
///
/// # Safety
/// The addresses are those that the parent passed: the first thread's own IPC buffer, and a page that
/// nobody writes while the component runs. To be called once, by the first thread.
pub unsafe fn component<O: Outcome>(ipc_buffer: u64, start_info: u64, main: fn(Env) -> O) -> ! {
    // SAFETY: the caller's promise.
    unsafe { crate::ipc_buffer::Buffer::set_current(ipc_buffer) };
    // SAFETY: the parent maps a whole page, aligned; every bit pattern is a `StartInfo`.
    let start: &'static StartInfo =
        unsafe { &*with_exposed_provenance::<StartInfo>(start_info as usize) };
    if !start.is_valid() {
        // Built for another system: whatever ran would be wrong.
        exit(BAD_START);
    }
    START.call_once(|| start);
    if start.heap_bytes != 0 {
        let base = with_exposed_provenance_mut(pagurus_abi::layout::HEAP_BASE as usize);
        // SAFETY: the parent maps this many bytes there, for the heap alone.
        unsafe { crate::heap::add(base, start.heap_bytes as usize) };
    }
    logger::install(
        Sink::Collector(Cap::new(slots::LOG)),
        log::LevelFilter::Info,
    );
    let end = start.first_free_slot.saturating_add(start.free_slots);
    let env = Env {
        start,
        slots: SlotAllocator::new(start.first_free_slot, end),
    };
    exit(main(env).report())
}

/// Runs root; called by what [`root_entry!`](crate::root_entry!) makes.
///
/// # Safety
/// As for [`component`], with the boot information in place of the start page.
pub unsafe fn root<O: Outcome>(
    ipc_buffer: u64,
    boot_info: u64,
    main: fn(&'static BootInfo) -> O,
) -> ! {
    // SAFETY: the caller's promise.
    unsafe { crate::ipc_buffer::Buffer::set_current(ipc_buffer) };
    // SAFETY: the kernel maps all of it, aligned, read-only; every bit pattern is a `BootInfo`.
    let boot: &'static BootInfo =
        unsafe { &*with_exposed_provenance::<BootInfo>(boot_info as usize) };
    logger::install(
        Sink::Kernel(Cap::new(boot::slot::KERNEL_CONTROL)),
        log::LevelFilter::Info,
    );
    let code = main(boot).report();
    // Without root nothing works: the machine ends.
    let _ = Cap::<crate::object::KernelControl>::new(boot::slot::KERNEL_CONTROL).halt(code);
    exit(code)
}
