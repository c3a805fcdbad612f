//! Differences that were put in on purpose are found, and nothing else.

use super::{contents, example};
use crate::audit::{Audit, AuditError, Difference, Identity, LiveSlot, expected};
use crate::reader::Image;
use crate::record::Target;
use crate::write::write;
use pagurus_abi::method::SlotInfo;
use pagurus_abi::{Kind, Rights};
use proptest::prelude::*;
use proptest::sample::Index;

/// The slots of a system that is as it should be; whatever the machine may lack is there.
fn live(image: &Image<'_>) -> Vec<LiveSlot> {
    let mut slots = Vec::new();
    for e in expected(image) {
        let object = match e.target {
            Target::Object(index) => 0x10_0000 + u64::from(index) * 0x1000,
            own => {
                let index = Audit::table_index(image, e.component, own).unwrap();
                0x20_0000 + index as u64 * 0x1000
            }
        };
        for n in 0..e.count {
            slots.push(LiveSlot {
                component: e.component,
                slot: e.slot + n,
                kind: e.kind,
                rights: e.rights,
                size_bits: e.size_bits.unwrap_or(17),
                identity: e.identity.unwrap_or(object),
                word: e.word,
            });
        }
    }
    slots
}

/// Differences as text: component, slot and what is wrong.
fn differences(image: &Image<'_>, slots: &[LiveSlot], known: &[(usize, Identity)]) -> Vec<String> {
    let mut table = vec![Identity::Unknown; Audit::table_entries(image)];
    for (index, identity) in known {
        table[*index] = *identity;
    }
    let mut found = Vec::new();
    let mut report = |difference: Difference<'_>| {
        found.push(match difference {
            Difference::Missing(e) => format!("{}.{} missing", e.component, e.slot),
            Difference::Extra(live) => format!("{}.{} extra", live.component, live.slot),
            Difference::Wrong { live, what, .. } => {
                format!("{}.{} {what:?}", live.component, live.slot)
            }
        });
    };
    let mut audit = Audit::new(*image, &mut table).unwrap();
    for slot in slots {
        audit.observe(*slot, &mut report).unwrap();
    }
    audit.finish(&mut report);
    found
}

/// Differences of the example after `change`.
fn after(change: impl FnOnce(&mut Vec<LiveSlot>)) -> Vec<String> {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let mut slots = live(&image);
    change(&mut slots);
    differences(&image, &slots, &[])
}

fn at(slots: &mut [LiveSlot], component: u16, slot: u32) -> &mut LiveSlot {
    slots
        .iter_mut()
        .find(|s| (s.component, s.slot) == (component, slot))
        .unwrap()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert!(after(|_| ()).is_empty());
    // Empty slots may come too.
    let empty = LiveSlot::new(1, 30, SlotInfo(0), 0, 0);
    let after_empty = after(|slots| {
        let place = slots.iter().position(|s| s.component == 2).unwrap();
        slots.insert(place, empty);
    });
    assert!(after_empty.is_empty());
}

#[test]
fn a_seeded_difference_is_found() {
    let none: [&str; 0] = [];
    assert_eq!(
        after(|s| s.retain(|s| (s.component, s.slot) != (1, 16))),
        ["1.16 missing"]
    );
    assert_eq!(after(|s| at(s, 1, 16).kind = Kind::Empty), ["1.16 missing"]);
    assert_eq!(
        after(|s| at(s, 1, 16).kind = Kind::Notification),
        ["1.16 Kind"]
    );
    assert_eq!(after(|s| at(s, 2, 16).rights = Rights::RW), ["2.16 Rights"]);
    assert_eq!(after(|s| at(s, 2, 16).word = 1), ["2.16 Word"]);
    assert_eq!(after(|s| at(s, 1, 18).word = 0x3ff_03f7), ["1.18 Word"]);
    assert_eq!(after(|s| at(s, 1, 25).word = 200), ["1.25 Word"]);
    assert_eq!(
        after(|s| at(s, 1, 17).identity = 5),
        ["1.17 Object { right: 4 }"]
    );
    assert_eq!(after(|s| at(s, 2, 17).size_bits = 21), ["2.17 Size"]);
    assert_eq!(after(|s| at(s, 1, 1).size_bits = 20), ["1.1 Size"]);
    // The rest of the memory may come in fewer pieces than there are slots, but not as something else.
    assert_eq!(after(|s| at(s, 1, 20).kind = Kind::Empty), none);
    assert_eq!(after(|s| at(s, 1, 20).kind = Kind::Frame), ["1.20 Kind"]);
    // Several at once, in order.
    assert_eq!(
        after(|s| {
            at(s, 2, 16).rights = Rights::RW;
            at(s, 2, 16).word = 9;
            at(s, 1, 23).kind = Kind::Empty;
        }),
        ["1.23 missing", "2.16 Rights", "2.16 Word"]
    );
}

#[test]
fn extra_capabilities_are_found_outside_the_slots_for_them() {
    let insert = |slot, kind: Kind| {
        after(|slots| {
            let place = slots.iter().position(|s| s.component == 2).unwrap();
            let info = SlotInfo(kind as u64 | 3 << 8 | 12 << 16);
            slots.insert(place, LiveSlot::new(1, slot, info, 0x9000, 0));
        })
    };
    assert_eq!(insert(30, Kind::Frame), ["1.30 extra"]);
    assert!(insert(40, Kind::Frame).is_empty());
    assert!(insert(47, Kind::Frame).is_empty());
    assert_eq!(insert(48, Kind::Frame), ["1.48 extra"]);
    assert_eq!(insert(40, Kind::Untyped), ["1.40 extra"]);
}

#[test]
fn slots_must_agree_on_which_object_they_name() {
    // The frame that server and client share.
    let other = after(|s| at(s, 2, 17).identity = 0x77_0000);
    assert_eq!(other, [format!("2.17 Object {{ right: {} }}", 0x10_2000)]);
    // The client's second endpoint is in truth the first.
    let alias = after(|s| at(s, 2, 18).identity = 0x10_0000);
    assert_eq!(alias, ["2.18 Alias { other: Object(0), of: 0 }"]);
    // The client has the server's Reply.
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let servers = at(&mut live(&image), 1, 3).identity;
    let stolen = after(|s| at(s, 2, 3).identity = servers);
    assert_eq!(stolen, ["2.3 Alias { other: OwnReply, of: 1 }"]);
}

#[test]
fn what_the_caller_knows_decides() {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let slots = live(&image);
    let known = [(0, Identity::Known(0x55_0000))];
    let right = 0x55_0000u64;
    assert_eq!(
        differences(&image, &slots, &known),
        [
            format!("1.16 Object {{ right: {right} }}"),
            format!("2.16 Object {{ right: {right} }}")
        ]
    );
}

#[test]
fn what_the_machine_lacks_is_not_missing() {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let mut slots = live(&image);
    slots.retain(|s| !matches!((s.component, s.slot), (1, 24 | 25)));
    assert_eq!(
        differences(&image, &slots, &[]),
        ["1.24 missing", "1.25 missing"]
    );
    let absent = [(7, Identity::Absent), (8, Identity::Absent)];
    assert!(differences(&image, &slots, &absent).is_empty());
    // An object that is not optional has no excuse.
    slots.retain(|s| (s.component, s.slot) != (1, 16));
    let absent = [
        (0, Identity::Absent),
        (7, Identity::Absent),
        (8, Identity::Absent),
    ];
    assert_eq!(
        differences(&image, &slots, &absent),
        ["1.16 missing", "2.16 extra"]
    );
}

#[test]
fn misuse_is_refused() {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let slots = live(&image);
    let mut short = [Identity::Unknown; 17];
    let error = Audit::new(image, &mut short).err();
    assert_eq!(error, Some(AuditError::TableTooShort(18)));

    let mut table = [Identity::Unknown; 18];
    let mut audit = Audit::new(image, &mut table).unwrap();
    let mut ignore = |_: Difference<'_>| ();
    audit.observe(slots[1], &mut ignore).unwrap();
    let again = audit.observe(slots[1], &mut ignore);
    assert_eq!(again, Err(AuditError::OutOfOrder));
    assert_eq!(audit.skip(1, &mut ignore), Err(AuditError::OutOfOrder));
    let root = LiveSlot {
        component: 0,
        ..slots[1]
    };
    let nobody = audit.observe(root, &mut ignore);
    assert_eq!(nobody, Err(AuditError::NoSuchComponent));
}

#[test]
fn a_component_that_does_not_run_can_be_left_out() {
    let bytes = write(&example()).unwrap();
    let image = Image::parse(&bytes).unwrap();
    let mut table = [Identity::Unknown; 18];
    let mut audit = Audit::new(image, &mut table).unwrap();
    let mut found = 0;
    let mut count = |_: Difference<'_>| found += 1;
    audit.skip(1, &mut count).unwrap();
    for slot in live(&image).into_iter().filter(|s| s.component == 2) {
        audit.observe(slot, &mut count).unwrap();
    }
    audit.finish(&mut count);
    assert_eq!(found, 0);
}

proptest! {
    #![proptest_config(super::config(256))]

    #[test]
    fn a_system_as_described_has_no_differences(contents in contents()) {
        let bytes = write(&contents).unwrap();
        let image = Image::parse(&bytes).unwrap();
        let none: Vec<String> = Vec::new();
        prop_assert_eq!(differences(&image, &live(&image), &[]), none);
    }

    #[test]
    fn a_capability_that_vanishes_is_missing(
        contents in contents(),
        which in any::<Index>(),
    ) {
        let bytes = write(&contents).unwrap();
        let image = Image::parse(&bytes).unwrap();
        let mut slots = live(&image);
        if slots.is_empty() {
            return Ok(());
        }
        let gone = slots.remove(which.index(slots.len()));
        let may_be_empty = expected(&image).any(|e| {
            e.may_be_empty && e.component == gone.component && (e.slot..e.slot + e.count).contains(&gone.slot)
        });
        let found = differences(&image, &slots, &[]);
        if may_be_empty {
            prop_assert!(found.is_empty());
        } else {
            prop_assert_eq!(found, [format!("{}.{} missing", gone.component, gone.slot)]);
        }
    }

    /// Any stream at all, in order, is answered without panic.
    #[test]
    fn any_slots_are_compared(
        contents in contents(),
        seeds in prop::collection::vec((0u16..8, 0u32..300, any::<u64>(), any::<u64>(), any::<u64>()), 0..60),
    ) {
        let bytes = write(&contents).unwrap();
        let image = Image::parse(&bytes).unwrap();
        let mut table = vec![Identity::Unknown; Audit::table_entries(&image)];
        let mut audit = Audit::new(image, &mut table).unwrap();
        let mut ignore = |_: Difference<'_>| ();
        for (component, slot, info, identity, word) in seeds {
            let live = LiveSlot::new(component, slot, SlotInfo(info), identity, word);
            let _ = audit.observe(live, &mut ignore);
        }
        audit.finish(&mut ignore);
    }
}
