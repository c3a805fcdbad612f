//! Processors and interrupt controllers (MADT; ACPI 6.5, 5.2.12).

use super::table::{HEADER_BYTES, TableError, records};
use crate::ioapic::Line;
use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Where the records begin: after the header, the local APIC's address and flags.
const RECORDS: usize = HEADER_BYTES + 8;

/// A record: a local APIC with an 8-bit identifier.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LocalApic {
    head: [u8; 2],
    processor: u8,
    id: u8,
    flags: U32,
}

/// A record: a local APIC with a 32-bit identifier.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LocalX2Apic {
    head: [u8; 2],
    reserved: U16,
    id: U32,
    flags: U32,
    processor: U32,
}

/// A record: an I/O APIC.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct IoApicRecord {
    head: [u8; 2],
    id: u8,
    reserved: u8,
    address: U32,
    first: U32,
}

/// A record: an ISA interrupt that is wired unusually.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OverrideRecord {
    head: [u8; 2],
    bus: u8,
    irq: u8,
    gsi: U32,
    flags: U16,
}

/// Flag of local APICs: the processor can be used.
const ENABLED: u32 = 1;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address of its registers.
    pub address: u64,
    /// Its first global system interrupt.
    pub first: u32,
}

/// An ISA interrupt that is wired unusually.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// The ISA interrupt.
    pub irq: u8,
    /// The global system interrupt to which it goes.
    pub gsi: u32,
    /// How it is wired.
    pub line: Line,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A processor that can be used, by the identifier of its local APIC.
    Cpu(u32),
    /// An I/O APIC.
    IoApic(IoApic),
    /// An ISA interrupt that is wired unusually.
    Override(Override),
}

/// The records of a MADT that the kernel cares about.
pub fn entries(table: &[u8]) -> impl Iterator<Item = Result<Entry, TableError>> {
    let list = table.get(RECORDS..);
    let short = list.is_none().then_some(Err(TableError::Length));
    records(list.unwrap_or(&[]))
        .filter_map(|record| match record {
            Ok((kind, bytes)) => entry(kind, bytes).transpose(),
            Err(error) => Some(Err(error)),
        })
        .chain(short)
}

fn entry(kind: u8, bytes: &[u8]) -> Result<Option<Entry>, TableError> {
    Ok(match kind {
        0 => {
            let apic = view::<LocalApic>(bytes)?;
            // 0xff is the address of all.
            let usable = apic.flags.get() & ENABLED != 0 && apic.id != 0xff;
            usable.then_some(Entry::Cpu(u32::from(apic.id)))
        }
        9 => {
            let apic = view::<LocalX2Apic>(bytes)?;
            let usable = apic.flags.get() & ENABLED != 0 && apic.id.get() != u32::MAX;
            usable.then_some(Entry::Cpu(apic.id.get()))
        }
        1 => {
            let apic = view::<IoApicRecord>(bytes)?;
            Some(Entry::IoApic(IoApic {
                address: u64::from(apic.address.get()),
                first: apic.first.get(),
            }))
        }
        2 => {
            let wiring = view::<OverrideRecord>(bytes)?;
            // Bus 0 is ISA, and there is no other.
            (wiring.bus == 0 && wiring.irq < 16).then_some(Entry::Override(Override {
                irq: wiring.irq,
                gsi: wiring.gsi.get(),
                line: line(wiring.flags.get()),
            }))
        }
        _ => None,
    })
}

/// The record, which may be longer than is known of it.
fn view<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    bytes: &[u8],
) -> Result<&T, TableError> {
    match T::ref_from_prefix(bytes) {
        Ok((record, _)) => Ok(record),
        Err(_) => Err(TableError::Length),
    }
}

/// Wiring by "MPS INTI flags" (ACPI 6.5, table 5.26); ISA interrupts are edges to high unless stated.
fn line(flags: u16) -> Line {
    Line {
        active_low: flags & 0b11 == 0b11,
        level: flags >> 2 & 0b11 == 0b11,
    }
}

#[cfg(test)]
pub(super) mod testing {
    use crate::acpi::table::testing::table;
    use std::vec::Vec;

    /// The MADT of QEMU's q35 with four processors.
    pub fn qemu(cpus: u8) -> Vec<u8> {
        let mut body = Vec::from([0x00, 0x00, 0xe0, 0xfe, 0x01, 0, 0, 0]);
        for id in 0..cpus {
            body.extend_from_slice(&[0, 8, id, id, 1, 0, 0, 0]);
        }
        body.extend_from_slice(&[1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0]);
        body.extend_from_slice(&[2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
        for irq in [5, 9, 10, 11] {
            body.extend_from_slice(&[2, 10, 0, irq, irq, 0, 0, 0, 0x0d, 0]);
        }
        body.extend_from_slice(&[4, 6, 0xff, 0, 0, 1]);
        table(b"APIC", &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::table::testing::table;
    use std::vec::Vec;

    fn parse(body: &[u8]) -> Vec<Result<Entry, TableError>> {
        let mut full = Vec::from([0u8; 8]);
        full.extend_from_slice(body);
        entries(&table(b"APIC", &full)).collect()
    }

    #[test]
    fn the_table_of_qemu_is_understood() {
        let all: Result<Vec<_>, _> = entries(&testing::qemu(4)).collect();
        let all = all.unwrap();
        assert_eq!(all[..4], [0, 1, 2, 3].map(Entry::Cpu));
        assert_eq!(
            all[4],
            Entry::IoApic(IoApic {
                address: 0xfec0_0000,
                first: 0
            })
        );
        assert_eq!(
            all[5],
            Entry::Override(Override {
                irq: 0,
                gsi: 2,
                line: Line::default()
            })
        );
        let high_level = Line {
            level: true,
            active_low: false,
        };
        assert_eq!(
            all[6],
            Entry::Override(Override {
                irq: 5,
                gsi: 5,
                line: high_level
            })
        );
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn processors_that_are_off_are_left_out() {
        assert_eq!(parse(&[0, 8, 0, 7, 0, 0, 0, 0]), []);
        assert_eq!(parse(&[0, 8, 0, 0xff, 1, 0, 0, 0]), []);
        let x2 = [9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(parse(&x2), [Ok(Entry::Cpu(256))]);
    }

    #[test]
    fn short_records_are_errors() {
        assert_eq!(parse(&[0, 4, 0, 7]), [Err(TableError::Length)]);
        assert_eq!(parse(&[0, 0, 0, 0]), [Err(TableError::Length)]);
        assert_eq!(parse(&[0, 8, 0]), [Err(TableError::Length)]);
        let all: Vec<_> = entries(&table(b"APIC", &[0; 3])).collect();
        assert_eq!(all, [Err(TableError::Length)]);
    }

    #[test]
    fn wiring_flags() {
        assert_eq!(line(0), Line::default());
        assert_eq!(line(0x5), Line::default());
        assert_eq!(
            line(0xf),
            Line {
                level: true,
                active_low: true
            }
        );
        assert_eq!(
            line(0xd),
            Line {
                level: true,
                active_low: false
            }
        );
    }
}
