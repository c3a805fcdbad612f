//! The PC's pair of 8259A interrupt controllers, with edge/level control registers.
//!
//! The slave hangs on input 2 of the master. The pair has one output, which goes to the processor (or to LINT0 of its
//! local APIC, or to input 0 of the I/O APIC), and is acknowledged when the processor takes the interrupt.

mod chip;
#[cfg(test)]
mod tests;

use chip::Chip;

/// Command and data port of the master.
pub const MASTER_PORTS: [u16; 2] = [0x20, 0x21];
/// Command and data port of the slave.
pub const SLAVE_PORTS: [u16; 2] = [0xa0, 0xa1];
/// Edge/level control registers of master and slave (ICH9 data sheet, sections 13.4.9 and 13.4.10).
pub const EDGE_LEVEL_PORTS: [u16; 2] = [0x4d0, 0x4d1];
/// Interrupt lines of the pair.
pub const LINES: u8 = 16;

/// Input of the master to which the slave is wired.
const CASCADE: u8 = 2;
/// Lines that can be level-triggered: all but timer, keyboard, cascade, clock and coprocessor.
const CAN_BE_LEVEL: [u8; 2] = [0xf8, 0xde];

/// Two 8259A.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pic {
    master: Chip,
    slave: Chip,
}

impl Default for Pic {
    fn default() -> Self {
        Pic::new()
    }
}

impl Pic {
    /// The pair as PC firmware leaves it: vectors from 0x08 and 0x70 on, every line masked and edge-triggered.
    pub const fn new() -> Self {
        Pic {
            master: Chip::new(0x08),
            slave: Chip::new(0x70),
        }
    }

    /// Reads one of the six ports; all ones elsewhere.
    pub const fn read(&mut self, port: u16) -> u8 {
        let value = match port {
            0x20 | 0x21 => self.master.read(port & 1 != 0),
            0xa0 | 0xa1 => {
                let polled = self.slave.is_polled();
                let value = self.slave.read(port & 1 != 0);
                if polled {
                    self.pulse_cascade();
                }
                value
            }
            0x4d0 => self.master.level(),
            0x4d1 => self.slave.level(),
            _ => return 0xff,
        };
        self.update_cascade();
        value
    }

    /// Writes one of the six ports; no effect elsewhere.
    pub const fn write(&mut self, port: u16, value: u8) {
        match port {
            0x20 => self.master.write_command(value),
            0x21 => self.master.write_data(value),
            0xa0 => self.slave.write_command(value),
            0xa1 => self.slave.write_data(value),
            0x4d0 => self.master.set_level(value & CAN_BE_LEVEL[0]),
            0x4d1 => self.slave.set_level(value & CAN_BE_LEVEL[1]),
            _ => {}
        }
        self.update_cascade();
    }

    /// Sets the level of an interrupt line. Line 2 is the cascade and cannot be set; lines from [`LINES`] on do not
    /// exist.
    pub const fn set_line(&mut self, irq: u8, level: bool) {
        match irq {
            CASCADE => {}
            0..8 => self.master.set_line(irq, level),
            8..LINES => {
                self.slave.set_line(irq - 8, level);
                self.update_cascade();
            }
            _ => {}
        }
    }

    /// Raises a line anew: what an edge-triggered device does that does not hold its line.
    pub const fn pulse(&mut self, irq: u8) {
        self.set_line(irq, false);
        self.set_line(irq, true);
    }

    /// Level of the pair's output.
    pub const fn pending(&self) -> bool {
        self.master.interrupt().is_some()
    }

    /// Acknowledges: the processor takes the vector that this returns.
    ///
    /// If nothing is pending any more, this is the vector of input 7 (a spurious interrupt), which is then not in
    /// service. The output falls while it is acknowledged: if it is [`Self::pending`] afterwards, that is a new edge
    /// for whom the output is wired to as an edge-triggered line.
    pub const fn acknowledge(&mut self) -> u8 {
        match self.master.acknowledge() {
            Some(CASCADE) => {
                let input = match self.slave.acknowledge() {
                    Some(input) => input,
                    None => 7,
                };
                self.pulse_cascade();
                self.slave.vector(input)
            }
            Some(input) => self.master.vector(input),
            None => self.master.vector(7),
        }
    }

    const fn update_cascade(&mut self) {
        self.master
            .set_line(CASCADE, self.slave.interrupt().is_some());
    }

    /// The slave's output falls while it is acknowledged, so that what is next makes an edge.
    const fn pulse_cascade(&mut self) {
        self.master.set_line(CASCADE, false);
        self.update_cascade();
    }
}
