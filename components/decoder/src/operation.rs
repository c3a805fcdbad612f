//! From a [`Shape`] to an [`Operation`].

use crate::instruction::{
    Access, AccessKind, Combine, Compare, Extension, Modify, Operation, Repeat, Source,
    StringOperation,
};
use crate::memory::{Base, MemoryOperand};
use crate::prefix::{Prefixes, RepeatPrefix};
use crate::register::{Gpr, Register, Segment};
use crate::shape::{Address, Opcode, Operand, Shape};
use crate::width::{CodeSize, Width};

/// What an operation is made from.
pub(crate) struct Builder {
    /// `pause` is `nop` with a prefix, which `yaxpeax-x86` leaves at that.
    pub pause: bool,
    pub prefixes: Prefixes,
    pub code: CodeSize,
    pub shape: Shape,
}

impl Builder {
    /// Nothing if the instruction is none of those that a VMM tells apart.
    pub fn operation(&self) -> Option<Operation> {
        if let Some(intercept) = self.intercept() {
            return Some(Operation::Intercept(intercept));
        }
        let (kind, operand) = self.string().or_else(|| self.access())?;
        let repeats = matches!(kind, AccessKind::String(_));
        Some(Operation::Access(Access {
            kind,
            operand,
            repeat: match self.prefixes.repeat {
                Some(RepeatPrefix::Equal) if repeats => Repeat::WhileEqual,
                Some(RepeatPrefix::NotEqual) if repeats => Repeat::WhileNotEqual,
                _ => Repeat::No,
            },
            code: self.code,
            length: self.shape.length,
        }))
    }

    /// Instructions with an ordinary operand in memory.
    fn access(&self) -> Option<(AccessKind, MemoryOperand)> {
        let [first, second, _] = self.shape.operands;
        let width = self.operand_width()?;
        match (first, second) {
            (Operand::Memory(address), other) => {
                let kind = self.memory_first(other)?;
                Some((kind, self.memory(address, width)))
            }
            (Operand::Register(register), Operand::Memory(address)) => {
                let kind = self.register_first(register)?;
                Some((kind, self.memory(address, width)))
            }
            _ => None,
        }
    }

    /// Size of the operand in memory. Where prefixes change it, `yaxpeax-x86` is wrong about some.
    fn operand_width(&self) -> Option<Width> {
        let [_, second, _] = self.shape.operands;
        match (self.shape.opcode, second) {
            (Opcode::Bt | Opcode::Bts | Opcode::Btr | Opcode::Btc, Operand::Immediate(_)) => {
                Some(self.operand_size())
            }
            // No 32-bit operands on a 64-bit stack.
            (Opcode::Push | Opcode::Pop, _) => match self.operand_size() {
                Width::Dword if self.code == CodeSize::Bits64 => Some(Width::Qword),
                width => Some(width),
            },
            (Opcode::Movsxd, _) => Some(self.operand_size().min(Width::Dword)),
            _ => Width::from_bytes(self.shape.memory_bytes),
        }
    }

    /// Size of operands by prefixes, of instructions that know no bytes.
    pub fn operand_size(&self) -> Width {
        let wide = self.prefixes.rex.is_some_and(|rex| rex & 8 != 0);
        self.code.operand_size(self.prefixes.operand_size, wide)
    }

    fn memory_first(&self, other: Operand) -> Option<AccessKind> {
        let register = match other {
            Operand::Register(register) => Some(register),
            _ => None,
        };
        let source = match other {
            Operand::Register(register) => Some(Source::Register(register)),
            Operand::Immediate(value) => Some(Source::Immediate(value)),
            Operand::None => Some(Source::Immediate(0)),
            _ => None,
        };
        let compare = |compare| source.map(|source| AccessKind::Compare { compare, source });
        let write = |reversed| source.map(|source| AccessKind::Write { source, reversed });
        match self.shape.opcode {
            Opcode::Mov | Opcode::Movnti => write(false),
            Opcode::Movbe => write(true),
            Opcode::Cmp => compare(Compare::MemoryFirst),
            Opcode::Test => compare(Compare::Test),
            Opcode::Bt => compare(Compare::Bit),
            Opcode::Xchg => register.map(|register| AccessKind::Exchange { register }),
            Opcode::Cmpxchg => register.map(|register| AccessKind::CompareExchange { register }),
            Opcode::Xadd => register.map(|register| AccessKind::ExchangeAdd { register }),
            Opcode::Set(condition) => Some(AccessKind::SetByte(condition)),
            Opcode::Push => Some(AccessKind::Push),
            Opcode::Pop => Some(AccessKind::Pop),
            opcode => {
                let modify = modify(opcode)?;
                source.map(|source| AccessKind::ReadModifyWrite { modify, source })
            }
        }
    }

    fn register_first(&self, destination: Register) -> Option<AccessKind> {
        let read = |extension, reversed| AccessKind::Read {
            destination,
            extension,
            reversed,
        };
        let source = Source::Register(destination);
        let compare = |compare| AccessKind::Compare { compare, source };
        let combine = |combine| AccessKind::Combine {
            combine,
            destination,
        };
        Some(match self.shape.opcode {
            Opcode::Mov | Opcode::Movzx => read(Extension::Zero, false),
            Opcode::Movsx => read(Extension::Sign, false),
            Opcode::Movsxd => AccessKind::Read {
                destination: Register::low(destination.gpr, self.operand_size()),
                extension: Extension::Sign,
                reversed: false,
            },
            Opcode::Movbe => read(Extension::Zero, true),
            Opcode::Cmp => compare(Compare::MemorySecond),
            Opcode::Test => compare(Compare::Test),
            Opcode::Xchg => AccessKind::Exchange {
                register: destination,
            },
            Opcode::MoveIf(condition) => AccessKind::MoveIf {
                condition,
                destination,
            },
            Opcode::Add => combine(Combine::Add),
            Opcode::Adc => combine(Combine::Adc),
            Opcode::Sub => combine(Combine::Sub),
            Opcode::Sbb => combine(Combine::Sbb),
            Opcode::And => combine(Combine::And),
            Opcode::Or => combine(Combine::Or),
            Opcode::Xor => combine(Combine::Xor),
            _ => return None,
        })
    }

    /// String instructions, whose operands are implied.
    fn string(&self) -> Option<(AccessKind, MemoryOperand)> {
        let width = Width::from_bytes(self.shape.memory_bytes);
        let (operation, operand) = match self.shape.opcode {
            Opcode::Movs => (StringOperation::Move, self.string_source(width?)),
            Opcode::Lods => (StringOperation::Load, self.string_source(width?)),
            Opcode::Cmps => (StringOperation::Compare, self.string_source(width?)),
            Opcode::Stos => (StringOperation::Store, self.string_destination(width?)),
            Opcode::Scas => (StringOperation::Scan, self.string_destination(width?)),
            _ => return None,
        };
        Some((AccessKind::String(operation), operand))
    }

    pub fn memory(&self, address: Address, width: Width) -> MemoryOperand {
        let stack = matches!(address.base, Some(Base::Gpr(Gpr::Rsp | Gpr::Rbp)));
        let default = if stack { Segment::Ss } else { Segment::Ds };
        MemoryOperand {
            segment: self.prefixes.segment.unwrap_or(default),
            base: address.base,
            index: address.index,
            scale: address.scale,
            displacement: address.displacement,
            address_size: self.code.address_size(self.prefixes.address_size),
            width,
        }
    }

    /// `[rsi]`, whose segment can be overridden.
    pub fn string_source(&self, width: Width) -> MemoryOperand {
        let base = Some(Base::Gpr(Gpr::Rsi));
        self.memory(simple(base), width)
    }

    /// `es:[rdi]`, whose segment cannot.
    pub fn string_destination(&self, width: Width) -> MemoryOperand {
        MemoryOperand {
            segment: Segment::Es,
            ..self.memory(simple(Some(Base::Gpr(Gpr::Rdi))), width)
        }
    }
}

const fn simple(base: Option<Base>) -> Address {
    Address {
        base,
        index: None,
        scale: 1,
        displacement: 0,
    }
}

fn modify(opcode: Opcode) -> Option<Modify> {
    Some(match opcode {
        Opcode::Add => Modify::Add,
        Opcode::Adc => Modify::Adc,
        Opcode::Sub => Modify::Sub,
        Opcode::Sbb => Modify::Sbb,
        Opcode::And => Modify::And,
        Opcode::Or => Modify::Or,
        Opcode::Xor => Modify::Xor,
        Opcode::Inc => Modify::Inc,
        Opcode::Dec => Modify::Dec,
        Opcode::Not => Modify::Not,
        Opcode::Neg => Modify::Neg,
        Opcode::Bts => Modify::Bts,
        Opcode::Btr => Modify::Btr,
        Opcode::Btc => Modify::Btc,
        Opcode::Rol => Modify::Rol,
        Opcode::Ror => Modify::Ror,
        Opcode::Shl => Modify::Shl,
        Opcode::Shr => Modify::Shr,
        Opcode::Sar => Modify::Sar,
        _ => return None,
    })
}
