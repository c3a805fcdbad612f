//! Little-endian fields in bytes that may be too short, and in bytes that are being made.

use alloc::vec::Vec;

/// Part of a file; nothing if it is not wholly there.
pub fn part(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let end = offset.checked_add(length)?;
    bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

fn field<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// 8 bits.
pub fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// 16 bits.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    field(bytes, offset).map(u16::from_le_bytes)
}

/// 32 bits.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    field(bytes, offset).map(u32::from_le_bytes)
}

/// 64 bits.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    field(bytes, offset).map(u64::from_le_bytes)
}

/// A structure that is being made, field after field.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Appends 16 bits.
    pub fn u16(&mut self, value: u16) -> &mut Writer {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 32 bits.
    pub fn u32(&mut self, value: u32) -> &mut Writer {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends 64 bits.
    pub fn u64(&mut self, value: u64) -> &mut Writer {
        self.bytes(&value.to_le_bytes())
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a string and a zero byte.
    pub fn string(&mut self, string: &str) -> &mut Writer {
        self.bytes(string.as_bytes()).bytes(&[0])
    }

    /// Appends zero bytes up to a multiple of `align`.
    pub fn align(&mut self, align: usize) -> &mut Writer {
        self.0.resize(self.0.len().next_multiple_of(align), 0);
        self
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Sets bytes of a structure of fixed size; what does not fit is left out.
pub fn put(structure: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(field) = structure.get_mut(offset..offset + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}
