//! Decoded instructions, kept.
//!
//! A driver's accesses to a device come from few instructions, again and again. What an instruction is depends
//! on nothing but its own bytes and the size of the code, so a kept one is right as long as the guest's bytes
//! are the same, whoever changed them in the meantime.

use crate::MAX_LENGTH;
use crate::decode::decode;
use crate::error::DecodeError;
use crate::instruction::Instruction;
use crate::width::CodeSize;

/// Instructions that are kept.
const ENTRIES: usize = 16;

/// The instructions decoded last, one per place that their addresses lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    entries: [Option<Entry>; ENTRIES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    code: CodeSize,
    bytes: [u8; MAX_LENGTH],
    instruction: Instruction,
}

impl Entry {
    fn is(&self, bytes: &[u8], code: CodeSize) -> bool {
        let length = usize::from(self.instruction.length);
        self.code == code && bytes.get(..length) == self.bytes.get(..length)
    }
}

impl Cache {
    /// Nothing kept.
    pub fn new() -> Cache {
        Cache::default()
    }

    /// Like [`decode`]. `address` only says where to look.
    ///
    /// # Errors
    /// [`DecodeError`], if there is no instruction at the start of `bytes`.
    pub fn decode(
        &mut self,
        address: u64,
        bytes: &[u8],
        code: CodeSize,
    ) -> Result<Instruction, DecodeError> {
        // Neighbours in a loop get places of their own.
        let place = (address ^ address >> 4) as usize % ENTRIES;
        if let Some(entry) = &self.entries[place]
            && entry.is(bytes, code)
        {
            return Ok(entry.instruction);
        }
        let instruction = decode(bytes, code)?;
        let mut kept = [0; MAX_LENGTH];
        let length = usize::from(instruction.length);
        kept[..length].copy_from_slice(&bytes[..length]);
        self.entries[place] = Some(Entry {
            code,
            bytes: kept,
            instruction,
        });
        Ok(instruction)
    }
}
