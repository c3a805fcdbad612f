//! Model-specific registers.
//!
//! [`Msrs`] holds what a virtual processor keeps of them and answers RDMSR and WRMSR: with a value, or with
//! who is to answer instead (the local APIC, the clock, the VMM where more than the value changes), or not at
//! all, whereupon the guest gets #GP(0). Everything that is not listed in [`table`] is refused.
//!
//! References: SDM volume 4; APM volume 2, appendix A; Linux `arch/x86/include/asm/msr-index.h`.

mod linux;
mod mtrr;
mod table;

pub use linux::{LINUX, LinuxAccess, Touched};
pub use table::{Rule, rule};

use crate::cpu::Cpu;
use crate::kvm_clock;
use mtrr::Mtrrs;

/// Time stamp counter.
pub const TSC: u32 = 0x10;
/// What was added to the time stamp counter.
pub const TSC_ADJUST: u32 = 0x3b;
/// Extended feature enables.
pub const EFER: u32 = 0xc000_0080;
/// What RDTSCP returns beside the time.
pub const TSC_AUX: u32 = 0xc000_0103;

/// The access raises #GP(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// What RDMSR gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// This value.
    Value(u64),
    /// What the local APIC says.
    LocalApic,
    /// The guest's time stamp counter.
    Tsc,
    /// EFER, which is part of the state of a virtual processor.
    Efer,
}

/// What WRMSR does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Nothing beyond this register.
    Done,
    /// What the local APIC does.
    LocalApic,
    /// The guest's time stamp counter gets this value.
    Tsc(u64),
    /// So much is added to the guest's time stamp counter.
    AdjustTsc(i64),
    /// EFER gets this value, but for LMA, which stays; it has no bits that the guest may not set.
    Efer(u64),
    /// The clock page of this processor lies here from now on, or nowhere.
    SystemTime(Option<u64>),
    /// The wall clock is to be written here.
    WallClock(u64),
}

/// The registers of one virtual processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msrs {
    /// Registers that only keep what is written, in the order of [`table::STORED`].
    stored: [u64; table::STORED.len()],
    mtrrs: Mtrrs,
    tsc_adjust: u64,
    system_time: u64,
    wall_clock: u64,
}

impl Msrs {
    /// After reset.
    pub fn new() -> Msrs {
        Msrs {
            stored: table::STORED.map(|(_, initial, _)| initial),
            mtrrs: Mtrrs::new(),
            tsc_adjust: 0,
            system_time: 0,
            wall_clock: 0,
        }
    }

    /// RDMSR.
    ///
    /// # Errors
    /// [`Refused`]: the guest gets #GP(0).
    pub fn read(&self, cpu: &Cpu, register: u32) -> Result<Read, Refused> {
        Ok(Read::Value(match rule(register) {
            Rule::Constant(value) => value,
            Rule::ByVendor { intel, amd } => match cpu.vendor() {
                crate::Vendor::Intel => intel,
                crate::Vendor::Amd => amd,
            },
            Rule::Stored(index) => self.stored[index],
            Rule::Mtrr => self.mtrrs.read(register).ok_or(Refused)?,
            Rule::LocalApic => return Ok(Read::LocalApic),
            Rule::Tsc => return Ok(Read::Tsc),
            Rule::TscAdjust => self.tsc_adjust,
            Rule::Efer => return Ok(Read::Efer),
            Rule::KvmClock if cpu.environment().kvm_clock => match register {
                kvm_clock::SYSTEM_TIME => self.system_time,
                _ => self.wall_clock,
            },
            Rule::KvmClock | Rule::Kernel | Rule::Refused => return Err(Refused),
        }))
    }

    /// WRMSR.
    ///
    /// # Errors
    /// [`Refused`]: the guest gets #GP(0), and nothing changed.
    pub fn write(&mut self, cpu: &Cpu, register: u32, value: u64) -> Result<Write, Refused> {
        match rule(register) {
            Rule::Constant(_) | Rule::ByVendor { .. } if table::ignores_writes(register) => {}
            Rule::Stored(index) => {
                let (_, _, writable) = table::STORED[index];
                if value & !writable != 0 {
                    return Err(Refused);
                }
                self.stored[index] = value;
            }
            Rule::Mtrr => {
                let valid = self.mtrrs.write(register, value, cpu.physical_bits());
                valid.ok_or(Refused)?;
            }
            Rule::LocalApic => return Ok(Write::LocalApic),
            Rule::Tsc => {
                return Ok(Write::Tsc(value));
            }
            Rule::TscAdjust => {
                let difference = value.wrapping_sub(self.tsc_adjust) as i64;
                self.tsc_adjust = value;
                return Ok(Write::AdjustTsc(difference));
            }
            Rule::Efer if value & !cpu.efer() == 0 => return Ok(Write::Efer(value)),
            Rule::KvmClock if cpu.environment().kvm_clock => {
                return self.write_clock(register, value);
            }
            _ => return Err(Refused),
        }
        Ok(Write::Done)
    }

    fn write_clock(&mut self, register: u32, value: u64) -> Result<Write, Refused> {
        if register == kvm_clock::WALL_CLOCK {
            self.wall_clock = value;
            return Ok(Write::WallClock(value));
        }
        let (address, enabled) = (value & !1, value & 1 != 0);
        if address % 4 != 0 {
            return Err(Refused);
        }
        self.system_time = value;
        Ok(Write::SystemTime(enabled.then_some(address)))
    }

    /// The time stamp counter was moved by so much other than by [`TSC_ADJUST`], which follows (SDM volume 3B,
    /// section 18.17.3). For [`Write::Tsc`].
    pub fn tsc_moved(&mut self, difference: i64) {
        self.tsc_adjust = self.tsc_adjust.wrapping_add(difference as u64);
    }
}

impl Default for Msrs {
    fn default() -> Msrs {
        Msrs::new()
    }
}
