//! Virtual processors as a VMM sees them: the page shared with the kernel, exits, and groups of state.
//!
//! A VMM thread to which a virtual processor is bound calls [`Syscall::Run`](crate::Syscall::Run); the kernel enters the guest, and the
//! call returns with the next exit. The general registers, `rip` and `rflags` are in the page after every exit and are
//! taken from it at every entry. Everything else is in [`Groups`]: an exit stores those groups that
//! [`VcpuPage::store`] asks for by exit kind, and an entry loads those that the call names.
//!
//! The VMM may write the page at any time. The kernel reads each field once and takes any value: what would harm others is
//! masked or refused, what would harm the guest only is the VMM's own affair.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

bitflags! {
    /// Groups of guest state, for [`VcpuPage::store`] and for entries.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Groups: u16 {
        /// [`VcpuPage::control`].
        const CONTROL = 1;
        /// [`VcpuPage::segments`].
        const SEGMENTS = 2;
        /// [`VcpuPage::system`]: the registers of system calls, and the page attribute table.
        const SYSTEM = 4;
        /// [`VcpuPage::debug`].
        const DEBUG = 8;
        /// [`VcpuPage::interrupts`].
        const INTERRUPTS = 16;
        /// [`VcpuPage::intercepts`], loaded only.
        const INTERCEPTS = 32;
    }
}

/// Indices into [`VcpuPage::gpr`]: the numbers that instructions encode.
pub mod gpr {
    #![allow(missing_docs)]
    pub const RAX: usize = 0;
    pub const RCX: usize = 1;
    pub const RDX: usize = 2;
    pub const RBX: usize = 3;
    pub const RSP: usize = 4;
    pub const RBP: usize = 5;
    pub const RSI: usize = 6;
    pub const RDI: usize = 7;
}

/// Indices into [`VcpuPage::segments`].
pub mod segment {
    #![allow(missing_docs)]
    pub const ES: usize = 0;
    pub const CS: usize = 1;
    pub const SS: usize = 2;
    pub const DS: usize = 3;
    pub const FS: usize = 4;
    pub const GS: usize = 5;
    pub const GDTR: usize = 6;
    pub const LDTR: usize = 7;
    pub const IDTR: usize = 8;
    pub const TR: usize = 9;
    /// How many there are.
    pub const COUNT: usize = 10;
}

/// A segment or table register.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Segment {
    /// Selector; 0 for GDTR and IDTR.
    pub selector: u16,
    /// Bits 0..8: bits 40..48 of a descriptor (type, S, DPL, P); bits 8..12: bits 52..56 (AVL, L, D, G). 0 for GDTR and
    /// IDTR. P clear: unusable.
    pub attributes: u16,
    /// Limit in bytes, expanded.
    pub limit: u32,
    /// Base.
    pub base: u64,
}

/// Control registers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Control {
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    /// Task priority: bits 4..8 of the local APIC's.
    pub cr8: u64,
    pub efer: u64,
    /// State components that XSAVE instructions of the guest see; bits that the machine lacks or that make no sense
    /// together leave it as it was.
    pub xcr0: u64,
}

/// Model-specific registers that the guest reads and writes without an exit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[allow(missing_docs)]
pub struct System {
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub sfmask: u64,
    pub kernel_gs_base: u64,
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub pat: u64,
    /// Added to the time stamp counter of the machine.
    pub tsc_offset: u64,
}

/// Debug registers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Debug {
    pub dr: [u64; 4],
    pub dr6: u64,
    pub dr7: u64,
}

/// What keeps interrupts away.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Interrupts {
    /// Bit 0: the instruction before was `sti` or `mov ss`; bit 1: in a handler of a non-maskable interrupt.
    pub shadow: u64,
}

/// What of its own the guest is stopped at, beside what the kernel wants to know anyway.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Intercepts {
    /// Exceptions by vector, as bits. Machine checks (18) are the kernel's.
    pub exceptions: u32,
    /// Bits of [`intercept`].
    pub instructions: u32,
}

/// Bits of [`Intercepts::instructions`].
pub mod intercept {
    /// Writes of CR0 other than TS and MP.
    pub const CR0: u32 = 1;
    /// Writes of CR3.
    pub const CR3: u32 = 2;
    /// Writes of CR4.
    pub const CR4: u32 = 4;
    /// PAUSE.
    pub const PAUSE: u32 = 8;
    /// INVLPG.
    pub const INVLPG: u32 = 16;
    /// RDTSC and RDTSCP.
    pub const RDTSC: u32 = 32;
    /// RDPMC.
    pub const RDPMC: u32 = 64;
    /// WBINVD and INVD.
    pub const WBINVD: u32 = 128;
    /// All of them.
    pub const ALL: u32 = 255;
}

/// An event to be delivered to the guest, as AMD's EVENTINJ has it (APM volume 2, 15.20): bits 0..8 vector, 8..11 type
/// (0 interrupt, 2 non-maskable interrupt, 3 exception, 4 software interrupt), 11 an error code is pushed, 31 valid, 32..64
/// the error code. 0 is none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Event(pub u64);

impl Event {
    /// None.
    pub const NONE: Event = Event(0);
    /// There is one.
    pub const VALID: u64 = 1 << 31;
    const ERROR: u64 = 1 << 11;

    /// An external interrupt. The guest must be able to take it: see [`VcpuPage::window`].
    pub const fn interrupt(vector: u8) -> Event {
        Event(vector as u64 | Self::VALID)
    }

    /// A non-maskable interrupt.
    pub const fn nmi() -> Event {
        Event(2 | 2 << 8 | Self::VALID)
    }

    /// An exception without error code.
    pub const fn exception(vector: u8) -> Event {
        Event(vector as u64 | 3 << 8 | Self::VALID)
    }

    /// An exception with an error code.
    pub const fn exception_with(vector: u8, code: u32) -> Event {
        Event(vector as u64 | 3 << 8 | Self::ERROR | Self::VALID | (code as u64) << 32)
    }

    /// Whether there is one.
    pub const fn is_valid(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// Its vector.
    pub const fn vector(self) -> u8 {
        self.0 as u8
    }
}

macro_rules! exits {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Why the guest was left. `info` is [`VcpuPage::info`], 0 where nothing is said.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ExitKind { $($(#[$doc])* $name = $number,)* }

        impl ExitKind {
            /// Every kind, in numeric order.
            pub const ALL: &'static [ExitKind] = &[$(ExitKind::$name),*];
        }
    };
}

exits! {
    /// The notification bound to the thread was signalled: `info[0]` is its word, which is cleared.
    Signal = 0;
    /// CPUID.
    Cpuid = 1;
    /// HLT.
    Halt = 2;
    /// IN, OUT, INS or OUTS: `info[0]` a [`PortAccess`], `info[1]` the address of the next instruction.
    Port = 3;
    /// RDMSR (`info[0]` 0) or WRMSR (1).
    Msr = 4;
    /// An access to guest-physical memory that is not mapped, or not for that: `info[0]` the address, `info[1]` a
    /// [`MemoryAccess`].
    Memory = 5;
    /// The guest can take an interrupt now.
    Window = 6;
    /// VMCALL or VMMCALL.
    Hypercall = 7;
    /// An exception that [`Intercepts::exceptions`] asks for: `info[0]` the vector, `info[1]` the error code, `info[2]` the
    /// address of a page fault.
    Exception = 8;
    /// A write of a control register: `info[0]` its number, `info[1]` the register it came from, or all ones where the
    /// machine does not say.
    ControlWrite = 9;
    /// XSETBV.
    Xsetbv = 10;
    /// A triple fault, or shutdown by other means. The state of the guest is undefined.
    Shutdown = 11;
    /// INIT.
    Init = 12;
    /// The state that was to be entered is not one that a processor can be in. Nothing was executed, and all state but the
    /// general registers is that after reset.
    InvalidState = 13;
    /// An access to a debug register.
    DebugRegister = 14;
    /// A task switch: `info[0]` and `info[1]` as the machine gives them.
    TaskSwitch = 15;
    /// INVD or WBINVD.
    Wbinvd = 16;
    /// MONITOR or MWAIT.
    Monitor = 17;
    /// RDTSC or RDTSCP.
    Rdtsc = 18;
    /// RDPMC.
    Rdpmc = 19;
    /// INVLPG.
    Invlpg = 20;
    /// PAUSE, more often than is good.
    Pause = 21;
    /// An instruction that no guest may use here (virtualisation, secure mode): it deserves an invalid-opcode exception.
    Forbidden = 22;
    /// Something the kernel does not know: `info[0]` the machine's own code, `info[1]` and `info[2]` what it says.
    Unknown = 23;
}

impl ExitKind {
    /// How many kinds there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The kind with this number.
    pub const fn from_u64(number: u64) -> Option<ExitKind> {
        if number < Self::COUNT as u64 {
            Some(Self::ALL[number as usize])
        } else {
            None
        }
    }
}

/// An access to a port: bits 0..16 the port, 16..19 bytes (1, 2 or 4), bit 24 in rather than out, bit 25 a string
/// instruction, bit 26 with a repeat prefix, bits 28..31 the segment of a string instruction (see [`segment`]), bits 32..40 log2
/// of the address size in bytes of a string instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortAccess(pub u64);

impl PortAccess {
    /// Bit: in.
    pub const IN: u64 = 1 << 24;
    /// Bit: string.
    pub const STRING: u64 = 1 << 25;
    /// Bit: repeat prefix.
    pub const REPEAT: u64 = 1 << 26;

    /// The port.
    pub const fn port(self) -> u16 {
        self.0 as u16
    }

    /// Bytes: 1, 2 or 4.
    pub const fn bytes(self) -> u8 {
        (self.0 >> 16 & 7) as u8
    }

    /// Whether the guest reads.
    pub const fn is_in(self) -> bool {
        self.0 & Self::IN != 0
    }

    /// Whether it is INS or OUTS.
    pub const fn is_string(self) -> bool {
        self.0 & Self::STRING != 0
    }
}

bitflags! {
    /// What an access to guest-physical memory was.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct MemoryAccess: u64 {
        /// It wrote. Where nothing is mapped, some machines do not tell reads from writes and leave this clear.
        const WRITE = 1;
        /// It fetched an instruction.
        const FETCH = 2;
        /// Something is mapped there, but does not permit it.
        const PROTECTED = 4;
        /// The processor was walking the guest's page tables.
        const TABLE_WALK = 8;
    }
}

/// The page that a virtual processor shares with its VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct VcpuPage {
    /// General registers, see [`gpr`].
    pub gpr: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// Entry: what is to be delivered first. Exit: what was being delivered when the guest was left, and is to be
    /// delivered again; entering with it as it is does that.
    pub event: Event,
    /// About the exit, see [`ExitKind`].
    pub info: [u64; 4],
    /// Bytes of the instruction that caused the exit, or 0 where the machine does not say.
    pub instruction_bytes: u64,
    /// Entry: not 0 asks for an exit ([`ExitKind::Window`]) as soon as the guest can take an interrupt.
    pub window: u64,
    /// Groups to store at an exit, by kind.
    pub store: [u16; 32],
    /// Control registers.
    pub control: Control,
    /// Segment and table registers, see [`segment`].
    pub segments: [Segment; segment::COUNT],
    /// Registers of system calls and their like.
    pub system: System,
    /// Debug registers.
    pub debug: Debug,
    /// What keeps interrupts away.
    pub interrupts: Interrupts,
    /// What the guest is stopped at.
    pub intercepts: Intercepts,
}

/// Bytes of a [`VcpuPage`]; it lies at the start of a frame of 4 KiB or more.
pub const VCPU_PAGE_BYTES: usize = size_of::<VcpuPage>();

const _: () = {
    use core::mem::offset_of;
    assert!(VCPU_PAGE_BYTES <= crate::layout::PAGE_SIZE);
    assert!(ExitKind::COUNT <= 32);
    // The entry code stores and loads here.
    assert!(offset_of!(VcpuPage, gpr) == 0);
    assert!(offset_of!(VcpuPage, rip) == 128);
    assert!(offset_of!(VcpuPage, rflags) == 136);
    assert!(offset_of!(VcpuPage, event) == 144);
    assert!(offset_of!(VcpuPage, info) == 152);
    assert!(offset_of!(VcpuPage, window) == 192);
    assert!(offset_of!(VcpuPage, store) == 200);
    assert!(offset_of!(VcpuPage, control) == 264);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_numbers_are_positions() {
        for (n, kind) in ExitKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, n);
            assert_eq!(ExitKind::from_u64(n as u64), Some(*kind));
        }
        assert_eq!(ExitKind::from_u64(ExitKind::COUNT as u64), None);
        assert_eq!(ExitKind::from_u64(u64::MAX), None);
    }

    #[test]
    fn events_have_their_parts_in_place() {
        assert_eq!(Event::interrupt(0x20).0, 0x8000_0020);
        assert_eq!(Event::nmi().0, 0x8000_0202);
        assert_eq!(Event::exception(6).0, 0x8000_0306);
        assert_eq!(Event::exception_with(13, 5).0, 0x5_8000_0b0d);
        assert!(!Event::NONE.is_valid() && Event::nmi().is_valid());
    }
}
