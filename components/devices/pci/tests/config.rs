//! Configuration space: both mechanisms, header, capabilities, sizing of base address registers.

mod common;

use common::*;
use pagurus_devices_pci::*;

#[test]
fn the_bridge_and_the_device_are_found_and_nothing_else() {
    let mut bus = bus(&[3, 31]);
    let found: Vec<u8> = (0..32)
        .filter(|device| read(&mut bus, *device, 0, 4) != u32::MAX)
        .collect();
    assert_eq!(found, [0, 3, 31]);
    assert_eq!(read(&mut bus, 0, 8, 4), 0x0600_0000);
    assert_eq!(read(&mut bus, 3, 0, 4), 0x1042_1af4);
    assert_eq!(read(&mut bus, 3, 8, 4), 0x0180_0001);
    assert_eq!(read(&mut bus, 3, 0x2c, 4), 0x0040_1af4);
    assert_eq!(read(&mut bus, 3, 0x0e, 1), 0, "type 0, one function");
    assert_eq!(read(&mut bus, 3, 0x3d, 1), 1, "INTA");
}

#[test]
fn both_mechanisms_show_the_same() {
    let mut bus = bus(&[3]);
    for at in (0..=252).step_by(4) {
        // The window's data register does something when read.
        if at == capability(&bus, 3, 9).unwrap() + 16 {
            continue;
        }
        let whole = read(&mut bus, 3, at, 4);
        assert_eq!(ecam(&bus, 3, u16::from(at), 4), whole);
        for byte in 0..4 {
            let expected = whole >> (8 * byte) & 0xff;
            assert_eq!(read(&mut bus, 3, at + byte, 1), expected);
            assert_eq!(ecam(&bus, 3, u16::from(at + byte), 1), expected);
        }
        assert_eq!(read(&mut bus, 3, at + 2, 2), whole >> 16);
    }
}

#[test]
fn what_is_not_there_reads_as_ones() {
    let mut bus = bus(&[3]);
    // Not enabled.
    let _ = bus.write_port(0xcf8, 4, 3 << 11);
    assert_eq!(bus.read_port(0xcfc, 4), ConfigRead::Value(u32::MAX));
    // Bus 1, function 1.
    for address in [1 << 31 | 1 << 16 | 3 << 11, 1 << 31 | 3 << 11 | 1 << 8] {
        let _ = bus.write_port(0xcf8, 4, address);
        assert_eq!(bus.read_port(0xcfc, 4), ConfigRead::Value(u32::MAX));
        assert_eq!(bus.read_port(0xcfc, 2), ConfigRead::Value(0xffff));
    }
    assert_eq!(ecam(&bus, 3, 0x100, 4), u32::MAX, "no extended space");
    assert_eq!(bus.read_ecam(1 << 20, 4), ConfigRead::Value(u32::MAX));
    assert_eq!(
        bus.read_ecam(3 << 15 | 1 << 12, 4),
        ConfigRead::Value(u32::MAX)
    );
    assert_eq!(bus.read_ecam(u64::MAX, 4), ConfigRead::Value(u32::MAX));
    // Across a doubleword, and 8 bytes.
    assert_eq!(ecam(&bus, 3, 2, 4), u32::MAX);
    assert_eq!(ecam(&bus, 3, 3, 2), 0xffff);
    assert_eq!(ecam(&bus, 3, 0, 8), u32::MAX);
}

#[test]
fn the_address_register_takes_doublewords_only() {
    let mut bus = bus(&[3]);
    assert_eq!(bus.write_port(0xcf8, 4, 0xffff_ffff), ConfigWrite::Done);
    assert_eq!(bus.read_port(0xcf8, 4), ConfigRead::Value(0x80ff_fffc));
    // 0xcf9 is the reset control of other chips.
    assert_eq!(bus.write_port(0xcf9, 1, 6), ConfigWrite::Done);
    assert_eq!(bus.write_port(0xcf8, 2, 0), ConfigWrite::Done);
    assert_eq!(bus.read_port(0xcf8, 4), ConfigRead::Value(0x80ff_fffc));
    assert_eq!(bus.read_port(0xcf8, 1), ConfigRead::Value(0xff));
    assert_eq!(bus.read_port(0xcfa, 2), ConfigRead::Value(0xffff));
}

#[test]
fn registers_tell_their_size() {
    let mut bus = bus(&[3]);
    for (at, mask) in [
        (0x10, 0xffff_c004),
        (0x14, 0xffff_ffff),
        (0x18, 0xffff_fff1),
        (0x1c, 0),
        (0x20, 0xffff_f000),
        (0x24, 0),
        (0x30, 0),
    ] {
        let before = read(&mut bus, 3, at, 4);
        assert_eq!(
            write(&mut bus, 3, at, 4, u32::MAX),
            ConfigWrite::Changed(slot(3))
        );
        assert_eq!(read(&mut bus, 3, at, 4), mask, "register {at:#x}");
        let _ = write(&mut bus, 3, at, 4, before);
        assert_eq!(read(&mut bus, 3, at, 4), before);
    }
}

#[test]
fn fixed_registers_stay_fixed() {
    let mut bus = bus(&[3]);
    for at in [0x00, 0x08, 0x2c, 0x34] {
        let before = read(&mut bus, 3, at, 4);
        let _ = write(&mut bus, 3, at, 4, !before);
        assert_eq!(read(&mut bus, 3, at, 4), before, "register {at:#x}");
    }
    let _ = write(&mut bus, 3, 4, 2, 0xffff);
    assert_eq!(read(&mut bus, 3, 4, 2), 0x0407);
    let _ = write(&mut bus, 0, 4, 2, 0xffff);
    assert_eq!(
        read(&mut bus, 0, 4, 2),
        0x0404,
        "the bridge decodes nothing"
    );
    let _ = write(&mut bus, 3, 0x3c, 2, 0xffff);
    assert_eq!(read(&mut bus, 3, 0x3c, 2), 0x01ff, "line yes, pin no");
}

#[test]
fn reset_forgets_what_the_guest_wrote() {
    let mut fresh = bus(&[3]);
    let mut used = running();
    let _ = used.raise(slot(3), 1);
    used.set_intx(slot(3), true);
    set_vector(&mut used, 3, 2, 0xfee0_0000, 77, false);
    let _ = write(&mut used, 3, 0x3c, 1, 11);
    used.reset();
    assert_eq!(used, fresh);
    fresh.assign().unwrap();
    used.assign().unwrap();
    assert_eq!(used, fresh);
}

#[test]
fn capabilities_are_listed_in_order() {
    let bus = bus(&[3]);
    assert_eq!(capabilities(&bus, 3), [(0x11, 0x40), (0x09, 0x4c)]);
    assert_eq!(capabilities(&bus, 0), []);
    // Table size 5, table at 0 and pending bits at 0x800 behind register 4.
    assert_eq!(ecam(&bus, 3, 0x42, 2), 4);
    assert_eq!(ecam(&bus, 3, 0x44, 4), 4);
    assert_eq!(ecam(&bus, 3, 0x48, 4), 0x804);
}

#[test]
fn a_function_that_makes_no_sense_is_refused() {
    let mut function = function();
    assert_eq!(
        function.add_bar(1, BarKind::Memory32, 4096),
        Err(BuildError::BarTaken { bar: 1 }),
        "upper half of a pair"
    );
    assert_eq!(
        function.add_bar(0, BarKind::Io, 4),
        Err(BuildError::BarTaken { bar: 0 })
    );
    assert_eq!(
        function.add_bar(5, BarKind::Memory64, 4096),
        Err(BuildError::BarTaken { bar: 5 })
    );
    for size in [0, 8, 3000, 1 << 31] {
        assert_eq!(
            function.add_bar(5, BarKind::Memory32, size),
            Err(BuildError::BarSize { bar: 5, size })
        );
    }
    assert_eq!(
        function.add_bar(5, BarKind::Io, 512),
        Err(BuildError::BarSize { bar: 5, size: 512 })
    );
    assert_eq!(function.add_msix(1, 4, 0, 16), Err(BuildError::Twice));
    assert_eq!(function.add_window(5), Err(BuildError::Twice));
    assert_eq!(
        function.add_capability(9, &[0; 160], &[]),
        Err(BuildError::NoRoom { capability: 9 })
    );
    assert!(function.add_capability(9, &[0; 158], &[]).is_ok());
    assert_eq!(
        function.add_capability(9, &[], &[]),
        Err(BuildError::NoRoom { capability: 9 })
    );

    let mut plain = Function::new(DEVICE);
    plain.add_bar(0, BarKind::Memory32, 0x1000).unwrap();
    plain.add_bar(1, BarKind::Io, 256).unwrap();
    for (vectors, bar, table, pending) in [
        (0, 0, 0, 0x800),
        (65, 0, 0, 0x800),
        (4, 0, 0, 0x38),
        (4, 0, 0x10, 0x10),
        (4, 0, 0xfd0, 0),
        (4, 0, 0, 0xffc),
        (4, 0, 4, 0x800),
        (4, 1, 0, 0x80),
        (4, 2, 0, 0x80),
    ] {
        assert_eq!(
            plain.add_msix(vectors, bar, table, pending),
            Err(BuildError::MsixLayout)
        );
    }
    let mut bus = bus(&[3]);
    assert_eq!(
        bus.insert(slot(3), plain.clone()),
        Err(BuildError::SlotTaken { slot: 3 })
    );
    assert_eq!(
        bus.insert(Slot::HOST_BRIDGE, plain),
        Err(BuildError::SlotTaken { slot: 0 })
    );
}

#[test]
fn the_window_reaches_behind_the_registers() {
    let mut bus = bus(&[3]);
    let at = capability(&bus, 3, 9).unwrap();
    assert_eq!(read(&mut bus, 3, at, 4) >> 16, 0x0514, "length and type");
    // No legal access yet: length 0.
    let _ = bus.write_port(0xcf8, 4, 1 << 31 | 3 << 11 | u32::from(at + 16));
    assert_eq!(bus.read_port(0xcfc, 4), ConfigRead::Value(0));

    assert_eq!(write(&mut bus, 3, at + 4, 4, u32::MAX), ConfigWrite::Done);
    assert_eq!(read(&mut bus, 3, at + 4, 4), 0xff, "only the register");
    let _ = write(&mut bus, 3, at + 4, 1, 0);
    let _ = write(&mut bus, 3, at + 8, 4, 0x14);
    let _ = write(&mut bus, 3, at + 12, 4, 2);
    let expected = BarAccess {
        slot: slot(3),
        bar: 0,
        offset: 0x14,
        size: 2,
    };
    assert_eq!(
        write(&mut bus, 3, at + 16, 4, 0x1234_5678),
        ConfigWrite::Window {
            access: expected,
            value: 0x5678
        }
    );
    for (byte, size, value) in [(0, 4, 0xabcd), (0, 2, 0xabcd), (1, 1, 0xab), (2, 2, 0)] {
        let _ = bus.write_port(0xcf8, 4, 1 << 31 | 3 << 11 | u32::from(at + 16));
        match bus.read_port(0xcfc + byte, size) {
            ConfigRead::Window(window) => {
                assert_eq!(window.access, expected);
                assert_eq!(window.value(0xdead_abcd), value);
            }
            other => panic!("{other:?}"),
        }
    }
    // Beyond the range, not aligned, no such register, odd size.
    for (bar, offset, length) in [
        (0, 0x4000, 1),
        (0, 0x3ffe, 4),
        (0, 1, 2),
        (1, 0, 4),
        (200, 0, 4),
        (0, 0, 3),
        (0, 0, 8),
        (0, u32::MAX, 1),
    ] {
        let _ = write(&mut bus, 3, at + 4, 1, bar);
        let _ = write(&mut bus, 3, at + 8, 4, offset);
        let _ = write(&mut bus, 3, at + 12, 4, length);
        assert_eq!(write(&mut bus, 3, at + 16, 4, 7), ConfigWrite::Done);
        assert_eq!(read(&mut bus, 3, at + 16, 4), 7, "plain memory then");
    }
}
