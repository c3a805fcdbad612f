//! The interrupt descriptor table, one for all processors.
#![allow(unsafe_code)] // descriptor tables

use crate::gdt;
use core::sync::atomic::{AtomicU64, Ordering};
use x86::dtables::{DescriptorTablePointer, lidt};
use x86::irq;

/// A gate: two words, so that each is written in one piece (SDM volume 3, 7.14.1).
#[repr(C, align(16))]
struct Gate([AtomicU64; 2]);

static IDT: [Gate; 256] = [const { Gate([const { AtomicU64::new(0) }; 2]) }; 256];

/// The two words of an interrupt gate (interrupts off on entry) into the kernel's code segment.
const fn gate(handler: u64, ist: u8, privilege: u8) -> [u64; 2] {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    [
        handler & 0xffff
            | (gdt::KERNEL_CODE as u64) << 16
            | (ist as u64 & 7) << 32
            | PRESENT_INTERRUPT_GATE
            | (privilege as u64 & 3) << 45
            | (handler >> 16 & 0xffff) << 48,
        handler >> 32,
    ]
}

/// Sends `vector` to `handler`, on interrupt stack `ist` (0: the stack of the task state).
///
/// Breakpoint and overflow can be raised by `int3` and `into` in user mode; every other vector faults with
/// a general protection exception when software names it in an `int` instruction.
///
/// # Safety
/// `handler` must be an interrupt entry that copes with the vector's frame, with or without error code.
pub unsafe fn set_gate(vector: u8, handler: u64, ist: u8) {
    let privilege = match vector {
        irq::BREAKPOINT_VECTOR | irq::OVERFLOW_VECTOR => 3,
        _ => 0,
    };
    let [low, high] = gate(handler, ist, privilege);
    let Gate(words) = &IDT[vector as usize];
    // The word with the present bit last: the gate is never half new.
    words[0].store(0, Ordering::Relaxed);
    words[1].store(high, Ordering::Relaxed);
    words[0].store(low, Ordering::Release);
}

/// The interrupt stack that a vector needs: those exceptions that may arrive when the stack in use is not
/// to be trusted have one of their own.
pub const fn stack_of(vector: u8) -> u8 {
    match vector {
        irq::DEBUG_VECTOR => gdt::IST_DEBUG,
        irq::NONMASKABLE_INTERRUPT_VECTOR => gdt::IST_NMI,
        irq::DOUBLE_FAULT_VECTOR => gdt::IST_DOUBLE_FAULT,
        irq::MACHINE_CHECK_VECTOR => gdt::IST_MACHINE_CHECK,
        _ => 0,
    }
}

/// Loads the table on the calling processor.
pub fn load() {
    // SAFETY: the table lives for ever. Gates that were not set are not present: their vectors end in a
    // double fault, not in the wrong place.
    unsafe {
        lidt(&DescriptorTablePointer {
            limit: (size_of_val(&IDT) - 1) as u16,
            base: IDT.as_ptr(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_has_its_parts_in_place() {
        let [low, high] = gate(0xffff_8123_4567_89ab, 2, 3);
        assert_eq!(low & 0xffff, 0x89ab);
        assert_eq!(low >> 16 & 0xffff, 0x08);
        assert_eq!(low >> 32 & 0xff, 2);
        assert_eq!(low >> 40 & 0xff, 0xee);
        assert_eq!(low >> 48, 0x4567);
        assert_eq!(high, 0xffff_8123);
    }

    #[test]
    fn only_breakpoint_and_overflow_are_open_to_user_mode() {
        for vector in 0..=255 {
            // SAFETY: the table is not loaded in a test.
            unsafe { set_gate(vector, 0x1000, stack_of(vector)) };
            let low = IDT[vector as usize].0[0].load(Ordering::Relaxed);
            assert_eq!(low >> 45 & 3 == 3, vector == 3 || vector == 4, "{vector}");
            assert_eq!(
                low >> 32 & 7 != 0,
                [1, 2, 8, 18].contains(&vector),
                "{vector}"
            );
        }
    }
}
