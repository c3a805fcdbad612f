//! General registers and segments.

use crate::width::Width;

/// A general register of 64 bits, by its number in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // Their names are their meaning.
pub enum Gpr {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

impl Gpr {
    /// All of them, in the order of their numbers.
    pub const ALL: [Gpr; 16] = [
        Gpr::Rax,
        Gpr::Rcx,
        Gpr::Rdx,
        Gpr::Rbx,
        Gpr::Rsp,
        Gpr::Rbp,
        Gpr::Rsi,
        Gpr::Rdi,
        Gpr::R8,
        Gpr::R9,
        Gpr::R10,
        Gpr::R11,
        Gpr::R12,
        Gpr::R13,
        Gpr::R14,
        Gpr::R15,
    ];

    /// The register with this number; only the low four bits count.
    pub const fn from_number(number: u8) -> Gpr {
        Gpr::ALL[(number & 15) as usize]
    }
}

/// A general register or a part of it, as an instruction names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The register.
    pub gpr: Gpr,
    /// How much of it.
    pub width: Width,
    /// True for `ah`, `ch`, `dh` and `bh`: bits 8 to 15.
    pub high: bool,
}

impl Register {
    /// The low part of a register.
    pub const fn low(gpr: Gpr, width: Width) -> Register {
        Register {
            gpr,
            width,
            high: false,
        }
    }

    /// Bits 8 to 15 of `rax`, `rcx`, `rdx` or `rbx`.
    pub const fn high_byte(gpr: Gpr) -> Register {
        Register {
            gpr,
            width: Width::Byte,
            high: true,
        }
    }
}

/// A segment register, by its number in instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // Their names are their meaning.
pub enum Segment {
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
}

/// Base addresses of the segments, in the order of [`Segment`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentBases(pub [u64; 6]);

impl SegmentBases {
    /// The base of a segment.
    pub const fn get(&self, segment: Segment) -> u64 {
        self.0[segment as usize]
    }
}

/// The registers that instructions of a VMM's concern read and write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// General registers, in the order of [`Gpr`].
    pub general: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
}

impl Registers {
    /// All 64 bits of a register.
    pub const fn gpr(&self, gpr: Gpr) -> u64 {
        self.general[gpr as usize]
    }

    /// A register or the part of it, in the low bits.
    pub const fn get(&self, register: Register) -> u64 {
        let whole = self.gpr(register.gpr);
        register
            .width
            .truncate(if register.high { whole >> 8 } else { whole })
    }

    /// Sets a register or a part of it. The rest of it stays, but 32 bits clear the upper half (SDM volume 1,
    /// section 3.4.1.1). In 16-bit and 32-bit code the upper half does not exist, so that holds there too.
    pub const fn set(&mut self, register: Register, value: u64) {
        let value = register.width.truncate(value);
        let whole = &mut self.general[register.gpr as usize];
        *whole = match register.width {
            Width::Qword | Width::Dword => value,
            Width::Byte if register.high => (*whole & !0xff00) | value << 8,
            Width::Byte | Width::Word => (*whole & !register.width.mask()) | value,
        };
    }

    /// True if all of these flags are set.
    pub const fn flag(&self, flags: u64) -> bool {
        self.rflags & flags == flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_registers() {
        let mut registers = Registers::default();
        registers.general[Gpr::Rbx as usize] = 0x1122_3344_5566_7788;
        let bh = Register::high_byte(Gpr::Rbx);
        assert_eq!(registers.get(bh), 0x77);
        registers.set(bh, 0xabcd);
        assert_eq!(registers.gpr(Gpr::Rbx), 0x1122_3344_5566_cd88);
        registers.set(Register::low(Gpr::Rbx, Width::Byte), 0x11);
        registers.set(Register::low(Gpr::Rbx, Width::Word), 0xffff_2222);
        assert_eq!(registers.gpr(Gpr::Rbx), 0x1122_3344_5566_2222);
        registers.set(Register::low(Gpr::Rbx, Width::Dword), 0x9_8765_4321);
        assert_eq!(registers.gpr(Gpr::Rbx), 0x8765_4321);
    }
}
