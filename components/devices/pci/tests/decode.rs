//! Addresses lead where the guest's base address registers say, inside the bridge's windows only.

mod common;

use common::*;
use pagurus_devices_pci::*;
use proptest::prelude::*;

#[test]
fn firmware_gives_every_register_a_place_of_its_own() {
    let mut bus = bus(&[1, 2, 3, 4, 5]);
    assert_eq!(bus.find_memory(0xe000_0000, 4), None, "nothing decodes yet");
    bus.assign().unwrap();
    let mut ranges = Vec::new();
    for (slot, function) in bus.functions() {
        for index in 0..6 {
            let Some(bar) = function.bar(index) else {
                continue;
            };
            let address = bus.bar_address(slot, index).unwrap();
            assert!(address.is_multiple_of(bar.size));
            if bar.kind == BarKind::Memory64 {
                assert!(address >= WINDOWS.memory_high.start);
            }
            ranges.push((bar.kind.is_memory(), address, address + bar.size));
            let find = |at| match bar.kind.is_memory() {
                true => bus.find_memory(at, 1),
                false => bus.find_port(at as u16, 1),
            };
            for offset in [0, bar.size / 2, bar.size - 1] {
                assert_eq!(
                    find(address + offset),
                    Some(BarAccess {
                        slot,
                        bar: index,
                        offset,
                        size: 1
                    })
                );
            }
        }
    }
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[..i] {
            assert!(a.0 != b.0 || a.2 <= b.1 || b.2 <= a.1, "{a:x?} {b:x?}");
        }
    }
}

#[test]
fn windows_that_are_too_small_are_named() {
    let mut windows = WINDOWS;
    windows.io = AddressWindow {
        start: 0xc008,
        end: 0xc020,
    };
    windows.memory_high = AddressWindow::EMPTY;
    let mut bus = Bus::new(Identity::HOST_BRIDGE, windows);
    bus.insert(slot(1), function()).unwrap();
    bus.assign().unwrap();
    assert_eq!(bus.bar_address(slot(1), 2), Some(0xc010), "aligned");
    assert_eq!(
        bus.bar_address(slot(1), 0),
        Some(0xe000_0000),
        "64-bit registers make do with 32 bits"
    );
    bus.insert(slot(2), function()).unwrap();
    let error = bus.assign().unwrap_err();
    assert_eq!((error.slot, error.bar, error.size), (slot(2), 2, 16));
    assert_eq!(bus.bar_address(slot(2), 2), None);
}

#[test]
fn accesses_that_leave_the_range_are_nobodys() {
    let bus = running();
    let base = bus.bar_address(slot(3), 0).unwrap();
    assert!(bus.find_memory(base + 0x3ffc, 4).is_some());
    assert_eq!(bus.find_memory(base + 0x3ffd, 4), None);
    assert_eq!(bus.find_memory(base - 1, 2), None);
    assert_eq!(bus.find_memory(base + 0x3ffc, 8), None);
    let port = bus.bar_address(slot(3), 2).unwrap() as u16;
    assert!(bus.find_port(port + 14, 2).is_some());
    assert_eq!(bus.find_port(port + 15, 2), None);
    assert_eq!(bus.find_memory(u64::from(port), 1), None, "other space");
}

#[test]
fn decoding_follows_the_command_register_and_the_address() {
    let mut bus = running();
    let base = bus.bar_address(slot(3), TABLE_BAR).unwrap();
    let port = bus.bar_address(slot(3), 2).unwrap();
    let _ = write(&mut bus, 3, offset::COMMAND, 2, 1);
    assert_eq!(bus.find_memory(base, 4), None);
    assert!(bus.find_port(port as u16, 2).is_some());
    let _ = write(&mut bus, 3, offset::COMMAND, 2, 2);
    assert!(bus.find_memory(base, 4).is_some());
    assert_eq!(bus.find_port(port as u16, 2), None);

    let _ = write(&mut bus, 3, 0x20, 4, 0xe008_0000);
    assert_eq!(bus.find_memory(base, 4), None);
    assert_eq!(bus.find_memory(0xe008_0000, 4).unwrap().bar, TABLE_BAR);
    // While it is sized, and outside the window: nowhere.
    for address in [u32::MAX, 0, 0x1000, 0xdfff_f000, 0xe010_0000, 0xfee0_0000] {
        let _ = write(&mut bus, 3, 0x20, 4, address);
        assert_eq!(bus.bar_address(slot(3), TABLE_BAR), None);
        assert_eq!(bus.find_memory(u64::from(address & !0xfff), 4), None);
    }
}

#[test]
fn the_lowest_slot_wins_where_ranges_overlap() {
    let mut bus = bus(&[3, 4]);
    bus.assign().unwrap();
    let taken = bus.bar_address(slot(3), TABLE_BAR).unwrap();
    let _ = write(&mut bus, 4, 0x20, 4, taken as u32);
    assert_eq!(bus.bar_address(slot(4), TABLE_BAR), Some(taken));
    assert_eq!(bus.find_memory(taken, 4).unwrap().slot, slot(3));
    let _ = write(&mut bus, 3, offset::COMMAND, 2, 0);
    assert_eq!(bus.find_memory(taken, 4).unwrap().slot, slot(4));
}

#[derive(Clone, Debug)]
enum Step {
    Port(u16, u8, u32),
    Ecam(u64, u8, u32),
    Memory(u64, u8, u64),
    Raise(u8, u16),
    Intx(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![Just(1u8), Just(2), Just(4), Just(8), any::<u8>()];
    let value = || prop_oneof![any::<u32>(), Just(u32::MAX), 0xe000_0000u32..0xe010_0000];
    let register = (1u64..5, 0u64..256).prop_map(|(device, at)| device << 15 | at);
    prop_oneof![
        (0xcf0u16..0xd08, size(), value()).prop_map(|(p, s, v)| Step::Port(p, s, v)),
        (register, size(), value()).prop_map(|(o, s, v)| Step::Ecam(o, s, v)),
        (any::<u64>(), size(), value()).prop_map(|(o, s, v)| Step::Ecam(o, s, v)),
        (
            prop_oneof![0xe000_0000u64..0xe010_0000, any::<u64>()],
            size(),
            any::<u64>()
        )
            .prop_map(|(a, s, v)| Step::Memory(a, s, v)),
        (0u8..32, 0u16..80).prop_map(|(s, v)| Step::Raise(s, v)),
        (0u8..32, any::<bool>()).prop_map(|(s, l)| Step::Intx(s, l)),
    ]
}

proptest! {
    /// Whatever a guest writes: no panic, fixed bits stay, and every range that is decoded lies inside a window.
    #[test]
    fn nothing_a_guest_writes_does_harm(steps in proptest::collection::vec(step(), 1..200)) {
        let mut bus = bus(&[1, 3, 4]);
        bus.assign().unwrap();
        let fixed = |bus: &Bus| -> Vec<u32> {
            [1, 3, 4].into_iter().flat_map(|device| {
                [0, 8, 0x2c, 0x34, 0x40, 0x4c].map(|at| {
                    // Of the MSI-X capability, enable and function mask are the guest's.
                    ecam(bus, device, at, 4) & if at == 0x40 { 0x3fff_ffff } else { u32::MAX }
                })
            }).collect()
        };
        let before = fixed(&bus);
        for step in steps {
            match step {
                Step::Port(port, size, value) => {
                    let _ = bus.read_port(port, size);
                    let _ = bus.write_port(port, size, value);
                }
                Step::Ecam(at, size, value) => {
                    let _ = bus.read_ecam(at, size);
                    let _ = bus.write_ecam(at, size, value);
                }
                Step::Memory(address, size, value) => {
                    if let Some(access) = bus.find_memory(address, size) {
                        let _ = bus.read_msix(access);
                        bus.write_msix(access, value);
                    }
                }
                Step::Raise(number, vector) => {
                    let _ = bus.raise(slot(number), vector);
                }
                Step::Intx(number, level) => bus.set_intx(slot(number), level),
            }
            for number in [1, 3, 4] {
                let mut released = 0;
                while bus.next_message(slot(number)).is_some() {
                    released += 1;
                    prop_assert!(released <= VECTORS);
                }
                for (index, size) in [(0, 0x4000), (2, 16), (4, 0x1000)] {
                    if let Some(address) = bus.bar_address(slot(number), index) {
                        let inside = match index {
                            2 => WINDOWS.io.contains(address, size),
                            4 => WINDOWS.memory.contains(address, size),
                            _ => WINDOWS.memory.contains(address, size)
                                || WINDOWS.memory_high.contains(address, size),
                        };
                        prop_assert!(inside);
                    }
                }
            }
        }
        prop_assert_eq!(fixed(&bus), before);
    }
}
