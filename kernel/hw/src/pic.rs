//! The two legacy interrupt controllers: out of the way and silent.
#![allow(unsafe_code)] // I/O ports

use crate::vectors;
use x86::io::outb;

const MASTER_COMMAND: u16 = 0x20;
const MASTER_DATA: u16 = 0x21;
const SLAVE_COMMAND: u16 = 0xa0;
const SLAVE_DATA: u16 = 0xa1;
/// A port that nothing listens to: writing it gives old controllers time to settle.
const DELAY: u16 = 0x80;

/// Moves the controllers' vectors away from the exceptions and masks all lines. Even masked controllers
/// can raise spurious interrupts, so the vectors must be sane (Intel 8259A data sheet, ICW1 to ICW4).
pub fn disable() {
    let sequence = [
        (MASTER_COMMAND, 0x11),
        (SLAVE_COMMAND, 0x11),
        (MASTER_DATA, vectors::PIC_BASE),
        (SLAVE_DATA, vectors::PIC_BASE + 8),
        (MASTER_DATA, 1 << 2),
        (SLAVE_DATA, 2),
        (MASTER_DATA, 1),
        (SLAVE_DATA, 1),
        (MASTER_DATA, 0xff),
        (SLAVE_DATA, 0xff),
    ];
    for (port, value) in sequence {
        // SAFETY: the initialisation sequence of controllers that nothing else uses.
        unsafe {
            outb(port, value);
            outb(DELAY, 0);
        }
    }
}
