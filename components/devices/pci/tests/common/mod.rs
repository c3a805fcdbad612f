//! A small bus and the access patterns of an operating system.
#![allow(dead_code, reason = "every test file uses a part")]

use pagurus_devices_pci::*;

pub const WINDOWS: Windows = Windows {
    memory: AddressWindow {
        start: 0xe000_0000,
        end: 0xe010_0000,
    },
    memory_high: AddressWindow {
        start: 0x80_0000_0000,
        end: 0x81_0000_0000,
    },
    io: AddressWindow {
        start: 0xc000,
        end: 0x1_0000,
    },
};

pub const DEVICE: Identity = Identity {
    vendor: 0x1af4,
    device: 0x1042,
    revision: 1,
    class: 0x01_8000,
    subsystem_vendor: 0x1af4,
    subsystem: 0x40,
};

pub const VECTORS: u16 = 5;
pub const TABLE_BAR: u8 = 4;
pub const PENDING: u64 = 0x800;

/// A function with a register of every kind, MSI-X, INTA and a window.
pub fn function() -> Function {
    let mut function = Function::new(DEVICE);
    function.add_interrupt_pin();
    function.add_bar(0, BarKind::Memory64, 0x4000).unwrap();
    function.add_bar(2, BarKind::Io, 16).unwrap();
    function
        .add_bar(TABLE_BAR, BarKind::Memory32, 0x1000)
        .unwrap();
    function
        .add_msix(VECTORS, TABLE_BAR, 0, PENDING as u32)
        .unwrap();
    function.add_window(5).unwrap();
    function
}

pub fn slot(number: u8) -> Slot {
    Slot::new(number).unwrap()
}

pub fn bus(slots: &[u8]) -> Bus {
    let mut bus = Bus::new(Identity::HOST_BRIDGE, WINDOWS);
    for number in slots {
        bus.insert(slot(*number), function()).unwrap();
    }
    bus
}

/// A bus with one function in slot 3, addresses assigned, MSI-X on, bus mastering on.
pub fn running() -> Bus {
    let mut bus = bus(&[3]);
    bus.assign().unwrap();
    let command = bus.function(slot(3)).unwrap().command() | Command::BUS_MASTER;
    let _ = write(&mut bus, 3, offset::COMMAND, 2, u32::from(command.bits()));
    let msix = capability(&bus, 3, 0x11).unwrap();
    let _ = write(&mut bus, 3, msix + 2, 2, 0x8000);
    bus
}

/// Configuration read by ports, as Linux's type 1 accesses.
pub fn read(bus: &mut Bus, device: u8, at: u8, size: u8) -> u32 {
    let address = 1 << 31 | u32::from(device) << 11 | u32::from(at & 0xfc);
    assert_eq!(bus.write_port(0xcf8, 4, address), ConfigWrite::Done);
    match bus.read_port(0xcfc + u16::from(at & 3), size) {
        ConfigRead::Value(value) => value,
        window => panic!("{window:?}"),
    }
}

pub fn write(bus: &mut Bus, device: u8, at: u8, size: u8, value: u32) -> ConfigWrite {
    let address = 1 << 31 | u32::from(device) << 11 | u32::from(at & 0xfc);
    assert_eq!(bus.write_port(0xcf8, 4, address), ConfigWrite::Done);
    bus.write_port(0xcfc + u16::from(at & 3), size, value)
}

/// Configuration read by ECAM.
pub fn ecam(bus: &Bus, device: u8, at: u16, size: u8) -> u32 {
    match bus.read_ecam(u64::from(device) << 15 | u64::from(at), size) {
        ConfigRead::Value(value) => value,
        window => panic!("{window:?}"),
    }
}

/// Walks the list of capabilities as an operating system does.
pub fn capabilities(bus: &Bus, device: u8) -> Vec<(u8, u8)> {
    let mut found = Vec::new();
    if ecam(bus, device, 6, 2) & 1 << 4 == 0 {
        return found;
    }
    let mut at = ecam(bus, device, 0x34, 1) as u8 & !3;
    while at != 0 {
        assert!(found.len() < 48, "the list has no end");
        found.push((ecam(bus, device, u16::from(at), 1) as u8, at));
        at = ecam(bus, device, u16::from(at) + 1, 1) as u8 & !3;
    }
    found
}

pub fn capability(bus: &Bus, device: u8, id: u8) -> Option<u8> {
    capabilities(bus, device)
        .into_iter()
        .find_map(|(found, at)| (found == id).then_some(at))
}

/// Fills a table entry, unmasked.
pub fn set_vector(bus: &mut Bus, device: u8, vector: u16, address: u64, data: u32, masked: bool) {
    let base = bus.bar_address(slot(device), TABLE_BAR).unwrap() + u64::from(vector) * 16;
    let words = [
        address as u32,
        (address >> 32) as u32,
        data,
        u32::from(masked),
    ];
    for (word, value) in (0..).step_by(4).zip(words) {
        let access = bus.find_memory(base + word, 4).unwrap();
        assert!(bus.write_msix(access, u64::from(value)));
    }
}

pub fn pending(bus: &Bus, device: u8) -> u64 {
    let base = bus.bar_address(slot(device), TABLE_BAR).unwrap();
    let access = bus.find_memory(base + PENDING, 8).unwrap();
    bus.read_msix(access).unwrap()
}
