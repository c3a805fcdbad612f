//! String instructions, one step at a time.

use crate::alu;
use crate::execute::{Executed, Place, Places};
use crate::instruction::{Access, Repeat, StringOperation};
use crate::memory::{Base, MemoryOperand};
use crate::register::{Gpr, Register, Registers, Segment, SegmentBases};

impl Access {
    pub(crate) fn string_places(
        &self,
        operation: StringOperation,
        registers: &Registers,
        bases: &SegmentBases,
    ) -> Places {
        if self.repeat != Repeat::No && registers.get(self.pointer(Gpr::Rcx)) == 0 {
            return Places::default();
        }
        let place = |operand: MemoryOperand| {
            let offset = operand.effective_address(registers, 0);
            Place {
                address: operand.linear_address(self.code, bases, offset),
                width: operand.width,
            }
        };
        let operand = place(self.operand);
        let destination = place(MemoryOperand {
            segment: Segment::Es,
            base: Some(Base::Gpr(Gpr::Rdi)),
            ..self.operand
        });
        let (reads, write) = match operation {
            StringOperation::Move => ([Some(operand), None], Some(destination)),
            StringOperation::Load | StringOperation::Scan => ([Some(operand), None], None),
            StringOperation::Store => ([None, None], Some(operand)),
            StringOperation::Compare => ([Some(operand), Some(destination)], None),
        };
        Places { reads, write }
    }

    pub(crate) fn string_step(
        &self,
        operation: StringOperation,
        registers: &mut Registers,
        read: [u64; 2],
    ) -> Executed {
        let counter = self.pointer(Gpr::Rcx);
        let count = registers.get(counter);
        if self.repeat != Repeat::No && count == 0 {
            return Executed {
                write: None,
                finished: true,
            };
        }

        let width = self.width();
        let accumulator = Register::low(Gpr::Rax, width);
        let mut write = None;
        let mut compared = None;
        match operation {
            StringOperation::Move => write = Some(width.truncate(read[0])),
            StringOperation::Load => registers.set(accumulator, read[0]),
            StringOperation::Store => write = Some(registers.get(accumulator)),
            StringOperation::Compare => {
                compared = Some(alu::sub(width, read[0], read[1], false));
            }
            StringOperation::Scan => {
                let value = registers.get(accumulator);
                compared = Some(alu::sub(width, value, read[0], false));
            }
        }
        if let Some(outcome) = compared {
            registers.rflags = outcome.merge(registers.rflags);
        }
        if !matches!(operation, StringOperation::Store | StringOperation::Scan) {
            self.advance(registers, Gpr::Rsi);
        }
        if operation != StringOperation::Load {
            self.advance(registers, Gpr::Rdi);
        }

        let finished = match self.repeat {
            Repeat::No => true,
            repeat => {
                registers.set(counter, count - 1);
                let equal = repeat == Repeat::WhileEqual;
                let stop = compared.is_some_and(|outcome| (outcome.value == 0) != equal);
                count == 1 || stop
            }
        };
        Executed { write, finished }
    }

    /// `rsi`, `rdi` or `rcx`, as large as addresses are.
    fn pointer(&self, gpr: Gpr) -> Register {
        Register::low(gpr, self.operand.address_size)
    }

    /// Moves a pointer to the next element, in the direction that the flags say.
    fn advance(&self, registers: &mut Registers, gpr: Gpr) {
        let pointer = self.pointer(gpr);
        let step = u64::from(self.width().bytes());
        let here = registers.get(pointer);
        let there = if registers.flag(alu::DF) {
            here.wrapping_sub(step)
        } else {
            here.wrapping_add(step)
        };
        registers.set(pointer, there);
    }
}
