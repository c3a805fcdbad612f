//! The DSDT. (Its code is run by the Linux guest of the system tests.)

use crate::aml::{Namespace, Resource, Value, read, resources};
use crate::machine::{View, bare, pc};
use pagurus_guest_acpi::Platform;

fn load(platform: &Platform) -> Namespace {
    let view = View::of(platform);
    let dsdt = view.table(view.dsdt());
    assert_eq!(dsdt[8], 2, "numbers of 64 bits");
    read(&dsdt[36..])
}

/// A compressed EISA ID (section 19.3.4).
fn eisa(id: &str) -> u64 {
    let bytes = id.as_bytes();
    let letters = bytes[..3]
        .iter()
        .fold(0, |all, letter| all << 5 | u32::from(letter - b'@'));
    let number = u32::from_str_radix(&id[3..], 16).expect("a number");
    u64::from((letters << 16 | number).swap_bytes())
}

#[test]
fn soft_off() {
    let namespace = load(&pc(1));
    let values: Vec<u64> = namespace["_S5_"]
        .package()
        .iter()
        .map(Value::number)
        .collect();
    assert_eq!(values, [5, 0, 0, 0]);
}

#[test]
fn the_bus_has_its_windows() {
    let namespace = load(&pc(1));
    assert_eq!(namespace["_SB_.PCI0._HID"].number(), eisa("PNP0A03"));
    assert_eq!(namespace["_SB_.PCI0._BBN"].number(), 0);
    assert_eq!(
        resources(&namespace["_SB_.PCI0._CRS"]),
        [
            Resource::Window(2, 0, 0, 1),
            Resource::Ports(0xcf8, 0xcf8, 8),
            Resource::Window(1, 0x1000, 0xffff, 0xf000),
            Resource::Window(0, 0xc000_0000, 0xdfff_ffff, 0x2000_0000),
            Resource::Window(0, 0x8_0000_0000, 0x8_ffff_ffff, 0x1_0000_0000),
        ]
    );
}

#[test]
fn empty_windows_are_left_out() {
    let mut platform = pc(1);
    let mut pci = platform.pci.expect("a bus");
    (pci.io.start, pci.io.end) = (0, 0);
    pci.memory_high.end = pci.memory_high.start;
    platform.pci = Some(pci);
    let found = resources(&load(&platform)["_SB_.PCI0._CRS"]);
    assert_eq!(found.len(), 3);
}

#[test]
fn pins_lead_where_the_guest_says_it_listens() {
    let namespace = load(&pc(1));
    for (name, expected) in [("PRTA", [16, 17, 18, 19]), ("PRTP", [5, 10, 11, 5])] {
        let routes = namespace[&format!("_SB_.PCI0.{name}")].package();
        assert_eq!(routes.len(), 128);
        for (number, route) in (0..).zip(routes) {
            let (slot, pin) = (number / 4, number % 4);
            let fields: Vec<u64> = route.package().iter().map(Value::number).collect();
            let line = (slot + pin) % 4;
            assert_eq!(
                fields,
                [slot << 16 | 0xffff, pin, 0, expected[line as usize]]
            );
        }
    }
    // Before the guest says anything: the 8259s.
    assert_eq!(namespace["PICF"].number(), 0);
    // Store (Arg0, PICF)
    assert_eq!(
        namespace["_PIC"],
        Value::Method(1, b"\x70\x68PICF".to_vec())
    );
    // If (\PICF) { Return (PRTA) } Return (PRTP)
    let route = b"\xa0\x0b\\PICF\xa4PRTA\xa4PRTP";
    assert_eq!(
        namespace["_SB_.PCI0._PRT"],
        Value::Method(0, route.to_vec())
    );
}

#[test]
fn devices_have_their_ports_and_interrupts() {
    let namespace = load(&pc(1));
    for (device, id, port, length, interrupt) in [
        ("COM1", "PNP0501", 0x3f8, 8, 4),
        ("COM2", "PNP0501", 0x2f8, 8, 3),
        ("RTC_", "PNP0B00", 0x70, 2, 8),
    ] {
        let object = |name: &str| &namespace[&format!("_SB_.{device}.{name}")];
        assert_eq!(object("_HID").number(), eisa(id));
        assert_eq!(object("_STA").number(), 15);
        assert_eq!(
            resources(object("_CRS")),
            [
                Resource::Ports(port, port, length),
                Resource::Interrupt(interrupt, true, false)
            ]
        );
    }
    assert_ne!(namespace["_SB_.COM1._UID"], namespace["_SB_.COM2._UID"]);
    for (device, id, base, length) in [
        ("MBRD", "PNP0C02", 0xe000_0000, 1 << 20),
        ("HPET", "PNP0103", 0xfed0_0000, 0x400),
    ] {
        let object = |name: &str| &namespace[&format!("_SB_.{device}.{name}")];
        assert_eq!(object("_HID").number(), eisa(id));
        assert_eq!(
            resources(object("_CRS")),
            [Resource::FixedMemory(base, length)]
        );
    }
}

#[test]
fn a_bare_machine_has_code_too() {
    let namespace = load(&bare());
    let names: Vec<&String> = namespace.keys().collect();
    assert_eq!(names, ["PICF", "_PIC", "_S5_"]);
}
