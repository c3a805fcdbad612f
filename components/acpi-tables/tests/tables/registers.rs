//! What the tables say, read by the `acpi` crate.
#![allow(unsafe_code)] // It reads memory by address.

use crate::machine::{AT, View, bare, pc};
use acpi::address::AddressSpace;
use acpi::fadt::Fadt;
use acpi::madt::{Madt, MadtEntry};
use acpi::mcfg::Mcfg;
use acpi::{AcpiHandler, AcpiTables, HpetInfo, PhysicalMapping};
use core::ptr::NonNull;
use pagurus_guest_acpi::Platform;

/// Tables that stay for good.
#[derive(Clone, Copy)]
struct Memory(&'static [u8]);

impl AcpiHandler for Memory {
    unsafe fn map_physical_region<T>(&self, at: usize, size: usize) -> PhysicalMapping<Self, T> {
        let place = &self.0[at - AT as usize..][..size];
        let start = NonNull::from(place).cast();
        // SAFETY: the place lies in the tables, which are never freed, and is as large as asked for.
        unsafe { PhysicalMapping::new(at, start, size, size, *self) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

fn tables(platform: &Platform) -> AcpiTables<Memory> {
    let memory = Memory(View::of(platform).0.bytes.leak());
    // SAFETY: the root pointer is there.
    unsafe { AcpiTables::from_rsdp(memory, AT as usize) }.expect("tables")
}

#[test]
fn fixed_registers() {
    let tables = tables(&pc(1));
    let fadt = tables.find_table::<Fadt>().expect("a FADT");
    fadt.validate().expect("in order");
    let blocks = [
        (fadt.pm1a_event_block().expect("events"), 0x600, 32),
        (fadt.pm1a_control_block().expect("control"), 0x604, 16),
        (
            fadt.pm_timer_block().expect("timer").expect("there"),
            0x608,
            32,
        ),
        (
            fadt.gpe0_block().expect("events").expect("there"),
            0x610,
            32,
        ),
        (fadt.reset_register().expect("reset"), 0xcf9, 8),
    ];
    for (block, port, bits) in blocks {
        assert_eq!(block.address_space, AddressSpace::SystemIo);
        assert_eq!((block.address, block.bit_width), (port, bits));
    }
    assert_eq!({ fadt.sci_interrupt }, 9);
    assert_eq!({ fadt.smi_cmd_port }, 0, "always in ACPI mode");
    assert_eq!(fadt.reset_value, 6);
    assert_eq!(fadt.century, 0x32);
    let flags = { fadt.flags };
    assert!(flags.pm_timer_is_32_bit());
    assert!(flags.supports_system_reset_via_fadt());
    assert!(flags.supports_equivalent_to_wbinvd());
    assert!(!flags.system_is_hw_reduced_acpi());
    assert!(!flags.power_button_is_control_method());
    assert!(flags.sleep_button_is_control_method());
    let boot = { fadt.iapc_boot_arch };
    assert!(boot.motherboard_implements_8042() && boot.dont_probe_vga());
    assert!(!boot.dont_enable_msi() && !boot.use_time_and_alarm_namespace_for_rtc());
}

#[test]
fn what_is_not_there_is_not_described() {
    let tables = tables(&bare());
    let fadt = tables.find_table::<Fadt>().expect("a FADT");
    let (flags, boot) = ({ fadt.flags }, { fadt.iapc_boot_arch });
    assert!(!flags.supports_system_reset_via_fadt());
    assert!(!boot.motherboard_implements_8042());
    assert!(boot.use_time_and_alarm_namespace_for_rtc());
    let mut short = pc(1);
    short.power.timer_32 = false;
    let tables = self::tables(&short);
    let fadt = tables.find_table::<Fadt>().expect("a FADT");
    assert!(!{ fadt.flags }.pm_timer_is_32_bit());
}

/// A processor: uid, APIC ID, x2APIC.
type Processor = (u32, u32, bool);
/// An override: interrupt, input, flags.
type Override = (u8, u32, u16);

/// Processors, overrides, and the number of other entries.
fn interrupts(platform: &Platform) -> (Vec<Processor>, Vec<Override>, usize) {
    let tables = tables(platform);
    let madt = tables.find_table::<Madt>().expect("a MADT");
    assert!(madt.get().supports_8259());
    let (mut processors, mut overrides, mut others) = (vec![], vec![], 0);
    for entry in madt.get().entries() {
        match entry {
            MadtEntry::LocalApic(apic) => {
                assert_eq!({ apic.flags }, 1);
                processors.push((apic.processor_id.into(), apic.apic_id.into(), false));
            }
            MadtEntry::LocalX2Apic(apic) => {
                assert_eq!({ apic.flags }, 1);
                processors.push(({ apic.processor_uid }, { apic.x2apic_id }, true));
            }
            MadtEntry::InterruptSourceOverride(it) => {
                assert_eq!(it.bus, 0);
                overrides.push((it.irq, { it.global_system_interrupt }, { it.flags }));
            }
            MadtEntry::IoApic(apic) => {
                assert_eq!({ apic.io_apic_address }, 0xfec0_0000);
                assert_eq!({ apic.global_system_interrupt_base }, 0);
            }
            MadtEntry::LocalApicNmi(nmi) => {
                assert_eq!((nmi.processor_id, nmi.nmi_line), (0xff, 1));
                others += 1;
            }
            _ => others += 1,
        }
    }
    (processors, overrides, others)
}

#[test]
fn processors_and_interrupts() {
    let (processors, overrides, others) = interrupts(&pc(4));
    assert_eq!(
        processors,
        [(0, 0, false), (1, 1, false), (2, 2, false), (3, 3, false)]
    );
    assert_eq!(overrides, [(0, 2, 0), (9, 9, 0b1101)]);
    assert_eq!(others, 1);
}

#[test]
fn large_ids_have_large_entries() {
    let (processors, _, others) = interrupts(&pc(300));
    assert_eq!(processors.len(), 300);
    assert_eq!(processors[254], (254, 254, false));
    assert_eq!(
        processors[255],
        (255, 255, true),
        "255 means all processors elsewhere"
    );
    assert_eq!(others, 2, "NMI for both sorts");
}

#[test]
fn pci_lines_at_isa_inputs_are_level_triggered() {
    let mut platform = pc(1);
    let mut pci = platform.pci.expect("a bus");
    pci.inputs = [10, 11, 10, 9];
    platform.pci = Some(pci);
    let (_, overrides, _) = interrupts(&platform);
    let level = 0b1101;
    assert_eq!(
        overrides,
        [(0, 2, 0), (9, 9, level), (10, 10, level), (11, 11, level)]
    );
}

#[test]
fn timer_and_configuration_space() {
    let tables = tables(&pc(1));
    let hpet = HpetInfo::new(&tables).expect("a timer");
    assert_eq!(
        (hpet.base_address, hpet.event_timer_block_id),
        (0xfed0_0000, 0x8086_a201)
    );
    assert_eq!((hpet.hpet_number, hpet.clock_tick_unit), (0, 100));
    let mcfg = tables.find_table::<Mcfg>().expect("an MCFG");
    let [entry] = mcfg.entries() else {
        panic!("{:?}", mcfg.entries());
    };
    assert_eq!({ entry.base_address }, 0xe000_0000);
    assert_eq!((entry.bus_number_start, entry.bus_number_end), (0, 0));
}
