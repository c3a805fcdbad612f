//! Instructions that a VMM intercepts as such, whatever they touch.

use crate::memory::MemoryOperand;
use crate::register::Gpr;
use crate::width::Width;

/// An intercepted instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intercept {
    /// `cpuid`.
    Cpuid,
    /// `hlt`.
    Hlt,
    /// `rdmsr`.
    ReadMsr,
    /// `wrmsr`.
    WriteMsr,
    /// `rdtsc`.
    ReadTsc,
    /// `rdtscp`.
    ReadTscp,
    /// `rdpmc`.
    ReadPmc,
    /// `in` to the accumulator.
    In {
        /// Size of the access.
        width: Width,
        /// From where.
        port: Port,
    },
    /// `out` from the accumulator.
    Out {
        /// Size of the access.
        width: Width,
        /// To where.
        port: Port,
    },
    /// `ins`: port `dx` to memory at `es:[rdi]`.
    InString(StringPort),
    /// `outs`: memory at `[rsi]` to port `dx`.
    OutString(StringPort),
    /// `mov` from a control register.
    ReadControl {
        /// Number of the control register.
        control: u8,
        /// Where it goes: 64 bits in 64-bit code, else 32.
        destination: Gpr,
    },
    /// `mov` to a control register.
    WriteControl {
        /// Number of the control register.
        control: u8,
        /// Where the value is: 64 bits in 64-bit code, else 32.
        source: Gpr,
    },
    /// `mov` from a debug register.
    ReadDebug {
        /// Number of the debug register.
        debug: u8,
        /// Where it goes: 64 bits in 64-bit code, else 32.
        destination: Gpr,
    },
    /// `mov` to a debug register.
    WriteDebug {
        /// Number of the debug register.
        debug: u8,
        /// Where the value is: 64 bits in 64-bit code, else 32.
        source: Gpr,
    },
    /// `clts`: CR0.TS is cleared.
    ClearTaskSwitched,
    /// `lmsw` from a register: the low four bits of CR0 are set, but PE is never cleared.
    LoadMachineStatus {
        /// Where the value is: 16 bits.
        source: Gpr,
    },
    /// `smsw` to a register.
    StoreMachineStatus {
        /// Where the low part of CR0 goes.
        destination: Gpr,
        /// How much of it.
        width: Width,
    },
    /// `vmmcall`.
    Vmmcall,
    /// `vmcall`.
    Vmcall,
    /// `invlpg`.
    InvalidatePage(MemoryOperand),
    /// `invpcid`: kind in a register, descriptor of 16 bytes in memory.
    InvalidateContext {
        /// Where the kind is.
        kind: Gpr,
        /// The descriptor; its width means nothing.
        descriptor: MemoryOperand,
    },
    /// `xsetbv`.
    SetExtendedControl,
    /// `pause`.
    Pause,
    /// `monitor`, `monitorx`.
    Monitor,
    /// `mwait`, `mwaitx`.
    Mwait,
    /// `wbinvd`, `wbnoinvd`.
    WriteBack,
    /// `invd`.
    Invalidate,
    /// Instructions of hardware virtualisation and safer mode, which a guest does not have: `vmrun`,
    /// `vmload`, `vmsave`, `stgi`, `clgi`, `skinit`, `invlpga`, `vmxon`, `vmlaunch` and so on.
    Virtualization,
    /// `rsm`.
    Resume,
}

/// Where a port number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The instruction itself.
    Immediate(u8),
    /// Register `dx`.
    Dx,
}

/// A string access to port `dx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringPort {
    /// The memory side: what is read (`outs`) or written (`ins`). Its base register is to be moved by the
    /// width after each step, up or down as RFLAGS.DF says.
    pub memory: MemoryOperand,
    /// True if it is done `rcx` times; `rcx` has the size of addresses.
    pub repeat: bool,
}

impl StringPort {
    /// Size of the access.
    pub const fn width(&self) -> Width {
        self.memory.width
    }
}
