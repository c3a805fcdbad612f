//! The high precision event timer (IA-PC HPET specification 1.0a, 3.2.4).

use super::table::{HEADER_BYTES, TableError, field};

/// Physical address of the timer's registers.
///
/// # Errors
/// `Contents` if they are not in memory, or at address 0.
pub fn base(table: &[u8]) -> Result<u64, TableError> {
    const SPACE: usize = HEADER_BYTES + 4;
    const ADDRESS: usize = HEADER_BYTES + 8;
    const MEMORY: [u8; 1] = [0];
    let space = field(table, SPACE).ok_or(TableError::Length)?;
    let address = field(table, ADDRESS)
        .map(u64::from_le_bytes)
        .ok_or(TableError::Length)?;
    if space == MEMORY && address != 0 && address.is_multiple_of(8) {
        Ok(address)
    } else {
        Err(TableError::Contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::table::testing::table;

    #[test]
    fn the_address_is_found_if_it_is_one_of_memory() {
        let mut body = [0u8; 20];
        body[8..16].copy_from_slice(&0xfed0_0000u64.to_le_bytes());
        assert_eq!(base(&table(b"HPET", &body)), Ok(0xfed0_0000));
        body[4] = 1;
        assert_eq!(base(&table(b"HPET", &body)), Err(TableError::Contents));
        assert_eq!(base(&table(b"HPET", &[0; 20])), Err(TableError::Contents));
        assert_eq!(base(&table(b"HPET", &[0; 15])), Err(TableError::Length));
    }
}
