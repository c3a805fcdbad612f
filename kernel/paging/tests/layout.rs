//! Entries bit for bit, against constants worked out by hand from the manuals: SDM volume 3, "4-Level Paging"
//! and "Formats of EPT Paging-Structure Entries"; APM volume 2, 5.3 and 15.25.

mod common;

use common::Space;
use common::manual::Manual;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::{Ept, Host, Mapping, Npt, PAT, PageSize, Region};

const R: Rights = Rights::READ;
const RW: Rights = Rights::RW;
const RX: Rights = Rights::READ.union(Rights::EXECUTE);
const RWX: Rights = RW.union(Rights::EXECUTE);

/// The entry for one page of `size` at 513 GiB, whose frame is at 1 TiB.
fn leaf<F: Manual>(size: PageSize, perms: Rights, cache: CacheMode) -> u64 {
    let mut space = Space::<F>::new(3, PageSize::Size1G);
    let mapping = Mapping {
        virt: 513 << 30,
        phys: 1 << 40,
        length: size.bytes(),
        perms,
        cache,
    };
    let Space { mem, pool, tables } = &mut space;
    let progress = tables.map(mem, pool, &mapping, 0, 1).expect("maps");
    assert!(progress.complete);
    let path: &[usize] = match size {
        PageSize::Size4K => &[1, 1, 0],
        PageSize::Size2M => &[1, 1],
        PageSize::Size1G => &[1],
    };
    let index = if size == PageSize::Size1G { 1 } else { 0 };
    space.entry(path, index)
}

fn check<F: Manual>(expected: &[(PageSize, Rights, CacheMode, u64)]) {
    for (size, perms, cache, entry) in expected {
        let found = leaf::<F>(*size, *perms, *cache);
        assert_eq!(found, *entry, "{size:?} {perms:?} {cache:?}: {found:#x}");
    }
}

use CacheMode::{Default, Uncached, WriteCombining};
use PageSize::{Size1G, Size2M, Size4K};

#[test]
fn host_pages() {
    check::<Host>(&[
        (Size4K, R, Default, 0x8000_0100_0000_0005),
        (Size4K, RW, Default, 0x8000_0100_0000_0007),
        (Size4K, RX, Default, 0x0000_0100_0000_0005),
        (Size4K, RW, WriteCombining, 0x8000_0100_0000_000f),
        (Size4K, RW, Uncached, 0x8000_0100_0000_001f),
        (Size2M, RW, Default, 0x8000_0100_0000_0087),
        (Size2M, RX, Default, 0x0000_0100_0000_0085),
        (Size2M, RW, Uncached, 0x8000_0100_0000_009f),
        (Size1G, R, WriteCombining, 0x8000_0100_0000_008d),
    ]);
}

#[test]
fn npt_pages_are_user_pages_like_the_hosts() {
    check::<Npt>(&[
        (Size4K, R, Default, 0x8000_0100_0000_0005),
        (Size4K, RW, Default, 0x8000_0100_0000_0007),
        (Size4K, RWX, Default, 0x0000_0100_0000_0007),
        (Size2M, RWX, Default, 0x0000_0100_0000_0087),
        (Size1G, RW, Uncached, 0x8000_0100_0000_009f),
    ]);
}

#[test]
fn ept_pages() {
    check::<Ept>(&[
        (Size4K, R, Default, 0x0100_0000_0071),
        (Size4K, RW, Default, 0x0100_0000_0073),
        (Size4K, RX, Default, 0x0100_0000_0075),
        (Size4K, RWX, Default, 0x0100_0000_0077),
        (Size4K, RW, Uncached, 0x0100_0000_0003),
        (Size4K, RW, WriteCombining, 0x0100_0000_000b),
        (Size2M, RWX, Default, 0x0100_0000_00f7),
        (Size1G, RWX, Default, 0x0100_0000_00f7),
        (Size1G, R, Uncached, 0x0100_0000_0081),
    ]);
}

#[test]
fn other_rights_do_not_matter() {
    assert_eq!(
        leaf::<Host>(Size4K, RW | Rights::GRANT, Default),
        leaf::<Host>(Size4K, RW, Default)
    );
}

/// The first table of the pool follows the root at 0x10_0000.
fn tables_count_their_entries<F: Manual>() {
    let mut space = Space::<F>::new(3, Size1G);
    let Space { mem, pool, tables } = &mut space;
    let mapping = Mapping {
        virt: 1 << 30,
        phys: 0,
        length: 0x20_0000,
        perms: RW,
        cache: Default,
    };
    // Frames that are not aligned to 2 MiB make 512 pages of 4 KiB.
    let mapping = Mapping {
        phys: 0x1000,
        ..mapping
    };
    tables.map(mem, pool, &mapping, 0, 1).expect("maps");
    assert_eq!(space.entry(&[], 0), 0x0010_0000_0010_1007);
    assert_eq!(space.entry(&[0], 1), 0x0010_0000_0010_2007);
    assert_eq!(space.entry(&[0, 1], 0), 0x0010_0000_0010_3007);
    let Space { mem, pool, tables } = &mut space;
    tables.map(mem, pool, &mapping, 0x1000, 600).expect("maps");
    assert_eq!(space.entry(&[0, 1], 0), 0x2000_0000_0010_3007);
}

#[test]
fn tables_count_their_entries_in_ignored_bits() {
    tables_count_their_entries::<Host>();
    tables_count_their_entries::<Npt>();
    tables_count_their_entries::<Ept>();
}

fn withheld<F: Manual>(page: u64, table: u64) {
    let mut space = Space::<F>::new(3, Size1G);
    let Space { mem, pool, tables } = &mut space;
    let mapping = Mapping {
        virt: 1 << 30,
        phys: 0x1000,
        length: 0x1000,
        perms: RW,
        cache: Default,
    };
    tables.map(mem, pool, &mapping, 0, 1).expect("maps");
    let page_region = mapping.region();
    let large_region = Region {
        virt: 1 << 30,
        length: 0x20_0000,
    };
    tables
        .write_protect(mem, page_region, Size4K, 0, 1)
        .expect("protects");
    tables
        .write_protect(mem, large_region, Size2M, 0, 1)
        .expect("protects");
    assert_eq!(space.entry(&[0, 1, 0], 0), page);
    assert_eq!(space.entry(&[0, 1], 0), table);
}

#[test]
fn withheld_permission_is_kept_in_bit_11() {
    withheld::<Host>(0x8000_0000_0000_1805, 0x0010_0000_0010_3805);
    withheld::<Npt>(0x8000_0000_0000_1805, 0x0010_0000_0010_3805);
    withheld::<Ept>(0x1871, 0x0010_0000_0010_3805);
}

#[test]
fn pat_differs_from_reset_in_type_1_only() {
    // Reset: WB, WT, UC-, UC, twice (6, 4, 7, 0).
    assert_eq!(PAT, 0x0007_0406_0007_0406 & !0xff00 | 0x0100);
}
