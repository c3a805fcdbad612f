//! MSI-X: the table, the pending bits, and when a message goes out (PCI 6.8.2).

use alloc::vec;
use alloc::vec::Vec;

/// Vectors of one function at most: the pending bits fit one word.
pub const MAX_VECTORS: u16 = 64;

/// Bytes of a table entry.
const ENTRY: u64 = 16;
/// Vector control: the vector is masked.
const MASKED: u32 = 1;

/// A message: a write of four bytes that the platform takes for an interrupt.
///
/// The guest chooses both parts. Only addresses 0xfee0_0000 to 0xfeef_ffff are interrupts; real hardware would write
/// others to memory, a monitor drops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Address of the write.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

/// One table entry; after reset masked (PCI 6.8.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    words: [u32; 4],
}

impl Entry {
    const RESET: Entry = Entry {
        words: [0, 0, 0, MASKED],
    };

    fn is_masked(&self) -> bool {
        self.words[3] & MASKED != 0
    }

    fn message(&self) -> Message {
        Message {
            // Address bits 1:0 read as zero (PCI 6.8.2.6).
            address: u64::from(self.words[1]) << 32 | u64::from(self.words[0] & !3),
            data: self.words[2],
        }
    }
}

/// Table and pending bits of one function. Enable and function mask are in its configuration space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Msix {
    entries: Vec<Entry>,
    pending: u64,
    /// Base address register that both structures lie behind.
    pub(crate) bar: u8,
    table: u64,
    pending_bits: u64,
    /// Offset of the capability in configuration space.
    pub(crate) capability: u8,
}

impl Msix {
    /// Offset of the message control register within the capability.
    pub(crate) const CONTROL: u8 = 2;
    /// Message control: MSI-X is in use.
    pub(crate) const ENABLE: u16 = 1 << 15;
    /// Message control: all vectors are masked.
    pub(crate) const FUNCTION_MASK: u16 = 1 << 14;

    pub(crate) fn new(vectors: u16, bar: u8, table: u64, pending: u64, capability: u8) -> Msix {
        Msix {
            entries: vec![Entry::RESET; usize::from(vectors)],
            pending: 0,
            bar,
            table,
            pending_bits: pending,
            capability,
        }
    }

    /// Bytes that a table of so many vectors takes.
    pub(crate) fn table_size(vectors: u16) -> u64 {
        u64::from(vectors) * ENTRY
    }

    /// Bytes of the pending bits.
    pub(crate) const PENDING_SIZE: u64 = 8;

    pub(crate) fn vectors(&self) -> u16 {
        self.entries.len() as u16
    }

    pub(crate) fn reset(&mut self) {
        self.entries.fill(Entry::RESET);
        self.pending = 0;
    }

    /// The event of `vector` happened. `open` says that messages may go out at all.
    pub(crate) fn raise(&mut self, vector: u16, open: bool) -> Option<Message> {
        let entry = self.entries.get(usize::from(vector))?;
        if open && !entry.is_masked() {
            // One message stands for an event that was still pending too.
            self.pending &= !(1 << vector);
            return Some(entry.message());
        }
        self.pending |= 1 << vector;
        None
    }

    /// The next message that was held back and no longer is.
    pub(crate) fn release(&mut self) -> Option<Message> {
        let mut left = self.pending;
        while left != 0 {
            let vector = left.trailing_zeros() as usize;
            left &= left - 1;
            let entry = self.entries.get(vector)?;
            if !entry.is_masked() {
                self.pending &= !(1 << vector);
                return Some(entry.message());
            }
        }
        None
    }

    /// Whether these bytes belong to table or pending bits.
    pub(crate) fn claims(&self, bar: u8, offset: u64) -> bool {
        bar == self.bar
            && (within(offset, self.table, Self::table_size(self.vectors()))
                || within(offset, self.pending_bits, Self::PENDING_SIZE))
    }

    /// Reads 4 or 8 aligned bytes; other accesses are undefined (PCI 6.8.2) and give all ones.
    pub(crate) fn read(&self, offset: u64, size: u8) -> u64 {
        match size {
            4 if offset.is_multiple_of(4) => u64::from(self.read_word(offset)),
            8 if offset.is_multiple_of(8) => {
                u64::from(self.read_word(offset)) | u64::from(self.read_word(offset + 4)) << 32
            }
            _ => u64::MAX,
        }
    }

    /// Writes 4 or 8 aligned bytes; other accesses are ignored.
    pub(crate) fn write(&mut self, offset: u64, size: u8, value: u64) {
        match size {
            4 if offset.is_multiple_of(4) => self.write_word(offset, value as u32),
            8 if offset.is_multiple_of(8) => {
                self.write_word(offset, value as u32);
                self.write_word(offset + 4, (value >> 32) as u32);
            }
            _ => {}
        }
    }

    fn read_word(&self, offset: u64) -> u32 {
        if let Some((entry, word)) = self.locate(offset) {
            return self.entries[entry].words[word];
        }
        match offset.checked_sub(self.pending_bits) {
            Some(0) => self.pending as u32,
            Some(4) => (self.pending >> 32) as u32,
            _ => 0,
        }
    }

    fn write_word(&mut self, offset: u64, value: u32) {
        // The pending bits are read-only (PCI 6.8.2.10).
        if let Some((entry, word)) = self.locate(offset) {
            // Vector control has one bit that is not reserved.
            self.entries[entry].words[word] = if word == 3 { value & MASKED } else { value };
        }
    }

    fn locate(&self, offset: u64) -> Option<(usize, usize)> {
        if !within(offset, self.table, Self::table_size(self.vectors())) {
            return None;
        }
        let offset = offset - self.table;
        Some(((offset / ENTRY) as usize, (offset % ENTRY / 4) as usize))
    }
}

fn within(offset: u64, start: u64, size: u64) -> bool {
    offset.checked_sub(start).is_some_and(|at| at < size)
}
