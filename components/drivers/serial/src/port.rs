//! The registers behind an I/O port capability.

use crate::Registers;
use pagurus_rt::Cap;
use pagurus_rt::object::IoPort;

/// Eight consecutive ports.
#[derive(Clone, Copy, Debug)]
pub struct PortRegisters {
    ports: Cap<IoPort>,
    base: u16,
}

impl PortRegisters {
    /// The ports from `base` on, which `ports` must cover.
    pub const fn new(ports: Cap<IoPort>, base: u16) -> Self {
        PortRegisters { ports, base }
    }
}

impl Registers for PortRegisters {
    fn read(&mut self, offset: u8) -> u8 {
        // Ports that one may not read look like ports that nobody answers at.
        let port = self.base + u16::from(offset);
        self.ports.read_u8(port).unwrap_or(0xff)
    }

    fn write(&mut self, offset: u8, value: u8) {
        let port = self.base + u16::from(offset);
        let _ = self.ports.write_u8(port, value);
    }
}
