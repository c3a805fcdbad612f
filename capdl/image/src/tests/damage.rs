//! No bytes make the reader panic, and what it accepts holds together.

use super::{contents, example};
use crate::audit;
use crate::error::{Fault, ImageError, SectionName};
use crate::layout::{self, Header, RawCap, RawComponent, RawMap, RawObject};
use crate::reader::Image;
use crate::record::{ObjectKind, Target};
use crate::write::{Contents, write};
use pagurus_abi::Rights;
use proptest::prelude::*;
use proptest::sample::Index;
use std::mem::{offset_of, size_of};

/// Looks at everything in an accepted image.
fn walk(image: &Image<'_>) -> Result<(), TestCaseError> {
    prop_assert!(!image.name().is_empty());
    prop_assert_eq!(image.objects().count(), image.object_count() as usize);
    prop_assert_eq!(
        image.components().count(),
        usize::from(image.component_count())
    );
    let mut started = vec![false; usize::from(image.component_count())];
    for component in image.start_order() {
        prop_assert!(!std::mem::replace(
            &mut started[usize::from(component.id) - 1],
            true
        ));
    }
    prop_assert!(started.iter().all(|s| *s));
    for object in image.objects() {
        prop_assert_eq!(image.object(object.index), Some(object));
    }
    for component in image.components() {
        let slots = 1u32 << component.cnode_bits;
        let mut next = 1;
        for cap in component.caps() {
            prop_assert!(cap.slot >= next && cap.slot + cap.count <= slots);
            next = cap.slot + cap.count;
            if let Target::Object(index) = cap.target {
                prop_assert!(image.object(index).is_some());
            }
        }
        prop_assert!(component.dynamic.count == 0 || component.dynamic.first >= next);
        prop_assert!(component.dynamic.first + component.dynamic.count <= slots);
        for map in component.maps() {
            let kind = image.object(map.object).unwrap().kind;
            match kind.mappable_bits() {
                Some(bits) => prop_assert!(map.offset + map.length <= 1 << bits),
                None => {
                    prop_assert_eq!(kind, ObjectKind::Module);
                    prop_assert_eq!((map.offset, map.length), (0, 0));
                    prop_assert_eq!(map.rights, Rights::READ);
                }
            }
            prop_assert!(!map.rights.contains(Rights::WRITE | Rights::EXECUTE));
        }
    }
    // Every capability that was accepted can be looked at.
    let caps: usize = image.components().map(|c| c.caps().count()).sum();
    prop_assert_eq!(audit::expected(image).count(), caps);
    Ok(())
}

proptest! {
    #![proptest_config(super::config(2000))]

    #[test]
    fn mutated_images_are_refused_or_whole(
        contents in contents(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        length in any::<Option<Index>>(),
    ) {
        let mut bytes = write(&contents).unwrap();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        if let Ok(image) = Image::parse(&bytes) {
            walk(&image)?;
        }
    }

    /// Numbers at their limits, in fields of four bytes.
    #[test]
    fn extreme_numbers_are_refused_or_whole(
        contents in contents(),
        changes in prop::collection::vec((any::<Index>(), 0usize..8), 1..4),
    ) {
        const NUMBERS: [u32; 8] = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 1, 0x0001_0000];
        let mut bytes = write(&contents).unwrap();
        for (place, number) in changes {
            let place = place.index(bytes.len() / 4) * 4;
            bytes[place..place + 4].copy_from_slice(&NUMBERS[number].to_le_bytes());
        }
        if let Ok(image) = Image::parse(&bytes) {
            walk(&image)?;
        }
    }

    #[test]
    fn noise_behind_a_true_beginning_is_refused_or_whole(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = write(&example()).unwrap();
        bytes.truncate(16);
        bytes.extend(noise);
        let length = bytes.len() as u32;
        bytes[12..16].copy_from_slice(&length.to_le_bytes());
        if let Ok(image) = Image::parse(&bytes) {
            walk(&image)?;
        }
    }
}

/// Where record `index` of a section begins.
fn record(bytes: &[u8], section_field: usize, size: usize, index: usize) -> usize {
    let offset = bytes[section_field..section_field + 4].try_into().unwrap();
    u32::from_le_bytes(offset) as usize + index * size
}

/// The error for the example with `value` written at field `field` of record `index`.
fn with_change(
    section: SectionName,
    index: usize,
    field: usize,
    value: &[u8],
) -> Option<ImageError> {
    let mut bytes = write(&example()).unwrap();
    let start = match section {
        SectionName::Header | SectionName::Text => 0,
        SectionName::Components => record(
            &bytes,
            offset_of!(Header, components),
            size_of::<RawComponent>(),
            index,
        ),
        SectionName::Objects => record(
            &bytes,
            offset_of!(Header, objects),
            size_of::<RawObject>(),
            index,
        ),
        SectionName::Caps => record(&bytes, offset_of!(Header, caps), size_of::<RawCap>(), index),
        SectionName::Maps => record(&bytes, offset_of!(Header, maps), size_of::<RawMap>(), index),
        SectionName::Order => record(&bytes, offset_of!(Header, order), 2, index),
    };
    let at = start + field;
    bytes[at..at + value.len()].copy_from_slice(value);
    Image::parse(&bytes).err()
}

/// A field: the section, the number of the record, the offset in it.
type Field = (SectionName, usize, usize);

#[test]
fn a_boot_module_can_only_be_mapped_whole_and_read() {
    let refused = |change: fn(&mut Contents<'static>)| {
        let mut contents = example();
        contents.objects[2].kind = ObjectKind::Module;
        // The capabilities to what was a frame.
        for parts in &mut contents.components {
            parts.caps.retain(|cap| cap.target != Target::Object(2));
        }
        let map = &mut contents.components[0].maps[0];
        (map.object, map.length, map.rights) = (2, 0, Rights::READ);
        change(&mut contents);
        write(&contents).err().map(|error| match error {
            ImageError::Record { fault, .. } => fault,
            other => panic!("{other}"),
        })
    };
    assert_eq!(refused(|_| ()), None);
    assert_eq!(
        refused(|c| c.components[0].maps[0].rights = Rights::RW),
        Some(Fault::Rights)
    );
    assert_eq!(
        refused(|c| c.components[0].maps[0].length = 4096),
        Some(Fault::Size)
    );
    assert_eq!(
        refused(|c| c.components[0].maps[0].offset = 4096),
        Some(Fault::Size)
    );
    let to_module = |c: &mut Contents<'static>| {
        c.components[1].caps[3].target = Target::Object(2);
        c.components[1].caps[3].badge = 0;
    };
    assert_eq!(refused(to_module), Some(Fault::Reference));
}

/// Each fault that a record can have is found, and found in the right place.
#[test]
fn every_fault_is_named() {
    use SectionName::{Caps, Components, Header as Head, Maps, Objects, Order};
    let none = layout::NONE.to_le_bytes();
    let large = 0x7fff_ffffu32.to_le_bytes();
    let component = |field| (Components, 0, field);
    let cases: &[(Field, &[u8], Fault)] = &[
        (
            (Head, 0, offset_of!(Header, name) + 4),
            &[0; 4],
            Fault::Name,
        ),
        ((Head, 0, offset_of!(Header, cpus)), &[0; 4], Fault::Cpu),
        (
            (Head, 0, offset_of!(Header, services)),
            &[1, 0, 0, 0],
            Fault::Reference,
        ),
        (
            (Head, 0, offset_of!(Header, services)),
            &large,
            Fault::Reference,
        ),
        (
            component(offset_of!(RawComponent, name)),
            &large,
            Fault::Name,
        ),
        (
            component(offset_of!(RawComponent, binary) + 4),
            &[48, 0, 0, 0],
            Fault::Name,
        ),
        (
            component(offset_of!(RawComponent, argument) + 4),
            &[1, 4, 0, 0],
            Fault::Name,
        ),
        (
            component(offset_of!(RawComponent, stack)),
            &[0; 8],
            Fault::Size,
        ),
        (
            component(offset_of!(RawComponent, stack)),
            &[1],
            Fault::Size,
        ),
        (
            component(offset_of!(RawComponent, heap) + 7),
            &[1],
            Fault::Size,
        ),
        (
            component(offset_of!(RawComponent, image)),
            &[0; 8],
            Fault::Size,
        ),
        (
            component(offset_of!(RawComponent, budget)),
            &[0; 8],
            Fault::Time,
        ),
        (
            component(offset_of!(RawComponent, period) + 7),
            &[1],
            Fault::Time,
        ),
        (
            component(offset_of!(RawComponent, fault_endpoint)),
            &[1, 0, 0, 0],
            Fault::Reference,
        ),
        (
            component(offset_of!(RawComponent, notification)),
            &[0; 4],
            Fault::Reference,
        ),
        (
            component(offset_of!(RawComponent, caps)),
            &large,
            Fault::Count,
        ),
        (
            component(offset_of!(RawComponent, maps)),
            &[2, 0, 0, 0],
            Fault::Count,
        ),
        (
            component(offset_of!(RawComponent, dynamic_count)),
            &large,
            Fault::Slot,
        ),
        (
            component(offset_of!(RawComponent, dynamic_first)),
            &[0],
            Fault::Slot,
        ),
        (
            component(offset_of!(RawComponent, dynamic_kinds)),
            &none,
            Fault::Kind,
        ),
        (
            component(offset_of!(RawComponent, cnode_bits)),
            &[3],
            Fault::Size,
        ),
        (
            component(offset_of!(RawComponent, address_space_bits)),
            &[33],
            Fault::Size,
        ),
        (component(offset_of!(RawComponent, cpu)), &[4], Fault::Cpu),
        (
            component(offset_of!(RawComponent, flags)),
            &[2],
            Fault::Reserved,
        ),
        (
            component(offset_of!(RawComponent, reserved)),
            &[1],
            Fault::Reserved,
        ),
        ((Objects, 0, offset_of!(RawObject, kind)), &[0], Fault::Kind),
        (
            (Objects, 0, offset_of!(RawObject, kind)),
            &[13],
            Fault::Kind,
        ),
        (
            (Objects, 2, offset_of!(RawObject, size_bits)),
            &[11],
            Fault::Size,
        ),
        (
            (Objects, 3, offset_of!(RawObject, value)),
            &[1],
            Fault::Address,
        ),
        (
            (Objects, 3, offset_of!(RawObject, value) + 7),
            &[1],
            Fault::Address,
        ),
        (
            (Objects, 4, offset_of!(RawObject, value) + 4),
            &[1],
            Fault::Address,
        ),
        (
            (Objects, 4, offset_of!(RawObject, extra)),
            &[4],
            Fault::Reserved,
        ),
        (
            (Objects, 5, offset_of!(RawObject, extra)),
            &[0; 4],
            Fault::Address,
        ),
        ((Objects, 7, offset_of!(RawObject, value)), &[4], Fault::Cpu),
        (
            (Objects, 8, offset_of!(RawObject, extra) + 1),
            &[1],
            Fault::Size,
        ),
        (
            (Objects, 0, offset_of!(RawObject, flags)),
            &[4],
            Fault::Reserved,
        ),
        (
            (Objects, 0, offset_of!(RawObject, reserved)),
            &[1],
            Fault::Reserved,
        ),
        ((Caps, 2, offset_of!(RawCap, name)), &large, Fault::Name),
        ((Caps, 4, offset_of!(RawCap, badge)), &[1], Fault::Badge),
        ((Caps, 2, offset_of!(RawCap, signal)), &[1], Fault::Badge),
        ((Caps, 2, offset_of!(RawCap, count)), &[2], Fault::Badge),
        ((Caps, 2, offset_of!(RawCap, count)), &[0], Fault::Badge),
        ((Caps, 0, offset_of!(RawCap, slot)), &[0], Fault::Slot),
        ((Caps, 3, offset_of!(RawCap, slot)), &[16], Fault::Slot),
        ((Caps, 5, offset_of!(RawCap, slot)), &none, Fault::Slot),
        ((Caps, 8, offset_of!(RawCap, slot)), &[40], Fault::Slot),
        (
            (Caps, 2, offset_of!(RawCap, object)),
            &large,
            Fault::Reference,
        ),
        (
            (Caps, 0, offset_of!(RawCap, object)),
            &[0; 4],
            Fault::Reference,
        ),
        ((Caps, 0, offset_of!(RawCap, target)), &[5], Fault::Kind),
        ((Caps, 0, offset_of!(RawCap, rights)), &[16], Fault::Rights),
        (
            (Caps, 0, offset_of!(RawCap, reserved)),
            &[1],
            Fault::Reserved,
        ),
        ((Maps, 0, offset_of!(RawMap, address)), &[1], Fault::Address),
        (
            (Maps, 0, offset_of!(RawMap, address) + 3),
            &[0],
            Fault::Address,
        ),
        (
            (Maps, 0, offset_of!(RawMap, address) + 7),
            &[0x80],
            Fault::Address,
        ),
        (
            (Maps, 0, offset_of!(RawMap, offset) + 1),
            &[0x10],
            Fault::Size,
        ),
        ((Maps, 0, offset_of!(RawMap, length)), &[0; 8], Fault::Size),
        (
            (Maps, 0, offset_of!(RawMap, object)),
            &[0],
            Fault::Reference,
        ),
        ((Maps, 0, offset_of!(RawMap, rights)), &[7], Fault::Rights),
        ((Maps, 0, offset_of!(RawMap, rights)), &[2], Fault::Rights),
        ((Maps, 0, offset_of!(RawMap, cache)), &[3], Fault::Kind),
        (
            (Maps, 0, offset_of!(RawMap, reserved)),
            &[1],
            Fault::Reserved,
        ),
        ((Order, 0, 0), &[0, 0], Fault::Order),
        ((Order, 1, 0), &[1, 0], Fault::Order),
        ((Order, 1, 0), &[3, 0], Fault::Order),
    ];
    for ((section, index, field), value, fault) in cases {
        assert_eq!(
            with_change(*section, *index, *field, value),
            Some(ImageError::Record {
                section: *section,
                index: *index as u32,
                fault: *fault
            }),
            "{section:?} {index} at {field} with {value:?}"
        );
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let bytes = write(&example()).unwrap();
    let parse = |bytes: &[u8]| Image::parse(bytes).err();
    assert_eq!(parse(&[]), Some(ImageError::TooShort));
    assert_eq!(parse(&bytes[..bytes.len() - 1]), Some(ImageError::TooShort));
    let head = |field, value: &[u8]| with_change(SectionName::Header, 0, field, value);
    assert_eq!(head(0, b"ELF"), Some(ImageError::NoImage));
    let version = offset_of!(Header, version);
    assert_eq!(head(version, &[9]), Some(ImageError::Version(9)));
    let caps = offset_of!(Header, caps);
    assert_eq!(
        head(caps + 3, &[1]),
        Some(ImageError::SectionOutside(SectionName::Caps))
    );
    assert_eq!(
        head(caps + 6, &[1]),
        Some(ImageError::TooMany(SectionName::Caps))
    );
    let error = ImageError::Version(9).to_string();
    assert!(error.contains("layout version 9"), "{error}");
}
