use super::*;
use crate::{DeliveryMode, Destination, Trigger};
use proptest::prelude::*;

const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;
const REMOTE_IRR: u32 = 1 << 14;

fn read(apic: &mut IoApic, register: u8) -> u32 {
    assert!(apic.write(window::SELECT, 4, register.into()).is_empty());
    apic.read(window::DATA, 4) as u32
}

fn write(apic: &mut IoApic, register: u8, value: u32) -> Messages {
    assert!(apic.write(window::SELECT, 4, register.into()).is_empty());
    apic.write(window::DATA, 4, value.into())
}

fn route(apic: &mut IoApic, input: u8, low: u32) -> Messages {
    write(apic, 0x11 + 2 * input, 0x0300_0000);
    write(apic, 0x10 + 2 * input, low)
}

fn message(vector: u8, trigger: Trigger) -> Message {
    Message {
        destination: Destination::Physical(3),
        mode: DeliveryMode::Fixed,
        vector,
        trigger,
    }
}

#[test]
fn registers_after_reset() {
    let mut apic = IoApic::new(2);
    assert_eq!(apic.read(window::SELECT, 4), 0);
    assert_eq!(read(&mut apic, 0), 0x0200_0000);
    assert_eq!(read(&mut apic, 1), 0x0017_0020);
    assert_eq!(read(&mut apic, 2), 0x0200_0000);
    for register in (0x10..0x40).step_by(2) {
        assert_eq!(read(&mut apic, register), MASKED);
        assert_eq!(read(&mut apic, register + 1), 0);
    }
    for register in [0x03, 0x0f, 0x40, 0xff] {
        assert_eq!(read(&mut apic, register), u32::MAX);
        assert!(write(&mut apic, register, 0).is_empty());
    }
}

#[test]
fn writable_bits() {
    let mut apic = IoApic::new(0);
    write(&mut apic, 0, u32::MAX);
    assert_eq!(read(&mut apic, 0), 0x0f00_0000);
    write(&mut apic, 1, u32::MAX);
    assert_eq!(read(&mut apic, 1), 0x0017_0020);
    write(&mut apic, 0x10, u32::MAX);
    write(&mut apic, 0x11, u32::MAX);
    assert_eq!(read(&mut apic, 0x10), 0x0001_afff);
    assert_eq!(read(&mut apic, 0x11), 0xff00_0000);
}

#[test]
fn odd_accesses() {
    let mut apic = IoApic::new(0);
    assert_eq!(apic.read(window::DATA, 1), 0xff);
    assert_eq!(apic.read(window::DATA, 8), u64::MAX);
    assert_eq!(apic.read(window::EOI, 4), 0xffff_ffff);
    assert_eq!(apic.read(0x14, 4), 0xffff_ffff);
    assert_eq!(apic.read(u64::MAX, 4), 0xffff_ffff);
    apic.write(window::SELECT, 1, 0x10);
    assert_eq!(apic.read(window::SELECT, 2), 0x10);
    apic.write(window::DATA, 2, 0);
    apic.write(0x1000, 4, 0);
    assert_eq!(apic.read(window::DATA, 4), MASKED.into());
}

#[test]
fn edges() {
    let mut apic = IoApic::new(0);
    assert_eq!(apic.set_line(4, true), None, "masked");
    assert!(route(&mut apic, 4, 0x31).is_empty(), "the edge is lost");
    assert_eq!(apic.set_line(4, true), None, "no edge");
    assert_eq!(apic.set_line(4, false), None);
    assert_eq!(apic.set_line(4, true), Some(message(0x31, Trigger::Edge)));
    assert_eq!(read(&mut apic, 0x18), 0x31, "no end is waited for");
    assert_eq!(apic.pulse(4), Some(message(0x31, Trigger::Edge)));
    assert!(apic.end_of_interrupt(0x31).is_empty());
    assert_eq!(apic.set_line(24, true), None);
    assert_eq!(apic.pulse(255), None);
}

#[test]
fn levels_wait_for_their_end() {
    let mut apic = IoApic::new(0);
    let wanted = message(0x41, Trigger::Level);
    route(&mut apic, 10, 0x41 | LEVEL);
    assert_eq!(apic.set_line(10, true), Some(wanted));
    assert_eq!(read(&mut apic, 0x24), 0x41 | LEVEL | REMOTE_IRR);
    assert!(apic.waits_for(0x41));
    assert_eq!(apic.set_line(10, true), None);
    assert_eq!(apic.set_line(10, false), None);
    assert_eq!(apic.set_line(10, true), None, "still waiting");
    assert!(apic.end_of_interrupt(0x42).is_empty());
    assert_eq!(apic.end_of_interrupt(0x41).as_slice(), [wanted], "again");
    apic.set_line(10, false);
    assert!(apic.end_of_interrupt(0x41).is_empty());
    assert_eq!(read(&mut apic, 0x24), 0x41 | LEVEL);
    assert!(!apic.waits_for(0x41));
    assert_eq!(apic.set_line(10, true), Some(wanted));
}

#[test]
fn end_of_interrupt_register() {
    let mut apic = IoApic::new(0);
    route(&mut apic, 10, 0x41 | LEVEL);
    apic.set_line(10, true);
    assert!(apic.write(window::EOI, 4, 0x40).is_empty());
    assert_eq!(apic.write(window::EOI, 4, 0x41).len(), 1);
}

#[test]
fn inputs_that_share_a_vector_end_together() {
    let mut apic = IoApic::new(0);
    for input in 0..24 {
        route(&mut apic, input, 0x41 | LEVEL);
        assert!(apic.set_line(input, true).is_some());
    }
    assert_eq!(apic.end_of_interrupt(0x41).len(), INPUTS);
}

#[test]
fn unmasking_serves_a_level() {
    let mut apic = IoApic::new(0);
    route(&mut apic, 9, 0x51 | LEVEL | MASKED);
    assert_eq!(apic.set_line(9, true), None);
    let sent = write(&mut apic, 0x22, 0x51 | LEVEL);
    assert_eq!(sent.as_slice(), [message(0x51, Trigger::Level)]);
    assert!(write(&mut apic, 0x22, 0x51 | LEVEL | MASKED).is_empty());
    assert!(apic.end_of_interrupt(0x51).is_empty(), "masked");
    assert_eq!(write(&mut apic, 0x22, 0x51 | LEVEL).len(), 1);
}

#[test]
fn remote_irr_is_kept_by_writes_and_cleared_by_edge_mode() {
    let mut apic = IoApic::new(0);
    route(&mut apic, 9, 0x51 | LEVEL);
    apic.set_line(9, true);
    assert!(write(&mut apic, 0x22, 0x51 | LEVEL | MASKED).is_empty());
    assert!(write(&mut apic, 0x23, 0).is_empty());
    assert_eq!(read(&mut apic, 0x22) & REMOTE_IRR, REMOTE_IRR);
    assert!(write(&mut apic, 0x22, 0x51 | MASKED).is_empty());
    assert_eq!(read(&mut apic, 0x22) & REMOTE_IRR, 0);
    assert_eq!(
        write(&mut apic, 0x22, 0x51 | LEVEL).len(),
        1,
        "served again"
    );
}

#[test]
fn other_delivery_modes_are_edges() {
    for (bits, mode) in [
        (2, DeliveryMode::Smi),
        (4, DeliveryMode::Nmi),
        (5, DeliveryMode::Init),
        (7, DeliveryMode::ExtInt),
    ] {
        let mut apic = IoApic::new(0);
        route(&mut apic, 0, bits << 8 | LEVEL);
        let sent = apic.set_line(0, true).unwrap();
        assert_eq!((sent.mode, sent.trigger), (mode, Trigger::Edge));
        assert_eq!(apic.set_line(0, true), None);
        assert_eq!(read(&mut apic, 0x10) & REMOTE_IRR, 0);
    }
    for reserved in [3, 6] {
        let mut apic = IoApic::new(0);
        route(&mut apic, 0, reserved << 8 | 0x31);
        assert_eq!(apic.set_line(0, true), None);
    }
}

#[test]
fn logical_and_broadcast_destinations() {
    let mut apic = IoApic::new(0);
    route(&mut apic, 1, 0x0931);
    let sent = apic.set_line(1, true).unwrap();
    assert_eq!(sent.destination, Destination::Logical(3));
    assert_eq!(sent.mode, DeliveryMode::LowestPriority);
    write(&mut apic, 0x13, 0xff00_0000);
    assert_eq!(apic.pulse(1).unwrap().destination, Destination::All);
}

#[derive(Clone, Debug)]
enum Step {
    Read(u64, u8),
    Write(u64, u8, u32),
    Register(u8, u32),
    Line(u8, bool),
    End(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step, 200>> {
    let offset = prop::sample::select(vec![0u64, 0x10, 0x20, 0x40, 0x44, 0xfff]);
    let size = prop::sample::select(vec![0u8, 1, 2, 3, 4, 8]);
    let step = prop_oneof![
        (offset.clone(), size.clone()).prop_map(|(offset, size)| Step::Read(offset, size)),
        (offset, size, any::<u32>()).prop_map(|(at, size, value)| Step::Write(at, size, value)),
        // Few vectors, so that ends meet their inputs.
        (0x0f..0x42u8, any::<u32>()).prop_map(|(at, value)| Step::Register(at, value & !0xfc)),
        (0..26u8, any::<bool>()).prop_map(|(input, level)| Step::Line(input, level)),
        (0..4u8).prop_map(Step::End),
    ];
    prop::collection::vec(step, 0..200).prop_map(|steps| steps.into_iter().collect())
}

proptest! {
    #[test]
    fn whatever_a_guest_does(steps in steps()) {
        let mut apic = IoApic::new(0);
        for step in steps {
            match step {
                Step::Read(offset, size) => {
                    apic.read(offset, size);
                }
                Step::Write(offset, size, value) => {
                    apic.write(offset, size, value.into());
                }
                Step::Register(register, value) => {
                    write(&mut apic, register, value);
                }
                Step::Line(input, level) => {
                    apic.set_line(input, level);
                }
                Step::End(vector) => {
                    apic.end_of_interrupt(vector);
                    // Nobody waits for it any more but those who have just been served again.
                    for entry in &apic.entries {
                        if entry.is_served() && entry.vector() == vector {
                            prop_assert!(!entry.is_masked());
                        }
                    }
                }
            }
            // No input that may be served is left waiting.
            for (input, entry) in apic.entries.iter().enumerate() {
                let asserted = apic.lines >> input & 1 != 0;
                if asserted && entry.is_level() && !entry.is_masked() {
                    prop_assert!(entry.is_served());
                }
            }
        }
    }

    /// However often it is asserted, a level is served once for each end.
    #[test]
    fn one_message_for_each_end(levels in prop::collection::vec(any::<Option<bool>>(), 0..100)) {
        let mut apic = IoApic::new(0);
        route(&mut apic, 16, 0x61 | LEVEL);
        let mut asserted = false;
        let mut waiting = false;
        for level in levels {
            let sent = match level {
                Some(level) => {
                    asserted = level;
                    apic.set_line(16, level).is_some()
                }
                None => {
                    waiting = false;
                    !apic.end_of_interrupt(0x61).is_empty()
                }
            };
            prop_assert_eq!(sent, asserted && !waiting);
            waiting |= sent;
        }
    }
}
