//! I/O APIC (Intel 82093AA data sheet) with 24 inputs, in the version of the ICH series that has an EOI register.
//!
//! Lines are levels in the positive sense: an input is asserted when its device wants service, whatever polarity the
//! guest has programmed (the entry keeps the bit, as real boards invert where it fits the wiring).
//!
//! Whatever makes messages returns them; the composer sends them to the local APICs that [`crate::targets`] names.

mod entry;
#[cfg(test)]
mod tests;

use crate::Message;
use crate::bus::floating;
use entry::Entry;
use heapless::Vec;

/// Inputs.
pub const INPUTS: usize = 24;
/// Where PCs have the first I/O APIC.
pub const BASE: u64 = 0xfec0_0000;
/// Bytes of its register window.
pub const SIZE: u64 = 0x1000;

/// Messages that one access can cause: one for each input at most.
pub type Messages = Vec<Message, INPUTS>;

/// Registers in memory (82093AA section 3.1, ICH9 data sheet section 13.5.1).
mod window {
    pub const SELECT: u64 = 0x00;
    pub const DATA: u64 = 0x10;
    pub const EOI: u64 = 0x40;
}

/// Registers behind the window (82093AA section 3.2).
mod register {
    pub const ID: u8 = 0x00;
    pub const VERSION: u8 = 0x01;
    pub const ARBITRATION: u8 = 0x02;
    pub const ENTRIES: u8 = 0x10;
}

/// Version 0x20: the first with an EOI register. Number of the last entry in bits 16 to 23.
const VERSION: u32 = 0x20 | (INPUTS as u32 - 1) << 16;
const ID: u32 = 0x0f00_0000;

/// An I/O APIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoApic {
    select: u8,
    id: u32,
    /// Levels of the inputs.
    lines: u32,
    entries: [Entry; INPUTS],
}

impl IoApic {
    /// An I/O APIC after reset, with every input masked. `id` is what its ID register shows at first (four bits).
    pub const fn new(id: u8) -> Self {
        IoApic {
            select: 0,
            id: (id as u32) << 24 & ID,
            lines: 0,
            entries: [Entry::RESET; INPUTS],
        }
    }

    /// Reads `size` bytes at `offset` in the register window. The data register answers to aligned accesses of 32 bits
    /// only (section 3.1); everything else reads as all ones.
    pub fn read(&self, offset: u64, size: u8) -> u64 {
        match (offset, size) {
            (window::SELECT, 1 | 2 | 4) => self.select.into(),
            (window::DATA, 4) => self.register().into(),
            _ => floating(size),
        }
    }

    /// Writes `size` bytes at `offset` in the register window.
    pub fn write(&mut self, offset: u64, size: u8, value: u64) -> Messages {
        match (offset, size) {
            (window::SELECT, 1 | 2 | 4) => {
                self.select = value as u8;
                Messages::new()
            }
            (window::DATA, 4) => self.set_register(value as u32).into_iter().collect(),
            (window::EOI, 4) => self.end_of_interrupt(value as u8),
            _ => Messages::new(),
        }
    }

    /// Sets the level of an input; inputs from [`INPUTS`] on do not exist.
    ///
    /// A rising edge of a masked edge-triggered input is lost (section 3.2.4, interrupt mask).
    pub fn set_line(&mut self, input: u8, level: bool) -> Option<Message> {
        let at = usize::from(input);
        let entry = *self.entries.get(at)?;
        let bit = 1 << at;
        let rises = level && self.lines & bit == 0;
        if level {
            self.lines |= bit;
        } else {
            self.lines &= !bit;
        }
        if entry.is_level() {
            self.serve_level(at)
        } else if rises && !entry.is_masked() {
            self.entries[at].send()
        } else {
            None
        }
    }

    /// Raises an input anew: what an edge-triggered device does that does not hold its line.
    pub fn pulse(&mut self, input: u8) -> Option<Message> {
        // Lowering sends nothing.
        self.set_line(input, false);
        self.set_line(input, true)
    }

    /// A local APIC, or the guest by the EOI register, tells that `vector` has been served: the level-triggered inputs
    /// with this vector that are still asserted are served again.
    pub fn end_of_interrupt(&mut self, vector: u8) -> Messages {
        let mut messages = Messages::new();
        for at in 0..INPUTS {
            let entry = &mut self.entries[at];
            if entry.is_served() && entry.vector() == vector {
                entry.end();
                messages.extend(self.serve_level(at));
            }
        }
        messages
    }

    /// Whether some input waits for the end of this vector: whether anybody has to be told of it.
    pub fn waits_for(&self, vector: u8) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.is_served() && entry.vector() == vector)
    }

    /// Serves a level-triggered input if it asks for it and may.
    fn serve_level(&mut self, at: usize) -> Option<Message> {
        let entry = &mut self.entries[at];
        let asserted = self.lines >> at & 1 != 0;
        if asserted && entry.is_level() && !entry.is_masked() && !entry.is_served() {
            entry.send()
        } else {
            None
        }
    }

    fn register(&self) -> u32 {
        match self.select {
            register::ID | register::ARBITRATION => self.id,
            register::VERSION => VERSION,
            _ => match self.selected_entry() {
                Some((at, high)) => self.entries[at].half(high),
                None => u32::MAX,
            },
        }
    }

    fn set_register(&mut self, value: u32) -> Option<Message> {
        if self.select == register::ID {
            self.id = value & ID;
            return None;
        }
        let (at, high) = self.selected_entry()?;
        self.entries[at].set_half(high, value);
        // An input that was asserted all the time is served when it is unmasked or made level-triggered.
        self.serve_level(at)
    }

    /// The entry that is selected, and whether it is its high half.
    fn selected_entry(&self) -> Option<(usize, bool)> {
        let half = usize::from(self.select.checked_sub(register::ENTRIES)?);
        (half < 2 * INPUTS).then_some((half / 2, half % 2 != 0))
    }
}
