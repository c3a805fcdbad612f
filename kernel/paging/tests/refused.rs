//! What is refused, and that a refusal changes nothing.

mod common;

use common::manual::Manual;
use common::{BASE, Space};
use pagurus_abi::Rights;
use pagurus_abi::layout::{USER_END, USER_START};
use pagurus_abi::method::CacheMode;
use pagurus_paging::{Ept, Failure, Flush, Host, MapError, Mapping, Npt, PageSize, Region};
use pagurus_paging::{PhysMem, sim};
use proptest::prelude::*;

const GIB_1: u64 = 1 << 30;

fn page(virt: u64) -> Mapping {
    Mapping {
        virt,
        phys: 0x7000,
        length: 0x1000,
        perms: Rights::READ,
        cache: CacheMode::Default,
    }
}

fn map<F: Manual>(space: &mut Space<F>, mapping: &Mapping) -> Result<u64, Failure> {
    let Space { mem, pool, tables } = space;
    tables
        .map(mem, pool, mapping, 0, 1000)
        .map(|progress| progress.done)
}

fn refuses<F: Manual>(mapping: Mapping, error: MapError) {
    let mut space = Space::<F>::new(8, PageSize::Size1G);
    let refused = Failure {
        error,
        done: 0,
        flush: Flush::None,
    };
    assert_eq!(map(&mut space, &mapping), Err(refused), "{mapping:x?}");
    assert_eq!(space.pool.in_use(), 0);
    assert!((0..512).all(|at| space.mem.read(BASE, at) == 0));
}

fn every_format_refuses<F: Manual>() {
    let good = page(GIB_1);
    let length = 0;
    refuses::<F>(Mapping { length, ..good }, MapError::OutOfRange);
    let length = 0x1800;
    refuses::<F>(Mapping { length, ..good }, MapError::Misaligned);
    let virt = GIB_1 + 0x10;
    refuses::<F>(Mapping { virt, ..good }, MapError::Misaligned);
    let phys = 0x7001;
    refuses::<F>(Mapping { phys, ..good }, MapError::Misaligned);
    for virt in [F::END, 1 << 48, 0x8000 << 48, !0xfff] {
        refuses::<F>(Mapping { virt, ..good }, MapError::OutOfRange);
    }
    for length in [F::END - GIB_1 + 0x1000, !0xfff] {
        refuses::<F>(Mapping { length, ..good }, MapError::OutOfRange);
    }
    for phys in [1 << 52, !0xfff] {
        refuses::<F>(Mapping { phys, ..good }, MapError::OutOfRange);
    }
    let past_the_end = Mapping {
        phys: (1 << 52) - 0x1000,
        length: 0x2000,
        ..good
    };
    refuses::<F>(past_the_end, MapError::OutOfRange);
    for perms in [Rights::empty(), Rights::WRITE, Rights::EXECUTE] {
        refuses::<F>(Mapping { perms, ..good }, MapError::Unreadable);
    }

    let mut space = Space::<F>::new(8, PageSize::Size1G);
    assert_eq!(map(&mut space, &page(F::END - 0x1000)), Ok(0x1000));
    assert_eq!(map(&mut space, &page(F::START)), Ok(0x1000));
    let last_frame = Mapping {
        phys: (1 << 52) - 0x1000,
        ..good
    };
    assert_eq!(map(&mut space, &last_frame), Ok(0x1000));
}

#[test]
fn split_and_merge_of_what_is_no_page() {
    let mut space = Space::<Host>::new(8, PageSize::Size1G);
    let large = Mapping {
        length: 1 << 21,
        phys: 1 << 21,
        ..page(GIB_1)
    };
    map(&mut space, &large).expect("maps");
    let Space { mem, pool, tables } = &mut space;
    for (virt, error) in [
        (GIB_1 + 0x1000, MapError::Misaligned),
        (GIB_1 + 1, MapError::Misaligned),
        (0, MapError::OutOfRange),
        (1 << 47, MapError::OutOfRange),
        (!0x1f_ffff, MapError::OutOfRange),
        (2 * GIB_1, MapError::NotMapped),
    ] {
        assert_eq!(tables.split(mem, pool, virt, PageSize::Size2M), Err(error));
        assert_eq!(tables.merge(mem, pool, virt, PageSize::Size2M), Err(error));
    }
    assert_eq!(pool.in_use(), 2);
    assert!(tables.split(mem, pool, GIB_1, PageSize::Size2M).is_ok());
}

#[test]
fn progress_beyond_the_end() {
    let mut space = Space::<Host>::new(3, PageSize::Size1G);
    map(&mut space, &page(GIB_1)).expect("maps");
    let region = page(GIB_1).region();
    let Space { mem, pool, tables } = &mut space;
    for (done, error) in [
        (0x2000, MapError::OutOfRange),
        (!0xfff, MapError::OutOfRange),
        (0x10, MapError::Misaligned),
    ] {
        let refused = Err(Failure {
            error,
            done,
            flush: Flush::None,
        });
        assert_eq!(tables.map(mem, pool, &page(GIB_1), done, 1), refused);
        assert_eq!(tables.unmap(mem, pool, region, done, 1), refused);
        let harvested = tables.harvest(mem, region, true, done, 1, |_| panic!("a page"));
        assert_eq!(harvested, refused);
    }
    let end = tables
        .unmap(mem, pool, region, 0x1000, 1)
        .expect("nothing left");
    assert!(end.complete && end.flush == Flush::None);
    assert!(tables.translate(mem, GIB_1).is_some());
}

#[test]
fn bad_ranges_and_permissions() {
    every_format_refuses::<Host>();
    every_format_refuses::<Npt>();
    every_format_refuses::<Ept>();
}

#[test]
fn only_guests_have_writable_code() {
    let perms = Rights::RW | Rights::EXECUTE;
    let mapping = Mapping {
        perms,
        ..page(GIB_1)
    };
    refuses::<Host>(mapping, MapError::WriteExecute);
    assert_eq!(
        map(&mut Space::<Npt>::new(3, PageSize::Size1G), &mapping),
        Ok(0x1000)
    );
    assert_eq!(
        map(&mut Space::<Ept>::new(3, PageSize::Size1G), &mapping),
        Ok(0x1000)
    );

    let mut space = Space::<Host>::new(3, PageSize::Size1G);
    map(&mut space, &page(GIB_1)).expect("maps");
    let Space { mem, tables, .. } = &mut space;
    let refused = tables.protect(mem, page(GIB_1).region(), perms, 0, 1);
    assert_eq!(refused.expect_err("refused").error, MapError::WriteExecute);
    let now = tables.translate(mem, GIB_1).expect("mapped");
    assert_eq!(now.perms, Rights::READ);
}

#[test]
fn components_have_neither_the_null_pages_nor_the_last_page_nor_the_upper_half() {
    refuses::<Host>(page(USER_START - 0x1000), MapError::OutOfRange);
    refuses::<Host>(page(0), MapError::OutOfRange);
    refuses::<Host>(page(USER_END), MapError::OutOfRange);

    let mut space = Space::<Host>::new(8, PageSize::Size1G);
    for at in 256..512 {
        space.mem.write(BASE, at, 0xdead_b003);
    }
    let last = page(USER_END - 0x1000);
    map(&mut space, &last).expect("maps");
    let Space { mem, pool, tables } = &mut space;
    tables
        .unmap(mem, pool, last.region(), 0, 1)
        .expect("unmaps");
    let all = Region {
        virt: USER_START,
        length: USER_END - USER_START,
    };
    tables.unmap(mem, pool, all, 0, 10_000).expect("unmaps");
    assert!((256..512).all(|at| mem.read(BASE, at) == 0xdead_b003));
    assert!(tables.translate(mem, 0xffff_8000_0000_0000).is_none());
    assert!(tables.translate(mem, 1 << 47).is_none());
}

#[test]
fn a_failed_map_is_undone_by_unmapping_what_it_did() {
    let mut space = Space::<Host>::new(4, PageSize::Size1G);
    // 1 GiB - 4 KiB .. 1 GiB + 4 KiB needs two directories and two tables beside the upper one.
    let mapping = Mapping {
        length: 0x2000,
        ..page(GIB_1 - 0x1000)
    };
    let failure = map(&mut space, &mapping).expect_err("needs five tables");
    assert_eq!(failure.error, MapError::OutOfTables);
    assert_eq!(failure.done, 0x1000);
    let Space { mem, pool, tables } = &mut space;
    assert_eq!(pool.in_use(), 3, "no table was taken for nothing");
    let region = Region {
        length: failure.done,
        ..mapping.region()
    };
    let progress = tables.unmap(mem, pool, region, 0, 10).expect("unmaps");
    assert!(progress.complete);
    assert_eq!(progress.flush, Flush::All);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn nothing_is_replaced() {
    let mut space = Space::<Ept>::new(8, PageSize::Size1G);
    let large = Mapping {
        virt: 0,
        phys: GIB_1,
        length: GIB_1,
        perms: Rights::READ,
        cache: CacheMode::Default,
    };
    map(&mut space, &page(0x5000)).expect("maps");
    // A large page over a small one, and a small one over itself.
    for mapping in [large, page(0x5000)] {
        let failure = map(&mut space, &mapping).expect_err("occupied");
        let virt = mapping.virt;
        assert_eq!(failure.error, MapError::Occupied { virt });
        assert_eq!(failure.done, 0);
    }
    // A small one into a large one.
    let beside = Mapping {
        virt: GIB_1,
        ..large
    };
    map(&mut space, &beside).expect("maps");
    let inside = page(GIB_1 + 0x5000);
    let failure = map(&mut space, &inside).expect_err("occupied");
    let virt = inside.virt;
    assert_eq!(failure.error, MapError::Occupied { virt });
    // Some of it can be mapped before something is in the way.
    let mapping = Mapping {
        length: 0x5000,
        ..page(0x2000)
    };
    let failure = map(&mut space, &mapping).expect_err("occupied");
    assert_eq!(failure.error, MapError::Occupied { virt: 0x5000 });
    assert_eq!(failure.done, 0x3000);
}

#[test]
fn errors_of_the_walker_are_errors_of_the_kernel() {
    use pagurus_abi::Error;
    let virt = 0x1000;
    for (error, code, text) in [
        (MapError::Misaligned, Error::Misaligned, "aligned"),
        (MapError::OutOfRange, Error::InvalidArgument, "range"),
        (MapError::Unreadable, Error::InvalidArgument, "readable"),
        (MapError::WriteExecute, Error::InvalidArgument, "executable"),
        (MapError::Occupied { virt }, Error::AlreadyMapped, "0x1000"),
        (MapError::OutOfTables, Error::OutOfTables, "table"),
        (
            MapError::Straddles { virt },
            Error::InvalidArgument,
            "0x1000",
        ),
        (MapError::NotMapped, Error::NotMapped, "not mapped"),
        (MapError::WrongSize, Error::InvalidArgument, "size"),
        (
            MapError::NotUniform { virt },
            Error::InvalidArgument,
            "0x1000",
        ),
    ] {
        assert_eq!(Error::from(error), code);
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Numbers of every magnitude, near powers of two above all.
fn number() -> impl Strategy<Value = u64> {
    let near = (0u32..64, 0u64..3).prop_map(|(bit, less)| (1u64 << bit).wrapping_sub(less << 12));
    prop_oneof![any::<u64>(), any::<u64>().prop_map(|n| n & !0xfff), near]
}

fn any_arguments<F: Manual>(numbers: &[[u64; 4]], perms: u8) {
    let mut space = Space::<F>::new(6, PageSize::Size1G);
    let perms = Rights::from_bits_truncate(perms);
    for [virt, phys, length, done] in numbers.iter().copied() {
        let mapping = Mapping {
            virt,
            phys,
            length,
            perms,
            cache: CacheMode::Default,
        };
        let region = mapping.region();
        let Space { mem, pool, tables } = &mut space;
        for at in [0, done] {
            let _ = tables.map(mem, pool, &mapping, at, 3);
            let _ = tables.protect(mem, region, perms, at, 3);
            let _ = tables.harvest(mem, region, true, at, 3, |_| {});
            let _ = tables.translate(mem, virt.wrapping_add(at));
            for size in PageSize::ALL {
                let _ = tables.write_protect(mem, region, size, at, 3);
                let _ = tables.split(mem, pool, virt, size);
                let _ = tables.merge(mem, pool, virt, size);
                let _ = tables.write_unprotect(mem, region, size, at, 3);
            }
        }
        assert_eq!(sim::check::<F>(mem, BASE, 512), pool.in_use());
        let _ = tables.unmap(mem, pool, region, done, 3);
        assert_eq!(sim::check::<F>(mem, BASE, 512), pool.in_use());
    }
}

proptest! {
    #[test]
    fn no_arguments_do_harm(
        numbers in prop::collection::vec([number(), number(), number(), number()], 1..20),
        perms in 0u8..16,
    ) {
        any_arguments::<Host>(&numbers, perms);
        any_arguments::<Npt>(&numbers, perms);
        any_arguments::<Ept>(&numbers, perms);
    }
}
