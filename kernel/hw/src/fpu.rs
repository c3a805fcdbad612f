//! Saving, restoring and locking away the x87, SSE and AVX registers.
//!
//! The kernel itself does not use them. Threads without the FPU flag run with CR0.TS set: their first such
//! instruction faults (#NM).
#![allow(unsafe_code)] // XSAVE and CR0

use crate::cpu::{self, Features};
use core::arch::asm;

/// MXCSR after reset: all exceptions masked.
const MXCSR_RESET: u32 = 0x1f80;
/// x87 control word after FNINIT: all exceptions masked, 64-bit precision.
const FCW_RESET: u16 = 0x37f;
/// Where MXCSR lies in the area.
const MXCSR_OFFSET: usize = 24;

/// Prepares a zeroed area so that [`restore`] from it gives the registers their state after reset. An area
/// of zeros alone would unmask all SSE exceptions, because MXCSR is loaded even when the state is "initial".
///
/// # Safety
/// `area` must point to [`fpu_bytes`](cpu::Processor::fpu_bytes) writable bytes, aligned to 64 and zeroed.
pub unsafe fn init(area: *mut u8) {
    // SAFETY: both fields lie in the first 512 bytes of the area and are naturally aligned in it.
    unsafe {
        area.cast::<u16>().write(FCW_RESET);
        area.add(MXCSR_OFFSET).cast::<u32>().write(MXCSR_RESET);
    }
}

/// Saves the registers. CR0.TS must be clear.
///
/// # Safety
/// `area` must point to [`fpu_bytes`](cpu::Processor::fpu_bytes) writable bytes, aligned to 64, that were
/// given to [`init`] once and written by nothing but this function since.
pub unsafe fn save(area: *mut u8) {
    let processor = cpu::processor();
    let (low, high) = (processor.xcr0 as u32, (processor.xcr0 >> 32) as u32);
    // SAFETY: the caller vouches for the area; XSAVE is used only where it is enabled.
    unsafe {
        if processor.features.contains(Features::XSAVEOPT) {
            asm!("xsaveopt64 [{}]", in(reg) area, in("eax") low, in("edx") high, options(nostack));
        } else if processor.features.contains(Features::XSAVE) {
            asm!("xsave64 [{}]", in(reg) area, in("eax") low, in("edx") high, options(nostack));
        } else {
            asm!("fxsave64 [{}]", in(reg) area, options(nostack));
        }
    }
}

/// Restores the registers. CR0.TS must be clear.
///
/// # Safety
/// `area` must have been prepared by [`init`] or filled by [`save`], and written by nothing else: other
/// contents can make the instruction fault in the kernel.
pub unsafe fn restore(area: *const u8) {
    let processor = cpu::processor();
    let (low, high) = (processor.xcr0 as u32, (processor.xcr0 >> 32) as u32);
    // SAFETY: the caller vouches for the contents. The kernel is compiled without use of these registers, so
    // none of its values is lost.
    unsafe {
        if processor.features.contains(Features::XSAVE) {
            asm!("xrstor64 [{}]", in(reg) area, in("eax") low, in("edx") high, options(nostack, readonly));
        } else {
            asm!("fxrstor64 [{}]", in(reg) area, options(nostack, readonly));
        }
    }
}

/// Makes every use of the registers fault.
pub fn disable() {
    // SAFETY: the kernel uses none of these registers; the other bits of CR0 keep the value that
    // `cpu::init` gave them.
    unsafe {
        asm!(
            "mov {0}, cr0",
            "or {0}, 8",
            "mov cr0, {0}",
            out(reg) _,
            options(nostack, nomem),
        );
    }
}

/// Lets the registers be used.
pub fn enable() {
    // SAFETY: clears CR0.TS and nothing else.
    unsafe { asm!("clts", options(nostack, nomem, preserves_flags)) };
}
