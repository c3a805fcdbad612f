//! The MSRs: `IA32_APIC_BASE`, `IA32_TSC_DEADLINE` and the registers of x2APIC mode.

use super::lvt::Local;
use super::registers::{COMMAND, ID, LOGICAL_DESTINATION, SELF_IPI};
use super::{GeneralProtection, Lapic, Mode, Request, base, timer};
use crate::Clock;

/// `IA32_APIC_BASE`.
pub const APIC_BASE: u32 = 0x1b;
/// `IA32_TSC_DEADLINE`.
pub const TSC_DEADLINE: u32 = 0x6e0;
/// First MSR of the x2APIC registers.
pub const X2APIC_FIRST: u32 = 0x800;
/// Last MSR of the x2APIC registers that exist.
pub const X2APIC_LAST: u32 = 0x83f;

impl Lapic {
    /// Reads [`APIC_BASE`], [`TSC_DEADLINE`] or an MSR from [`X2APIC_FIRST`] to [`X2APIC_LAST`]; all others are
    /// refused.
    pub fn read_msr(&mut self, msr: u32, now: u64, clock: Clock) -> Result<u64, GeneralProtection> {
        match msr {
            APIC_BASE => Ok(self.base),
            TSC_DEADLINE if self.config.tsc_deadline => {
                self.advance(now, clock);
                Ok(self.timer.tsc_deadline())
            }
            X2APIC_FIRST..=X2APIC_LAST if self.mode() == Mode::X2Apic => match msr - X2APIC_FIRST {
                ID => Ok(self.id_register().into()),
                LOGICAL_DESTINATION => Ok(self.x2apic_logical_id().into()),
                COMMAND => Ok(self.command),
                register => match self.read_register(register, now) {
                    Some(value) => Ok(value.into()),
                    None => Err(GeneralProtection),
                },
            },
            _ => Err(GeneralProtection),
        }
    }

    /// Writes one of the MSRs that [`Self::read_msr`] knows. Reserved bits, registers that cannot be written and
    /// transitions that do not exist are refused and change nothing.
    pub fn write_msr(
        &mut self,
        msr: u32,
        value: u64,
        now: u64,
        clock: Clock,
    ) -> Result<Option<Request>, GeneralProtection> {
        match msr {
            APIC_BASE => self.set_base(value).map(|()| None),
            TSC_DEADLINE if self.config.tsc_deadline => {
                self.advance(now, clock);
                // In the other modes the write is ignored ("TSC-Deadline Mode").
                if self.table.get(Local::Timer).timer_mode() == timer::Mode::TscDeadline {
                    self.timer.set_tsc_deadline(value);
                }
                Ok(None)
            }
            X2APIC_FIRST..=X2APIC_LAST if self.mode() == Mode::X2Apic => {
                self.write_x2apic(msr - X2APIC_FIRST, value, now, clock)
            }
            _ => Err(GeneralProtection),
        }
    }

    fn write_x2apic(
        &mut self,
        register: u32,
        value: u64,
        now: u64,
        clock: Clock,
    ) -> Result<Option<Request>, GeneralProtection> {
        match register {
            COMMAND if value & super::ipi::RESERVED == 0 => Ok(self.command(value)),
            COMMAND => Err(GeneralProtection),
            SELF_IPI if value <= 0xff => {
                self.send_to_self(value as u8);
                Ok(None)
            }
            _ => match self.writable(register) {
                Some(bits) if value & !u64::from(bits) == 0 => {
                    Ok(self.write_register(register, value as u32, now, clock))
                }
                _ => Err(GeneralProtection),
            },
        }
    }

    /// Writes `IA32_APIC_BASE` ("x2APIC State Transitions").
    fn set_base(&mut self, value: u64) -> Result<(), GeneralProtection> {
        let physical = (1 << u64::from(self.config.physical_bits.min(52))) - 1;
        let defined = base::BOOTSTRAP | base::X2APIC | base::ENABLED | base::ADDRESS & physical;
        if value & !defined != 0 || value & base::X2APIC != 0 && !self.config.x2apic {
            return Err(GeneralProtection);
        }
        let enabled = value & base::ENABLED != 0;
        let x2apic = value & base::X2APIC != 0;
        match (self.mode(), enabled, x2apic) {
            // No such mode; x2APIC mode is entered from xAPIC mode only, and left by switching off only.
            (_, false, true) | (Mode::Disabled, true, true) | (Mode::X2Apic, true, false) => {
                return Err(GeneralProtection);
            }
            (Mode::XApic, true, true) => self.command &= 0xffff_ffff,
            (Mode::XApic | Mode::X2Apic, false, false) => self.reset_registers(),
            _ => {}
        }
        self.base = value;
        Ok(())
    }
}
