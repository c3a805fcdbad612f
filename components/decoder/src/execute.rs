//! Carrying out an access: where it reads and writes, and what it makes of what was read.

use crate::alu::{self, Outcome, Shift};
use crate::instruction::{Access, AccessKind, Combine, Compare, Extension, Modify, Source};
use crate::register::{Gpr, Register, Registers, Segment, SegmentBases};
use crate::width::{CodeSize, Width};

/// RFLAGS.RF: cleared when an instruction has been carried out.
const RF: u64 = 1 << 16;

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Linear address of the lowest byte. The access may reach into the next page.
    pub address: u64,
    /// Size.
    pub width: Width,
}

/// Where one step of an instruction reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// What is read, in the order in which [`Access::execute`] takes the values.
    pub reads: [Option<Place>; 2],
    /// What is written.
    pub write: Option<Place>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Executed {
    /// What to write to [`Places::write`].
    pub write: Option<u64>,
    /// False if a repeated string instruction goes on; the instruction pointer then still points to it.
    pub finished: bool,
}

impl Access {
    /// Where the next step reads and writes.
    ///
    /// For a repeated string instruction whose count is 0 that is nowhere.
    pub fn places(&self, registers: &Registers, bases: &SegmentBases) -> Places {
        if let AccessKind::String(operation) = self.kind {
            return self.string_places(operation, registers, bases);
        }
        let place = self.operand_place(registers, bases);
        let (read, write) = match self.kind {
            AccessKind::Read { .. }
            | AccessKind::Combine { .. }
            | AccessKind::Compare { .. }
            | AccessKind::MoveIf { .. } => (Some(place), None),
            AccessKind::Write { .. } | AccessKind::SetByte(_) => (None, Some(place)),
            AccessKind::Push => (Some(place), Some(self.stack_place(registers, bases, true))),
            AccessKind::Pop => (Some(self.stack_place(registers, bases, false)), Some(place)),
            _ => (Some(place), Some(place)),
        };
        Places {
            reads: [read, None],
            write,
        }
    }

    /// Carries out one step with the values that were read, cut to their width.
    ///
    /// Registers and flags are changed, the instruction pointer once it is finished. The caller writes
    /// [`Executed::write`]. Not done here: a single-step trap, if RFLAGS.TF was set.
    pub fn execute(&self, registers: &mut Registers, read: [u64; 2]) -> Executed {
        let executed = match self.kind {
            AccessKind::String(operation) => self.string_step(operation, registers, read),
            _ => Executed {
                write: self.single(registers, self.width().truncate(read[0])),
                finished: true,
            },
        };
        if executed.finished {
            registers.rip = self.next(registers);
            registers.rflags &= !RF;
        }
        executed
    }

    /// Address of the following instruction.
    fn next(&self, registers: &Registers) -> u64 {
        let next = registers.rip.wrapping_add(self.length.into());
        match self.code {
            CodeSize::Bits16 => Width::Word.truncate(next),
            CodeSize::Bits32 => Width::Dword.truncate(next),
            CodeSize::Bits64 => next,
        }
    }

    fn operand_place(&self, registers: &Registers, bases: &SegmentBases) -> Place {
        // `pop` computes the address with the stack pointer as it will be.
        let mut after = *registers;
        if self.kind == AccessKind::Pop {
            after.set(self.stack_pointer(), self.popped(registers));
        }
        let mut offset = self.operand.effective_address(&after, self.next(registers));
        if let Some(number) = self.bit_number(registers) {
            // The bit string reaches in both directions from the operand.
            let bits = i64::from(self.width().bits());
            let bytes = number.div_euclid(bits) * i64::from(self.width().bytes());
            offset = self
                .operand
                .address_size
                .truncate(offset.wrapping_add(bytes as u64));
        }
        Place {
            address: self.operand.linear_address(self.code, bases, offset),
            width: self.width(),
        }
    }

    /// The signed bit number, if a register holds it: then it is not limited to the operand's size.
    fn bit_number(&self, registers: &Registers) -> Option<i64> {
        let source = match self.kind {
            AccessKind::ReadModifyWrite {
                modify: Modify::Bts | Modify::Btr | Modify::Btc,
                source,
            }
            | AccessKind::Compare {
                compare: Compare::Bit,
                source,
            } => source,
            _ => return None,
        };
        match source {
            Source::Register(register) => {
                Some(register.width.sign_extend(registers.get(register)) as i64)
            }
            Source::Immediate(_) => None,
        }
    }

    /// The stack pointer, as large as the code's addresses are: a stack segment of another size than the
    /// code segment is not provided for.
    fn stack_pointer(&self) -> Register {
        Register::low(Gpr::Rsp, self.code.address_size(false))
    }

    fn pushed(&self, registers: &Registers) -> u64 {
        let pointer = registers.get(self.stack_pointer());
        pointer.wrapping_sub(self.width().bytes().into())
    }

    fn popped(&self, registers: &Registers) -> u64 {
        let pointer = registers.get(self.stack_pointer());
        pointer.wrapping_add(self.width().bytes().into())
    }

    fn stack_place(&self, registers: &Registers, bases: &SegmentBases, push: bool) -> Place {
        let offset = if push {
            self.stack_pointer().width.truncate(self.pushed(registers))
        } else {
            registers.get(self.stack_pointer())
        };
        let base = match self.code {
            CodeSize::Bits64 => 0,
            _ => bases.get(Segment::Ss),
        };
        Place {
            address: self.code.truncate_linear(base.wrapping_add(offset)),
            width: self.width(),
        }
    }

    /// Everything but string instructions: returns the value to write.
    fn single(&self, registers: &mut Registers, memory: u64) -> Option<u64> {
        let width = self.width();
        let accumulator = Register::low(Gpr::Rax, width);
        match self.kind {
            AccessKind::Read {
                destination,
                extension,
                reversed,
            } => {
                let value = match extension {
                    _ if reversed => width.swap_bytes(memory),
                    Extension::Zero => memory,
                    Extension::Sign => width.sign_extend(memory),
                };
                registers.set(destination, value);
                None
            }
            AccessKind::Write { source, reversed } => {
                let value = value(registers, source, width);
                Some(if reversed {
                    width.swap_bytes(value)
                } else {
                    value
                })
            }
            AccessKind::ReadModifyWrite { modify, source } => {
                let source = value(registers, source, Width::Qword);
                let outcome = modified(modify, width, memory, source, registers.rflags);
                registers.rflags = outcome.merge(registers.rflags);
                Some(outcome.value)
            }
            AccessKind::Combine {
                combine,
                destination,
            } => {
                let first = registers.get(destination);
                let modify = match combine {
                    Combine::Add => Modify::Add,
                    Combine::Adc => Modify::Adc,
                    Combine::Sub => Modify::Sub,
                    Combine::Sbb => Modify::Sbb,
                    Combine::And => Modify::And,
                    Combine::Or => Modify::Or,
                    Combine::Xor => Modify::Xor,
                };
                let outcome = modified(modify, width, first, memory, registers.rflags);
                registers.set(destination, outcome.value);
                registers.rflags = outcome.merge(registers.rflags);
                None
            }
            AccessKind::Compare { compare, source } => {
                let source = value(registers, source, Width::Qword);
                let outcome = match compare {
                    Compare::MemoryFirst => alu::sub(width, memory, source, false),
                    Compare::MemorySecond => alu::sub(width, source, memory, false),
                    Compare::Test => alu::logic(width, memory & source),
                    Compare::Bit => alu::bit(width, memory, source),
                };
                registers.rflags = outcome.merge(registers.rflags);
                None
            }
            AccessKind::Exchange { register } => {
                let value = registers.get(register);
                registers.set(register, memory);
                Some(value)
            }
            AccessKind::CompareExchange { register } => {
                let compared = alu::sub(width, registers.get(accumulator), memory, false);
                registers.rflags = compared.merge(registers.rflags);
                if compared.value == 0 {
                    Some(registers.get(register))
                } else {
                    registers.set(accumulator, memory);
                    // The bus sees a write in any case (SDM volume 2A, CMPXCHG).
                    Some(memory)
                }
            }
            AccessKind::ExchangeAdd { register } => {
                let outcome = alu::add(width, memory, registers.get(register), false);
                registers.set(register, memory);
                registers.rflags = outcome.merge(registers.rflags);
                Some(outcome.value)
            }
            AccessKind::SetByte(condition) => Some(alu::holds(condition, registers.rflags).into()),
            AccessKind::MoveIf {
                condition,
                destination,
            } => {
                let holds = alu::holds(condition, registers.rflags);
                // 32 bits clear the upper half even if nothing is moved.
                let value = if holds {
                    memory
                } else {
                    registers.get(destination)
                };
                registers.set(destination, value);
                None
            }
            AccessKind::Push => {
                let pointer = self.pushed(registers);
                registers.set(self.stack_pointer(), pointer);
                Some(memory)
            }
            AccessKind::Pop => {
                let pointer = self.popped(registers);
                registers.set(self.stack_pointer(), pointer);
                Some(memory)
            }
            // Comes from `string_step`, never here.
            AccessKind::String(_) => None,
        }
    }
}

/// The second operand, cut to a width.
fn value(registers: &Registers, source: Source, width: Width) -> u64 {
    width.truncate(match source {
        Source::Register(register) => registers.get(register),
        Source::Immediate(value) => value,
    })
}

fn modified(modify: Modify, width: Width, memory: u64, source: u64, rflags: u64) -> Outcome {
    let carry = rflags & alu::CF != 0;
    let unchanged_flags = |value| Outcome {
        value: width.truncate(value),
        flags: 0,
        changed: 0,
    };
    let bit = |apply: fn(u64, u64) -> u64| {
        let bit = alu::bit(width, memory, source);
        Outcome {
            value: apply(memory, bit.value),
            ..bit
        }
    };
    match modify {
        Modify::Add => alu::add(width, memory, source, false),
        Modify::Adc => alu::add(width, memory, source, carry),
        Modify::Sub => alu::sub(width, memory, source, false),
        Modify::Sbb => alu::sub(width, memory, source, carry),
        Modify::And => alu::logic(width, memory & source),
        Modify::Or => alu::logic(width, memory | source),
        Modify::Xor => alu::logic(width, memory ^ source),
        Modify::Inc => alu::keep_carry(alu::add(width, memory, 1, false)),
        Modify::Dec => alu::keep_carry(alu::sub(width, memory, 1, false)),
        Modify::Not => unchanged_flags(!memory),
        Modify::Neg => alu::sub(width, 0, memory, false),
        Modify::Bts => bit(|memory, bit| memory | bit),
        Modify::Btr => bit(|memory, bit| memory & !bit),
        Modify::Btc => bit(|memory, bit| memory ^ bit),
        Modify::Rol => alu::shift(Shift::Rol, width, memory, source),
        Modify::Ror => alu::shift(Shift::Ror, width, memory, source),
        Modify::Shl => alu::shift(Shift::Shl, width, memory, source),
        Modify::Shr => alu::shift(Shift::Shr, width, memory, source),
        Modify::Sar => alu::shift(Shift::Sar, width, memory, source),
    }
}
