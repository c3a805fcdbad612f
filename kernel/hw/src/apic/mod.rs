//! The local APIC of each processor: x2APIC where the processor has it, else xAPIC (SDM volume 3, 12).
#![allow(unsafe_code)] // model-specific registers and memory-mapped registers

pub mod ipi;
pub mod timer;

use crate::cpu::{self, Features};
use crate::vectors;
use crate::vm;
use core::sync::atomic::{AtomicU64, Ordering};
use x86::apic::xapic;
use x86::msr;

/// Bytes of the register page.
const REGISTER_BYTES: u64 = 4096;
/// IA32_APIC_BASE: enabled.
const BASE_ENABLE: u64 = 1 << 11;
/// IA32_APIC_BASE: x2APIC mode.
const BASE_X2APIC: u64 = 1 << 10;
/// IA32_APIC_BASE: the address of the registers.
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Spurious interrupt vector register: the APIC is on.
const SVR_ENABLE: u32 = 1 << 8;
/// Local vector table: no interrupt.
const LVT_MASKED: u32 = 1 << 16;
/// First model-specific register of the x2APIC; register `offset` is at `offset / 16` behind it.
const X2APIC_BASE: u32 = 0x800;

/// Virtual address of the xAPIC registers; 0 in x2APIC mode and before [`init`].
static REGISTERS: AtomicU64 = AtomicU64::new(0);

/// Prepares the use of local APICs and starts that of the boot processor. [`cpu::init`] comes first.
///
/// # Errors
/// The registers could not be mapped.
pub fn init() -> Result<(), vm::MapError> {
    if !cpu::has(Features::X2APIC) {
        // SAFETY: every processor with a local APIC has this register.
        let base = unsafe { msr::rdmsr(msr::IA32_APIC_BASE) } & BASE_ADDRESS;
        let registers = vm::map_device(base, REGISTER_BYTES)?;
        REGISTERS.store(registers as u64, Ordering::Release);
    }
    init_this();
    Ok(())
}

/// Starts the calling processor's local APIC. [`init`] on the boot processor comes first.
pub fn init_this() {
    // SAFETY: turns the APIC on, in the mode that `init` chose. Going from xAPIC to x2APIC is allowed at any
    // time (SDM volume 3, 12.12.5), and x2APIC mode of the firmware is kept, since then CPUID has x2APIC.
    unsafe {
        let base = msr::rdmsr(msr::IA32_APIC_BASE);
        msr::wrmsr(msr::IA32_APIC_BASE, base | BASE_ENABLE);
        if cpu::has(Features::X2APIC) {
            msr::wrmsr(msr::IA32_APIC_BASE, base | BASE_ENABLE | BASE_X2APIC);
        }
    }
    write(xapic::XAPIC_TPR, 0);
    write(xapic::XAPIC_LVT_LINT0, LVT_MASKED);
    write(
        xapic::XAPIC_LVT_TIMER,
        LVT_MASKED | u32::from(vectors::TIMER),
    );
    write(xapic::XAPIC_LVT_ERROR, u32::from(vectors::APIC_ERROR));
    write(xapic::XAPIC_SVR, SVR_ENABLE | u32::from(vectors::SPURIOUS));
    clear_errors();
}

/// Identifier of the calling processor's local APIC.
pub fn id() -> u32 {
    let id = read(xapic::XAPIC_ID);
    if is_x2apic() { id } else { id >> 24 }
}

/// Whether identifiers have 32 bits.
pub fn is_x2apic() -> bool {
    REGISTERS.load(Ordering::Relaxed) == 0
}

/// Acknowledges the interrupt that is being served.
#[inline]
pub fn eoi() {
    write(xapic::XAPIC_EOI, 0);
}

/// Reads and clears the errors that the local APIC recorded (SDM volume 3, 12.5.3).
pub fn clear_errors() -> u32 {
    write(xapic::XAPIC_ESR, 0);
    read(xapic::XAPIC_ESR)
}

#[inline]
fn read(offset: u32) -> u32 {
    let registers = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: `offset` is that of a register; reads have no effect on anything else. The page is mapped
    // uncached if it is used.
    unsafe {
        if registers == 0 {
            msr::rdmsr(X2APIC_BASE + (offset >> 4)) as u32
        } else {
            (registers as *const u8)
                .add(offset as usize)
                .cast::<u32>()
                .read_volatile()
        }
    }
}

#[inline]
fn write(offset: u32, value: u32) {
    let registers = REGISTERS.load(Ordering::Relaxed);
    // SAFETY: as in `read`; the callers in this module write what the registers are for.
    unsafe {
        if registers == 0 {
            msr::wrmsr(X2APIC_BASE + (offset >> 4), u64::from(value));
        } else {
            (registers as *mut u8)
                .add(offset as usize)
                .cast::<u32>()
                .write_volatile(value);
        }
    }
}
