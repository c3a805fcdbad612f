//! Memory maps, honest and hostile: nothing reserved is handed out, nothing is handed out twice.

mod common;

use common::{Entry, information};
use pagurus_boot::platform::LOW_MEMORY;
use pagurus_boot::{BootPages, PAGE, Platform, PlatformError, Range};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 1 << 40;
/// Where the tests put kernel and boot information.
const IMAGE: Range = Range::new(0x20_0000, 0x24_0000);
const INFORMATION: u64 = 0x15_0000;

const PC: &[Entry] = &[
    (0, 0x9_fc00, 1),
    (0x9_fc00, 0x400, 2),
    (0xf_0000, 0x1_0000, 2),
    (MIB, 255 * MIB - 0x2_0000, 1),
    (256 * MIB - 0x2_0000, 0x2_0000, 3),
    (0xfffc_0000, 0x4_0000, 2),
    (4096 * MIB, 1024 * MIB, 1),
];

fn digest(map: &[Entry], modules: &[(u32, u32, &str)]) -> Result<Platform, PlatformError> {
    Platform::from_multiboot2(&information(map, modules), INFORMATION, IMAGE)
}

#[test]
fn a_pc() {
    let modules = [
        (0x30_0000, 0x30_1001, "kernel"),
        (0x40_0000, 0x41_0000, "root x"),
    ];
    let platform = digest(PC, &modules).unwrap();
    let ram = [
        (0, 0x9_f000),
        (MIB, 256 * MIB - 0x2_0000),
        (4096 * MIB, 5120 * MIB),
    ];
    assert_eq!(
        platform.ram.ranges(),
        ram.map(|(start, end)| Range::new(start, end))
    );
    // The page that holds both RAM and firmware data is neither.
    assert_eq!(platform.withheld.ranges(), [Range::new(0x9_f000, 0xa_0000)]);

    let names: Vec<_> = platform
        .modules
        .iter()
        .map(|module| module.name.as_str())
        .collect();
    assert_eq!(names, ["kernel", "root"]);
    let taken = [
        Range::new(INFORMATION, INFORMATION + PAGE),
        IMAGE,
        Range::new(0x30_0000, 0x30_2000),
        Range::new(0x40_0000, 0x41_0000),
    ];
    for range in taken {
        assert!(!platform.free.overlaps(range), "{range}");
    }
    let bytes: u64 = taken.iter().map(|range| range.length()).sum();
    assert_eq!(
        platform.free.bytes(),
        platform.ram.bytes() - 0x9_f000 - bytes
    );
    assert_eq!(platform.trampoline(), Some(Range::new(0x8000, 0x9000)));

    let apic = Range::new(0xfee0_0000, 0xfee0_0400);
    let devices = platform.device_space(LIMIT, &[apic]);
    for range in [
        (0xa_0000, MIB),
        (256 * MIB - 0x2_0000, 0xfee0_0000),
        (0xfee0_1000, 4096 * MIB),
    ] {
        assert!(devices.contains(Range::new(range.0, range.1)));
    }
    assert!(devices.contains(Range::new(5120 * MIB, LIMIT)));
    // Root reads the ACPI root pointer there.
    assert!(devices.contains(platform.information));
}

#[test]
fn modules_must_lie_in_ram_and_apart() {
    let check = |modules: &[(u32, u32, &str)]| digest(PC, modules).map(|_| ());
    let misplaced = |result| matches!(result, Err(PlatformError::ModuleMisplaced(_)));
    assert_eq!(check(&[(0x30_0000, 0x30_1000, "a")]), Ok(()));
    // UEFI loaders use low memory.
    assert_eq!(check(&[(0x2000, 0x9_f000, "low")]), Ok(()));
    assert!(misplaced(check(&[(0x9_e000, 0xa_0000, "low")])));
    assert!(misplaced(check(&[(0xf000_0000, 0xf000_1000, "outside")])));
    assert!(misplaced(check(&[(0x23_f000, 0x24_1000, "kernel")])));
    assert!(misplaced(check(&[(0x15_0000, 0x15_1000, "information")])));
    assert!(misplaced(check(&[
        (0x30_0000, 0x30_1001, "a"),
        (0x30_1000, 0x30_2000, "b")
    ])));
    assert!(matches!(
        check(&[(0x30_0010, 0x30_1000, "odd")]),
        Err(PlatformError::ModuleMisaligned(_))
    ));
    let many: Vec<_> = (0..65u32)
        .map(|i| (0x100_0000 + i * 0x1000, 0x100_0001 + i * 0x1000, "m"))
        .collect();
    assert_eq!(check(&many[..64]), Ok(()));
    assert_eq!(check(&many), Err(PlatformError::TooManyModules));
}

#[test]
fn long_names_are_cut_between_characters() {
    let name = format!("{}ü", "n".repeat(46));
    let platform = digest(PC, &[(0x30_0000, 0x30_1000, &name)]).unwrap();
    assert_eq!(platform.modules[0].name, "n".repeat(46).as_str());
}

#[test]
fn machines_without_memory_are_refused() {
    assert_eq!(
        digest(&[(0, 0x9_fc00, 1)], &[]).err(),
        Some(PlatformError::NoRam)
    );
    let elsewhere = [(64 * MIB, 64 * MIB, 1)];
    assert_eq!(
        digest(&elsewhere, &[]).err(),
        Some(PlatformError::ImageMisplaced(IMAGE))
    );
}

#[test]
fn absurdly_many_ranges_are_refused() {
    let many = |count: u64| {
        let mut map = vec![(MIB, 15 * MIB, 1)];
        map.extend((0..count).map(|i| (16 * MIB + i * 0x4000, 0x1000, 1)));
        digest(&map, &[]).map(|platform| platform.ram.ranges().len())
    };
    assert_eq!(many(100), Ok(100));
    assert_eq!(many(200), Err(PlatformError::TooManyRanges));
}

/// Entries near each other, so that they overlap, touch, repeat, wrap and are empty.
fn entry() -> impl Strategy<Value = Entry> {
    let start = prop_oneof![
        8 => 0..(64 * MIB),
        4 => (0..64u64).prop_map(|mib| mib * MIB),
        1 => any::<u64>(),
        1 => (u64::MAX - 0x2000)..=u64::MAX,
    ];
    let length = prop_oneof![
        6 => 0..(16 * MIB),
        2 => (0..16u64).prop_map(|mib| mib * MIB),
        1 => any::<u64>(),
        1 => Just(0u64),
    ];
    let kind = prop_oneof![4 => Just(1u32), 3 => 2..8u32, 1 => any::<u32>()];
    (start, length, kind)
}

/// What the map says about every address that matters, by brute force: `Some(true)` usable, `Some(false)`
/// spoken for, `None` nothing.
fn says(map: &[Entry], address: u64) -> Option<bool> {
    let covering = map
        .iter()
        .filter(|(start, length, kind)| match start.checked_add(*length) {
            Some(end) => (*start..end).contains(&address),
            // RAM beyond the address space is nonsense; anything else reaches to its end.
            None => *kind != 1 && *start <= address,
        });
    covering
        .map(|(_, _, kind)| *kind == 1)
        .reduce(|a, b| a && b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn hostile_maps(
        mut map in prop::collection::vec(entry(), 0..24),
        probes in prop::collection::vec(0..(80 * MIB), 64),
    ) {
        map.push((MIB, 8 * MIB, 1));
        let Ok(platform) = digest(&map, &[]) else {
            return Ok(());
        };
        let devices = platform.device_space(LIMIT, &[]);

        for range in platform.ram.ranges().iter().chain(platform.free.ranges()) {
            prop_assert!(range.start % PAGE == 0 && range.end % PAGE == 0);
        }
        for range in platform.free.ranges() {
            prop_assert!(platform.ram.contains(*range));
            prop_assert!(!range.overlaps(LOW_MEMORY) && !range.overlaps(IMAGE));
            prop_assert!(!range.overlaps(platform.information));
        }
        // The boot information is shown to root wherever the loader put it, be it in broken memory.
        for range in devices.ranges() {
            let memory = platform.ram.ranges().iter().chain(platform.withheld.ranges()).find(|memory| {
                let common = range.intersection(**memory);
                !common.is_empty() && !platform.information.contains(common)
            });
            prop_assert_eq!(memory, None);
        }

        // Every address is in exactly the set that the map puts it in.
        let edges = map.iter().flat_map(|(start, length, _)| {
            let end = start.wrapping_add(*length);
            [start.wrapping_sub(1), *start, end.wrapping_sub(1), end]
        });
        for address in edges.chain(probes).filter(|address| *address < LIMIT) {
            let page = Range::new(address & !(PAGE - 1), (address & !(PAGE - 1)) + PAGE);
            let whole_page = |usable: bool| {
                (page.start..page.end).all(|byte| says(&map, byte) == Some(usable))
            };
            let in_ram = platform.ram.contains(page);
            prop_assert_eq!(in_ram, whole_page(true), "{:#x}", address);
            if devices.contains(page) && !platform.information.contains(page) {
                let no_ram_but_spoken_for = (page.start..page.end).all(|byte| says(&map, byte) != Some(true));
                prop_assert!(no_ram_but_spoken_for);
            }
        }
    }

    #[test]
    fn the_order_of_the_map_means_nothing(map in prop::collection::vec(entry(), 0..16), seed in any::<u64>()) {
        let mut map = map;
        map.push((MIB, 8 * MIB, 1));
        let mut shuffled = map.clone();
        let mut state = seed;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let sets = |map: &[Entry]| digest(map, &[]).map(|platform| {
            (platform.ram.ranges().to_vec(), platform.withheld.ranges().to_vec())
        });
        prop_assert_eq!(sets(&map), sets(&shuffled));
    }

    #[test]
    fn boot_pages_are_free_aligned_and_never_the_same(
        map in prop::collection::vec(entry(), 0..12),
        requests in prop::collection::vec((0..40u64, 12..23u32, any::<bool>()), 1..40),
    ) {
        let mut map = map;
        map.push((MIB, 8 * MIB, 1));
        let Ok(platform) = digest(&map, &[]) else {
            return Ok(());
        };
        let mut pages = BootPages::new(platform.free.clone());
        let mut taken: Vec<Range> = Vec::new();
        for (count, align_bits, low) in requests {
            let limit = if low { 6 * MIB } else { u64::MAX };
            let Some(address) = pages.take_aligned(count, 1 << align_bits, limit) else {
                continue;
            };
            let range = Range::new(address, address + count * PAGE);
            prop_assert!(count > 0 && address % (1 << align_bits) == 0 && range.end <= limit);
            prop_assert!(platform.free.contains(range));
            prop_assert!(!pages.free().overlaps(range));
            prop_assert!(taken.iter().all(|other| !other.overlaps(range)));
            taken.push(range);
        }
        let sum: u64 = taken.iter().map(|range| range.length()).sum();
        prop_assert_eq!(pages.free().bytes() + pages.free().lost() + sum, platform.free.bytes());
        for range in taken {
            pages.give_back(range.start, range.length() / PAGE);
        }
        prop_assert!(pages.free().lost() > 0 || pages.free().ranges() == platform.free.ranges());
    }
}
