//! Which processors and memory are near each other (SRAT; ACPI 6.5, 5.2.16).

use super::table::{HEADER_BYTES, TableError, field, records};

/// Where the records begin: after the header and twelve reserved bytes.
const RECORDS: usize = HEADER_BYTES + 12;
/// Flag of all records: it counts.
const ENABLED: u32 = 1;

/// What a record says. Domains are the firmware's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// A processor's domain.
    Cpu {
        /// Identifier of its local APIC.
        apic_id: u32,
        /// The domain.
        domain: u32,
    },
    /// A range of memory's domain.
    Memory {
        /// Its physical address.
        base: u64,
        /// Its length in bytes.
        length: u64,
        /// The domain.
        domain: u32,
    },
}

/// The records of an SRAT that the kernel cares about.
pub fn entries(table: &[u8]) -> impl Iterator<Item = Result<Affinity, TableError>> {
    let list = table.get(RECORDS..);
    let short = list.is_none().then_some(Err(TableError::Length));
    records(list.unwrap_or(&[]))
        .filter_map(|record| match record {
            Ok((kind, bytes)) => entry(kind, bytes).ok_or(TableError::Length).transpose(),
            Err(error) => Some(Err(error)),
        })
        .chain(short)
}

/// `None` if the record is too short, `Some(None)` if it does not count.
fn entry(kind: u8, bytes: &[u8]) -> Option<Option<Affinity>> {
    let u32_at = |offset| field(bytes, offset).map(u32::from_le_bytes);
    let u64_at = |offset| field(bytes, offset).map(u64::from_le_bytes);
    let enabled = |offset| u32_at(offset).map(|flags| flags & ENABLED != 0);
    Some(match kind {
        0 => {
            let [low, apic_id] = field(bytes, 2)?;
            let [_, middle, high, top] = field(bytes, 8)?;
            let domain = u32::from_le_bytes([low, middle, high, top]);
            enabled(4)?.then_some(Affinity::Cpu {
                apic_id: u32::from(apic_id),
                domain,
            })
        }
        1 => {
            let (domain, base, length) = (u32_at(2)?, u64_at(8)?, u64_at(16)?);
            enabled(28)?.then_some(Affinity::Memory {
                base,
                length,
                domain,
            })
        }
        2 => {
            let (domain, apic_id) = (u32_at(4)?, u32_at(8)?);
            enabled(12)?.then_some(Affinity::Cpu { apic_id, domain })
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::table::testing::table;
    use std::vec::Vec;

    fn parse(body: &[u8]) -> Vec<Result<Affinity, TableError>> {
        let mut full = Vec::from([0u8; 12]);
        full.extend_from_slice(body);
        entries(&table(b"SRAT", &full)).collect()
    }

    #[test]
    fn processors_by_either_identifier() {
        let small = [0, 16, 0x44, 7, 1, 0, 0, 0, 0, 0x33, 0x22, 0x11, 0, 0, 0, 0];
        let cpu = |apic_id, domain| Ok(Affinity::Cpu { apic_id, domain });
        assert_eq!(parse(&small), [cpu(7, 0x1122_3344)]);
        let mut large = [0u8; 24];
        large[..2].copy_from_slice(&[2, 24]);
        large[4] = 3;
        large[8..12].copy_from_slice(&300u32.to_le_bytes());
        assert_eq!(parse(&large), []);
        large[12] = 1;
        assert_eq!(parse(&large), [cpu(300, 3)]);
    }

    #[test]
    fn memory_with_its_range() {
        let mut record = [0u8; 40];
        record[..2].copy_from_slice(&[1, 40]);
        record[2] = 1;
        record[8..16].copy_from_slice(&0x1_0000_0000u64.to_le_bytes());
        record[16..24].copy_from_slice(&0x800_0000u64.to_le_bytes());
        assert_eq!(parse(&record), []);
        record[28] = 1;
        let memory = Affinity::Memory {
            base: 0x1_0000_0000,
            length: 0x800_0000,
            domain: 1,
        };
        assert_eq!(parse(&record), [Ok(memory)]);
    }

    #[test]
    fn short_records_are_errors() {
        for kind in [0, 1, 2] {
            assert_eq!(parse(&[kind, 4, 0, 0]), [Err(TableError::Length)]);
        }
        assert_eq!(parse(&[9, 4, 0, 0]), []);
    }
}
