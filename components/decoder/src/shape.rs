//! An instruction as `yaxpeax-x86` sees it, the same for all sizes of code.

use crate::instruction::Condition;
use crate::memory::Base;
use crate::register::{Gpr, Register};

/// An instruction's opcode, operands and length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes.
    pub length: u8,
    /// What it is.
    pub opcode: Opcode,
    /// Operands in the order of the manuals.
    pub operands: [Operand; 3],
    /// Bytes read or written in memory; 0 if there are none or their number is not known.
    pub memory_bytes: u8,
}

/// An operand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    /// There is none.
    None,
    /// General register.
    Register(Register),
    /// Control register.
    Control(u8),
    /// Debug register.
    Debug(u8),
    /// Immediate, sign extended where the instruction does that.
    Immediate(u64),
    /// Memory.
    Memory(Address),
    /// Anything else.
    Other,
}

/// How an address is computed, without segment and size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    /// Base register.
    pub base: Option<Base>,
    /// Index register.
    pub index: Option<Gpr>,
    /// Factor of the index.
    pub scale: u8,
    /// Displacement, sign extended.
    pub displacement: i64,
}

/// The opcodes that a VMM tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Mov,
    Movzx,
    Movsx,
    Movsxd,
    Movbe,
    Movnti,
    Add,
    Adc,
    Sub,
    Sbb,
    And,
    Or,
    Xor,
    Inc,
    Dec,
    Not,
    Neg,
    Cmp,
    Test,
    Bt,
    Bts,
    Btr,
    Btc,
    Rol,
    Ror,
    Shl,
    Shr,
    Sar,
    Xchg,
    Cmpxchg,
    Xadd,
    Push,
    Pop,
    Set(Condition),
    MoveIf(Condition),
    Movs,
    Lods,
    Stos,
    Cmps,
    Scas,
    Ins,
    Outs,
    In,
    Out,
    Cpuid,
    Hlt,
    Rdmsr,
    Wrmsr,
    Rdtsc,
    Rdtscp,
    Rdpmc,
    Clts,
    Lmsw,
    Smsw,
    Vmmcall,
    Vmcall,
    Invlpg,
    Invpcid,
    Xsetbv,
    Nop,
    Monitor,
    Mwait,
    Wbinvd,
    Invd,
    Virtualization,
    Rsm,
    Other,
}
