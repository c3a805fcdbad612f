//! Checksums, lengths, places.

use crate::machine::{AT, View, bare, pc, sum};
use pagurus_guest_acpi::{Platform, build};
use proptest::prelude::*;

fn check(platform: &Platform) {
    let view = View::of(platform);
    let rsdp = view.bytes(AT, 36);
    assert_eq!(&rsdp[..8], b"RSD PTR ");
    assert_eq!(rsdp[15], 2);
    assert_eq!(view.u32(AT + 20), 36);
    assert_eq!((sum(&rsdp[..20]), sum(rsdp)), (0, 0));
    assert_eq!(view.0.rsdp(), rsdp);

    let (rsdt, xsdt) = (u64::from(view.u32(AT + 16)), view.u64(AT + 24));
    let list = view.list();
    let short = (36..view.table(rsdt).len() as u64).step_by(4);
    let short: Vec<u64> = short.map(|at| view.u32(rsdt + at).into()).collect();
    assert_eq!(short, list, "both lists name the same tables");

    let fadt = view.fadt();
    let facs = u64::from(view.u32(fadt + 36));
    assert_eq!(view.bytes(facs, 4), b"FACS");
    assert_eq!((facs % 64, view.u32(facs + 4)), (0, 64));
    let dsdt = view.dsdt();
    assert_eq!(view.bytes(dsdt, 4), b"DSDT");
    assert_eq!(
        u64::from(view.u32(fadt + 40)),
        dsdt,
        "old and new field agree"
    );

    let mut places: Vec<(u64, u64)> = vec![(AT, 36), (facs, 64)];
    for address in list.iter().chain(&[rsdt, xsdt, dsdt]) {
        let table = view.table(*address);
        assert_eq!(sum(table), 0, "{:?}", &table[..4]);
        assert_eq!(&table[10..24], b"PAGURSPAGURSVM");
        places.push((*address, table.len() as u64));
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "tables overlap");
    }
    let end = places.last().map(|(at, length)| at + length);
    assert_eq!(end, Some(AT + view.0.bytes.len() as u64));
}

#[test]
fn every_table_is_whole() {
    check(&pc(1));
    check(&pc(300));
    check(&bare());
    let view = View::of(&bare());
    assert!(view.find(b"HPET").is_none() && view.find(b"MCFG").is_none());
}

proptest! {
    #[test]
    fn whatever_the_machine(
        processors in 1u32..400,
        first in 0u32..300,
        leave_out in any::<[bool; 5]>(),
        inputs in prop::array::uniform4(0u32..24),
        serial in 0usize..3,
        pages in 0u64..0x1000,
    ) {
        let mut platform = pc(processors);
        platform.processors.iter_mut().for_each(|id| *id += first);
        platform.serial.truncate(serial);
        let [reset, hpet, pci, ecam, gpe] = leave_out;
        if reset { platform.reset = None; }
        if hpet { platform.hpet = None; }
        if gpe { platform.power.gpe = (0, 0); }
        let mut bus = platform.pci.expect("a bus");
        bus.inputs = inputs;
        if ecam { bus.ecam = None; }
        platform.pci = (!pci).then_some(bus);
        check(&platform);
        // Everything moves with the address.
        let moved = build(&platform, pages * 64).expect("tables");
        prop_assert_eq!(moved.address, pages * 64);
        prop_assert_eq!(moved.bytes.len(), build(&platform, 0).expect("tables").bytes.len());
    }
}
