//! Arrival, priority and end of interrupts.

use super::*;

fn level(vector: u8) -> Message {
    fixed(vector, Trigger::Level)
}

fn edge(vector: u8) -> Message {
    fixed(vector, Trigger::Edge)
}

#[test]
fn a_vector_from_request_to_end() {
    let mut apic = enabled();
    assert_eq!(apic.accept(&edge(0x61)), Acceptance::Requested);
    assert_eq!(apic.get(0x230), 0x2);
    assert_eq!(apic.deliverable(), Some(0x61));
    apic.begin(0x61);
    assert_eq!(apic.get(0x230), 0);
    assert_eq!(apic.get(0x130), 0x2);
    assert_eq!(apic.get(0x0a0), 0x60);
    assert_eq!(apic.set(EOI, 0x1234), None);
    assert_eq!(apic.get(0x130), 0);
    assert_eq!(apic.get(0x0a0), 0);
    assert_eq!(apic.set(EOI, 0), None, "nothing in service");
}

#[test]
fn priorities() {
    let mut apic = enabled();
    apic.accept(&edge(0x61));
    apic.accept(&edge(0x41));
    assert_eq!(apic.take(), Some(0x61));
    apic.accept(&edge(0x6f));
    assert_eq!(apic.take(), None, "the same class");
    assert_eq!(apic.highest_requested(), Some(0x6f));
    apic.accept(&edge(0x70));
    assert_eq!(apic.take(), Some(0x70));
    apic.set(EOI, 0);
    assert_eq!(apic.take(), None);
    apic.set(EOI, 0);
    assert_eq!(apic.take(), Some(0x6f));
    apic.set(EOI, 0);
    assert_eq!(apic.take(), Some(0x41));
}

#[test]
fn task_priority() {
    let mut apic = enabled();
    apic.accept(&edge(0x61));
    apic.set(TPR, 0x6f);
    assert_eq!(apic.get(0x0a0), 0x6f);
    assert_eq!(apic.cr8(), 6);
    assert_eq!(apic.deliverable(), None);
    apic.set(TPR, 0x5f);
    assert_eq!(apic.deliverable(), Some(0x61));
    apic.set_cr8(0x6);
    assert_eq!(apic.get(TPR), 0x60);
    assert_eq!(apic.deliverable(), None);
    apic.set_cr8(u64::MAX);
    assert_eq!(apic.get(TPR), 0xf0);
    apic.set_cr8(0);
    assert_eq!(apic.take(), Some(0x61));
    apic.set(TPR, 0x40);
    assert_eq!(apic.get(0x0a0), 0x60, "what is served counts more");
    apic.set(TPR, 0x65);
    assert_eq!(apic.get(0x0a0), 0x65);
}

#[test]
fn spurious_vector() {
    let mut apic = enabled();
    apic.set(SVR, 0x1ef);
    assert_eq!(apic.acknowledge(), 0xef);
    assert_eq!(apic.get(0x170), 0, "not in service");
    apic.accept(&edge(0x61));
    assert_eq!(apic.acknowledge(), 0x61);
    assert_eq!(apic.get(0x130), 0x2);
}

#[test]
fn the_end_of_a_level_is_broadcast() {
    let mut apic = enabled();
    apic.accept(&level(0x61));
    assert_eq!(apic.get(0x1b0), 0x2);
    apic.take();
    apic.accept(&edge(0x71));
    apic.take();
    assert_eq!(apic.set(EOI, 0), None);
    assert_eq!(apic.set(EOI, 0), Some(Request::EndOfInterrupt(0x61)));
    apic.accept(&edge(0x61));
    assert_eq!(apic.get(0x1b0), 0, "an edge this time");
    apic.take();
    assert_eq!(apic.set(EOI, 0), None);
    apic.set(SVR, 0x11ff);
    apic.accept(&level(0x61));
    apic.take();
    assert_eq!(apic.set(EOI, 0), None, "suppressed");
}

#[test]
fn illegal_vectors_are_errors() {
    let mut apic = enabled();
    apic.set(LVT_ERROR, 0x55);
    assert_eq!(apic.accept(&edge(0x0f)), Acceptance::Ignored);
    assert_eq!(apic.take(), Some(0x55));
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0x40);
}

#[test]
fn disabled_by_software() {
    let mut apic = enabled();
    apic.accept(&edge(0x61));
    apic.set(SVR, 0xff);
    assert_eq!(apic.accept(&edge(0x62)), Acceptance::Ignored);
    assert_eq!(apic.take(), Some(0x61), "what was accepted is kept");
    let nmi = signal(DeliveryMode::Nmi, 0);
    assert_eq!(apic.accept(&nmi), Acceptance::Nmi);
}

#[test]
fn nmi() {
    let mut apic = enabled();
    let nmi = signal(DeliveryMode::Nmi, 3);
    assert_eq!(apic.accept(&nmi), Acceptance::Nmi);
    assert_eq!(apic.accept(&nmi), Acceptance::Nmi);
    assert!(apic.nmi_pending());
    apic.begin_nmi();
    assert!(!apic.nmi_pending(), "one is kept");
    assert_eq!(apic.deliverable(), None);
}

#[test]
fn smi_is_lost() {
    let mut apic = enabled();
    let before = apic.clone();
    let smi = signal(DeliveryMode::Smi, 0);
    assert_eq!(apic.accept(&smi), Acceptance::Ignored);
    assert_eq!(apic, before);
}

#[test]
fn start_of_a_processor() {
    let mut apic = Lapic::new(config(1, false));
    let nmi = signal(DeliveryMode::Nmi, 0);
    assert_eq!(apic.accept(&nmi), Acceptance::Ignored, "it waits");
    assert!(!apic.nmi_pending());
    let start = signal(DeliveryMode::Startup, 0x99);
    assert_eq!(apic.accept(&start), Acceptance::Startup(0x99));
    assert_eq!(apic.activity(), Activity::Running);
    assert_eq!(apic.accept(&start), Acceptance::Ignored, "it runs");
}

#[test]
fn init_resets() {
    let init = signal(DeliveryMode::Init, 0);
    let mut apic = Lapic::new(config(1, false));
    apic.accept(&signal(DeliveryMode::Startup, 1));
    apic.set(SVR, 0x1ff);
    apic.set(TPR, 0x20);
    apic.accept(&edge(0x61));
    apic.accept(&signal(DeliveryMode::Nmi, 0));
    assert_eq!(apic.accept(&init), Acceptance::Init);
    assert_eq!(apic, Lapic::new(config(1, false)));

    let mut apic = x2apic();
    assert_eq!(apic.accept(&init), Acceptance::Init);
    assert_eq!(apic.activity(), Activity::Running, "it is the first");
    assert_eq!(apic.mode(), Mode::X2Apic);
    assert_eq!(apic.read_msr(0x80f, 0, CLOCK), Ok(0xff));
}

#[test]
fn lint_edges() {
    let mut apic = enabled();
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Ignored);
    apic.set(LVT_LINT0, 0x61);
    assert_eq!(apic.deliverable(), None, "the edge was before");
    apic.set_line(Lint::Lint0, false);
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Requested);
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Ignored);
    assert_eq!(apic.take(), Some(0x61));
    assert_eq!(apic.set(EOI, 0), None);
    apic.set(LVT_LINT1, 0x8062);
    assert_eq!(apic.set_line(Lint::Lint1, true), Acceptance::Requested);
    assert_eq!(apic.take(), Some(0x62));
    apic.set(EOI, 0);
    assert_eq!(apic.take(), None, "LINT1 is always an edge");
}

#[test]
fn lint0_level() {
    let mut apic = enabled();
    apic.set(LVT_LINT0, 0x8061);
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Requested);
    assert_eq!(apic.get(LVT_LINT0), 0xc061);
    assert_eq!(apic.take(), Some(0x61));
    apic.set(EOI, 0);
    assert_eq!(apic.take(), Some(0x61), "still asserted");
    assert_eq!(apic.set_line(Lint::Lint0, false), Acceptance::Ignored);
    apic.set(EOI, 0);
    assert_eq!(apic.take(), None);
    assert_eq!(apic.get(LVT_LINT0), 0x8061);
    apic.set(LVT_LINT0, 0x1_8061);
    apic.set_line(Lint::Lint0, true);
    assert_eq!(apic.take(), None, "masked");
    apic.set(LVT_LINT0, 0x8061);
    assert_eq!(apic.take(), Some(0x61));
    apic.set(LVT_LINT0, 0x0061);
    assert_eq!(apic.get(LVT_LINT0), 0x0061, "an edge waits for no end");
}

#[test]
fn lint_signals() {
    let mut apic = enabled();
    apic.set(LVT_LINT1, 0x400);
    assert_eq!(apic.set_line(Lint::Lint1, true), Acceptance::Nmi);
    assert!(apic.nmi_pending());
    apic.set(LVT_LINT0, 0x200);
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Ignored, "SMI");
    apic.set_line(Lint::Lint0, false);
    apic.set(LVT_LINT0, 0x500);
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::Init);
    assert_eq!(apic.get(LVT_LINT0), MASKED);
}

#[test]
fn external_interrupts() {
    let mut apic = enabled();
    apic.set_line(Lint::Lint0, true);
    assert!(!apic.external_pending(), "masked");
    apic.set(LVT_LINT0, 0x700);
    assert!(apic.external_pending());
    assert_eq!(apic.deliverable(), None);
    assert_eq!(apic.set_line(Lint::Lint0, false), Acceptance::Ignored);
    assert!(!apic.external_pending());
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::External);
    apic.set_line(Lint::Lint0, false);

    let message = signal(DeliveryMode::ExtInt, 0);
    assert_eq!(apic.accept(&message), Acceptance::External);
    assert!(apic.external_pending());
    apic.begin_external();
    assert!(!apic.external_pending());
}

#[test]
fn pins_of_a_switched_off_apic() {
    let mut apic = enabled();
    apic.write_msr(APIC_BASE, 0xfee0_0100, 0, CLOCK).unwrap();
    assert_eq!(apic.set_line(Lint::Lint0, true), Acceptance::External);
    assert!(apic.external_pending());
    assert_eq!(apic.set_line(Lint::Lint1, true), Acceptance::Nmi);
    assert!(apic.nmi_pending());
}

#[test]
fn sensors() {
    let mut apic = enabled();
    assert_eq!(apic.raise_performance(), Acceptance::Ignored);
    apic.set(LVT_PERFORMANCE, 0x400);
    assert_eq!(apic.raise_performance(), Acceptance::Nmi);
    assert_eq!(apic.get(LVT_PERFORMANCE), 0x1_0400, "masks itself");
    apic.set(0x330, 0x63);
    assert_eq!(apic.raise_thermal(), Acceptance::Requested);
    assert_eq!(apic.take(), Some(0x63));
    apic.set(0x330, 0x05);
    apic.raise_thermal();
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0x40);
}
