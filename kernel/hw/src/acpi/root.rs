//! The root pointer and the list of tables (ACPI 6.5, 5.2.5 to 5.2.8).

use super::table::{self, HEADER_BYTES, PhysicalBytes, Signature, TableError, field, sum};

/// Bytes of the root pointer's first version.
const V1_BYTES: usize = 20;
/// Bytes of the root pointer since ACPI 2.0.
const V2_BYTES: usize = 36;

/// The list of all tables.
#[derive(Clone, Copy, Debug)]
pub struct Root<'a> {
    entries: &'a [u8],
    entry_bytes: usize,
    oem: [u8; 6],
}

impl<'a> Root<'a> {
    /// Reads the list that the root pointer names: the XSDT where there is one, else the RSDT.
    pub fn read(memory: &impl PhysicalBytes<'a>, pointer: &[u8]) -> Result<Root<'a>, TableError> {
        let short = pointer.get(..V1_BYTES).ok_or(TableError::Length)?;
        if !short.starts_with(b"RSD PTR ") {
            return Err(TableError::Signature);
        }
        if sum(short) != 0 {
            return Err(TableError::Checksum);
        }
        let oem = field(short, 9).ok_or(TableError::Length)?;
        let xsdt = if short[15] >= 2 {
            let long = pointer.get(..V2_BYTES).ok_or(TableError::Length)?;
            if sum(long) != 0 {
                return Err(TableError::Checksum);
            }
            field(long, 24).map_or(0, u64::from_le_bytes)
        } else {
            0
        };
        let (address, signature, entry_bytes) = if xsdt != 0 {
            (xsdt, b"XSDT", 8)
        } else {
            let rsdt = field(short, 16).map_or(0, u32::from_le_bytes);
            (u64::from(rsdt), b"RSDT", 4)
        };
        let list = table::read(memory, address, signature)?;
        Ok(Root {
            entries: &list[HEADER_BYTES..],
            entry_bytes,
            oem,
        })
    }

    /// The maker's six letters.
    pub fn oem(&self) -> [u8; 6] {
        self.oem
    }

    /// The addresses of the tables.
    pub fn addresses(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.entries.chunks_exact(self.entry_bytes).map(|entry| {
            entry
                .iter()
                .rev()
                .fold(0, |address, byte| address << 8 | u64::from(*byte))
        })
    }

    /// The first table with this signature. `Missing` is not an error of the firmware.
    pub fn find(
        &self,
        memory: &impl PhysicalBytes<'a>,
        signature: &Signature,
    ) -> Result<&'a [u8], TableError> {
        let address = self
            .addresses()
            .find(|address| table::signature(memory, *address) == Some(*signature))
            .ok_or(TableError::Missing)?;
        table::read(memory, address, signature)
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::acpi::table::testing::*;
    use std::vec::Vec;

    pub const RSDT: u64 = 0x1000;
    pub const XSDT: u64 = 0x2000;

    /// A root pointer with right checksums.
    pub fn pointer(revision: u8, rsdt: u64, xsdt: u64) -> Vec<u8> {
        let mut bytes = Vec::from(b"RSD PTR \0BOCHS ");
        bytes.push(revision);
        bytes.extend_from_slice(&(rsdt as u32).to_le_bytes());
        bytes[8] = 0u8.wrapping_sub(sum(&bytes));
        bytes.extend_from_slice(&36u32.to_le_bytes());
        bytes.extend_from_slice(&xsdt.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes[32] = 0u8.wrapping_sub(sum(&bytes));
        bytes
    }

    /// Memory with both lists naming `tables`, which are placed at 64 KiB distances.
    pub fn memory(tables: &[Vec<u8>]) -> Memory {
        let mut memory = Memory::default();
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for (i, table) in tables.iter().enumerate() {
            let address = 0x10_0000 + 0x1_0000 * i as u64;
            memory.put(address, table.clone());
            short.extend_from_slice(&(address as u32).to_le_bytes());
            long.extend_from_slice(&address.to_le_bytes());
        }
        memory.put(RSDT, table(b"RSDT", &short));
        memory.put(XSDT, table(b"XSDT", &long));
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::acpi::table::testing::*;

    #[test]
    fn tables_are_found_by_either_list() {
        let memory = memory(&[table(b"AAAA", b"1"), table(b"BBBB", b"22")]);
        for pointer in [
            pointer(0, RSDT, 0),
            pointer(2, RSDT, XSDT),
            pointer(2, RSDT, 0),
        ] {
            let root = Root::read(&memory, &pointer).unwrap();
            assert_eq!(root.find(&memory, b"BBBB").unwrap().len(), HEADER_BYTES + 2);
            assert_eq!(root.find(&memory, b"CCCC"), Err(TableError::Missing));
            assert_eq!(root.oem(), *b"BOCHS ");
        }
    }

    #[test]
    fn bad_root_pointers_are_refused() {
        let memory = memory(&[]);
        let good = pointer(2, RSDT, XSDT);
        for i in 0..good.len() {
            let mut bad = good.clone();
            bad[i] ^= 1;
            assert!(Root::read(&memory, &bad).is_err(), "byte {i}");
        }
        for length in 0..36 {
            assert!(
                Root::read(&memory, &good[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn an_entry_that_leads_nowhere_hides_no_others() {
        let mut memory = memory(&[table(b"AAAA", b"1")]);
        let entries = [0xdead_0000u64, 0x10_0000].map(u64::to_le_bytes).concat();
        memory.put(0x9000, table(b"XSDT", &entries));
        let root = Root::read(&memory, &pointer(2, RSDT, 0x9000)).unwrap();
        assert!(root.find(&memory, b"AAAA").is_ok());
    }
}
