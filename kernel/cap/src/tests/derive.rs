//! Deriving: never more than the source.

use super::world::*;
use crate::derive::Refinement::{Badge, Plain, Range};
use crate::slot::Slots;
use pagurus_abi::{Error, Kind, Rights};
use proptest::prelude::*;

#[test]
fn what_cannot_be_derived_is_refused_and_changes_nothing() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Reply, 0, FREE + 1, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Frame, 12, FREE + 2, 1).unwrap();
    w.mint(FREE, FREE + 3, Rights::all(), Badge(9)).unwrap();
    let before = w.s.clone();
    let ports = |first: u64, last: u64| Range(first | last << 16);
    let cases = [
        (FREE + 10, FREE + 11, Plain, Error::EmptySlot),
        (MEMORY_SLOT, FREE + 11, Plain, Error::NotCopyable),
        (DEVICE_SLOT, FREE + 11, Plain, Error::NotCopyable),
        (FREE + 1, FREE + 11, Plain, Error::NotCopyable),
        (FREE, FREE + 1, Plain, Error::OccupiedSlot),
        (FREE, FREE, Plain, Error::OccupiedSlot),
        // A badge is for ever.
        (FREE + 3, FREE + 11, Badge(9), Error::InvalidArgument),
        (FREE + 3, FREE + 11, Badge(0), Error::InvalidArgument),
        (FREE + 2, FREE + 11, Badge(1), Error::InvalidArgument),
        (PORTS_SLOT, FREE + 11, Badge(1), Error::InvalidArgument),
        (FREE, FREE + 11, Range(1), Error::InvalidArgument),
        (PORTS_SLOT, FREE + 11, ports(5, 4), Error::InvalidArgument),
        (
            PORTS_SLOT,
            FREE + 11,
            Range(1 << 32),
            Error::InvalidArgument,
        ),
        (CPU_SLOT, FREE + 11, Range(256), Error::InvalidArgument),
    ];
    for (from, to, refinement, error) in cases {
        let got = w.mint(from, to, Rights::all(), refinement);
        assert_eq!(got, Err(error), "{from} {refinement:?}");
        assert!(*w.s == *before, "{from} {refinement:?} changed something");
    }
}

#[test]
fn badges_and_ranges_are_inherited() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Notification, 0, FREE, 1)
        .unwrap();
    w.mint(FREE, FREE + 1, Rights::WRITE, Badge(0x55)).unwrap();
    w.copy(FREE + 1, FREE + 2).unwrap();
    assert_eq!(w.get(FREE + 2).word, 0x55);
    assert_eq!(w.get(FREE + 2).rights, Rights::WRITE);
    w.mint(
        PORTS_SLOT,
        FREE + 3,
        Rights::all(),
        Range(0x60 | 0x64 << 16),
    )
    .unwrap();
    w.copy(FREE + 3, FREE + 4).unwrap();
    assert_eq!(w.get(FREE + 4).word, 0x60 | 0x64 << 16);
    for wider in [0x5f | 0x64 << 16, 0x60 | 0x65 << 16] {
        let got = w.mint(FREE + 4, FREE + 5, Rights::all(), Range(wider));
        assert_eq!(got, Err(Error::InvalidArgument));
    }
    w.mint(CPU_SLOT, FREE + 5, Rights::all(), Range(10))
        .unwrap();
    let got = w.mint(FREE + 5, FREE + 6, Rights::all(), Range(11));
    assert_eq!(got, Err(Error::InvalidArgument));
    w.mint(FREE + 5, FREE + 6, Rights::all(), Range(10))
        .unwrap();
    w.check();
}

#[test]
fn derivation_goes_255_deep_and_not_deeper() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 9, FREE, 1).unwrap();
    let cnode = w.cnode(FREE);
    let home = cnode.base.address();
    let mut from = w.at(CPU_SLOT);
    for depth in 1..=255 {
        let to = cnode.at(depth).unwrap();
        crate::derive::mint(&mut *w.s, from, to, home, Rights::all(), Plain).unwrap();
        assert_eq!(w.s.slot(to).depth as u64, depth);
        from = to;
    }
    let before = w.s.clone();
    let to = cnode.at(256).unwrap();
    let got = crate::derive::mint(&mut *w.s, from, to, home, Rights::all(), Plain);
    assert_eq!(got, Err(Error::TooDeep));
    let got = crate::derive::bind(&mut *w.s, from, to, home);
    assert_eq!(got, Err(Error::TooDeep));
    assert!(*w.s == *before);
    w.check();
    w.revoke(w.at(CPU_SLOT));
    assert_eq!(w.s.slot(cnode.base).word, 0);
    w.check();
}

proptest! {
    #[test]
    fn a_narrower_range_is_inside_or_refused(whole: (u16, u16), part: u64) {
        let mut w = World::new();
        let (first, last) = (whole.0.min(whole.1) as u64, whole.0.max(whole.1) as u64);
        w.mint(PORTS_SLOT, FREE, Rights::all(), Range(first | last << 16)).unwrap();
        let fits = part >> 32 == 0
            && part & 0xffff <= part >> 16
            && part & 0xffff >= first
            && part >> 16 <= last;
        let got = w.mint(FREE, FREE + 1, Rights::all(), Range(part));
        prop_assert_eq!(got, if fits { Ok(()) } else { Err(Error::InvalidArgument) });
        w.check();
    }

    #[test]
    fn rights_are_the_intersection(a in 0u8..16, b in 0u8..16) {
        let mut w = World::new();
        w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
        let (a, b) = (Rights::from_bits_truncate(a), Rights::from_bits_truncate(b));
        w.mint(FREE, FREE + 1, a, Plain).unwrap();
        w.mint(FREE + 1, FREE + 2, b, Plain).unwrap();
        prop_assert_eq!(w.get(FREE + 2).rights, a & b);
        w.check();
    }
}
