//! What should be mapped: pages by address, nothing more.

use super::processor::Seen;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::{Mapping, PageSize, Region};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub size: PageSize,
    pub phys: u64,
    /// What the owner gave.
    pub perms: Rights,
    pub cache: CacheMode,
    /// Write permission is withheld from this page.
    pub withheld: bool,
    pub accessed: bool,
    pub dirty: bool,
}

/// The pages that should be there, and the tables from which write permission is withheld (level of the
/// entry that refers to the table, start of its range).
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub pages: BTreeMap<u64, Page>,
    pub withheld: BTreeSet<(usize, u64)>,
}

/// Bytes that an entry of a table at `level` stands for.
pub fn span(level: usize) -> u64 {
    1 << (12 + 9 * level)
}

fn aligned(virt: u64, level: usize) -> u64 {
    virt & !(span(level) - 1)
}

impl Model {
    /// The page that holds `virt`.
    pub fn at(&self, virt: u64) -> Option<(u64, Page)> {
        let (start, page) = self.pages.range(..=virt).next_back()?;
        (virt - start < page.size.bytes()).then_some((*start, *page))
    }

    /// The starts of all pages that lie at least partly in the region.
    pub fn touching(&self, region: Region) -> Vec<u64> {
        let end = region.virt + region.length;
        let first = self.at(region.virt).map(|(start, _)| start);
        let rest = self.pages.range(region.virt..end).map(|(start, _)| *start);
        let mut starts: Vec<u64> = first.into_iter().chain(rest).collect();
        starts.dedup();
        starts
    }

    /// Tables that these pages need, as (level of the entry that refers to it, start of its range).
    pub fn tables(&self) -> BTreeSet<(usize, u64)> {
        let mut tables = BTreeSet::new();
        for (start, page) in &self.pages {
            for level in page.size as usize + 1..4 {
                tables.insert((level, aligned(*start, level)));
            }
        }
        tables
    }

    /// The page that comes next in a mapping.
    pub fn next_page(mapping: &Mapping, done: u64, largest: PageSize) -> (u64, Page) {
        let virt = mapping.virt + done;
        let phys = mapping.phys + done;
        let size = PageSize::ALL
            .into_iter()
            .filter(|size| *size <= largest)
            .filter(|size| (virt | phys).is_multiple_of(size.bytes()))
            .rfind(|size| size.bytes() <= mapping.length - done)
            .expect("4 KiB always fit");
        let page = Page {
            size,
            phys,
            perms: mapping.perms,
            cache: mapping.cache,
            withheld: false,
            accessed: false,
            dirty: false,
        };
        (virt, page)
    }

    /// Tables that a page would need and that are not there.
    pub fn missing_tables(&self, virt: u64, size: PageSize) -> usize {
        let there = self.tables();
        (size as usize + 1..4)
            .filter(|level| !there.contains(&(*level, aligned(virt, *level))))
            .count()
    }

    /// Forgets protection of tables that are gone.
    pub fn forget_tables(&mut self) {
        let there = self.tables();
        self.withheld.retain(|table| there.contains(table));
    }

    /// What processors may do with a page, all entries on the way considered.
    pub fn effective(&self, start: u64, page: &Page) -> Rights {
        let above = (page.size as usize + 1..4)
            .any(|level| self.withheld.contains(&(level, aligned(start, level))));
        let mut perms = page.perms;
        perms.set(
            Rights::WRITE,
            page.perms.contains(Rights::WRITE) && !page.withheld && !above,
        );
        perms
    }

    /// What a processor should see.
    pub fn seen(&self) -> BTreeMap<u64, Seen> {
        let see = |(start, page): (&u64, &Page)| {
            let seen = Seen {
                size: page.size,
                phys: page.phys,
                perms: self.effective(*start, page),
                cache: page.cache,
                accessed: page.accessed,
                dirty: page.dirty,
            };
            (*start, seen)
        };
        self.pages.iter().map(see).collect()
    }

    /// Entries in use at `level` or, for larger pages, above it that lie at least partly in the region: start
    /// and size.
    pub fn entries(&self, region: Region, level: usize) -> Vec<(u64, u64)> {
        let end = region.virt + region.length;
        // Pages outside the region may share an entry with it.
        let wide = Region {
            virt: aligned(region.virt, level),
            length: aligned(end + span(level) - 1, level) - aligned(region.virt, level),
        };
        let mut entries: Vec<(u64, u64)> = self
            .touching(wide)
            .into_iter()
            .map(|start| {
                let level = level.max(self.pages[&start].size as usize);
                (aligned(start, level), span(level))
            })
            .collect();
        entries.dedup();
        entries
    }
}
