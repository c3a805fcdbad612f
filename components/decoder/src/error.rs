//! Why bytes are no instruction.

use core::fmt;

/// Why the bytes cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The instruction is longer than the bytes given: fetch more.
    Incomplete,
    /// No such instruction: a processor raises #UD.
    Invalid,
    /// Longer than 15 bytes: a processor raises #GP(0).
    TooLong,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Incomplete => "the bytes end within the instruction",
            DecodeError::Invalid => "the bytes are no instruction",
            DecodeError::TooLong => "the instruction is longer than 15 bytes",
        })
    }
}

impl core::error::Error for DecodeError {}
