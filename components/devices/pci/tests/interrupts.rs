//! MSI-X with masking and pending bits, and INTx.

mod common;

use common::*;
use pagurus_devices_pci::*;
use proptest::prelude::*;

const ADDRESS: u64 = 0xfee0_1000;

fn message(data: u32) -> Option<Message> {
    Some(Message {
        address: ADDRESS,
        data,
    })
}

fn control(bus: &mut Bus, value: u32) {
    assert_eq!(write(bus, 3, 0x42, 2, value), ConfigWrite::Changed(slot(3)));
}

#[test]
fn a_vector_gives_its_own_message() {
    let mut bus = running();
    for vector in 0..VECTORS {
        set_vector(&mut bus, 3, vector, ADDRESS, 100 + u32::from(vector), false);
    }
    for vector in (0..VECTORS).rev() {
        assert_eq!(bus.raise(slot(3), vector), message(100 + u32::from(vector)));
    }
    assert_eq!(bus.raise(slot(3), VECTORS), None);
    assert_eq!(bus.raise(slot(3), u16::MAX), None);
    assert_eq!(bus.raise(slot(4), 0), None);
    assert_eq!(bus.raise(Slot::HOST_BRIDGE, 0), None);
    assert_eq!(pending(&bus, 3), 0);
}

#[test]
fn a_masked_vector_waits_and_comes_once() {
    let mut bus = running();
    set_vector(&mut bus, 3, 1, ADDRESS, 7, true);
    for _ in 0..3 {
        assert_eq!(bus.raise(slot(3), 1), None);
    }
    assert_eq!(pending(&bus, 3), 1 << 1);
    assert_eq!(bus.next_message(slot(3)), None);
    // The message is what the entry says when it goes out.
    set_vector(&mut bus, 3, 1, ADDRESS, 8, false);
    assert_eq!(bus.next_message(slot(3)), message(8));
    assert_eq!(bus.next_message(slot(3)), None);
    assert_eq!(pending(&bus, 3), 0);
}

#[test]
fn one_message_stands_for_an_event_that_was_pending_too() {
    let mut bus = running();
    set_vector(&mut bus, 3, 1, ADDRESS, 7, true);
    assert_eq!(bus.raise(slot(3), 1), None);
    set_vector(&mut bus, 3, 1, ADDRESS, 7, false);
    assert_eq!(bus.raise(slot(3), 1), message(7));
    assert_eq!(pending(&bus, 3), 0);
    assert_eq!(bus.next_message(slot(3)), None);
}

#[test]
fn entries_are_masked_after_reset() {
    let mut bus = running();
    let base = bus.bar_address(slot(3), TABLE_BAR).unwrap();
    for vector in 0..u64::from(VECTORS) {
        let access = bus.find_memory(base + vector * 16 + 12, 4).unwrap();
        assert_eq!(bus.read_msix(access), Some(1));
    }
    assert_eq!(bus.raise(slot(3), 0), None);
    assert_eq!(pending(&bus, 3), 1);
}

#[test]
fn function_mask_bus_mastering_and_enable_hold_messages_back() {
    let mut bus = running();
    for vector in 0..VECTORS {
        set_vector(&mut bus, 3, vector, ADDRESS, u32::from(vector), false);
    }
    control(&mut bus, 0xc000);
    assert_eq!(bus.raise(slot(3), 0), None);
    assert_eq!(bus.raise(slot(3), 4), None);
    assert_eq!(bus.next_message(slot(3)), None);
    control(&mut bus, 0x8000);
    assert_eq!(bus.next_message(slot(3)), message(0));
    assert_eq!(bus.next_message(slot(3)), message(4));
    assert_eq!(bus.next_message(slot(3)), None);

    let _ = write(&mut bus, 3, offset::COMMAND, 2, 3);
    assert_eq!(bus.raise(slot(3), 2), None);
    assert_eq!(bus.next_message(slot(3)), None);
    let _ = write(&mut bus, 3, offset::COMMAND, 2, 7);
    assert_eq!(bus.next_message(slot(3)), message(2));

    control(&mut bus, 0);
    assert_eq!(bus.raise(slot(3), 2), None);
    control(&mut bus, 0x8000);
    assert_eq!(bus.next_message(slot(3)), None, "off is not masked");
}

#[test]
fn the_table_takes_words_and_double_words() {
    let mut bus = running();
    let base = bus.bar_address(slot(3), TABLE_BAR).unwrap();
    let at = |bus: &Bus, offset, size| bus.find_memory(base + offset, size).unwrap();
    let access = at(&bus, 16, 8);
    assert!(bus.write_msix(access, 0xfee0_1003_u64 | 0x12 << 32));
    let access = at(&bus, 24, 8);
    assert!(bus.write_msix(access, 99));
    assert_eq!(
        bus.read_msix(at(&bus, 16, 8)),
        Some(0xfee0_1003 | 0x12 << 32)
    );
    assert_eq!(bus.read_msix(at(&bus, 24, 4)), Some(99));
    assert_eq!(
        bus.raise(slot(3), 1),
        Some(Message {
            address: 0x12_fee0_1000,
            data: 99
        })
    );
    // Other sizes and alignments: ignored, all ones.
    for (offset, size) in [(16, 1), (16, 2), (18, 4), (20, 8)] {
        let access = at(&bus, offset, size);
        assert_eq!(bus.read_msix(access), Some(u64::MAX));
        assert!(bus.write_msix(access, 0));
    }
    assert_eq!(bus.read_msix(at(&bus, 16, 4)), Some(0xfee0_1003));
    // Pending bits are read-only; what is neither table nor pending bits is the device's.
    let access = at(&bus, PENDING, 4);
    assert!(bus.write_msix(access, u64::MAX));
    assert_eq!(pending(&bus, 3), 0);
    let access = at(&bus, u64::from(VECTORS) * 16, 4);
    assert_eq!(bus.read_msix(access), None);
    assert!(!bus.write_msix(access, 0));
}

#[test]
fn intx_is_a_level_that_msix_and_the_command_register_switch_off() {
    let mut bus = running();
    let line = Bus::intx_line(slot(3), 1);
    control(&mut bus, 0);
    assert!(!bus.intx(line));
    bus.set_intx(slot(3), true);
    assert!(bus.intx(line));
    assert_eq!(
        (0..INTX_LINES).filter(|line| bus.intx(*line)).count(),
        1,
        "one line only"
    );
    assert_ne!(read(&mut bus, 3, offset::STATUS, 2) & 1 << 3, 0);

    let _ = write(&mut bus, 3, offset::COMMAND, 2, 0x400);
    assert!(!bus.intx(line));
    assert_ne!(read(&mut bus, 3, offset::STATUS, 2) & 1 << 3, 0);
    let _ = write(&mut bus, 3, offset::COMMAND, 2, 0);
    assert!(bus.intx(line));
    control(&mut bus, 0x8000);
    assert!(!bus.intx(line));
    control(&mut bus, 0);
    bus.set_intx(slot(3), false);
    assert!(!bus.intx(line));
    assert_eq!(read(&mut bus, 3, offset::STATUS, 2) & 1 << 3, 0);
}

#[test]
fn slots_rotate_over_the_lines() {
    let lines: Vec<u8> = (0..6).map(|n| Bus::intx_line(slot(n), 1)).collect();
    assert_eq!(lines, [0, 1, 2, 3, 0, 1]);
    assert_eq!(Bus::intx_line(slot(3), 4), 2);
    // A line that two slots share is high while one of them is.
    let mut bus = bus(&[2, 6]);
    bus.set_intx(slot(2), true);
    bus.set_intx(slot(6), true);
    bus.set_intx(slot(2), false);
    assert!(bus.intx(2));
    bus.set_intx(slot(6), false);
    assert!(!bus.intx(2));
}

proptest! {
    /// No event is lost and none is made up: every raise is followed by a message at once, or as soon as the masks
    /// allow; several raises of a masked vector may share one.
    #[test]
    fn every_event_is_told(steps in proptest::collection::vec((0u8..5, 0..VECTORS), 1..100)) {
        let mut bus = running();
        for vector in 0..VECTORS {
            set_vector(&mut bus, 3, vector, ADDRESS, u32::from(vector), false);
        }
        let mut waiting = [false; VECTORS as usize];
        let mut masked = [false; VECTORS as usize];
        let mut closed = false;
        for (what, vector) in steps {
            let index = usize::from(vector);
            match what {
                0 | 1 => {
                    let sent = bus.raise(slot(3), vector);
                    let open = !closed && !masked[index];
                    prop_assert_eq!(sent.is_some(), open);
                    waiting[index] = !open;
                }
                2 | 3 => {
                    masked[index] = what == 2;
                    set_vector(&mut bus, 3, vector, ADDRESS, u32::from(vector), what == 2);
                }
                _ => {
                    closed = !closed;
                    control(&mut bus, if closed { 0xc000 } else { 0x8000 });
                }
            }
            while let Some(message) = bus.next_message(slot(3)) {
                let index = message.data as usize;
                prop_assert!(waiting[index] && !masked[index] && !closed);
                waiting[index] = false;
            }
            for index in 0..usize::from(VECTORS) {
                prop_assert!(!waiting[index] || masked[index] || closed);
                prop_assert_eq!(pending(&bus, 3) >> index & 1 == 1, waiting[index]);
            }
        }
    }
}
