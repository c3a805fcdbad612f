//! Page tables that map the lowest addresses one to one.

use crate::space::PAGE;
use alloc::vec::Vec;

/// Gibibytes that are mapped: everything that 32-bit addresses reach.
const GIB: u64 = 4;
const ENTRIES: u64 = 512;
/// Present and writable.
const TABLE: u64 = 0b11;
/// A page of 2 MiB, accessed and dirty already. Any processor has these; pages of 1 GiB not.
const PAGE_2M: u64 = 0b1110_0011;

/// Bytes of the tables; they must lie at a multiple of 4 KiB.
pub const BYTES: u64 = (2 + GIB) * PAGE;

/// The tables, to be put at `address`.
pub fn identity(address: u64) -> Vec<u8> {
    let mut tables = Vec::with_capacity(BYTES as usize);
    let mut table = |entries: &mut dyn Iterator<Item = u64>| {
        let entries = entries.chain(core::iter::repeat(0));
        tables.extend(entries.take(ENTRIES as usize).flat_map(u64::to_le_bytes));
    };
    table(&mut core::iter::once((address + PAGE) | TABLE));
    table(&mut (0..GIB).map(|number| (address + (2 + number) * PAGE) | TABLE));
    for gib in 0..GIB {
        table(&mut (0..ENTRIES).map(|number| (gib * ENTRIES + number) << 21 | PAGE_2M));
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tables: &[u8], at: u64) -> u64 {
        crate::bytes::u64_at(tables, at as usize).expect("inside")
    }

    #[test]
    fn every_address_leads_to_itself() {
        let base = 0x9_8000;
        let tables = identity(base);
        assert_eq!(tables.len() as u64, BYTES);
        for address in [
            0,
            0x1f_ffff,
            0x20_0000,
            0x4000_0000,
            0xfee0_0000,
            0xffff_ffff_u64,
        ] {
            let mut table = base;
            for shift in [39, 30] {
                let found = entry(&tables, table - base + (address >> shift) % 512 * 8);
                assert_eq!(found & 0xfff, 3);
                table = found & !0xfff;
            }
            let found = entry(&tables, table - base + (address >> 21) % 512 * 8);
            assert_eq!(found & 0x83, 0x83);
            assert_eq!((found & !0x1f_ffff) | address & 0x1f_ffff, address);
        }
    }
}
