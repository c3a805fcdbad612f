//! Ending and resetting the machine.
#![allow(unsafe_code)] // I/O ports

use crate::acpi::{Platform, Power, Reset};
use crate::{sync, time};
use spin::Once;
use x86::io::{inb, inw, outb, outl, outw};

/// QEMU's `isa-debug-exit` device: the process ends with status `2 * code + 1`.
const QEMU_DEBUG_EXIT: u16 = 0xf4;
/// Bochs ends when it reads "Shutdown" here.
const BOCHS_SHUTDOWN: u16 = 0x8900;

/// Control register of power management: ACPI is in charge.
const SCI_ENABLE: u16 = 1 << 0;
/// Control register: position of the sleep type.
const SLEEP_TYPE_SHIFT: u32 = 10;
/// Control register: the sleep type's bits.
const SLEEP_TYPE_MASK: u16 = 7 << SLEEP_TYPE_SHIFT;
/// Control register: go to sleep.
const SLEEP_ENABLE: u16 = 1 << 13;

/// Command port of the keyboard controller.
const KEYBOARD_COMMAND: u16 = 0x64;
/// Keyboard controller: pulse the reset line.
const PULSE_RESET: u8 = 0xfe;
/// Keyboard controller: the last command was not taken yet.
const KEYBOARD_BUSY: u8 = 1 << 1;

/// How often firmware is asked whether it handed over, at a distance of a millisecond.
const ENABLE_POLLS: u32 = 300;
/// How long the machine is given to switch off.
const PATIENCE_NS: u64 = 1_000_000_000;

struct Known {
    power: Power,
    emulator: bool,
}

static KNOWN: Once<Known> = Once::new();

/// Remembers how this machine ends.
pub fn init(platform: &Platform) {
    KNOWN.call_once(|| Known {
        power: platform.power,
        emulator: platform.emulator,
    });
}

/// Ends the machine: by an emulator's exit device with `code`, else by ACPI soft-off, else by a reset.
pub fn halt(code: u32) -> ! {
    interrupts_off();
    let known = KNOWN.get();
    // A real machine may have something else at these ports. Before the firmware's tables are read, what
    // went wrong matters more.
    if known.is_none_or(|known| known.emulator) {
        debug_exit(code);
    }
    if let Some(known) = known {
        soft_off(&known.power);
    }
    reset()
}

/// Resets the machine: by the ACPI reset register, else by the keyboard controller, else by a triple fault.
pub fn reset() -> ! {
    interrupts_off();
    if let Some(Reset { port, value }) = KNOWN.get().and_then(|known| known.power.reset) {
        // SAFETY: the firmware names this port for resets.
        unsafe { outb(port, value) };
        time::spin_ns(PATIENCE_NS);
    }
    // SAFETY: the keyboard controller's commands; nothing is lost that a reset would keep.
    unsafe {
        (0..100_000).any(|_| inb(KEYBOARD_COMMAND) & KEYBOARD_BUSY == 0);
        outb(KEYBOARD_COMMAND, PULSE_RESET);
    }
    time::spin_ns(PATIENCE_NS);
    triple_fault()
}

fn debug_exit(code: u32) {
    // SAFETY: on an emulator these ports belong to what they are meant for, or to nothing.
    unsafe {
        outl(QEMU_DEBUG_EXIT, code);
        for byte in *b"Shutdown" {
            outb(BOCHS_SHUTDOWN, byte);
        }
    }
}

fn soft_off(power: &Power) {
    let Some((type_a, type_b)) = power.soft_off else {
        return;
    };
    if power.pm1a_control == 0 {
        return;
    }
    take_charge(power);
    for (port, sleep_type) in [(power.pm1a_control, type_a), (power.pm1b_control, type_b)] {
        if port != 0 {
            // SAFETY: the firmware names this port as the control register; the sleep type is that of the
            // soft-off state.
            unsafe { outw(port, sleep_command(inw(port), sleep_type)) };
        }
    }
    time::spin_ns(PATIENCE_NS);
}

/// Asks firmware to hand over power management (ACPI 6.5, 4.8.2.5), without which some ignore the command.
fn take_charge(power: &Power) {
    // SAFETY: the firmware names these ports for this.
    unsafe {
        let in_charge = || inw(power.pm1a_control) & SCI_ENABLE != 0;
        if power.smi_command == 0 || power.acpi_enable == 0 || in_charge() {
            return;
        }
        outb(power.smi_command, power.acpi_enable);
        (0..ENABLE_POLLS).any(|_| {
            time::spin_ns(1_000_000);
            in_charge()
        });
    }
}

fn sleep_command(control: u16, sleep_type: u8) -> u16 {
    control & !SLEEP_TYPE_MASK | u16::from(sleep_type) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE
}

/// A fault that cannot be delivered resets the processor.
fn triple_fault() -> ! {
    use x86::dtables::{DescriptorTablePointer, lidt};
    let nothing: DescriptorTablePointer<u64> = DescriptorTablePointer::default();
    // SAFETY: this is meant to fault: without a table no exception has a handler.
    unsafe {
        lidt(&nothing);
        core::arch::asm!("ud2", options(nomem, nostack));
    }
    sync::park()
}

fn interrupts_off() {
    // SAFETY: the machine ends.
    unsafe { x86::irq::disable() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sleep_command_keeps_the_other_bits() {
        assert_eq!(sleep_command(0x0001, 5), 0x3401);
        assert_eq!(sleep_command(0x1c01, 0), 0x2001);
        assert_eq!(sleep_command(0xc203, 7), 0xfe03);
    }
}
