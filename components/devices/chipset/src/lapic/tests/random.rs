//! Whatever a guest does.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    ReadPage(u64, u8),
    WritePage(u64, u8, u64),
    ReadMsr(u32),
    WriteMsr(u32, u64),
    Accept(Message),
    Line(bool, bool),
    Sensor(bool),
    Cr8(u64),
    Take,
    Pass(u64),
}

fn value() -> impl Strategy<Value = u64> {
    // Small values and single bits reach more states than arbitrary ones.
    prop_oneof![
        0..0x200u64,
        (0..64u32).prop_map(|bit| 1 << bit),
        any::<u64>()
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (0..8u32, any::<u8>(), any::<bool>()).prop_map(|(mode, vector, level)| Message {
        destination: Destination::All,
        mode: DeliveryMode::from_bits(mode).unwrap_or(DeliveryMode::Fixed),
        vector,
        trigger: if level { Trigger::Level } else { Trigger::Edge },
    })
}

fn msr() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0x7ff..0x841u32, 1 => Just(APIC_BASE), 1 => Just(TSC_DEADLINE)]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop::sample::select(vec![1u8, 2, 3, 4, 4, 4, 4, 8]);
    let offset = prop_oneof![8 => (0..0x41u64).prop_map(|at| at * 16), 1 => any::<u64>()];
    let base = prop::sample::select(vec![0xfee0_0100u64, 0xfee0_0900, 0xfee0_0d00]);
    prop_oneof![
        2 => (offset.clone(), size.clone()).prop_map(|(at, size)| Step::ReadPage(at, size)),
        6 => (offset, size, value()).prop_map(|(at, size, value)| Step::WritePage(at, size, value)),
        1 => msr().prop_map(Step::ReadMsr),
        4 => (msr(), value()).prop_map(|(msr, value)| Step::WriteMsr(msr, value)),
        1 => base.prop_map(|value| Step::WriteMsr(APIC_BASE, value)),
        3 => message().prop_map(Step::Accept),
        1 => any::<(bool, bool)>().prop_map(|(lint, level)| Step::Line(lint, level)),
        1 => any::<bool>().prop_map(Step::Sensor),
        1 => any::<u64>().prop_map(Step::Cr8),
        3 => Just(Step::Take),
        2 => (0..1u64 << 40).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn whatever_a_guest_does(steps in prop::collection::vec(step(), 0..300), offset: u64) {
        let clock = Clock { tsc_khz: 2_400_000, tsc_offset: offset };
        let mut apic = Lapic::new(config(3, true));
        apic.set(SVR, 0x1ff);
        let mut now = 0u64;
        for step in steps {
            match step {
                Step::ReadPage(offset, size) => {
                    apic.read_mmio(offset, size, now);
                }
                Step::WritePage(offset, size, value) => {
                    apic.write_mmio(offset, size, value, now, clock);
                }
                Step::ReadMsr(msr) => {
                    let _ = apic.read_msr(msr, now, clock);
                }
                Step::WriteMsr(msr, value) => {
                    let before = apic.clone();
                    if apic.write_msr(msr, value, now, clock).is_err() {
                        prop_assert_eq!(&apic, &before);
                    }
                }
                Step::Accept(message) => {
                    let acceptance = apic.accept(&message);
                    if acceptance == Acceptance::Requested {
                        prop_assert!(apic.requested.contains(message.vector));
                    }
                }
                Step::Line(lint, level) => {
                    let lint = if lint { Lint::Lint0 } else { Lint::Lint1 };
                    apic.set_line(lint, level);
                }
                Step::Sensor(true) => {
                    apic.raise_performance();
                }
                Step::Sensor(false) => {
                    apic.raise_thermal();
                }
                Step::Cr8(value) => {
                    apic.set_cr8(value);
                    prop_assert_eq!(apic.cr8(), value & 0xf);
                }
                Step::Take => {
                    apic.take();
                }
                Step::Pass(time) => {
                    now = now.saturating_add(time);
                    apic.advance(now, clock);
                }
            }
            // Vectors below 16 never get in.
            prop_assert_eq!(apic.requested.register(0) & 0xffff, 0);
            if let Some(vector) = apic.deliverable() {
                prop_assert!(vector >> 4 > apic.priority() >> 4);
                prop_assert_eq!(apic.highest_requested(), Some(vector));
            }
            if let Some(deadline) = apic.deadline(now, clock) {
                // Whoever keeps the deadline gets something done by it.
                let mut later = apic.clone();
                later.advance(deadline.max(now), clock);
                let next = later.deadline(deadline.max(now), clock);
                prop_assert!(next.is_none_or(|next| next > deadline.max(now)));
            }
        }
    }

    /// A guest that ends what it begins gets every vector exactly once, and in the order of priority.
    #[test]
    fn every_vector_arrives(vectors in prop::collection::btree_set(16..=255u8, 0..60)) {
        let mut apic = enabled();
        for &vector in &vectors {
            apic.accept(&fixed(vector, Trigger::Level));
        }
        let mut taken = Vec::new();
        while let Some(vector) = apic.take() {
            taken.push(vector);
            prop_assert_eq!(apic.set(EOI, 0), Some(Request::EndOfInterrupt(vector)));
        }
        prop_assert!(taken.is_sorted_by(|a, b| a > b));
        prop_assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), vectors);
    }
}
