//! What an instruction is, for a VMM.

use crate::intercept::Intercept;
use crate::memory::MemoryOperand;
use crate::register::Register;
use crate::width::{CodeSize, Width};

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Bytes.
    pub length: u8,
    /// What it does.
    pub operation: Operation,
}

impl Instruction {
    /// The same with this many more bytes.
    pub(crate) const fn lengthened(self, bytes: u8) -> Instruction {
        let length = self.length + bytes;
        let operation = match self.operation {
            Operation::Access(access) => Operation::Access(Access { length, ..access }),
            other => other,
        };
        Instruction { length, operation }
    }
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads or writes memory; [`Access::execute`] carries it out.
    Access(Access),
    /// An instruction that a VMM intercepts as such.
    Intercept(Intercept),
    /// Anything else. If it left to the VMM because it touched a device, it is one that is not used on
    /// devices: vector, floating-point and far-pointer instructions, multiplications, control transfers.
    Other,
}

/// An access to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What is done.
    pub kind: AccessKind,
    /// The operand in memory: of a string instruction the one that is read, or else the one written.
    pub operand: MemoryOperand,
    /// Repetition of a string instruction.
    pub repeat: Repeat,
    /// Size of the code that it was decoded in.
    pub code: CodeSize,
    /// Bytes of the instruction.
    pub length: u8,
}

impl Access {
    /// Size of what is read or written.
    pub const fn width(&self) -> Width {
        self.operand.width
    }
}

/// What is done with the operand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// `mov`, `movzx`, `movsx`, `movsxd`, `movbe`: memory to register.
    Read {
        /// Where the value goes.
        destination: Register,
        /// How it is widened to the size of the register.
        extension: Extension,
        /// True if the bytes are in reverse order (`movbe`).
        reversed: bool,
    },
    /// `mov`, `movbe`, `movnti`: register or immediate to memory.
    Write {
        /// Where the value comes from.
        source: Source,
        /// True if the bytes are in reverse order (`movbe`).
        reversed: bool,
    },
    /// Memory is read, changed and written; flags change.
    ReadModifyWrite {
        /// How it is changed.
        modify: Modify,
        /// The second operand; immediate 0 for operations that have none.
        source: Source,
    },
    /// A register is combined with memory; flags change.
    Combine {
        /// How.
        combine: Combine,
        /// First operand and destination.
        destination: Register,
    },
    /// Memory is only looked at; flags change.
    Compare {
        /// How.
        compare: Compare,
        /// The other operand.
        source: Source,
    },
    /// `xchg`.
    Exchange {
        /// The register that changes places with memory.
        register: Register,
    },
    /// `cmpxchg`: the accumulator is compared, this register goes to memory if both are equal.
    CompareExchange {
        /// The register.
        register: Register,
    },
    /// `xadd`.
    ExchangeAdd {
        /// The register that is added, and gets what memory was.
        register: Register,
    },
    /// `setcc`.
    SetByte(Condition),
    /// `cmovcc`: memory is read whatever the condition.
    MoveIf {
        /// Whether the register gets the value.
        condition: Condition,
        /// The register.
        destination: Register,
    },
    /// `push` of memory; [`Access::operand`] is what is read.
    Push,
    /// `pop` to memory; [`Access::operand`] is what is written.
    Pop,
    /// A string instruction.
    String(StringOperation),
}

/// How a value is widened to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// With zeros, or not at all.
    Zero,
    /// With its sign.
    Sign,
}

/// Where the second operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A register.
    Register(Register),
    /// A number in the instruction, sign extended to 64 bits.
    Immediate(u64),
}

/// Changes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names of the instructions.
pub enum Modify {
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
    Bts,
    Btr,
    Btc,
    Rol,
    Ror,
    Shl,
    Shr,
    Sar,
}

/// Combinations of a register with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names of the instructions.
pub enum Combine {
    Add,
    Adc,
    Sub,
    Sbb,
    And,
    Or,
    Xor,
}

/// Looks at memory that change flags only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `cmp memory, other`.
    MemoryFirst,
    /// `cmp register, memory`.
    MemorySecond,
    /// `test`.
    Test,
    /// `bt`.
    Bit,
}

/// String instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringOperation {
    /// `movs`: `[rsi]` to `es:[rdi]`.
    Move,
    /// `lods`: `[rsi]` to the accumulator.
    Load,
    /// `stos`: the accumulator to `es:[rdi]`.
    Store,
    /// `cmps`: `[rsi]` with `es:[rdi]`.
    Compare,
    /// `scas`: the accumulator with `es:[rdi]`.
    Scan,
}

/// Repetition of a string instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Once.
    No,
    /// `rcx` times; `cmps` and `scas` end early when unequal.
    WhileEqual,
    /// `rcx` times; `cmps` and `scas` end early when equal.
    WhileNotEqual,
}

/// A condition on the flags, by its number in instructions (SDM volume 1, appendix B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names in the manual's table.
pub enum Condition {
    Overflow,
    NotOverflow,
    Below,
    AboveOrEqual,
    Equal,
    NotEqual,
    BelowOrEqual,
    Above,
    Sign,
    NotSign,
    Parity,
    NotParity,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Greater,
}
