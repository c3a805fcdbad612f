//! The register page of xAPIC mode.

use super::registers::{
    ARBITRATION_PRIORITY, COMMAND, COMMAND_HIGH, DESTINATION_FORMAT, END_OF_INTERRUPT, ID,
    LOGICAL_DESTINATION, REMOTE_READ,
};
use super::{Lapic, Mode, Request, errors};
use crate::Clock;
use crate::bus::floating;

/// Registers that the map knows, by number; all others below 0x40 are reserved.
const LAST: u64 = 0x3f;

impl Lapic {
    /// Reads `size` bytes at `offset` in the register page.
    ///
    /// A register is the first four of sixteen bytes; what is not inside them, and the whole page in another mode than
    /// xAPIC, reads as all ones. A reserved register reads as zero and is an error.
    pub fn read_mmio(&mut self, offset: u64, size: u8, now: u64) -> u64 {
        let at = offset % 16;
        let inside = matches!(size, 1 | 2 | 4) && at + u64::from(size) <= 4;
        if self.mode() != Mode::XApic || !inside || offset / 16 > LAST {
            return floating(size);
        }
        let register = (offset / 16) as u32;
        let value = match register {
            ID => self.id_register(),
            ARBITRATION_PRIORITY => self.priority().into(),
            // Write-only, and a service that no APIC offers any more.
            END_OF_INTERRUPT | REMOTE_READ => 0,
            LOGICAL_DESTINATION => u32::from(self.logical_id) << 24,
            DESTINATION_FORMAT => u32::from(self.destination_format) << 28 | 0x0fff_ffff,
            COMMAND => self.command as u32,
            COMMAND_HIGH => (self.command >> 32) as u32,
            _ => match self.read_register(register, now) {
                Some(value) => value,
                None => {
                    self.error(errors::ILLEGAL_REGISTER);
                    0
                }
            },
        };
        u64::from(value) >> (8 * at) & floating(size)
    }

    /// Writes `size` bytes at `offset` in the register page. Only aligned accesses of 32 bits count.
    pub fn write_mmio(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        now: u64,
        clock: Clock,
    ) -> Option<Request> {
        if self.mode() != Mode::XApic
            || size != 4
            || !offset.is_multiple_of(16)
            || offset / 16 > LAST
        {
            return None;
        }
        let register = (offset / 16) as u32;
        let value = value as u32;
        match register {
            LOGICAL_DESTINATION => self.logical_id = (value >> 24) as u8,
            DESTINATION_FORMAT => self.destination_format = (value >> 28) as u8,
            COMMAND_HIGH => {
                let destination = u64::from(value & 0xff00_0000) << 32;
                self.command = self.command & 0xffff_ffff | destination;
            }
            COMMAND => {
                let high = self.command & !0xffff_ffff;
                return self.command(high | u64::from(value));
            }
            _ => match self.writable(register) {
                Some(bits) => return self.write_register(register, value & bits, now, clock),
                None => {
                    let read_only = matches!(register, ID | ARBITRATION_PRIORITY | REMOTE_READ);
                    if !read_only && self.read_register(register, now).is_none() {
                        self.error(errors::ILLEGAL_REGISTER);
                    }
                }
            },
        }
        None
    }
}
