//! Accesses to registers in memory, and to the model-specific registers of the local APIC.

use super::Board;
use pagurus_devices_chipset::bus::floating;
use pagurus_devices_chipset::lapic::{self, GeneralProtection};

/// Its identifier.
pub const IO_APIC_ID: u8 = 1;
/// The I/O APIC.
pub const IO_APIC: u64 = 0xfec0_0000;
/// The high precision event timer.
pub const HPET: u64 = 0xfed0_0000;
/// Inputs of the I/O APIC that its timers may use.
pub(super) const HPET_ROUTES: u32 = 0x00f0_0004;
const PAGE: u64 = 4096;

impl Board {
    /// The guest reads `size` bytes (1, 2, 4 or 8) at a guest-physical address that is not RAM.
    pub fn read(&mut self, address: u64, size: u8, now: u64) -> u64 {
        let value = match self.lapic.page() {
            Some(page) if (page..page + PAGE).contains(&address) => {
                self.lapic.read_mmio(address - page, size, now)
            }
            _ => match address {
                IO_APIC..0xfec0_1000 => self.io_apic.read(address - IO_APIC, size),
                HPET..0xfed0_0400 => self.hpet.read(address - HPET, size, now),
                _ => floating(size),
            },
        };
        self.carry_lines();
        value
    }

    /// The guest writes the low `size` bytes of `value` at a guest-physical address that is not RAM.
    pub fn write(&mut self, address: u64, size: u8, value: u64, now: u64) {
        match self.lapic.page() {
            Some(page) if (page..page + PAGE).contains(&address) => {
                let request = self
                    .lapic
                    .write_mmio(address - page, size, value, now, self.clock);
                self.serve(request);
            }
            _ => match address {
                IO_APIC..0xfec0_1000 => {
                    for message in self.io_apic.write(address - IO_APIC, size, value) {
                        self.deliver(&message, None);
                    }
                }
                HPET..0xfed0_0400 => {
                    self.hpet.write(address - HPET, size, value, now);
                    self.advance(now);
                }
                _ => {}
            },
        }
        self.carry_lines();
    }

    /// Whether the local APIC has this model-specific register.
    pub const fn is_apic_msr(msr: u32) -> bool {
        matches!(msr, lapic::APIC_BASE | lapic::TSC_DEADLINE | 0x800..=0x8ff)
    }

    /// The guest reads a register of the local APIC.
    ///
    /// # Errors
    /// It gets a general-protection fault.
    pub fn read_apic_msr(&mut self, msr: u32, now: u64) -> Result<u64, GeneralProtection> {
        self.lapic.read_msr(msr, now, self.clock)
    }

    /// The guest writes a register of the local APIC.
    ///
    /// # Errors
    /// It gets a general-protection fault.
    pub fn write_apic_msr(
        &mut self,
        msr: u32,
        value: u64,
        now: u64,
    ) -> Result<(), GeneralProtection> {
        let request = self.lapic.write_msr(msr, value, now, self.clock)?;
        self.serve(request);
        self.carry_lines();
        Ok(())
    }
}
