//! Where each table lies.

use crate::error::BuildError;
use crate::platform::Platform;
use crate::tables::{self, Pointers};
use crate::{dsdt, fixed, madt};
use alloc::vec::Vec;

/// The FACS wants this alignment (section 5.2.10); the others are content with less.
const ALIGN: u64 = 64;

/// Finished tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Guest-physical address of the first byte, which is the RSDP's.
    pub address: u64,
    /// The tables.
    pub bytes: Vec<u8>,
}

impl Tables {
    /// The root pointer, which multiboot2 guests get a copy of.
    pub fn rsdp(&self) -> &[u8] {
        self.bytes.get(..tables::RSDP_BYTES).unwrap_or(&[])
    }
}

/// Builds the tables of a machine, to be put at `address`: a multiple of 64, below 4 GiB. They are some 4 KiB.
///
/// # Errors
/// [`BuildError`] names what the tables cannot say.
pub fn build(platform: &Platform, address: u64) -> Result<Tables, BuildError> {
    platform.check()?;
    if !address.is_multiple_of(ALIGN) || address >= 1 << 32 {
        return Err(BuildError::Address(address));
    }
    // The root pointer comes first, and is made last.
    let mut bytes = alloc::vec![0; tables::RSDP_BYTES];
    let mut place = |table: Vec<u8>| {
        bytes.resize(bytes.len().next_multiple_of(ALIGN as usize), 0);
        let at = address + bytes.len() as u64;
        bytes.extend(table);
        at
    };
    let facs = place(fixed::facs());
    let dsdt = place(dsdt::table(platform));
    let mut list = alloc::vec![place(fixed::fadt(platform, facs, dsdt))];
    list.push(place(madt::table(platform)));
    if let Some(hpet) = &platform.hpet {
        list.push(place(tables::hpet(hpet)));
    }
    if let Some(ecam) = platform.pci.and_then(|pci| pci.ecam) {
        list.push(place(tables::mcfg(ecam)));
    }
    let pointers = Pointers {
        xsdt: place(tables::xsdt(&list)),
        rsdt: place(tables::rsdt(&list)),
    };
    if address + bytes.len() as u64 > 1 << 32 {
        return Err(BuildError::Address(address));
    }
    bytes[..tables::RSDP_BYTES].copy_from_slice(&tables::rsdp(pointers));
    Ok(Tables { address, bytes })
}
