//! The kernel's log in words: what `pagurus log` shows.

use pagurus_syscall::{Event, SyscallArgs};

/// Records what the kernel's logic found worth it.
pub fn note(event: Event) {
    match event {
        Event::Fault {
            thread,
            vector,
            code,
            address,
            rip,
            told: true,
        } => defmt::info!(
            "thread {=usize:#x}: exception {=u64} (code {=u64:#x}) at {=u64:#x}, address {=u64:#x}; its handler is told",
            thread,
            vector,
            code,
            rip,
            address
        ),
        Event::Fault {
            thread,
            vector,
            code,
            address,
            rip,
            told: false,
        } => defmt::warn!(
            "thread {=usize:#x}: exception {=u64} (code {=u64:#x}) at {=u64:#x}, address {=u64:#x}; without handler, it stops",
            thread,
            vector,
            code,
            rip,
            address
        ),
        Event::Stranded { thread } => {
            defmt::warn!(
                "thread {=usize:#x}: it has no address space any more, and stops",
                thread
            );
        }
        Event::LoanSpent { thread } => {
            defmt::debug!(
                "thread {=usize:#x}: its caller's time is used up; it goes on in its own",
                thread
            );
        }
        Event::IrqIssued { gsi, cpu } => {
            defmt::info!(
                "interrupt line {=u32}: given out, to processor {=usize}",
                gsi,
                cpu
            );
        }
        Event::IrqReturned { gsi } => defmt::info!("interrupt line {=u32}: given back", gsi),
        Event::IrqUnclaimed { gsi } => {
            defmt::warn!(
                "interrupt line {=u32}: rang, and nobody has it; masked",
                gsi
            );
        }
        Event::SpaceMade { asid, left } => {
            defmt::info!(
                "address space {=u16}: made; {=usize} can still be made",
                asid,
                left
            );
        }
        Event::SpaceEnded { asid } => defmt::info!("address space {=u16}: ended", asid),
    }
}

/// A system call on the general path; only in a kernel that is built with `DEFMT_LOG=trace`.
#[inline(always)]
pub fn system_call(thread: usize, args: &SyscallArgs) {
    defmt::trace!(
        "thread {=usize:#x}: call {=u64:#x} of capability {=u64}, information {=u64:#x}, words {=u64:#x} {=u64:#x} {=u64:#x} {=u64:#x}",
        thread,
        args.rax,
        args.cap,
        args.info,
        args.words[0],
        args.words[1],
        args.words[2],
        args.words[3]
    );
}

/// The clock's rate was found.
pub fn clock(khz: u64) {
    defmt::info!("clock: the time stamp counter runs at {=u64} kHz", khz);
}

/// A processor came into service.
pub fn processor(index: usize, apic_id: u32) {
    defmt::info!(
        "processor {=usize}: in service, local APIC {=u32}",
        index,
        apic_id
    );
}

/// An I/O APIC was taken into use.
pub fn io_apic(address: u64, first: u32, lines: u32) {
    defmt::info!(
        "I/O APIC at {=u64:#x}: {=u32} lines from {=u32}",
        address,
        lines,
        first
    );
}

/// Root was started.
pub fn root_started(untyped: usize) {
    defmt::info!("root: started, with {=usize} pieces of memory", untyped);
}

/// A processor cannot run guests for want of memory.
pub fn no_virtualisation(index: usize) {
    defmt::error!(
        "processor {=usize}: no memory left for running guests",
        index
    );
}
