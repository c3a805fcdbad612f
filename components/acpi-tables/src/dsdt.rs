//! Devices that cannot be found otherwise: DSDT, in AML (chapters 6, 19 and 20).

use crate::platform::{Hpet, LINES, Pci, Platform, Range, SLOTS, Serial};
use crate::tables::{self, bytes_of};
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Arg, Device, EISAName, IO, If, Interrupt, Memory32Fixed,
    Method, Name, PackageBuilder, Path, ResourceTemplate, Return, Scope, Store,
};
use acpi_tables::{Aml, AmlSink};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// The revision since which numbers have 64 bits.
const REVISION: u8 = 2;
/// Present, enabled, shown, working.
const PRESENT: u8 = 0xf;

/// Objects one after the other.
type Objects = Vec<Box<dyn Aml>>;

/// The table.
pub fn table(platform: &Platform) -> Vec<u8> {
    let mut aml = Vec::new();
    interrupt_model().to_aml_bytes(&mut aml);
    off(platform.power.sleep_type_off).to_aml_bytes(&mut aml);
    let mut devices: Objects = Vec::new();
    if let Some(pci) = &platform.pci {
        devices.push(Box::new(host_bridge(pci)));
        if let Some(ecam) = pci.ecam {
            devices.push(Box::new(motherboard(ecam)));
        }
    }
    if platform.clock {
        devices.push(Box::new(clock()));
    }
    if let Some(hpet) = &platform.hpet {
        devices.push(Box::new(event_timer(hpet)));
    }
    for (number, serial) in (1..).zip(&platform.serial) {
        devices.push(Box::new(serial_port(number, serial)));
    }
    let devices = devices.iter().map(AsRef::as_ref).collect();
    Scope::new(Path::new("\\_SB_"), devices).to_aml_bytes(&mut aml);
    tables::table(*b"DSDT", REVISION, &aml)
}

/// Bytes that are AML already.
struct Raw(Vec<u8>);

impl Aml for Raw {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}

fn raw(object: &dyn Aml) -> Raw {
    Raw(bytes_of(object))
}

/// A device with these objects.
fn device(name: &str, objects: &[Raw]) -> Raw {
    let objects = objects.iter().map(|object| object as &dyn Aml).collect();
    raw(&Device::new(Path::new(name), objects))
}

fn name(path: &str, value: &dyn Aml) -> Raw {
    raw(&Name::new(Path::new(path), value))
}

fn hardware_id(id: &str) -> Raw {
    name("_HID", &EISAName::new(id))
}

fn present() -> Raw {
    name("_STA", &PRESENT)
}

fn resources(resources: Vec<&dyn Aml>) -> Raw {
    name("_CRS", &ResourceTemplate::new(resources))
}

/// `\PICF`, which the guest sets to 1 by `\_PIC` when it uses the I/O APIC (section 5.8.1).
fn interrupt_model() -> Raw {
    let mut aml = name("PICF", &0u8).0;
    let flag = Path::new("PICF");
    let store = Store::new(&flag, &Arg(0));
    Method::new(Path::new("_PIC"), 1, false, alloc::vec![&store]).to_aml_bytes(&mut aml);
    Raw(aml)
}

/// `\_S5`: what to write to the control register to turn the machine off (section 7.4.2).
fn off(sleep_type: u8) -> Raw {
    let mut package = PackageBuilder::new();
    for element in [sleep_type, 0, 0, 0] {
        package.add_element(&element);
    }
    name("_S5_", &package)
}

/// The PCI host bridge: windows and interrupt routing.
fn host_bridge(pci: &Pci) -> Raw {
    let bus = AddressSpace::<u16>::new_bus_number(0, 0);
    // The configuration ports are the bridge's own.
    let config = IO::new(0xcf8, 0xcf8, 1, 8);
    let windows: Objects = [
        io_window(pci.io),
        memory_window(pci.memory),
        memory_window(pci.memory_high),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut crs: Vec<&dyn Aml> = alloc::vec![&bus, &config];
    crs.extend(windows.iter().map(AsRef::as_ref));

    let lines = pci.interrupts.map(u32::from);
    let (apic, pic) = (Path::new("PRTA"), Path::new("PRTP"));
    let flag = Path::new("\\PICF");
    let with_apic = Return::new(&apic);
    let choose = If::new(&flag, alloc::vec![&with_apic]);
    let without = Return::new(&pic);
    let route = Method::new(Path::new("_PRT"), 0, false, alloc::vec![&choose, &without]);
    device(
        "PCI0",
        &[
            hardware_id("PNP0A03"),
            name("_UID", &0u8),
            name("_SEG", &0u8),
            name("_BBN", &0u8),
            resources(crs),
            name("PRTA", &routing(pci.inputs)),
            name("PRTP", &routing(lines)),
            raw(&route),
        ],
    )
}

fn io_window(window: Range) -> Option<Box<dyn Aml>> {
    let (first, last) = (
        u16::try_from(window.start),
        u16::try_from(window.end.wrapping_sub(1)),
    );
    match (first, last) {
        (Ok(first), Ok(last)) if !window.is_empty() => {
            Some(Box::new(AddressSpace::<u16>::new_io(first, last, None)))
        }
        _ => None,
    }
}

fn memory_window(window: Range) -> Option<Box<dyn Aml>> {
    if window.is_empty() {
        return None;
    }
    let cacheable = AddressSpaceCacheable::NotCacheable;
    let ends = (u32::try_from(window.start), u32::try_from(window.last()));
    Some(match ends {
        (Ok(first), Ok(last)) => Box::new(AddressSpace::<u32>::new_memory(
            cacheable, true, first, last, None,
        )),
        _ => Box::new(AddressSpace::<u64>::new_memory(
            cacheable,
            true,
            window.start,
            window.last(),
            None,
        )),
    })
}

/// Where each pin of each slot leads (section 6.2.13): the lines rotate from slot to slot.
fn routing(lines: [u32; LINES]) -> PackageBuilder {
    let mut all = PackageBuilder::new();
    for slot in 0..SLOTS {
        for pin in 0..LINES as u8 {
            let line = usize::from(slot + pin) % LINES;
            let mut entry = PackageBuilder::new();
            // Any function of the slot; no link device, but an interrupt.
            entry.add_element(&(u32::from(slot) << 16 | 0xffff));
            entry.add_element(&pin);
            entry.add_element(&0u8);
            entry.add_element(&lines[line]);
            all.add_element(&entry);
        }
    }
    all
}

/// Configuration space in memory belongs to the motherboard (PCI Firmware Specification, section 4.1.2).
fn motherboard(ecam: u64) -> Raw {
    let area = Memory32Fixed::new(true, ecam as u32, 1 << 20);
    device(
        "MBRD",
        &[
            hardware_id("PNP0C02"),
            name("_UID", &0u8),
            resources(alloc::vec![&area]),
        ],
    )
}

/// The real-time clock.
fn clock() -> Raw {
    let ports = IO::new(0x70, 0x70, 1, 2);
    let interrupt = Interrupt::new(true, true, false, false, 8);
    device(
        "RTC_",
        &[
            hardware_id("PNP0B00"),
            present(),
            resources(alloc::vec![&ports, &interrupt]),
        ],
    )
}

/// The high precision event timer.
fn event_timer(hpet: &Hpet) -> Raw {
    let registers = Memory32Fixed::new(true, hpet.address, 0x400);
    device(
        "HPET",
        &[
            hardware_id("PNP0103"),
            name("_UID", &0u8),
            present(),
            resources(alloc::vec![&registers]),
        ],
    )
}

/// A serial port, numbered from 1.
fn serial_port(number: u8, serial: &Serial) -> Raw {
    let ports = IO::new(serial.port, serial.port, 1, 8);
    let interrupt = Interrupt::new(true, true, false, false, serial.interrupt.into());
    device(
        &format!("COM{number}"),
        &[
            hardware_id("PNP0501"),
            name("_UID", &number),
            present(),
            resources(alloc::vec![&ports, &interrupt]),
        ],
    )
}
