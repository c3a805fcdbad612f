//! Arithmetic with flags (SDM volume 1, section 3.4.3, and the instructions' pages in volume 2).

use crate::instruction::Condition;
use crate::width::Width;

/// Carry.
pub const CF: u64 = 1 << 0;
/// Even number of ones in the low byte.
pub const PF: u64 = 1 << 2;
/// Carry out of bit 3.
pub const AF: u64 = 1 << 4;
/// Zero.
pub const ZF: u64 = 1 << 6;
/// Topmost bit.
pub const SF: u64 = 1 << 7;
/// Direction of string instructions: down if set.
pub const DF: u64 = 1 << 10;
/// Signed overflow.
pub const OF: u64 = 1 << 11;
/// The six flags that arithmetic changes.
pub const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;

/// A result and the flags that come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result, cut to its width.
    pub value: u64,
    /// New values of the flags in `changed`.
    pub flags: u64,
    /// Which flags change.
    pub changed: u64,
}

impl Outcome {
    /// Merges the flags into what they were.
    pub const fn merge(&self, rflags: u64) -> u64 {
        (rflags & !self.changed) | (self.flags & self.changed)
    }
}

const fn when(condition: bool, flag: u64) -> u64 {
    if condition { flag } else { 0 }
}

/// Zero, sign and parity of a result.
const fn sign_zero_parity(width: Width, value: u64) -> u64 {
    when(value == 0, ZF)
        | when(value & width.sign_bit() != 0, SF)
        | when((value as u8).count_ones().is_multiple_of(2), PF)
}

/// `a + b + carry`.
pub const fn add(width: Width, a: u64, b: u64, carry: bool) -> Outcome {
    let (a, b) = (width.truncate(a), width.truncate(b));
    let value = width.truncate(a.wrapping_add(b).wrapping_add(carry as u64));
    // The carries into each bit are the bits of a ^ b ^ value; out of the topmost by majority.
    let carries = (a & b) | ((a | b) & !value);
    Outcome {
        value,
        flags: sign_zero_parity(width, value)
            | when(carries & width.sign_bit() != 0, CF)
            | when(carries & 8 != 0, AF)
            | when((a ^ value) & (b ^ value) & width.sign_bit() != 0, OF),
        changed: ARITHMETIC,
    }
}

/// `a - b - borrow`.
pub const fn sub(width: Width, a: u64, b: u64, borrow: bool) -> Outcome {
    let (a, b) = (width.truncate(a), width.truncate(b));
    let value = width.truncate(a.wrapping_sub(b).wrapping_sub(borrow as u64));
    let borrows = (!a & b) | ((!a | b) & value);
    Outcome {
        value,
        flags: sign_zero_parity(width, value)
            | when(borrows & width.sign_bit() != 0, CF)
            | when(borrows & 8 != 0, AF)
            | when((a ^ b) & (a ^ value) & width.sign_bit() != 0, OF),
        changed: ARITHMETIC,
    }
}

/// The flags of `and`, `or`, `xor` and `test`. AF is undefined; it is cleared, as processors do.
pub const fn logic(width: Width, value: u64) -> Outcome {
    let value = width.truncate(value);
    Outcome {
        value,
        flags: sign_zero_parity(width, value),
        changed: ARITHMETIC,
    }
}

/// `inc` and `dec` leave the carry alone.
pub const fn keep_carry(outcome: Outcome) -> Outcome {
    Outcome {
        changed: ARITHMETIC & !CF,
        ..outcome
    }
}

/// The bit that `bt` and its relatives look at.
pub const fn bit(width: Width, value: u64, number: u64) -> Outcome {
    let number = number % width.bits() as u64;
    Outcome {
        value: 1 << number,
        flags: when(value >> number & 1 != 0, CF),
        changed: CF,
    }
}

/// Shifts and rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Rotate left.
    Rol,
    /// Rotate right.
    Ror,
    /// Shift left.
    Shl,
    /// Shift right, zeros from above.
    Shr,
    /// Shift right, sign from above.
    Sar,
}

/// A shift or a rotation. The count is cut to 5 bits (6 for 64-bit operands); 0 changes no flag. OF is
/// defined for a count of 1 only; for others it gets the value that the same rule gives.
pub const fn shift(shift: Shift, width: Width, value: u64, count: u64) -> Outcome {
    let bits = width.bits();
    let value = width.truncate(value);
    let count = count as u32 & if bits == 64 { 63 } else { 31 };
    if count == 0 {
        return Outcome {
            value,
            flags: 0,
            changed: 0,
        };
    }
    let sign = width.sign_bit();
    match shift {
        Shift::Rol | Shift::Ror => {
            let turn = count % bits;
            let left = if matches!(shift, Shift::Rol) {
                turn
            } else {
                (bits - turn) % bits
            };
            let result = if left == 0 {
                value
            } else {
                width.truncate(value << left | value >> (bits - left))
            };
            let top = result & sign != 0;
            let (carry, overflow) = if matches!(shift, Shift::Rol) {
                (result & 1 != 0, top != (result & 1 != 0))
            } else {
                (top, top != (result & (sign >> 1) != 0))
            };
            Outcome {
                value: result,
                flags: when(carry, CF) | when(overflow, OF),
                changed: CF | OF,
            }
        }
        Shift::Shl | Shift::Shr | Shift::Sar => {
            let (result, carry, overflow) = match shift {
                Shift::Shl => {
                    let result = width.truncate(value << count);
                    let carry = count <= bits && value >> (bits - count) & 1 != 0;
                    (result, carry, carry != (result & sign != 0))
                }
                Shift::Shr => {
                    let carry = value >> (count - 1) & 1 != 0;
                    (value >> count, carry, value & sign != 0)
                }
                _ => {
                    let signed = width.sign_extend(value) as i64;
                    let carry = signed >> (count - 1) & 1 != 0;
                    (width.truncate((signed >> count) as u64), carry, false)
                }
            };
            Outcome {
                value: result,
                flags: sign_zero_parity(width, result) | when(carry, CF) | when(overflow, OF),
                changed: ARITHMETIC,
            }
        }
    }
}

/// Whether a condition holds.
pub const fn holds(condition: Condition, rflags: u64) -> bool {
    let carry = rflags & CF != 0;
    let zero = rflags & ZF != 0;
    let sign = rflags & SF != 0;
    let overflow = rflags & OF != 0;
    let parity = rflags & PF != 0;
    match condition {
        Condition::Overflow => overflow,
        Condition::NotOverflow => !overflow,
        Condition::Below => carry,
        Condition::AboveOrEqual => !carry,
        Condition::Equal => zero,
        Condition::NotEqual => !zero,
        Condition::BelowOrEqual => carry || zero,
        Condition::Above => !carry && !zero,
        Condition::Sign => sign,
        Condition::NotSign => !sign,
        Condition::Parity => parity,
        Condition::NotParity => !parity,
        Condition::Less => sign != overflow,
        Condition::GreaterOrEqual => sign == overflow,
        Condition::LessOrEqual => zero || sign != overflow,
        Condition::Greater => !zero && sign == overflow,
    }
}
