//! Nothing that is in an image makes the planner panic, leave RAM or let pieces overlap.

use crate::elf::{self, READ_EXECUTE, READ_WRITE};
use crate::guest::{MIB, bare, check, module, pc, range};
use crate::linux_image;
use pagurus_guest_image::{Guest, Kind, MemoryKind, MemoryRange, plan, recognise};
use proptest::prelude::*;

fn kinds() -> impl Strategy<Value = Option<Kind>> {
    prop::sample::select(vec![
        None,
        Some(Kind::Linux),
        Some(Kind::Hermit),
        Some(Kind::Pvh),
        Some(Kind::Multiboot1),
        Some(Kind::Multiboot2),
    ])
}

/// Images in order, to be broken.
fn images() -> Vec<Vec<u8>> {
    let code = |bytes: Vec<u8>| elf::load(MIB, MIB, READ_EXECUTE, &bytes, 0x2000);
    let data = elf::load(2 * MIB, 0x8000_0000, READ_WRITE, &[1; 64], 0x4000);
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let one = words(&[
        0x1bad_b002,
        0x1_0003,
        0xe452_4ffb - 0x1_0003 + 3,
        0,
        0,
        0,
        0,
        0,
    ]);
    let two = words(&[
        0xe852_50d6,
        0,
        48,
        0u32.wrapping_sub(0xe852_50d6).wrapping_sub(48),
        1,
        12,
        6,
        0,
        3,
        12,
        MIB as u32 + 8,
        0,
        0,
        8,
    ]);
    let two = two[..two.len() - 8].to_vec();
    vec![
        linux_image::good(),
        elf::file(
            true,
            MIB,
            &[
                code(vec![0x90; 32]),
                data.clone(),
                elf::note("Xen", 18, &(MIB as u32).to_le_bytes()),
            ],
        ),
        elf::file(false, MIB, &[code(one), data.clone()]),
        elf::file(true, MIB, &[code(two), data.clone()]),
        elf::file(
            true,
            MIB,
            &[
                code(vec![0x90; 32]),
                data,
                elf::note("HERMIT", 0x5a00, &[4]),
            ],
        ),
    ]
}

fn memory() -> impl Strategy<Value = Vec<MemoryRange>> {
    let kind = prop::sample::select(vec![
        MemoryKind::Ram,
        MemoryKind::Ram,
        MemoryKind::Reserved,
        MemoryKind::AcpiNvs,
    ]);
    let any = (0u64..0x8000, 0u64..0x8000, kind).prop_map(|(start, pages, kind)| MemoryRange {
        start: start << 12,
        length: pages << 12,
        kind,
    });
    prop_oneof![
        Just(pc(64)),
        prop::collection::vec(any, 0..8),
        Just(vec![range(0, 1 << 40, MemoryKind::Ram)]),
    ]
}

fn survives(guest: &Guest<'_>) {
    let _ = recognise(guest.image);
    if let Ok(plan) = plan(guest) {
        check(guest, &plan);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn random_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        kind in kinds(),
        memory in memory(),
    ) {
        survives(&Guest { kind, ..bare(&bytes, &memory) });
    }

    #[test]
    fn mutated_images(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0usize..0x600, prop::sample::select(vec![
            0u64, 1, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 0x1000, 0x10_0000, 1 << 63,
        ]), 1usize..9), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        kind in kinds(),
        memory in memory(),
        lengths in prop::collection::vec(prop_oneof![1u64..100_000, any::<u64>()], 0..3),
    ) {
        let images = images();
        let mut image = which.get(&images).clone();
        for (at, value, bytes) in changes {
            if let Some(place) = image.get_mut(at..at + bytes) {
                place.copy_from_slice(&value.to_le_bytes()[..bytes.min(8)]);
            }
        }
        if let Some(cut) = cut {
            image.truncate(cut.index(image.len() + 1));
        }
        let modules: Vec<_> = lengths
            .iter()
            .map(|length| module((*length).max(1), "module"))
            .collect();
        survives(&Guest {
            kind,
            modules: &modules,
            command_line: "a line",
            ..bare(&image, &memory)
        });
    }
}

#[test]
fn the_images_are_in_order_before_they_are_broken() {
    let memory = pc(64);
    let known: Vec<_> = images().iter().map(|image| recognise(image).ok()).collect();
    assert_eq!(
        known,
        [
            Some(Kind::Linux),
            Some(Kind::Pvh),
            Some(Kind::Multiboot1),
            Some(Kind::Multiboot2),
            Some(Kind::Hermit),
        ]
    );
    for image in &images()[..2] {
        assert!(plan(&bare(image, &memory)).is_ok());
    }
}
