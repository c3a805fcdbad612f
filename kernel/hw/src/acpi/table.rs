//! Tables: header, length, checksum.

use core::fmt;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Bytes of the header of a table.
pub const HEADER_BYTES: usize = 36;
/// The longest table that is believed. DSDTs of large servers have some hundred KiB.
pub const MAX_BYTES: usize = 4 << 20;

/// Access to physical memory, for reading tables.
pub trait PhysicalBytes<'a> {
    /// `length` bytes from physical address `address` on, or `None` if they cannot be read.
    fn bytes(&self, address: u64, length: usize) -> Option<&'a [u8]>;
}

/// Why a table is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// Its memory cannot be read.
    Unreadable,
    /// Its length is less than it must be, or absurdly large.
    Length,
    /// Its checksum is wrong.
    Checksum,
    /// It has another signature than it must have.
    Signature,
    /// Something inside it makes no sense.
    Contents,
    /// The machine has no such table.
    Missing,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableError::Unreadable => "its memory cannot be read",
            TableError::Length => "its length makes no sense",
            TableError::Checksum => "its checksum is wrong",
            TableError::Signature => "its signature is wrong",
            TableError::Contents => "its contents make no sense",
            TableError::Missing => "there is none",
        })
    }
}

/// A table's four letters.
pub type Signature = [u8; 4];

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    signature: Signature,
    length: U32,
    revision: u8,
    checksum: u8,
    oem: [u8; 6],
    oem_table: [u8; 8],
    oem_revision: U32,
    creator: U32,
    creator_revision: U32,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);

/// The signature of the table at `address`, unchecked otherwise.
pub fn signature<'a>(memory: &impl PhysicalBytes<'a>, address: u64) -> Option<Signature> {
    let bytes = memory.bytes(address, HEADER_BYTES)?;
    Some(Header::ref_from_bytes(bytes).ok()?.signature)
}

/// The table at `address`, header included, with length and checksum checked.
pub fn read<'a>(
    memory: &impl PhysicalBytes<'a>,
    address: u64,
    signature: &Signature,
) -> Result<&'a [u8], TableError> {
    let header = memory
        .bytes(address, HEADER_BYTES)
        .ok_or(TableError::Unreadable)?;
    let header = Header::ref_from_bytes(header).map_err(|_| TableError::Unreadable)?;
    if header.signature != *signature {
        return Err(TableError::Signature);
    }
    let length = header.length.get() as usize;
    if !(HEADER_BYTES..=MAX_BYTES).contains(&length) {
        return Err(TableError::Length);
    }
    let bytes = memory
        .bytes(address, length)
        .ok_or(TableError::Unreadable)?;
    if sum(bytes) == 0 {
        Ok(bytes)
    } else {
        Err(TableError::Checksum)
    }
}

/// The sum of all bytes; 0 for an intact structure.
pub fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// The `N` bytes at `offset`, if there are so many.
pub fn field<const N: usize>(table: &[u8], offset: usize) -> Option<[u8; N]> {
    table.get(offset..)?.first_chunk().copied()
}

/// Splits a list of records that begin with a type and a length byte, as MADT and SRAT have them. Ends at
/// the first record that does not fit.
pub fn records(mut list: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), TableError>> {
    core::iter::from_fn(move || {
        let [kind, length, ..] = *list else {
            let rest = core::mem::take(&mut list);
            return (!rest.is_empty()).then_some(Err(TableError::Length));
        };
        let length = usize::from(length);
        if length < 2 || length > list.len() {
            list = &[];
            return Some(Err(TableError::Length));
        }
        let (record, rest) = list.split_at(length);
        list = rest;
        Some(Ok((kind, record)))
    })
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use std::vec::Vec;

    /// Memory with tables at some places.
    #[derive(Default)]
    pub struct Memory(pub Vec<(u64, &'static [u8])>);

    impl Memory {
        pub fn put(&mut self, address: u64, bytes: Vec<u8>) {
            self.0.push((address, bytes.leak()));
        }
    }

    impl PhysicalBytes<'static> for Memory {
        fn bytes(&self, address: u64, length: usize) -> Option<&'static [u8]> {
            let (start, bytes) = self
                .0
                .iter()
                .find(|(start, bytes)| (*start..*start + bytes.len() as u64).contains(&address))?;
            let offset = (address - start) as usize;
            bytes.get(offset..offset.checked_add(length)?)
        }
    }

    /// A table with a right length and checksum.
    pub fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut table = Vec::new();
        table.extend_from_slice(signature);
        table.extend_from_slice(&((HEADER_BYTES + body.len()) as u32).to_le_bytes());
        table.extend_from_slice(&[1, 0]);
        table.extend_from_slice(b"BOCHS BXPCTESTSOMETHING NICE");
        table.truncate(HEADER_BYTES);
        table.resize(HEADER_BYTES, 0);
        table.extend_from_slice(body);
        table[9] = 0u8.wrapping_sub(sum(&table));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_intact_table_is_read_whole() {
        let mut memory = Memory::default();
        memory.put(0x1000, table(b"TEST", b"body"));
        assert_eq!(signature(&memory, 0x1000), Some(*b"TEST"));
        assert_eq!(
            &read(&memory, 0x1000, b"TEST").unwrap()[HEADER_BYTES..],
            b"body"
        );
        assert_eq!(read(&memory, 0x1000, b"ELSE"), Err(TableError::Signature));
        assert_eq!(read(&memory, 0x2000, b"TEST"), Err(TableError::Unreadable));
    }

    #[test]
    fn every_single_wrong_byte_is_found() {
        let good = table(b"TEST", b"some body or other");
        for i in 0..good.len() {
            let mut memory = Memory::default();
            let mut bad = good.clone();
            bad[i] ^= 0x40;
            memory.put(0x1000, bad);
            assert!(read(&memory, 0x1000, b"TEST").is_err(), "byte {i}");
        }
    }

    #[test]
    fn lengths_outside_the_possible_are_refused() {
        for length in [0, 35, MAX_BYTES as u32 + 1, u32::MAX] {
            let mut memory = Memory::default();
            let mut bad = table(b"TEST", b"");
            bad[4..8].copy_from_slice(&length.to_le_bytes());
            memory.put(0x1000, bad);
            assert_eq!(read(&memory, 0x1000, b"TEST"), Err(TableError::Length));
        }
        let mut memory = Memory::default();
        let mut bad = table(b"TEST", b"");
        bad[4..8].copy_from_slice(&37u32.to_le_bytes());
        memory.put(0x1000, bad);
        assert_eq!(read(&memory, 0x1000, b"TEST"), Err(TableError::Unreadable));
    }

    proptest! {
        #[test]
        fn records_never_leave_the_list_and_always_end(list in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut total = 0;
            for record in records(&list) {
                match record {
                    Ok((kind, record)) => {
                        prop_assert_eq!(kind, list[total]);
                        prop_assert_eq!(record, &list[total..total + record.len()]);
                        total += record.len();
                    }
                    Err(_) => return Ok(()),
                }
            }
            prop_assert_eq!(total, list.len());
        }
    }
}
