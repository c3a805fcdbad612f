//! Which registers there are.

use super::mtrr;
use crate::kvm_clock;

/// Who answers for a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It always has this value.
    Constant(u64),
    /// It always has the value that processors of this vendor have.
    ByVendor {
        /// On Intel's kind.
        intel: u64,
        /// On AMD's.
        amd: u64,
    },
    /// It keeps what is written and does nothing; its place among the stored ones.
    Stored(usize),
    /// Memory type ranges: kept and checked, without effect, for all of a guest's memory is write-back.
    Mtrr,
    /// The local APIC.
    LocalApic,
    /// The time stamp counter.
    Tsc,
    /// What was added to the time stamp counter.
    TscAdjust,
    /// Extended feature enables.
    Efer,
    /// KVM's clock, if the VMM has it.
    KvmClock,
    /// The kernel gives it to the guest without an exit.
    Kernel,
    /// There is no such register.
    Refused,
}

/// Registers that only keep what is written: number, value after reset, bits that may be written.
pub const STORED: [(u32, u64, u64); 12] = [
    // MISC_ENABLE: fast strings on, no branch trace and no precise event based sampling.
    (0x1a0, 0x1801, u64::MAX),
    // DEBUGCTL: last branches and single steps by branches are not recorded.
    (0x1d9, 0, 0b11),
    // HWCR: the time stamp counter counts at P0 frequency.
    (0xc001_0015, 1 << 24, u64::MAX),
    // NB_CFG: ports 0xcf8 and 0xcfc reach extended configuration space.
    (0xc001_001f, 1 << 46, u64::MAX),
    // MMIO configuration base: not used.
    (0xc001_0058, 0, u64::MAX),
    // Configuration of load and store, instruction cache, data cache, bus unit (twice), floating point.
    (0xc001_1020, 0, u64::MAX),
    (0xc001_1021, 0, u64::MAX),
    (0xc001_1022, 0, u64::MAX),
    (0xc001_1023, 0, u64::MAX),
    (0xc001_102a, 0, u64::MAX),
    (0xc001_1028, 0, u64::MAX),
    // DE_CFG: LFENCE serialises.
    (0xc001_1029, 0b10, u64::MAX),
];

const MICROCODE: u32 = 0x8b;
const SYSTEM_CONFIGURATION: u32 = 0xc001_0010;
const INTERRUPT_PENDING: u32 = 0xc001_0055;

/// Who answers for a register.
pub const fn rule(register: u32) -> Rule {
    match register {
        super::TSC => Rule::Tsc,
        // Platform ID, platform information.
        0x17 | 0xce => Rule::Constant(0),
        // APIC base, TSC deadline, x2APIC.
        0x1b | 0x6e0 | 0x800..=0x8ff => Rule::LocalApic,
        // Feature control: locked, with everything off.
        0x3a => Rule::ByVendor { intel: 1, amd: 0 },
        super::TSC_ADJUST => Rule::TscAdjust,
        // Revision of the microcode: on Intel in the upper half.
        MICROCODE => Rule::ByVendor {
            intel: 1 << 32,
            amd: 0x0100_0065,
        },
        // SYSENTER, page attributes, SYSCALL, bases of fs and gs; TSC_AUX where the kernel switches it.
        0x174..=0x176
        | 0x277
        | 0xc000_0081..=0xc000_0084
        | 0xc000_0100..=0xc000_0102
        | super::TSC_AUX => Rule::Kernel,
        super::EFER => Rule::Efer,
        // Memory type ranges with special ranges on AMD, C1E: none of it.
        SYSTEM_CONFIGURATION | INTERRUPT_PENDING => Rule::Constant(0),
        kvm_clock::WALL_CLOCK | kvm_clock::SYSTEM_TIME => Rule::KvmClock,
        _ if mtrr::is(register) => Rule::Mtrr,
        _ => stored(register),
    }
}

const fn stored(register: u32) -> Rule {
    let mut index = 0;
    while index < STORED.len() {
        if STORED[index].0 == register {
            return Rule::Stored(index);
        }
        index += 1;
    }
    Rule::Refused
}

/// Whether a register with a constant value takes writes all the same, because systems write it without
/// asking first.
pub const fn ignores_writes(register: u32) -> bool {
    matches!(
        register,
        MICROCODE | SYSTEM_CONFIGURATION | INTERRUPT_PENDING
    )
}
