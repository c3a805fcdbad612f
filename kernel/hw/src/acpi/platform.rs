//! What all tables together say.

use super::fadt::{self, Power};
use super::madt::{self, Entry, IoApic, Override};
use super::mcfg::{self, PciConfig};
use super::root::Root;
use super::srat::{self, Affinity};
use super::table::{self, HEADER_BYTES, PhysicalBytes, Signature, TableError};
use super::{find_s5, hpet};
use crate::ioapic::{self, Line};
use core::fmt;
use heapless::Vec;
use pagurus_abi::layout::MAX_CPUS;

/// Ranges of memory with a node.
const MAX_MEMORY: usize = 64;
/// NUMA nodes.
const MAX_NODES: usize = 64;
/// Problems that are remembered.
const MAX_PROBLEMS: usize = 8;
/// ISA interrupts.
const ISA_IRQS: usize = 16;

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Identifier of its local APIC.
    pub apic_id: u32,
    /// Its NUMA node, from 0.
    pub node: u8,
}

/// Memory that belongs to a NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNode {
    /// Physical address.
    pub base: u64,
    /// Length in bytes.
    pub length: u64,
    /// The node, from 0.
    pub node: u8,
}

/// Why a table is left out, wholly or from the bad record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table.
    pub table: Signature,
    /// What is wrong with it.
    pub error: TableError,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = core::str::from_utf8(&self.table).unwrap_or("?");
        write!(f, "ACPI table {table} left out: {}", self.error)
    }
}

/// The machine as its firmware describes it.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    /// The processors; the boot processor first.
    pub cpus: Vec<Cpu, MAX_CPUS>,
    /// Processors for which there was no room.
    pub cpus_left_out: u32,
    /// The I/O APICs.
    pub io_apics: Vec<IoApic, { ioapic::MAX }>,
    /// ISA interrupts that are wired unusually.
    pub overrides: Vec<Override, ISA_IRQS>,
    /// PCI configuration space of segment 0.
    pub pci: Option<PciConfig>,
    /// Physical address of the HPET.
    pub hpet: Option<u64>,
    /// Port of the power management timer.
    pub pm_timer: Option<u16>,
    /// Registers for switching off and resetting.
    pub power: Power,
    /// Memory by node.
    pub memory: Vec<MemoryNode, MAX_MEMORY>,
    /// The firmware is that of an emulator (QEMU or Bochs).
    pub emulator: bool,
    /// What was left out.
    pub problems: Vec<Problem, MAX_PROBLEMS>,
    domains: Vec<u32, MAX_NODES>,
}

impl Platform {
    /// Reads all tables from the root pointer on. `boot_apic_id` is the calling processor's. Whatever the
    /// tables hold, the result has at least this processor.
    pub fn read<'a>(
        memory: &impl PhysicalBytes<'a>,
        pointer: &[u8],
        boot_apic_id: u32,
    ) -> Platform {
        let mut platform = Platform::default();
        // There is room for the first element.
        let _ = platform.cpus.push(Cpu {
            apic_id: boot_apic_id,
            node: 0,
        });
        match Root::read(memory, pointer) {
            Ok(root) => platform.read_all(memory, &root),
            Err(error) => platform.problem(b"RSDT", error),
        }
        platform
    }

    /// The global system interrupt of an ISA interrupt, and how it is wired.
    pub fn isa(&self, irq: u8) -> (u32, Line) {
        self.overrides
            .iter()
            .find(|entry| entry.irq == irq)
            .map_or((u32::from(irq), Line::default()), |entry| {
                (entry.gsi, entry.line)
            })
    }

    /// The NUMA node of a physical address; 0 if the firmware does not say.
    pub fn node_of(&self, address: u64) -> u8 {
        self.memory
            .iter()
            .find(|range| address.wrapping_sub(range.base) < range.length)
            .map_or(0, |range| range.node)
    }

    fn read_all<'a>(&mut self, memory: &impl PhysicalBytes<'a>, root: &Root<'a>) {
        self.emulator = root.oem() == *b"BOCHS ";
        let find = |signature| root.find(memory, signature);
        let madt = find(b"APIC").and_then(|table| self.read_madt(table));
        self.optional(b"APIC", madt);
        let srat = find(b"SRAT").and_then(|table| self.read_srat(table));
        self.optional(b"SRAT", srat);
        let pci = find(b"MCFG").and_then(mcfg::first_segment);
        self.pci = self.optional(b"MCFG", pci);
        let hpet = find(b"HPET").and_then(hpet::base);
        self.hpet = self.optional(b"HPET", hpet);
        let fadt = find(b"FACP").and_then(fadt::parse);
        if let Some(fadt) = self.optional(b"FACP", fadt) {
            self.power = fadt.power;
            self.pm_timer = (fadt.pm_timer != 0).then_some(fadt.pm_timer);
            let dsdt = table::read(memory, fadt.dsdt, b"DSDT");
            let dsdt = self.optional(b"DSDT", dsdt);
            self.power.soft_off = dsdt.and_then(|dsdt| find_s5(&dsdt[HEADER_BYTES..]));
        }
    }

    fn read_madt(&mut self, table: &[u8]) -> Result<(), TableError> {
        for entry in madt::entries(table) {
            match entry? {
                Entry::Cpu(apic_id) => self.add_cpu(apic_id),
                Entry::IoApic(apic) => {
                    self.io_apics.push(apic).map_err(|_| TableError::Contents)?
                }
                Entry::Override(wiring) => {
                    if self.overrides.iter().all(|known| known.irq != wiring.irq) {
                        self.overrides
                            .push(wiring)
                            .map_err(|_| TableError::Contents)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Some firmware lists a processor twice, with its small and its large identifier.
    fn add_cpu(&mut self, apic_id: u32) {
        if self.cpus.iter().any(|cpu| cpu.apic_id == apic_id) {
            return;
        }
        if self.cpus.push(Cpu { apic_id, node: 0 }).is_err() {
            self.cpus_left_out += 1;
        }
    }

    fn read_srat(&mut self, table: &[u8]) -> Result<(), TableError> {
        for entry in srat::entries(table) {
            match entry? {
                Affinity::Cpu { apic_id, domain } => {
                    let node = self.node(domain)?;
                    for cpu in self.cpus.iter_mut().filter(|cpu| cpu.apic_id == apic_id) {
                        cpu.node = node;
                    }
                }
                Affinity::Memory {
                    base,
                    length,
                    domain,
                } => {
                    let node = self.node(domain)?;
                    let range = MemoryNode { base, length, node };
                    self.memory.push(range).map_err(|_| TableError::Contents)?;
                }
            }
        }
        Ok(())
    }

    /// Nodes are numbered in the order in which their domains appear.
    fn node(&mut self, domain: u32) -> Result<u8, TableError> {
        let known = self.domains.iter().position(|other| *other == domain);
        let node = match known {
            Some(node) => node,
            None => {
                self.domains
                    .push(domain)
                    .map_err(|_| TableError::Contents)?;
                self.domains.len() - 1
            }
        };
        u8::try_from(node).map_err(|_| TableError::Contents)
    }

    /// Notes what is wrong with a table; that it is missing is not wrong.
    fn optional<T>(&mut self, table: &Signature, result: Result<T, TableError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(TableError::Missing) => None,
            Err(error) => {
                self.problem(table, error);
                None
            }
        }
    }

    fn problem(&mut self, table: &Signature, error: TableError) {
        // More problems than are remembered do not tell more.
        let _ = self.problems.push(Problem {
            table: *table,
            error,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::root::testing::*;
    use crate::acpi::table::testing::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec::Vec;

    const DSDT: u64 = 0x70_0000;

    fn qemu_tables() -> Vec<Vec<u8>> {
        let mut mcfg = Vec::from([0; 8]);
        mcfg.extend_from_slice(&0xb000_0000u64.to_le_bytes());
        mcfg.extend_from_slice(&[0, 0, 0, 255, 0, 0, 0, 0]);
        let mut hpet = [0u8; 20];
        hpet[8..16].copy_from_slice(&0xfed0_0000u64.to_le_bytes());
        let mut srat = Vec::from([0; 12]);
        for cpu in 0..4 {
            srat.extend_from_slice(&[0, 16, 10 + cpu / 2, cpu, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        }
        for (domain, base) in [(10u8, 0u64), (11, 1 << 30)] {
            let mut record = [0u8; 40];
            record[..3].copy_from_slice(&[1, 40, domain]);
            record[8..16].copy_from_slice(&base.to_le_bytes());
            record[16..24].copy_from_slice(&(1u64 << 30).to_le_bytes());
            record[28] = 1;
            srat.extend_from_slice(&record);
        }
        Vec::from([
            fadt::testing::qemu(DSDT as u32),
            madt::testing::qemu(4),
            table(b"HPET", &hpet),
            table(b"MCFG", &mcfg),
            table(b"SRAT", &srat),
        ])
    }

    fn read(tables: &[Vec<u8>], boot_apic_id: u32) -> Platform {
        let mut memory = memory(tables);
        memory.put(
            DSDT,
            table(b"DSDT", b"\x08_S5_\x12\x08\x04\x0a\x05\x0a\x03\0\0"),
        );
        Platform::read(&memory, &pointer(2, RSDT, XSDT), boot_apic_id)
    }

    #[test]
    fn a_whole_machine_is_understood() {
        let platform = read(&qemu_tables(), 2);
        assert!(platform.problems.is_empty(), "{:?}", platform.problems);
        let cpus: Vec<_> = platform
            .cpus
            .iter()
            .map(|cpu| (cpu.apic_id, cpu.node))
            .collect();
        assert_eq!(cpus, [(2, 1), (0, 0), (1, 0), (3, 1)]);
        assert_eq!(platform.io_apics.len(), 1);
        assert_eq!(platform.isa(0), (2, Line::default()));
        assert_eq!(platform.isa(4), (4, Line::default()));
        assert_eq!(
            platform.isa(9),
            (
                9,
                Line {
                    level: true,
                    active_low: false
                }
            )
        );
        assert_eq!(platform.hpet, Some(0xfed0_0000));
        assert_eq!(platform.pci.map(|pci| pci.buses()), Some(256));
        assert_eq!(platform.pm_timer, Some(0x608));
        assert_eq!(platform.power.pm1a_control, 0x604);
        assert_eq!(platform.power.soft_off, Some((5, 3)));
        assert_eq!(
            [0, (1 << 30) - 1, 1 << 30, 1 << 40].map(|a| platform.node_of(a)),
            [0, 0, 1, 0]
        );
        assert!(platform.emulator);
    }

    #[test]
    fn a_broken_table_costs_only_itself() {
        for broken in 0..5 {
            let mut tables = qemu_tables();
            let last = tables[broken].len() - 1;
            tables[broken][last] ^= 1;
            let signature = *tables[broken].first_chunk().unwrap();
            let platform = read(&tables, 0);
            assert_eq!(
                platform.problems[..],
                [Problem {
                    table: signature,
                    error: TableError::Checksum
                }]
            );
            assert_eq!(
                platform.cpus.len(),
                if signature == *b"APIC" { 1 } else { 4 }
            );
            assert_eq!(platform.hpet.is_some(), signature != *b"HPET");
            let text = platform.problems[0].to_string();
            assert!(
                text.contains(core::str::from_utf8(&signature).unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn without_tables_there_is_one_processor() {
        let platform = Platform::read(&Memory::default(), b"", 5);
        assert_eq!(
            platform.cpus[..],
            [Cpu {
                apic_id: 5,
                node: 0
            }]
        );
        assert_eq!(platform.problems.len(), 1);
        assert_eq!(platform.isa(1), (1, Line::default()));
    }

    #[test]
    fn processors_beyond_the_limit_are_counted() {
        let mut body = Vec::from([0u8; 8]);
        for id in 0..100 {
            body.extend_from_slice(&[0, 8, id, id, 1, 0, 0, 0]);
            let x2 = [9, 16, 0, 0, id, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
            body.extend_from_slice(&x2);
        }
        let platform = read(&[table(b"APIC", &body)], 99);
        assert_eq!(platform.cpus.len(), MAX_CPUS);
        assert_eq!(platform.cpus[0].apic_id, 99);
        assert!(platform.cpus_left_out > 0);
    }

    proptest! {
        /// Whatever is in the tables, reading them ends, and the boot processor is there.
        #[test]
        fn no_contents_do_harm(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 6),
        ) {
            let names = [b"APIC", b"SRAT", b"MCFG", b"HPET", b"FACP", b"XXXX"];
            let tables: Vec<_> = names.iter().zip(&bodies).map(|(name, body)| table(name, body)).collect();
            let platform = read(&tables, 1);
            prop_assert_eq!(platform.cpus[0].apic_id, 1);
            for address in [0, 1, u64::MAX] {
                platform.node_of(address);
            }
        }
    }
}
