//! A processor records accesses between any two steps of an operation: nothing of it may be lost.

mod common;

use common::manual::Manual;
use common::{BASE, Space};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::sim::SimMem;
use pagurus_paging::{Activity, Ept, Host, Mapping, Npt, PageSize, PhysMem, Region};

/// Memory in which a processor writes through certain entries at the worst moment: right before the
/// operation changes them.
struct Racing {
    mem: SimMem,
    entries: Vec<(u64, usize)>,
    bits: u64,
    present: u64,
    raced: usize,
}

impl Racing {
    fn new<F: Manual>(mem: SimMem, entries: Vec<(u64, usize)>) -> Self {
        Racing {
            mem,
            entries,
            bits: 1 << F::ACCESSED_BIT | 1 << F::DIRTY_BIT,
            present: F::PRESENT,
            raced: 0,
        }
    }

    fn race(&mut self, table: u64, index: usize) {
        let is_watched = self.entries.contains(&(table, index));
        if is_watched && self.mem.read(table, index) & self.present != 0 {
            self.mem.modify(table, index, 0, self.bits);
            self.raced += 1;
        }
    }
}

impl PhysMem for Racing {
    fn read(&self, table: u64, index: usize) -> u64 {
        self.mem.read(table, index)
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        self.race(table, index);
        self.mem.write(table, index, entry);
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        self.race(table, index);
        self.mem.modify(table, index, clear, set)
    }
}

const VIRT: u64 = 1 << 30;
const MIB_2: u64 = 1 << 21;

/// 2 MiB at 1 GiB in one page, and the table whose entry 0 maps it.
fn large<F: Manual>() -> (Space<F>, u64) {
    let mut space = Space::<F>::new(4, PageSize::Size1G);
    let mapping = Mapping {
        virt: VIRT,
        phys: MIB_2,
        length: MIB_2,
        perms: Rights::RW,
        cache: CacheMode::Default,
    };
    let Space { mem, pool, tables } = &mut space;
    tables.map(mem, pool, &mapping, 0, 1).expect("maps");
    // Root, upper directory, directory.
    (space, BASE + 0x2000)
}

fn region(length: u64) -> Region {
    Region { virt: VIRT, length }
}

fn activity<F: Manual>(space: &Space<F>, mem: &mut impl PhysMem) -> Vec<Activity> {
    let mut seen = Vec::new();
    space
        .tables
        .harvest(mem, region(MIB_2), false, 0, 512, |activity| {
            seen.push(activity)
        })
        .expect("harvests");
    seen
}

fn split_and_merge<F: Manual>() {
    let (mut space, directory) = large::<F>();
    let mut mem = Racing::new::<F>(space.mem.clone(), vec![(directory, 0)]);
    space
        .tables
        .split(&mut mem, &mut space.pool, VIRT, PageSize::Size2M)
        .expect("splits");
    assert_eq!(mem.raced, 1, "the processor wrote while the page was split");
    let seen = activity(&space, &mut mem);
    assert_eq!(seen.len(), 512);
    assert!(seen.iter().all(|page| page.accessed && page.dirty));

    space
        .tables
        .harvest(&mut mem, region(MIB_2), true, 0, 512, |_| {})
        .expect("clears");
    let lowest = BASE + 0x3000;
    let mut mem = Racing::new::<F>(mem.mem, vec![(lowest, 0), (lowest, 77)]);
    space
        .tables
        .merge(&mut mem, &mut space.pool, VIRT, PageSize::Size2M)
        .expect("merges");
    assert!(mem.raced >= 2, "the processor used the table to its end");
    let seen = activity(&space, &mut mem);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].accessed && seen[0].dirty);
    assert_eq!(space.pool.in_use(), 2);
}

#[test]
fn split_and_merge_keep_what_is_recorded_meanwhile() {
    split_and_merge::<Host>();
    split_and_merge::<Npt>();
    split_and_merge::<Ept>();
}

fn harvest_and_protect<F: Manual>() {
    let (space, directory) = large::<F>();
    let mut mem = Racing::new::<F>(space.mem.clone(), vec![(directory, 0)]);
    mem.mem.modify(directory, 0, 0, 1 << F::ACCESSED_BIT);
    let mut seen = Vec::new();
    let part = region(MIB_2);
    space
        .tables
        .harvest(&mut mem, part, true, 0, 512, |activity| seen.push(activity))
        .expect("harvests");
    assert_eq!(mem.raced, 1);
    assert!(seen[0].dirty, "cleared without being reported");

    space
        .tables
        .protect(&mut mem, part, Rights::READ, 0, 1)
        .expect("protects");
    assert_eq!(mem.raced, 2);
    assert!(activity(&space, &mut mem)[0].dirty);

    let (space, directory) = large::<F>();
    let mut mem = Racing::new::<F>(space.mem.clone(), vec![(directory, 0)]);
    space
        .tables
        .write_protect(&mut mem, part, PageSize::Size2M, 0, 1)
        .expect("protects");
    assert_eq!(mem.raced, 1);
    assert!(activity(&space, &mut mem)[0].dirty);
}

#[test]
fn harvest_and_protect_keep_what_is_recorded_meanwhile() {
    harvest_and_protect::<Host>();
    harvest_and_protect::<Npt>();
    harvest_and_protect::<Ept>();
}
