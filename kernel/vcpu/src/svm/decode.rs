//! What an exit code means (APM volume 2, appendix C).

use super::vmcb::Vmcb;
use crate::exit::Exit;
use pagurus_abi::vcpu::{ExitKind, MemoryAccess, PortAccess};

/// Exit codes.
pub mod code {
    #![allow(missing_docs)]
    pub const CR_WRITES: u64 = 0x10;
    pub const CR_WRITES_END: u64 = 0x1f;
    pub const DEBUG_REGISTERS: u64 = 0x20;
    pub const DEBUG_REGISTERS_END: u64 = 0x3f;
    pub const EXCEPTIONS: u64 = 0x40;
    pub const EXCEPTIONS_END: u64 = 0x5f;
    pub const INTR: u64 = 0x60;
    pub const NMI: u64 = 0x61;
    pub const SMI: u64 = 0x62;
    pub const INIT: u64 = 0x63;
    pub const VINTR: u64 = 0x64;
    pub const CR0_SELECTIVE: u64 = 0x65;
    pub const RDTSC: u64 = 0x6e;
    pub const RDPMC: u64 = 0x6f;
    pub const CPUID: u64 = 0x72;
    pub const INVD: u64 = 0x76;
    pub const PAUSE: u64 = 0x77;
    pub const HLT: u64 = 0x78;
    pub const INVLPG: u64 = 0x79;
    pub const INVLPGA: u64 = 0x7a;
    pub const IOIO: u64 = 0x7b;
    pub const MSR: u64 = 0x7c;
    pub const TASK_SWITCH: u64 = 0x7d;
    pub const SHUTDOWN: u64 = 0x7f;
    pub const VMRUN: u64 = 0x80;
    pub const VMMCALL: u64 = 0x81;
    pub const VMLOAD: u64 = 0x82;
    pub const SKINIT: u64 = 0x86;
    pub const RDTSCP: u64 = 0x87;
    pub const WBINVD: u64 = 0x89;
    pub const MONITOR: u64 = 0x8a;
    pub const MWAIT: u64 = 0x8b;
    pub const MWAIT_ARMED: u64 = 0x8c;
    pub const XSETBV: u64 = 0x8d;
    pub const RDPRU: u64 = 0x8e;
    pub const NPF: u64 = 0x400;
    pub const INVALID: u64 = u64::MAX;
}

/// Vectors that matter here.
const PAGE_FAULT: u64 = 14;
const MACHINE_CHECK: u64 = 18;
/// The register that a move from a general register to a control register came from is not told.
const NOT_TOLD: u64 = u64::MAX;

/// EXITINFO1 of a port access (APM volume 2, 15.10.2), in our terms.
fn port_access(info: u64) -> u64 {
    let mut access = info >> 16 & 0xffff | (info >> 4 & 7) << 16;
    if info & 1 != 0 {
        access |= PortAccess::IN;
    }
    if info & 4 != 0 {
        let address_bytes_log2 = 1 + (info >> 8 & 1) + 2 * (info >> 9 & 1);
        access |= PortAccess::STRING | (info >> 10 & 7) << 28 | address_bytes_log2 << 32;
    }
    if info & 8 != 0 {
        access |= PortAccess::REPEAT;
    }
    access
}

/// EXITINFO1 of a nested page fault (APM volume 2, 15.25.6), in our terms.
fn memory_access(info: u64) -> u64 {
    let mut access = MemoryAccess::empty();
    access.set(MemoryAccess::PROTECTED, info & 1 != 0);
    access.set(MemoryAccess::WRITE, info & 2 != 0);
    access.set(MemoryAccess::FETCH, info & 16 != 0);
    access.set(MemoryAccess::TABLE_WALK, info >> 33 & 1 != 0);
    access.bits()
}

impl Vmcb {
    /// Why the guest was left.
    pub fn exit(&self) -> Exit {
        use ExitKind::{
            ControlWrite, Cpuid, DebugRegister, Exception, Forbidden, Halt, Hypercall, Init,
            InvalidState, Invlpg, Memory, Monitor, Msr, Pause, Port, Rdpmc, Rdtsc, Shutdown,
            TaskSwitch, Unknown, Wbinvd, Window, Xsetbv,
        };
        let (one, two) = (self.exit_info1, self.exit_info2);
        match self.exit_code {
            code::CPUID => Exit::plain(Cpuid),
            code::IOIO => Exit::with(Port, port_access(one), two, 0),
            code::MSR => Exit::with(Msr, one & 1, 0, 0),
            code::NPF => Exit::with(Memory, two, memory_access(one), 0),
            code::INTR | code::NMI | code::SMI => Exit::Interrupt,
            code::HLT => Exit::plain(Halt),
            code::VINTR => Exit::plain(Window),
            code::VMMCALL => Exit::plain(Hypercall),
            n @ code::CR_WRITES..=code::CR_WRITES_END => {
                Exit::with(ControlWrite, n - code::CR_WRITES, NOT_TOLD, 0)
            }
            code::CR0_SELECTIVE => Exit::with(ControlWrite, 0, NOT_TOLD, 0),
            code::DEBUG_REGISTERS..=code::DEBUG_REGISTERS_END => Exit::plain(DebugRegister),
            n @ code::EXCEPTIONS..=code::EXCEPTIONS_END => match n - code::EXCEPTIONS {
                MACHINE_CHECK => Exit::MachineCheck,
                PAGE_FAULT => Exit::with(Exception, PAGE_FAULT, one, two),
                vector => Exit::with(Exception, vector, one, 0),
            },
            code::XSETBV => Exit::plain(Xsetbv),
            code::SHUTDOWN => Exit::plain(Shutdown),
            code::INIT => Exit::plain(Init),
            code::TASK_SWITCH => Exit::with(TaskSwitch, one, two, 0),
            code::INVD | code::WBINVD => Exit::plain(Wbinvd),
            code::MONITOR | code::MWAIT | code::MWAIT_ARMED => Exit::plain(Monitor),
            code::RDTSC | code::RDTSCP => Exit::plain(Rdtsc),
            code::RDPMC => Exit::plain(Rdpmc),
            code::INVLPG => Exit::plain(Invlpg),
            code::PAUSE => Exit::plain(Pause),
            code::INVLPGA | code::VMRUN | code::VMLOAD..=code::SKINIT | code::RDPRU => {
                Exit::plain(Forbidden)
            }
            // QEMU gives the code in 32 bits.
            other if other as u32 == code::INVALID as u32 => Exit::plain(InvalidState),
            other => Exit::with(Unknown, other, one, two),
        }
    }

    /// Bytes of the instruction that caused the exit, 0 if the processor does not say.
    pub fn instruction_bytes(&self) -> u64 {
        let next = match self.exit_code {
            code::IOIO => self.exit_info2,
            _ => self.next_rip,
        };
        match next.wrapping_sub(self.rip) {
            bytes @ 1..=15 => bytes,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::FromBytes;

    fn left(code: u64, one: u64, two: u64) -> Exit {
        let mut block = Vmcb::read_from_bytes(&[0; 4096]).unwrap();
        (block.exit_code, block.exit_info1, block.exit_info2) = (code, one, two);
        block.exit()
    }

    #[test]
    fn ports() {
        let info = |exit| match exit {
            Exit::Vmm {
                kind: ExitKind::Port,
                info,
            } => (PortAccess(info[0]), info[1]),
            other => panic!("{other:?}"),
        };
        // in al, dx at port 0x3fd.
        let (access, next) = info(left(code::IOIO, 0x3fd_0211, 0x1001));
        assert_eq!((access.port(), access.bytes(), next), (0x3fd, 1, 0x1001));
        assert!(access.is_in() && !access.is_string());
        // rep outsd in 64-bit mode.
        let (access, _) = info(left(code::IOIO, 0x0cf8_0e4c | 3 << 10 | 1 << 9, 2));
        assert_eq!((access.port(), access.bytes()), (0xcf8, 4));
        assert!(!access.is_in() && access.is_string());
        assert_eq!(access.0 & PortAccess::REPEAT, PortAccess::REPEAT);
        assert_eq!((access.0 >> 28 & 7, access.0 >> 32), (3, 3));
    }

    #[test]
    fn memory() {
        // As QEMU gives them for a write to a protected page and for a guest table that is absent.
        let access = |one| match left(code::NPF, one, 0xfee0_0000) {
            Exit::Vmm {
                kind: ExitKind::Memory,
                info: [0xfee0_0000, access, 0, 0],
            } => MemoryAccess::from_bits(access).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            access(0x1_0000_0007),
            MemoryAccess::WRITE | MemoryAccess::PROTECTED
        );
        assert_eq!(
            access(0x2_0000_0006),
            MemoryAccess::WRITE | MemoryAccess::TABLE_WALK
        );
        assert_eq!(access(0x1_0000_0014), MemoryAccess::FETCH);
    }

    #[test]
    fn lengths_are_told_where_the_machine_does() {
        let mut block = Vmcb::read_from_bytes(&[0; 4096]).unwrap();
        block.rip = 0x1000;
        block.exit_code = code::CPUID;
        assert_eq!(block.instruction_bytes(), 0);
        block.next_rip = 0x1002;
        assert_eq!(block.instruction_bytes(), 2);
        block.exit_code = code::IOIO;
        block.exit_info2 = 0x1001;
        assert_eq!(block.instruction_bytes(), 1);
        block.exit_info2 = 0x1010;
        assert_eq!(block.instruction_bytes(), 0);
    }

    proptest! {
        /// Every code has a meaning, and what is the machine's stays the kernel's.
        #[test]
        fn total(code in prop_oneof![0..0x500u64, any::<u64>()], one: u64, two: u64) {
            let exit = left(code, one, two);
            let kernels = matches!(exit, Exit::Interrupt | Exit::MachineCheck);
            prop_assert_eq!(kernels, matches!(code, 0x60..=0x62 | 0x52));
        }
    }
}
