//! Operands in memory and their addresses.

use crate::register::{Gpr, Registers, Segment, SegmentBases};
use crate::width::{CodeSize, Width};

/// What the address of an operand starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// A general register.
    Gpr(Gpr),
    /// The instruction pointer, behind the instruction.
    NextInstruction,
}

/// An operand in memory: `segment:[base + index * scale + displacement]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryOperand {
    /// Segment, by prefix or by default.
    pub segment: Segment,
    /// Base register.
    pub base: Option<Base>,
    /// Index register.
    pub index: Option<Gpr>,
    /// Factor of the index: 1, 2, 4 or 8.
    pub scale: u8,
    /// Displacement, sign extended.
    pub displacement: i64,
    /// Size of the address: the sum is cut to it. Never [`Width::Byte`].
    pub address_size: Width,
    /// Size of the operand.
    pub width: Width,
}

impl MemoryOperand {
    /// The offset within the segment. `next` is the address of the following instruction.
    pub const fn effective_address(&self, registers: &Registers, next: u64) -> u64 {
        let base = match self.base {
            Some(Base::Gpr(gpr)) => registers.gpr(gpr),
            Some(Base::NextInstruction) => next,
            None => 0,
        };
        let index = match self.index {
            Some(gpr) => registers.gpr(gpr).wrapping_mul(self.scale as u64),
            None => 0,
        };
        let sum = base
            .wrapping_add(index)
            .wrapping_add(self.displacement as u64);
        self.address_size.truncate(sum)
    }

    /// The linear address of an offset in this operand's segment. In 64-bit code only `fs` and `gs` have a
    /// base (APM volume 2, section 4.5.3).
    pub const fn linear_address(&self, code: CodeSize, bases: &SegmentBases, offset: u64) -> u64 {
        let flat =
            matches!(code, CodeSize::Bits64) && !matches!(self.segment, Segment::Fs | Segment::Gs);
        let base = if flat { 0 } else { bases.get(self.segment) };
        code.truncate_linear(base.wrapping_add(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operand(address_size: Width) -> MemoryOperand {
        MemoryOperand {
            segment: Segment::Gs,
            base: Some(Base::Gpr(Gpr::Rbx)),
            index: Some(Gpr::Rcx),
            scale: 4,
            displacement: -8,
            address_size,
            width: Width::Dword,
        }
    }

    #[test]
    fn addresses_wrap_at_their_size() {
        let mut registers = Registers::default();
        registers.general[Gpr::Rbx as usize] = 0x1_0000_fffc;
        registers.general[Gpr::Rcx as usize] = 3;
        let at = |size| operand(size).effective_address(&registers, 0);
        assert_eq!(at(Width::Qword), 0x1_0001_0000);
        assert_eq!(at(Width::Dword), 0x1_0000);
        assert_eq!(at(Width::Word), 0);
    }

    #[test]
    fn segments_have_bases_except_in_long_code() {
        let bases = SegmentBases([0x1000; 6]);
        let gs = operand(Width::Qword);
        let ds = MemoryOperand {
            segment: Segment::Ds,
            ..gs
        };
        assert_eq!(gs.linear_address(CodeSize::Bits64, &bases, 8), 0x1008);
        assert_eq!(ds.linear_address(CodeSize::Bits64, &bases, 8), 8);
        assert_eq!(ds.linear_address(CodeSize::Bits16, &bases, 8), 0x1008);
        assert_eq!(
            gs.linear_address(CodeSize::Bits32, &bases, 0xffff_ff00),
            0xf00
        );
    }
}
