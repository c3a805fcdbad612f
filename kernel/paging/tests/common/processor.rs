//! A processor that walks the tables, records accesses in them, and caches what it found until it is
//! told to forget it.

use super::manual::{Decoded, Manual};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::sim::SimMem;
use pagurus_paging::{Flush, PageSize, PhysMem, Region};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A page as the processor sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub size: PageSize,
    pub phys: u64,
    /// What all entries on the way permit together.
    pub perms: Rights,
    pub cache: CacheMode,
    pub accessed: bool,
    pub dirty: bool,
}

/// One processor and its caches.
pub struct Processor<F> {
    root: u64,
    /// Cached translations, by start of the page.
    pages: BTreeMap<u64, Seen>,
    /// Cached entries for tables: (level of the entry, start of its range) to (table, writable).
    tables: BTreeMap<(usize, u64), (u64, bool)>,
    format: PhantomData<F>,
}

const SIZES: [PageSize; 3] = PageSize::ALL;

fn span(level: usize) -> u64 {
    1 << (12 + 9 * level)
}

fn index(virt: u64, level: usize) -> usize {
    (virt >> (12 + 9 * level) & 511) as usize
}

impl<F: Manual> Processor<F> {
    pub fn new(root: u64) -> Self {
        Processor {
            root,
            pages: BTreeMap::new(),
            tables: BTreeMap::new(),
            format: PhantomData,
        }
    }

    /// Reads or writes at `virt`; false is a fault. Uses what is cached as long as it suffices.
    pub fn access(&mut self, mem: &mut SimMem, virt: u64, write: bool) -> bool {
        if let Some((_, page)) = self.cached(virt)
            && (!write || page.perms.contains(Rights::WRITE) && page.dirty)
        {
            return true;
        }
        let mut table = self.root;
        let mut may_write = true;
        for level in (0..4).rev() {
            let key = (level, virt & !(span(level) - 1));
            if let Some((below, writable)) = self.tables.get(&key) {
                table = *below;
                may_write &= writable;
                continue;
            }
            let entry = mem.read(table, index(virt, level));
            match F::decode(entry, level) {
                Decoded::Nothing => return false,
                Decoded::Table { at, write } => {
                    mem.modify(table, index(virt, level), 0, 1 << F::ACCESSED_BIT);
                    self.tables.insert(key, (at, write));
                    table = at;
                    may_write &= write;
                }
                Decoded::Page {
                    phys,
                    mut perms,
                    cache,
                    dirty,
                    ..
                } => {
                    perms.set(Rights::WRITE, perms.contains(Rights::WRITE) && may_write);
                    if write && !perms.contains(Rights::WRITE) {
                        return false;
                    }
                    let bits = 1 << F::ACCESSED_BIT | u64::from(write) << F::DIRTY_BIT;
                    mem.modify(table, index(virt, level), 0, bits);
                    let page = Seen {
                        size: SIZES[level],
                        phys,
                        perms,
                        cache,
                        accessed: true,
                        dirty: dirty || write,
                    };
                    self.pages.insert(key.1, page);
                    return true;
                }
            }
        }
        unreachable!("level 0 has no tables below");
    }

    fn cached(&self, virt: u64) -> Option<(u64, Seen)> {
        let (start, page) = self.pages.range(..=virt).next_back()?;
        (virt - start < page.size.bytes()).then_some((*start, *page))
    }

    /// Does what the kernel owes the processor after an operation.
    pub fn flush(&mut self, flush: Flush, region: Region) {
        match flush {
            Flush::None => {}
            Flush::Range => {
                let end = region.virt + region.length;
                self.pages.retain(|start, page| {
                    *start >= end || start + page.size.bytes() <= region.virt
                });
            }
            Flush::All => {
                self.pages.clear();
                self.tables.clear();
            }
        }
    }

    /// Everything cached must still be true: the same frames, no more permissions than the tables give now,
    /// and no page that can be written without a dirty bit in the tables.
    pub fn assert_caches_are_true(&self, mem: &SimMem, now: &BTreeMap<u64, Seen>) {
        for (start, cached) in &self.pages {
            let (at, page) = now.range(..=start).next_back().expect("cached, not mapped");
            assert!(
                start - at + cached.size.bytes() <= page.size.bytes(),
                "cached page at {start:#x} is larger than what is mapped"
            );
            assert_eq!(cached.phys, page.phys + (start - at), "frame at {start:#x}");
            assert!(page.perms.contains(cached.perms), "rights at {start:#x}");
            assert_eq!(cached.cache, page.cache, "memory type at {start:#x}");
            assert!(page.accessed, "accessed without a record at {start:#x}");
            assert!(page.dirty || !cached.dirty, "dirty at {start:#x}");
        }
        for ((level, start), (table, writable)) in &self.tables {
            let mut at = self.root;
            let mut found = None;
            for above in (*level..4).rev() {
                match F::decode(mem.read(at, index(*start, above)), above) {
                    Decoded::Table { at: below, write } => {
                        at = below;
                        found = Some((below, write));
                    }
                    _ => panic!("cached table for {start:#x} at level {level} is gone"),
                }
            }
            let (now, write) = found.expect("at least one level");
            assert_eq!(*table, now, "cached table for {start:#x}");
            assert!(write || !writable, "cached write permission at {start:#x}");
        }
    }

    /// Every page that the tables map below `roots` root entries, by its start.
    pub fn pages(mem: &SimMem, root: u64, roots: usize) -> BTreeMap<u64, Seen> {
        let mut pages = BTreeMap::new();
        let mut pending = vec![(root, 3, 0, true)];
        while let Some((table, level, virt, may_write)) = pending.pop() {
            for at in 0..if level == 3 { roots } else { 512 } {
                let start = virt + at as u64 * span(level);
                match F::decode(mem.read(table, at), level) {
                    Decoded::Nothing => {}
                    Decoded::Table { at, write } => {
                        pending.push((at, level - 1, start, may_write && write));
                    }
                    Decoded::Page {
                        phys,
                        mut perms,
                        cache,
                        accessed,
                        dirty,
                    } => {
                        perms.set(Rights::WRITE, perms.contains(Rights::WRITE) && may_write);
                        let size = SIZES[level];
                        let seen = Seen {
                            size,
                            phys,
                            perms,
                            cache,
                            accessed,
                            dirty,
                        };
                        pages.insert(start, seen);
                    }
                }
            }
        }
        pages
    }
}
