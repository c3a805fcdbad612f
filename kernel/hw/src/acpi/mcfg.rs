//! PCI configuration space in memory (MCFG; PCI firmware specification 3.3, 4.1.2).

use super::table::{HEADER_BYTES, TableError, field};

/// Where the entries begin: after the header and eight reserved bytes.
const ENTRIES: usize = HEADER_BYTES + 8;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 16;
/// Bytes of configuration space for each bus.
const BUS_BYTES: u64 = 1 << 20;

/// The configuration space of PCI segment 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciConfig {
    /// Physical address of bus 0, even if the first bus is another one.
    pub base: u64,
    /// First bus.
    pub first_bus: u8,
    /// Last bus.
    pub last_bus: u8,
}

impl PciConfig {
    /// How many buses there are from bus 0 on.
    pub fn buses(&self) -> u32 {
        u32::from(self.last_bus) + 1
    }
}

/// The entry of segment 0.
///
/// # Errors
/// `Missing` if there is none, `Contents` if its buses or address are impossible.
pub fn first_segment(table: &[u8]) -> Result<PciConfig, TableError> {
    let entries = table.get(ENTRIES..).ok_or(TableError::Length)?;
    let entry = entries
        .chunks_exact(ENTRY_BYTES)
        .find(|entry| field(entry, 8) == Some([0, 0]))
        .ok_or(TableError::Missing)?;
    let base = field(entry, 0).map_or(0, u64::from_le_bytes);
    let [first_bus, last_bus] = field(entry, 10).ok_or(TableError::Length)?;
    let config = PciConfig {
        base,
        first_bus,
        last_bus,
    };
    let end = base.checked_add(u64::from(config.buses()) * BUS_BYTES);
    if base == 0 || !base.is_multiple_of(BUS_BYTES) || end.is_none() || first_bus > last_bus {
        return Err(TableError::Contents);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::table::testing::table;
    use std::vec::Vec;

    fn parse(entries: &[(u64, u16, u8, u8)]) -> Result<PciConfig, TableError> {
        let mut body = Vec::from([0; 8]);
        for (base, segment, first, last) in entries {
            body.extend_from_slice(&base.to_le_bytes());
            body.extend_from_slice(&segment.to_le_bytes());
            body.extend_from_slice(&[*first, *last, 0, 0, 0, 0]);
        }
        first_segment(&table(b"MCFG", &body))
    }

    #[test]
    fn segment_zero_is_taken() {
        let found = parse(&[(0xc000_0000, 1, 0, 255), (0xb000_0000, 0, 0, 255)]).unwrap();
        assert_eq!(
            found,
            PciConfig {
                base: 0xb000_0000,
                first_bus: 0,
                last_bus: 255
            }
        );
        assert_eq!(found.buses(), 256);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(parse(&[]), Err(TableError::Missing));
        assert_eq!(parse(&[(0xb000_0000, 1, 0, 255)]), Err(TableError::Missing));
        for bad in [
            (0, 0, 0, 255),
            (0xb000_1000, 0, 0, 255),
            (0xb000_0000, 0, 2, 1),
            (!0 << 20, 0, 0, 255),
        ] {
            assert_eq!(parse(&[bad]), Err(TableError::Contents), "{bad:?}");
        }
        assert_eq!(
            first_segment(&table(b"MCFG", &[0; 4])),
            Err(TableError::Length)
        );
    }
}
