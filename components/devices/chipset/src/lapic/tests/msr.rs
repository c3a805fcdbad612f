//! MSRs and modes.

use super::*;

const REFUSED: Result<Option<Request>, GeneralProtection> = Err(GeneralProtection);
const XAPIC: u64 = 0xfee0_0900;
const X2APIC: u64 = 0xfee0_0d00;
const OFF: u64 = 0xfee0_0100;

impl Lapic {
    fn wr(&mut self, msr: u32, value: u64) -> Result<Option<Request>, GeneralProtection> {
        self.write_msr(msr, value, 0, CLOCK)
    }

    fn rd(&mut self, msr: u32) -> Result<u64, GeneralProtection> {
        self.read_msr(msr, 0, CLOCK)
    }
}

#[test]
fn transitions_of_mode() {
    let values = [OFF, XAPIC, X2APIC, 0xfee0_0500];
    // Rows: from off, xAPIC, x2APIC; columns: to the values above.
    for (from, allowed) in [
        (OFF, [true, true, false, false]),
        (XAPIC, [true, true, true, false]),
        (X2APIC, [true, false, true, false]),
    ] {
        for (to, allowed) in values.into_iter().zip(allowed) {
            let mut apic = Lapic::new(config(0, true));
            apic.wr(APIC_BASE, from).unwrap();
            let done = apic.wr(APIC_BASE, to);
            assert_eq!(done.is_ok(), allowed, "{from:#x} to {to:#x}");
            let value = if allowed { to } else { from };
            assert_eq!(apic.rd(APIC_BASE), Ok(value));
        }
    }
}

#[test]
fn base_checks_its_bits() {
    let mut apic = Lapic::new(config(0, true));
    for bit in [0, 7, 9, 40, 63] {
        assert_eq!(apic.wr(APIC_BASE, XAPIC | 1 << bit), REFUSED);
    }
    assert_eq!(apic.wr(APIC_BASE, 0xff_1234_5900), Ok(None));
    assert_eq!(apic.page(), Some(0xff_1234_5000));
    let mut old = Lapic::new(Config {
        x2apic: false,
        ..config(0, true)
    });
    assert_eq!(old.wr(APIC_BASE, X2APIC), REFUSED);
}

#[test]
fn only_one_way_leads_to_the_registers() {
    let mut apic = enabled();
    for msr in X2APIC_FIRST..=X2APIC_LAST {
        assert!(apic.rd(msr).is_err());
        assert_eq!(apic.wr(msr, 0), REFUSED);
    }
    let mut apic = x2apic();
    assert_eq!(apic.page(), None);
    assert_eq!(apic.get(0x030), 0xffff_ffff);
    apic.set(TPR, 0x20);
    assert_eq!(apic.rd(0x808), Ok(0));
    apic.wr(APIC_BASE, OFF).unwrap();
    assert_eq!(apic.page(), None);
    assert_eq!(apic.get(0x030), 0xffff_ffff);
    assert!(apic.rd(0x808).is_err());
}

#[test]
fn registers_of_x2apic_mode() {
    let mut apic = x2apic();
    let readable = |msr| {
        matches!(msr, 0x802 | 0x803 | 0x808 | 0x80a | 0x80d | 0x80f..=0x828)
            || matches!(msr, 0x830 | 0x832..=0x839 | 0x83e)
    };
    let zero_writable = |msr| {
        matches!(msr, 0x808 | 0x80b | 0x80f | 0x828 | 0x830)
            || matches!(msr, 0x832..=0x838 | 0x83e | 0x83f)
    };
    for msr in 0x7ff..=0x840 {
        assert_eq!(apic.rd(msr).is_ok(), readable(msr), "{msr:#x}");
        let written = apic.clone().wr(msr, 0);
        assert_eq!(written.is_ok(), zero_writable(msr), "{msr:#x}");
    }
    assert_eq!(apic.rd(0x802), Ok(1));
    assert_eq!(apic.rd(0x803), Ok(0x0105_0014));
    assert_eq!(apic.rd(0x80d), Ok(0x2));
}

#[test]
fn reserved_bits_are_refused() {
    for (msr, defined) in [
        (0x808, 0xffu64),
        (0x80b, 0),
        (0x80f, 0x11ff),
        (0x828, 0),
        (0x830, 0xffff_ffff_000c_dfff),
        (0x832, 0x7_00ff),
        (0x833, 0x1_07ff),
        (0x834, 0x1_07ff),
        (0x835, 0x1_a7ff),
        (0x836, 0x1_a7ff),
        (0x837, 0x1_00ff),
        (0x838, 0xffff_ffff),
        (0x83e, 0xb),
        (0x83f, 0xff),
    ] {
        for bit in 0..64 {
            let mut apic = x2apic();
            let before = apic.clone();
            let done = apic.wr(msr, 1 << bit);
            assert_eq!(done.is_ok(), defined >> bit & 1 != 0, "{msr:#x} bit {bit}");
            if done.is_err() {
                assert_eq!(apic, before);
            }
        }
    }
}

#[test]
fn logical_id_follows_from_the_id() {
    let mut apic = Lapic::new(config(0x123, false));
    apic.wr(APIC_BASE, X2APIC & !0x100).unwrap();
    assert_eq!(apic.rd(0x802), Ok(0x123));
    assert_eq!(apic.rd(0x80d), Ok(0x12_0008));
    assert_eq!(apic.identity().logical, LogicalId::X2Apic(0x12_0008));
}

#[test]
fn registers_survive_the_change_of_mode() {
    let mut apic = enabled();
    apic.set(TPR, 0x30);
    apic.set(LVT_LINT1, 0x400);
    apic.accept(&fixed(0x61, Trigger::Level));
    apic.set(ICR_HIGH, 0x0700_0000);
    apic.wr(APIC_BASE, X2APIC).unwrap();
    assert_eq!(apic.rd(0x808), Ok(0x30));
    assert_eq!(apic.rd(0x80f), Ok(0x1ff));
    assert_eq!(apic.rd(0x836), Ok(0x400));
    assert_eq!(apic.rd(0x823), Ok(0x2));
    assert_eq!(apic.rd(0x81b), Ok(0x2));
    assert_eq!(apic.rd(0x830), Ok(0), "the destination has another format");
}

#[test]
fn switching_off_forgets() {
    let mut apic = enabled();
    apic.accept(&fixed(0x61, Trigger::Edge));
    apic.set(TPR, 0x30);
    apic.wr(APIC_BASE, OFF).unwrap();
    assert_eq!(apic.mode(), Mode::Disabled);
    assert_eq!(apic.deliverable(), None);
    assert_eq!(
        apic.accept(&fixed(0x62, Trigger::Edge)),
        Acceptance::Ignored
    );
    assert!(!apic.identity().enabled);
    apic.wr(APIC_BASE, XAPIC).unwrap();
    assert_eq!(apic.get(SVR), 0xff);
    assert_eq!(apic.get(TPR), 0);
    assert_eq!(apic, Lapic::new(config(1, true)));
}

#[test]
fn self_ipi() {
    let mut apic = x2apic();
    assert_eq!(apic.wr(0x83f, 0x77), Ok(None));
    assert_eq!(apic.take(), Some(0x77));
    assert_eq!(apic.wr(0x83f, 0x0f), Ok(None));
    apic.wr(0x828, 0).unwrap();
    assert_eq!(apic.rd(0x828), Ok(0x40), "illegal vector");
}

#[test]
fn command_register_has_64_bits() {
    let mut apic = x2apic();
    let sent = apic.wr(0x830, 0x1_0002_0000_08f1);
    let message = Message {
        destination: Destination::Logical(0x1_0002),
        ..fixed(0xf1, Trigger::Edge)
    };
    assert_eq!(sent, Ok(Some(Request::Send(message))));
    assert_eq!(apic.rd(0x830), Ok(0x1_0002_0000_08f1));
    let Ok(Some(Request::Send(sent))) = apic.wr(0x830, 0xffff_ffff_0000_0445) else {
        panic!("nothing sent");
    };
    assert_eq!(sent.destination, Destination::All);
    assert_eq!(sent.mode, DeliveryMode::Nmi);
}

#[test]
fn end_of_interrupt() {
    let mut apic = x2apic();
    apic.accept(&fixed(0x61, Trigger::Level));
    apic.take();
    assert_eq!(apic.wr(0x80b, 1), REFUSED);
    assert_eq!(apic.wr(0x80b, 0), Ok(Some(Request::EndOfInterrupt(0x61))));
}
