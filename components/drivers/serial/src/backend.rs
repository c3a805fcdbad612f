//! Connects [`Registers`] to `uart_16550`.
#![allow(unsafe_code)] // The crate's backend trait and constructor are declared unsafe.

use crate::Registers;
use uart_16550::Uart16550;
use uart_16550::backend::Backend;
use uart_16550::spec::registers::LSR;

/// Line status register.
const LINE_STATUS: u8 = 5;
/// Looks at the line status in a row after which a transmitter counts as broken.
const PATIENCE: u32 = 1 << 20;

/// Registers that do not let `uart_16550` wait for ever: its `init` loops until the transmitter is empty, which a
/// broken one never is.
pub struct Patient<R> {
    registers: R,
    looks: u32,
}

impl<R: Registers> Backend for Patient<R> {
    unsafe fn read(&mut self, offset: u8) -> u8 {
        let value = self.registers.read(offset);
        if offset != LINE_STATUS {
            self.looks = 0;
            return value;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks > PATIENCE {
            value | LSR::TRANSMITTER_EMPTY.bits()
        } else {
            value
        }
    }

    unsafe fn write(&mut self, offset: u8, value: u8) {
        self.looks = 0;
        self.registers.write(offset, value);
    }
}

/// A driver over these registers.
pub fn uart<R: Registers>(registers: R) -> Uart16550<Patient<R>> {
    let backend = Patient {
        registers,
        looks: 0,
    };
    // SAFETY: the crate asks for registers that are valid for as long as the driver lives. `Registers` is a safe
    // trait whose methods take any offset at any time (the kernel checks each access against the capability), so
    // there is nothing that a wrong access could break.
    unsafe { Uart16550::new_with_backend(backend) }
}
