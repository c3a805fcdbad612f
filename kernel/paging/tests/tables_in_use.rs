//! What operations cost: tables, and accesses to them.

mod common;

use common::manual::Manual;
use common::{BASE, Space};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::sim::SimMem;
use pagurus_paging::{Ept, Host, Mapping, Npt, PageSize, PhysMem, Pool, TablePool};
use std::cell::Cell;

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

#[test]
fn a_recycled_table_is_zero_and_comes_first() {
    let mut mem = SimMem::new(BASE, 3);
    let mut pool = Pool::new(BASE, BASE + 0x3000);
    assert_eq!((pool.total(), pool.in_use(), pool.available()), (3, 0, 3));
    let first = pool.alloc(&mut mem).expect("three left");
    let second = pool.alloc(&mut mem).expect("two left");
    assert_eq!((first, second), (BASE, BASE + 0x1000));
    pool.free(&mut mem, first);
    pool.free(&mut mem, second);
    assert_eq!(pool.in_use(), 0);
    assert_eq!(pool.alloc(&mut mem), Some(second));
    assert_eq!(pool.alloc(&mut mem), Some(first));
    for at in 0..512 {
        assert_eq!(mem.read(first, at) | mem.read(second, at), 0);
    }
    assert_eq!(pool.alloc(&mut mem), Some(BASE + 0x2000));
    assert_eq!(pool.alloc(&mut mem), None);
    assert_eq!((pool.in_use(), pool.available()), (3, 0));
}

#[test]
fn an_address_space_object_is_a_root_and_a_pool() {
    let pool = Pool::of_object(BASE, 14);
    assert_eq!(pool, Pool::new(BASE + 0x1000, BASE + 0x4000));
    assert_eq!(pool.total(), 3);
}

fn cycles<F: Manual>() {
    // Two pages far apart need six tables, so each round fits only if the round before left none behind.
    let mut space = Space::<F>::new(6, PageSize::Size1G);
    let Space { mem, pool, tables } = &mut space;
    for round in 0..2000u64 {
        let pages = [GIB_1 + (round << 21), (700 * GIB_1) + (round << 30)].map(page);
        for mapping in &pages {
            tables.map(mem, pool, mapping, 0, 1).expect("maps");
        }
        assert_eq!(pool.in_use(), 6);
        for mapping in &pages {
            tables
                .unmap(mem, pool, mapping.region(), 0, 1)
                .expect("unmaps");
        }
        assert_eq!(pool.in_use(), 0);
    }
}

#[test]
fn mapping_and_unmapping_for_ever_takes_no_tables() {
    cycles::<Host>();
    cycles::<Npt>();
    cycles::<Ept>();
}

#[test]
fn a_large_page_finds_its_place_after_small_ones_are_gone() {
    let mut space = Space::<Npt>::new(3, PageSize::Size1G);
    let Space { mem, pool, tables } = &mut space;
    let small = page(GIB_1 + 0x3000);
    tables.map(mem, pool, &small, 0, 1).expect("maps");
    tables
        .unmap(mem, pool, small.region(), 0, 1)
        .expect("unmaps");
    let large = Mapping {
        phys: GIB_1,
        length: GIB_1,
        ..page(GIB_1)
    };
    tables.map(mem, pool, &large, 0, 1).expect("maps");
    let found = tables.translate(mem, GIB_1).expect("mapped");
    assert_eq!(found.size, PageSize::Size1G);
    assert_eq!(pool.in_use(), 1);
}

/// Memory that counts.
struct Counting {
    mem: SimMem,
    reads: Cell<usize>,
    writes: usize,
}

impl Counting {
    fn counts(&mut self) -> (usize, usize) {
        (self.reads.take(), std::mem::take(&mut self.writes))
    }
}

impl PhysMem for Counting {
    fn read(&self, table: u64, index: usize) -> u64 {
        self.reads.set(self.reads.get() + 1);
        self.mem.read(table, index)
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        self.writes += 1;
        self.mem.write(table, index, entry);
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        self.writes += 1;
        self.mem.modify(table, index, clear, set)
    }
}

#[test]
fn one_page_costs_a_walk_and_two_writes() {
    let space = Space::<Host>::new(3, PageSize::Size1G);
    let mut pool = space.pool;
    let mut mem = Counting {
        mem: space.mem,
        reads: Cell::new(0),
        writes: 0,
    };
    let tables = space.tables;
    tables
        .map(&mut mem, &mut pool, &page(GIB_1), 0, 1)
        .expect("maps");
    mem.counts();

    let other = page(GIB_1 + 0x5000);
    tables.map(&mut mem, &mut pool, &other, 0, 1).expect("maps");
    assert_eq!(mem.counts(), (5, 2), "reads and writes of a map");
    tables
        .unmap(&mut mem, &mut pool, other.region(), 0, 1)
        .expect("unmaps");
    assert_eq!(mem.counts(), (5, 2), "reads and writes of an unmap");
}

#[test]
fn a_table_is_walked_to_once_for_all_its_pages() {
    let space = Space::<Ept>::new(3, PageSize::Size1G);
    let mut pool = space.pool;
    let mut mem = Counting {
        mem: space.mem,
        reads: Cell::new(0),
        writes: 0,
    };
    let mapping = Mapping {
        length: 500 * 0x1000,
        ..page(GIB_1)
    };
    let tables = space.tables;
    tables
        .map(&mut mem, &mut pool, &mapping, 0, 500)
        .expect("maps");
    let (reads, writes) = mem.counts();
    // Three tables are made here, and freed at the end, which takes a few walks more.
    assert!(reads <= 516 && writes <= 516, "{reads}, {writes}");
    tables
        .harvest(&mut mem, mapping.region(), true, 0, 500, |_| {})
        .expect("harvests");
    let (reads, writes) = mem.counts();
    assert!(reads <= 504 && writes == 0, "{reads}, {writes}");
    tables
        .unmap(&mut mem, &mut pool, mapping.region(), 0, 500)
        .expect("unmaps");
    let (reads, writes) = mem.counts();
    assert!(reads <= 516 && writes <= 516, "{reads}, {writes}");
}
