//! Decoding: what `yaxpeax-x86` makes of the bytes, put right where it is wrong.

use crate::MAX_LENGTH;
use crate::error::DecodeError;
use crate::instruction::{Instruction, Operation};
use crate::lift::lift;
use crate::operation::Builder;
use crate::prefix::{Prefixes, RepeatPrefix};
use crate::width::CodeSize;

/// Decodes the instruction at the start of `bytes`, of which 15 are always enough.
///
/// # Errors
/// [`DecodeError`], if there is none. What it decodes is what any x86 processor has: whether this guest's
/// processor has it is for its CPU profile to say.
pub fn decode(bytes: &[u8], code: CodeSize) -> Result<Instruction, DecodeError> {
    let prefixes = Prefixes::read(bytes, code);
    if prefixes.stray_rex > 0 {
        return without_stray_rex(bytes, code, &prefixes);
    }
    if let Some(branch) = resized_branch(bytes, code, &prefixes) {
        return branch;
    }
    let shape = lift(bytes, code)?;
    let builder = Builder {
        pause: prefixes.repeat == Some(RepeatPrefix::Equal)
            && bytes.get(prefixes.length) == Some(&0x90),
        prefixes,
        code,
        shape,
    };
    Ok(Instruction {
        length: shape.length,
        operation: builder.operation().unwrap_or(Operation::Other),
    })
}

/// REX prefixes that do not stand right before the opcode have no effect but on the length. `yaxpeax-x86`
/// takes some of them for effective.
fn without_stray_rex(
    bytes: &[u8],
    code: CodeSize,
    prefixes: &Prefixes,
) -> Result<Instruction, DecodeError> {
    let bytes = bytes.get(..MAX_LENGTH).unwrap_or(bytes);
    let mut kept = [0; MAX_LENGTH];
    let mut length = 0;
    for (index, byte) in bytes.iter().enumerate() {
        // The last prefix, if it is one, is in force.
        if !matches!(byte, 0x40..=0x4f) || index + 1 >= prefixes.length {
            kept[length] = *byte;
            length += 1;
        }
    }
    let removed = bytes.len() - length;
    match decode(&kept[..length], code) {
        Err(DecodeError::Incomplete) if bytes.len() == MAX_LENGTH => Err(DecodeError::TooLong),
        other => other.map(|instruction| instruction.lengthened(removed as u8)),
    }
}

/// A near branch with an operand-size prefix outside 64-bit code. `yaxpeax-x86` overlooks that the prefix
/// changes the size of the distance.
fn resized_branch(
    bytes: &[u8],
    code: CodeSize,
    prefixes: &Prefixes,
) -> Option<Result<Instruction, DecodeError>> {
    let distance = match code {
        CodeSize::Bits16 => 4,
        CodeSize::Bits32 => 2,
        CodeSize::Bits64 => return None,
    };
    if !prefixes.operand_size || prefixes.lock {
        return None;
    }
    let opcode = match bytes.get(prefixes.length..)? {
        [0xe8 | 0xe9, ..] => 1,
        [0x0f, 0x80..=0x8f, ..] => 2,
        _ => return None,
    };
    let length = prefixes.length + opcode + distance;
    Some(if length > MAX_LENGTH {
        Err(DecodeError::TooLong)
    } else if length > bytes.len() {
        Err(DecodeError::Incomplete)
    } else {
        Ok(Instruction {
            length: length as u8,
            operation: Operation::Other,
        })
    })
}
