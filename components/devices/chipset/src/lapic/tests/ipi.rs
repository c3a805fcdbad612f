//! The interrupt command register.

use super::*;

fn send(apic: &mut Lapic, high: u64, low: u64) -> Option<Message> {
    assert_eq!(apic.set(ICR_HIGH, high), None);
    match apic.set(ICR, low) {
        Some(Request::Send(message)) => Some(message),
        Some(Request::EndOfInterrupt(_)) => panic!("no end of interrupt"),
        None => None,
    }
}

#[test]
fn destinations() {
    let mut apic = enabled();
    for (high, low, destination) in [
        (0x0300_0000, 0x0_00f0, Destination::Physical(3)),
        (0x0300_0000, 0x0_08f0, Destination::Logical(3)),
        (0xff00_0000, 0x0_00f0, Destination::All),
        (0xff00_0000, 0x0_08f0, Destination::All),
        (0x0300_0000, 0x8_00f0, Destination::All),
        (0x0300_0000, 0xc_00f0, Destination::AllButSender),
    ] {
        let sent = send(&mut apic, high, low).unwrap();
        assert_eq!(sent.destination, destination);
        assert_eq!(sent.vector, 0xf0);
        assert_eq!(sent.trigger, Trigger::Edge);
        assert_eq!(apic.get(ICR), low);
        assert_eq!(apic.get(ICR_HIGH), high);
    }
}

#[test]
fn delivery_modes() {
    let mut apic = enabled();
    for (bits, mode) in [
        (0, Some(DeliveryMode::Fixed)),
        (1, Some(DeliveryMode::LowestPriority)),
        (2, Some(DeliveryMode::Smi)),
        (3, None),
        (4, Some(DeliveryMode::Nmi)),
        (5, Some(DeliveryMode::Init)),
        (6, Some(DeliveryMode::Startup)),
        (7, None),
    ] {
        let sent = send(&mut apic, 0x0300_0000, 0x4030 | bits << 8);
        assert_eq!(sent.map(|message| message.mode), mode);
    }
}

/// What Linux sends to start a processor.
#[test]
fn init_and_startup() {
    let mut apic = enabled();
    let sent = send(&mut apic, 0x0300_0000, 0xc500).unwrap();
    assert_eq!(sent.mode, DeliveryMode::Init);
    assert_eq!(send(&mut apic, 0x0300_0000, 0x8500), None, "de-assert");
    let sent = send(&mut apic, 0x0300_0000, 0x0699).unwrap();
    assert_eq!((sent.mode, sent.vector), (DeliveryMode::Startup, 0x99));
}

#[test]
fn delivery_is_always_idle() {
    let mut apic = enabled();
    send(&mut apic, 0, 0xffff_ffff);
    assert_eq!(apic.get(ICR), 0x000c_cfff);
}

#[test]
fn illegal_vectors_are_errors() {
    for mode in [0, 1] {
        let mut apic = enabled();
        assert_eq!(send(&mut apic, 0, mode << 8 | 0x0f), None);
        apic.set(ESR, 0);
        assert_eq!(apic.get(ESR), 0x20);
    }
    let mut apic = enabled();
    assert!(send(&mut apic, 0, 0x0400).is_some(), "NMI has none");
}

#[test]
fn to_oneself() {
    let mut apic = enabled();
    assert_eq!(
        send(&mut apic, 0, 0x4_0055),
        None,
        "nobody else has to know"
    );
    assert_eq!(apic.take(), Some(0x55));
    let sent = send(&mut apic, 0, 0x4_0400).unwrap();
    assert_eq!(sent.destination, Destination::Sender);
    assert_eq!(sent.mode, DeliveryMode::Nmi);
}

#[test]
fn identity_by_model() {
    let mut apic = enabled();
    apic.set(0x0d0, 0x2100_0000);
    apic.set(TPR, 0x35);
    let identity = apic.identity();
    assert!(identity.enabled && identity.takes_vectors);
    assert_eq!(identity.id, 1);
    assert_eq!(identity.priority, 0x35);
    assert_eq!(identity.logical, LogicalId::Flat(0x21));
    apic.set(0x0e0, 0);
    assert_eq!(apic.identity().logical, LogicalId::Cluster(0x21));
    apic.set(0x0e0, 0x5000_0000);
    assert_eq!(apic.identity().logical, LogicalId::Flat(0));
    apic.set(SVR, 0xff);
    assert!(!apic.identity().takes_vectors);
}
