//! Model-specific registers.

use super::{Context, Next, Processor, vector};
use crate::board::Board;
use crate::memory::GuestMemory;
use pagurus_abi::vcpu::{Groups, gpr};
use pagurus_decoder::fixed;

const TSC: u32 = 0x10;
const PLATFORM_ID: u32 = 0x17;
const BIOS_SIGNATURE: u32 = 0x8b;
const MTRR_CAPABILITIES: u32 = 0xfe;
const MISC_ENABLE: u32 = 0x1a0;
const MTRR_DEFAULT: u32 = 0x2ff;
const EFER: u32 = 0xc000_0080;
const TSC_AUX: u32 = 0xc000_0103;
const SYSTEM_CONFIGURATION: u32 = 0xc001_0010;
const HARDWARE_CONFIGURATION: u32 = 0xc001_0015;
const PATCH_LEVEL: u32 = 0x8b;
/// Interrupt pending message: AMD's idle code looks for a bit in it.
const INTERRUPT_PENDING: u32 = 0xc001_0055;
const DECODE_CONFIGURATION: u32 = 0xc001_1029;
/// EFER bits that the guest may set: SCE, LME, NXE, FFXSR. LMA follows from LME and paging.
const EFER_SETTABLE: u64 = 1 | 1 << 8 | 1 << 11 | 1 << 14;
const EFER_LMA: u64 = 1 << 10;

/// Registers of which we keep what the guest writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    misc_enable: u64,
    mtrr_default: u64,
    tsc_aux: u64,
    hardware_configuration: u64,
}

impl Processor {
    /// RDMSR or WRMSR.
    pub(super) fn msr<M: GuestMemory>(&mut self, c: &mut Context<'_, M>) -> Next {
        let register = c.page.gpr[gpr::RCX] as u32;
        let outcome = if c.page.info[0] == 0 {
            self.read_msr(register, c).map(|value| {
                c.page.gpr[gpr::RAX] = value & 0xffff_ffff;
                c.page.gpr[gpr::RDX] = value >> 32;
                Groups::empty()
            })
        } else {
            let value = c.page.gpr[gpr::RDX] << 32 | c.page.gpr[gpr::RAX] & 0xffff_ffff;
            self.write_msr(register, value, c)
        };
        match outcome {
            Some(groups) => {
                self.dirty |= groups;
                // RDMSR and WRMSR are equally long.
                self.skip_fixed(c, fixed::RDMSR)
            }
            None => self.raise(c, vector::PROTECTION, Some(0)),
        }
    }

    /// `None`: the guest gets a general-protection fault.
    fn read_msr<M>(&mut self, register: u32, c: &mut Context<'_, M>) -> Option<u64> {
        if Board::is_apic_msr(register) {
            return c.board.read_apic_msr(register, c.now).ok();
        }
        Some(match register {
            TSC => c.board.clock.tsc(c.now),
            EFER => c.page.control.efer,
            MISC_ENABLE => self.msrs.misc_enable,
            MTRR_DEFAULT => self.msrs.mtrr_default,
            TSC_AUX => self.msrs.tsc_aux,
            HARDWARE_CONFIGURATION => self.msrs.hardware_configuration,
            PLATFORM_ID | BIOS_SIGNATURE | MTRR_CAPABILITIES | SYSTEM_CONFIGURATION
            | INTERRUPT_PENDING | DECODE_CONFIGURATION => 0,
            _ => return None,
        })
    }

    fn write_msr<M>(
        &mut self,
        register: u32,
        value: u64,
        c: &mut Context<'_, M>,
    ) -> Option<Groups> {
        if Board::is_apic_msr(register) {
            c.board.write_apic_msr(register, value, c.now).ok()?;
            return Some(Groups::empty());
        }
        match register {
            EFER => {
                if value & !(EFER_SETTABLE | EFER_LMA) != 0 {
                    return None;
                }
                let control = &mut c.page.control;
                control.efer = value & !EFER_LMA | control.efer & EFER_LMA;
                return Some(Groups::CONTROL);
            }
            MISC_ENABLE => self.msrs.misc_enable = value,
            MTRR_DEFAULT => self.msrs.mtrr_default = value & 0xcff,
            TSC_AUX if value >> 32 == 0 => self.msrs.tsc_aux = value,
            HARDWARE_CONFIGURATION => self.msrs.hardware_configuration = value,
            PATCH_LEVEL => {}
            _ => return None,
        }
        Some(Groups::empty())
    }
}
