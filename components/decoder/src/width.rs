//! Sizes of operands, addresses and code.

/// Size of an operand or an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Word,
    /// 4 bytes.
    Dword,
    /// 8 bytes.
    Qword,
}

impl Width {
    /// In bytes.
    pub const fn bytes(self) -> u8 {
        match self {
            Width::Byte => 1,
            Width::Word => 2,
            Width::Dword => 4,
            Width::Qword => 8,
        }
    }

    /// In bits.
    pub const fn bits(self) -> u32 {
        self.bytes() as u32 * 8
    }

    /// The width of this many bytes.
    pub const fn from_bytes(bytes: u8) -> Option<Width> {
        match bytes {
            1 => Some(Width::Byte),
            2 => Some(Width::Word),
            4 => Some(Width::Dword),
            8 => Some(Width::Qword),
            _ => None,
        }
    }

    /// All bits of a value of this width.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The topmost bit.
    pub const fn sign_bit(self) -> u64 {
        1 << (self.bits() - 1)
    }

    /// The low bits of `value`.
    pub const fn truncate(self, value: u64) -> u64 {
        value & self.mask()
    }

    /// The low bits of `value`, the topmost of them repeated above.
    pub const fn sign_extend(self, value: u64) -> u64 {
        let unused = 64 - self.bits();
        (((value << unused) as i64) >> unused) as u64
    }

    /// The low bits of `value` with their bytes in reverse order.
    pub const fn swap_bytes(self, value: u64) -> u64 {
        self.truncate(value).swap_bytes() >> (64 - self.bits())
    }
}

/// Size of code: what addresses and operands are if no prefix says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeSize {
    /// Real mode, virtual-8086 mode, and code segments with neither L nor D.
    Bits16,
    /// Code segments with D, but not L.
    Bits32,
    /// Code segments with L in long mode.
    Bits64,
}

impl CodeSize {
    /// From the state of the processor: EFER.LMA, and the bits L and D/B of the code segment (APM volume 2,
    /// section 4.8).
    pub const fn from_state(long_mode_active: bool, long: bool, default_32: bool) -> CodeSize {
        match (long_mode_active && long, default_32) {
            (true, _) => CodeSize::Bits64,
            (false, true) => CodeSize::Bits32,
            (false, false) => CodeSize::Bits16,
        }
    }

    /// Size of addresses, with or without an address-size prefix.
    pub const fn address_size(self, prefix: bool) -> Width {
        match (self, prefix) {
            (CodeSize::Bits16, false) | (CodeSize::Bits32, true) => Width::Word,
            (CodeSize::Bits16, true) | (CodeSize::Bits32, false) | (CodeSize::Bits64, true) => {
                Width::Dword
            }
            (CodeSize::Bits64, false) => Width::Qword,
        }
    }

    /// Size of operands that are not bytes, with or without an operand-size prefix and REX.W.
    pub const fn operand_size(self, prefix: bool, wide: bool) -> Width {
        match (self, wide, prefix) {
            (CodeSize::Bits64, true, _) => Width::Qword,
            (CodeSize::Bits16, _, false) | (CodeSize::Bits32 | CodeSize::Bits64, _, true) => {
                Width::Word
            }
            _ => Width::Dword,
        }
    }

    /// Cuts a linear address or an instruction pointer to what exists in this code.
    pub const fn truncate_linear(self, address: u64) -> u64 {
        match self {
            CodeSize::Bits64 => address,
            CodeSize::Bits16 | CodeSize::Bits32 => Width::Dword.truncate(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths() {
        assert_eq!(Width::Byte.mask(), 0xff);
        assert_eq!(Width::Qword.mask(), u64::MAX);
        assert_eq!(Width::Word.sign_extend(0x1_8000), 0xffff_ffff_ffff_8000);
        assert_eq!(Width::Qword.sign_extend(0x8000), 0x8000);
        assert_eq!(Width::Dword.swap_bytes(0x99_1122_3344), 0x4433_2211);
        assert_eq!(Width::from_bytes(3), None);
        for width in [Width::Byte, Width::Word, Width::Dword, Width::Qword] {
            assert_eq!(Width::from_bytes(width.bytes()), Some(width));
        }
    }

    #[test]
    fn long_code_needs_long_mode() {
        assert_eq!(CodeSize::from_state(true, true, false), CodeSize::Bits64);
        assert_eq!(CodeSize::from_state(true, false, true), CodeSize::Bits32);
        // L means nothing outside long mode.
        assert_eq!(CodeSize::from_state(false, true, false), CodeSize::Bits16);
    }
}
