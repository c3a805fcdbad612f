//! The small tables: root pointer, lists of tables, HPET, MCFG.

use crate::platform::Hpet;
use acpi_tables::Aml;
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::mcfg::MCFG;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use alloc::vec::Vec;

/// Who made the tables.
pub const OEM: [u8; 6] = *b"PAGURS";
/// Which machine they are for.
pub const OEM_TABLE: [u8; 8] = *b"PAGURSVM";
/// Revision of the machine.
pub const OEM_REVISION: u32 = 1;

/// Bytes of the root pointer.
pub const RSDP_BYTES: usize = 36;

/// What the root pointer points to.
#[derive(Clone, Copy)]
pub struct Pointers {
    /// Address of the XSDT.
    pub xsdt: u64,
    /// Address of the RSDT, below 4 GiB.
    pub rsdt: u64,
}

/// An object as bytes.
pub fn bytes_of(object: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    object.to_aml_bytes(&mut bytes);
    bytes
}

/// A table with a standard header and this body.
pub fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = Sdt::new(signature, 36, revision, OEM, OEM_TABLE, OEM_REVISION);
    table.append_slice(body);
    table.as_slice().to_vec()
}

/// Root pointer (section 5.2.5.3), with both lists for guests of any age.
pub fn rsdp(pointers: Pointers) -> [u8; RSDP_BYTES] {
    let mut rsdp = [0; RSDP_BYTES];
    rsdp[..8].copy_from_slice(b"RSD PTR ");
    rsdp[9..15].copy_from_slice(&OEM);
    rsdp[15] = 2;
    rsdp[16..20].copy_from_slice(&(pointers.rsdt as u32).to_le_bytes());
    rsdp[20..24].copy_from_slice(&(RSDP_BYTES as u32).to_le_bytes());
    rsdp[24..32].copy_from_slice(&pointers.xsdt.to_le_bytes());
    // One checksum over the structure of ACPI 1.0, one over all of it.
    rsdp[8] = missing(&rsdp[..20]);
    rsdp[32] = missing(&rsdp);
    rsdp
}

/// What is missing to a sum of 0.
fn missing(bytes: &[u8]) -> u8 {
    let sum = bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    sum.wrapping_neg()
}

/// List of tables with addresses of 64 bits (section 5.2.8).
pub fn xsdt(tables: &[u64]) -> Vec<u8> {
    let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
    for address in tables {
        xsdt.add_entry(*address);
    }
    bytes_of(&xsdt)
}

/// List of tables with addresses of 32 bits (section 5.2.7).
pub fn rsdt(tables: &[u64]) -> Vec<u8> {
    let body: Vec<u8> = tables
        .iter()
        .flat_map(|address| (*address as u32).to_le_bytes())
        .collect();
    table(*b"RSDT", 1, &body)
}

/// High precision event timer (HPET specification, section 3.2.4).
pub fn hpet(hpet: &Hpet) -> Vec<u8> {
    let registers = GAS::new(
        AddressSpace::SystemMemory,
        64,
        0,
        AccessSize::Undefined,
        hpet.address.into(),
    );
    let mut body = hpet.block_id.to_le_bytes().to_vec();
    body.extend(bytes_of(&registers));
    // The first and only one; no page protection guaranteed.
    body.push(0);
    body.extend(hpet.minimum_tick.to_le_bytes());
    body.push(0);
    table(*b"HPET", 1, &body)
}

/// PCI configuration space in memory (PCI Firmware Specification, section 4.1.2): of bus 0.
pub fn mcfg(ecam: u64) -> Vec<u8> {
    let mut mcfg = MCFG::new(OEM, OEM_TABLE, OEM_REVISION);
    mcfg.add_ecam(ecam, 0, 0, 0);
    bytes_of(&mcfg)
}
