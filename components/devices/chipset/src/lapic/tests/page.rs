//! The register page.

use super::*;

#[test]
fn registers_after_power_up() {
    let mut apic = Lapic::new(config(5, false));
    assert_eq!(apic.page(), Some(DEFAULT_BASE));
    assert_eq!(apic.activity(), Activity::WaitForStartup);
    assert!(!apic.is_bootstrap());
    for (offset, value) in [
        (0x020, 0x0500_0000),
        (0x030, 0x0105_0014),
        (TPR, 0),
        (0x090, 0),
        (0x0a0, 0),
        (EOI, 0),
        (0x0c0, 0),
        (0x0d0, 0),
        (0x0e0, 0xffff_ffff),
        (SVR, 0xff),
        (ESR, 0),
        (ICR, 0),
        (ICR_HIGH, 0),
        (LVT_TIMER, MASKED),
        (0x330, MASKED),
        (LVT_PERFORMANCE, MASKED),
        (LVT_LINT0, MASKED),
        (LVT_LINT1, MASKED),
        (LVT_ERROR, MASKED),
        (INITIAL, 0),
        (CURRENT, 0),
        (DIVIDE, 0),
    ] {
        assert_eq!(apic.get(offset), value, "{offset:#x}");
    }
    for offset in (0x100..0x280).step_by(16) {
        assert_eq!(apic.get(offset), 0, "{offset:#x}");
    }
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0, "no illegal register among them");
}

#[test]
fn writable_bits() {
    let mut apic = enabled();
    for (offset, value) in [
        (0x020, 0x0100_0000),
        (0x030, 0x0105_0014),
        (TPR, 0xff),
        (0x0c0, 0),
        (0x0d0, 0xff00_0000),
        (0x0e0, 0xffff_ffff),
        (SVR, 0x11ff),
        (ICR_HIGH, 0xff00_0000),
        (LVT_TIMER, 0x7_00ff),
        (0x330, 0x1_07ff),
        (LVT_PERFORMANCE, 0x1_07ff),
        (LVT_LINT0, 0x1_a7ff),
        (LVT_LINT1, 0x1_a7ff),
        (LVT_ERROR, 0x1_00ff),
        (DIVIDE, 0x0b),
    ] {
        assert_eq!(apic.set(offset, 0xffff_ffff), None);
        assert_eq!(apic.get(offset), value, "{offset:#x}");
    }
    apic.set(0x0e0, 0);
    assert_eq!(apic.get(0x0e0), 0x0fff_ffff);
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0);
}

#[test]
fn timer_without_deadline_mode() {
    let mut apic = Lapic::new(Config {
        tsc_deadline: false,
        ..config(0, true)
    });
    apic.set(LVT_TIMER, 0xffff_ffff);
    assert_eq!(apic.get(LVT_TIMER), 0x3_00ff);
    let refused = Err(GeneralProtection);
    assert_eq!(apic.read_msr(TSC_DEADLINE, 0, CLOCK), refused);
    assert!(apic.write_msr(TSC_DEADLINE, 1, 0, CLOCK).is_err());
}

#[test]
fn odd_accesses() {
    let mut apic = enabled();
    assert_eq!(apic.read_mmio(0x030, 1, 0), 0x14);
    assert_eq!(apic.read_mmio(0x032, 1, 0), 0x05);
    assert_eq!(apic.read_mmio(0x032, 2, 0), 0x0105);
    assert_eq!(apic.read_mmio(0x034, 4, 0), 0xffff_ffff);
    assert_eq!(apic.read_mmio(0x032, 4, 0), 0xffff_ffff);
    assert_eq!(apic.read_mmio(0x030, 8, 0), u64::MAX);
    assert_eq!(apic.read_mmio(0x400, 4, 0), 0xffff_ffff);
    assert_eq!(apic.read_mmio(u64::MAX, 4, 0), 0xffff_ffff);
    for (offset, size) in [(TPR, 1), (TPR, 8), (TPR + 4, 4), (TPR + 1, 4), (0x1080, 4)] {
        apic.write_mmio(offset, size, 0xff, 0, CLOCK);
    }
    assert_eq!(apic.get(TPR), 0);
}

#[test]
fn illegal_registers_are_errors() {
    for offset in [0x000, 0x040, 0x2f0, 0x3a0, 0x3f0] {
        let mut apic = enabled();
        apic.set(LVT_ERROR, 0x55);
        assert_eq!(apic.get(offset), 0);
        assert_eq!(apic.take(), Some(0x55));
        assert_eq!(apic.get(ESR), 0, "not shown before a write");
        apic.set(ESR, 0xffff_ffff);
        assert_eq!(apic.get(ESR), 0x80);
        apic.set(EOI, 0);
        apic.set(offset, 0);
        assert_eq!(apic.take(), Some(0x55));
        apic.set(EOI, 0);
        apic.set(offset, 0);
        assert_eq!(apic.take(), None, "one interrupt until the next write");
        apic.set(ESR, 0);
        apic.set(ESR, 0);
        assert_eq!(apic.get(ESR), 0, "what was shown is gone");
    }
    let mut apic = enabled();
    apic.set(0x030, 0);
    apic.set(CURRENT, 0);
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0, "writing what is read-only is no error");
}

#[test]
fn an_error_interrupt_with_an_illegal_vector_is_an_error() {
    let mut apic = enabled();
    apic.set(LVT_ERROR, 0x05);
    apic.get(0x040);
    assert_eq!(apic.deliverable(), None);
    apic.set(ESR, 0);
    assert_eq!(apic.get(ESR), 0xc0);
}

#[test]
fn disabling_masks_the_local_vector_table() {
    let mut apic = enabled();
    for offset in (LVT_TIMER..=LVT_ERROR).step_by(16) {
        apic.set(offset, 0x40);
    }
    apic.set(SVR, 0x0ff);
    for offset in (LVT_TIMER..=LVT_ERROR).step_by(16) {
        assert_eq!(apic.get(offset), MASKED | 0x40);
        apic.set(offset, 0x41);
        assert_eq!(apic.get(offset), MASKED | 0x41, "cannot be unmasked");
    }
    apic.set(SVR, 0x1ff);
    assert_eq!(apic.get(LVT_ERROR), MASKED | 0x41, "nor is it by itself");
}

#[test]
fn virtual_wire() {
    let mut apic = Lapic::new(config(0, true));
    apic.set_virtual_wire();
    assert_eq!(apic.get(SVR), 0x1ff);
    assert_eq!(apic.get(LVT_LINT0), 0x700);
    assert_eq!(apic.get(LVT_LINT1), 0x400);
}
