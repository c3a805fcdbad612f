//! Memory type range registers (SDM volume 3A, section 12.11).
//!
//! They have no effect: the nested page tables decide what memory is, and all of a guest's RAM is write-back.
//! A guest finds them as firmware leaves them where all memory is write-back.

/// Variable ranges.
const VARIABLE: usize = 8;
const FIXED: usize = 11;

const CAPABILITIES: u32 = 0xfe;
const VARIABLE_FIRST: u32 = 0x200;
const VARIABLE_LAST: u32 = VARIABLE_FIRST + 2 * VARIABLE as u32 - 1;
const FIXED_REGISTERS: [u32; FIXED] = [
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
];
const DEFAULT_TYPE: u32 = 0x2ff;

/// So many variable ranges; fixed ranges; write-combining.
const CAPABILITIES_VALUE: u64 = VARIABLE as u64 | 1 << 8 | 1 << 10;
/// Write-back.
const WRITE_BACK: u64 = 6;
/// Fixed ranges and all ranges on.
const DEFAULT_ENABLES: u64 = 0b11 << 10;
/// A variable range's mask: the range is on.
const VALID: u64 = 1 << 11;

/// True for one of these registers.
pub const fn is(register: u32) -> bool {
    matches!(
        register,
        CAPABILITIES
            | VARIABLE_FIRST..=VARIABLE_LAST
            | 0x250
            | 0x258
            | 0x259
            | 0x268..=0x26f
            | DEFAULT_TYPE
    )
}

/// The registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtrrs {
    /// Base and mask in turn.
    variable: [u64; 2 * VARIABLE],
    fixed: [u64; FIXED],
    default: u64,
}

impl Mtrrs {
    /// All memory is write-back.
    pub const fn new() -> Mtrrs {
        Mtrrs {
            variable: [0; 2 * VARIABLE],
            fixed: [WRITE_BACK * 0x0101_0101_0101_0101; FIXED],
            default: DEFAULT_ENABLES | WRITE_BACK,
        }
    }

    fn fixed(register: u32) -> Option<usize> {
        FIXED_REGISTERS.iter().position(|fixed| *fixed == register)
    }

    /// Nothing if there is no such register.
    pub fn read(&self, register: u32) -> Option<u64> {
        Some(match register {
            CAPABILITIES => CAPABILITIES_VALUE,
            VARIABLE_FIRST..=VARIABLE_LAST => self.variable[(register - VARIABLE_FIRST) as usize],
            DEFAULT_TYPE => self.default,
            _ => self.fixed[Mtrrs::fixed(register)?],
        })
    }

    /// Nothing if the register cannot be written, or not with this value.
    pub fn write(&mut self, register: u32, value: u64, physical_bits: u8) -> Option<()> {
        let beyond = u64::MAX << physical_bits;
        match register {
            VARIABLE_FIRST..=VARIABLE_LAST => {
                let is_mask = !register.is_multiple_of(2);
                let low = value & 0xfff;
                let good = if is_mask {
                    low & !VALID == 0
                } else {
                    is_type(low)
                };
                if !good || value & beyond != 0 {
                    return None;
                }
                self.variable[(register - VARIABLE_FIRST) as usize] = value;
            }
            DEFAULT_TYPE => {
                if value & !(DEFAULT_ENABLES | 0xff) != 0 || !is_type(value & 0xff) {
                    return None;
                }
                self.default = value;
            }
            _ => {
                let index = Mtrrs::fixed(register)?;
                if !value
                    .to_le_bytes()
                    .iter()
                    .all(|kind| is_type((*kind).into()))
                {
                    return None;
                }
                self.fixed[index] = value;
            }
        }
        Some(())
    }
}

/// Uncacheable, write-combining, write-through, write-protected, write-back.
const fn is_type(kind: u64) -> bool {
    matches!(kind, 0 | 1 | 4 | 5 | 6)
}
