//! Runs commands on real tables and on the model, and compares after every step.

use super::manual::Manual;
use super::model::{Model, Page, span};
use super::processor::Processor;
use super::{BASE, Space};
use pagurus_abi::Rights;
use pagurus_paging::sim;
use pagurus_paging::{Activity, Failure, Flush, MapError, Mapping, PageSize, Progress, Region};

/// Root entries below which the tests map.
const ROOTS: usize = 4;

/// An operation over a range.
#[derive(Clone, Debug)]
pub enum Operation {
    Map(Mapping),
    Unmap(Region),
    Protect(Region, Rights),
    WriteProtect(Region, PageSize),
    WriteUnprotect(Region, PageSize),
    Harvest(Region, bool),
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Begin an operation, with this budget for its first part.
    Begin(Operation, usize),
    /// Go on with one of the operations that were interrupted.
    Resume(usize, usize),
    /// Split the page or what else is at the address.
    Split(u64, PageSize),
    Merge(u64, PageSize),
    /// Split, then merge one of the pages that are there.
    SplitPage(usize),
    MergePage(usize),
    /// A processor reads or writes one of the pages that are there.
    Access {
        page: usize,
        offset: u64,
        write: bool,
    },
}

pub struct Driver<F> {
    pub space: Space<F>,
    pub model: Model,
    processor: Processor<F>,
    largest: PageSize,
    pending: Vec<(Operation, u64)>,
}

impl<F: Manual> Driver<F> {
    pub fn new(tables: usize, largest: PageSize) -> Self {
        Driver {
            space: Space::new(tables, largest),
            model: Model::default(),
            processor: Processor::new(BASE),
            largest,
            pending: Vec::new(),
        }
    }

    pub fn run(&mut self, command: Command) {
        match command {
            Command::Begin(operation, budget) => self.part(operation, 0, budget),
            Command::Resume(which, budget) => {
                if !self.pending.is_empty() {
                    let (operation, done) = self.pending.remove(which % self.pending.len());
                    self.part(operation, done, budget);
                }
            }
            Command::Split(virt, size) => self.split(virt, size),
            Command::Merge(virt, size) => self.merge(virt, size),
            Command::SplitPage(which) => {
                if let Some((start, page)) = self.choose(which, PageSize::Size2M) {
                    self.split(start, page.size);
                }
            }
            Command::MergePage(which) => {
                if let Some((start, page)) = self.choose(which, PageSize::Size4K)
                    && page.size < PageSize::Size1G
                {
                    let size = PageSize::ALL[page.size as usize + 1];
                    self.merge(start & !(size.bytes() - 1), size);
                }
            }
            Command::Access {
                page,
                offset,
                write,
            } => self.access(page, offset, write),
        }
        self.compare();
    }

    /// Unmaps everything, in parts, and checks that no table is left.
    pub fn finish(mut self) {
        self.pending.clear();
        let everything = Region {
            virt: PageSize::Size1G.bytes(),
            length: (ROOTS as u64) << 39,
        };
        self.part(Operation::Unmap(everything), 0, 97);
        while let Some((operation, done)) = self.pending.pop() {
            self.part(operation, done, 97);
            self.compare();
        }
        assert!(self.model.pages.is_empty());
        assert_eq!(self.space.pool.in_use(), 0, "tables leaked");
    }

    /// One of the pages of at least `smallest`.
    fn choose(&self, which: usize, smallest: PageSize) -> Option<(u64, Page)> {
        let pages = || {
            let large = |(_, page): &(&u64, &Page)| page.size >= smallest;
            self.model.pages.iter().filter(large)
        };
        let count = pages().count();
        let (start, page) = pages().nth(which.checked_rem(count)?)?;
        Some((*start, *page))
    }

    /// One call of an operation, which may leave it interrupted.
    fn part(&mut self, operation: Operation, done: u64, budget: usize) {
        let tables_before = self.space.pool.in_use();
        let region = match &operation {
            Operation::Map(mapping) => mapping.region(),
            Operation::Unmap(region)
            | Operation::Protect(region, _)
            | Operation::WriteProtect(region, _)
            | Operation::WriteUnprotect(region, _)
            | Operation::Harvest(region, _) => *region,
        };
        let (result, expected) = match &operation {
            Operation::Map(mapping) => {
                let expected = self.model_map(mapping, done, budget);
                let Space { mem, pool, tables } = &mut self.space;
                (tables.map(mem, pool, mapping, done, budget), Ok(expected))
            }
            Operation::Unmap(_) => {
                let Space { mem, pool, tables } = &mut self.space;
                let result = tables.unmap(mem, pool, region, done, budget);
                (result, Err(0))
            }
            Operation::Protect(_, perms) => {
                let Space { mem, tables, .. } = &mut self.space;
                let result = tables.protect(mem, region, *perms, done, budget);
                (result, Err(0))
            }
            Operation::WriteProtect(_, size) => {
                let Space { mem, tables, .. } = &mut self.space;
                let result = tables.write_protect(mem, region, *size, done, budget);
                (result, Err(*size as usize))
            }
            Operation::WriteUnprotect(_, size) => {
                let Space { mem, tables, .. } = &mut self.space;
                let result = tables.write_unprotect(mem, region, *size, done, budget);
                (result, Err(*size as usize))
            }
            Operation::Harvest(_, clear) => {
                let mut seen = Vec::new();
                let Space { mem, tables, .. } = &mut self.space;
                let result = tables.harvest(mem, region, *clear, done, budget, |activity| {
                    seen.push(activity);
                });
                self.compare_harvest(region, done, &result, &seen);
                (result, Err(0))
            }
        };
        match expected {
            Ok(expected) => assert_eq!(result, expected, "{operation:x?} from {done:#x}"),
            Err(level) => self.check_outcome(region, done, budget, level, &result),
        }
        let (reached, flush) = match result {
            Ok(progress) => (progress.done, progress.flush),
            Err(failure) => (failure.done, failure.flush),
        };
        let part = Region {
            virt: region.virt + done,
            length: reached - done,
        };
        let changed = self.model_apply(&operation, part);
        let freed = self.space.pool.in_use() < tables_before;
        let expected_flush = match changed {
            _ if freed => Flush::All,
            flush => flush,
        };
        assert_eq!(flush, expected_flush, "{operation:x?}");
        self.processor.flush(flush, part);
        if matches!(
            result,
            Ok(Progress {
                complete: false,
                ..
            })
        ) {
            self.pending.push((operation, reached));
        }
    }

    /// What `map` must answer; the model is not changed.
    fn model_map(&self, mapping: &Mapping, done: u64, budget: usize) -> Result<Progress, Failure> {
        let mut model = self.model.clone();
        let flush = Flush::None;
        let mut done = done;
        let mut left = budget;
        while done < mapping.length && left > 0 {
            let (virt, page) = Model::next_page(mapping, done, self.largest);
            let length = page.size.bytes();
            if !model.touching(Region { virt, length }).is_empty() {
                let error = MapError::Occupied { virt };
                return Err(Failure { error, done, flush });
            }
            let available = self.space.pool.total() - model.tables().len();
            if model.missing_tables(virt, page.size) > available {
                let error = MapError::OutOfTables;
                return Err(Failure { error, done, flush });
            }
            model.pages.insert(virt, page);
            done += length;
            left -= 1;
        }
        Ok(Progress {
            done,
            complete: done == mapping.length,
            flush,
        })
    }

    /// Checks how far an operation over entries of `level` came: it passes what lies inside, takes no more
    /// steps than allowed, and ends at the first entry that reaches over an edge.
    fn check_outcome(
        &self,
        region: Region,
        done: u64,
        budget: usize,
        level: usize,
        result: &Result<Progress, Failure>,
    ) {
        let end = region.virt + region.length;
        let entries = self.model.entries(region, level);
        let straddles = entries
            .iter()
            .copied()
            .filter(|(start, span)| start + span > region.virt + done)
            .find(|(start, span)| *start < region.virt || start + span > end);
        let reached = match result {
            Ok(progress) => {
                assert_eq!(progress.complete, progress.done == region.length);
                assert!(progress.done > done || budget == 0 || done == region.length);
                if let Some((start, _)) = straddles {
                    let limit = start.max(region.virt + done);
                    assert!(!progress.complete && region.virt + progress.done <= limit);
                }
                progress.done
            }
            Err(failure) => {
                let (start, _) = straddles.expect("only straddling ends such an operation");
                assert_eq!(failure.error, MapError::Straddles { virt: start });
                let reached = start.max(region.virt) - region.virt;
                assert_eq!(failure.done, reached.max(done));
                failure.done
            }
        };
        let passed = entries
            .iter()
            .filter(|(start, _)| (done..reached).contains(&start.wrapping_sub(region.virt)))
            .count();
        assert!(
            passed <= budget,
            "{passed} entries for a budget of {budget}"
        );
        for (start, span) in entries {
            let inside = start >= region.virt && start + span <= end;
            let cut = start < region.virt + reached && start + span > region.virt + reached;
            // Another operation may have put a page across the place of an interruption.
            assert!(!(inside && cut && reached > done), "stopped within a page");
        }
    }

    fn compare_harvest(
        &self,
        region: Region,
        done: u64,
        result: &Result<Progress, Failure>,
        seen: &[Activity],
    ) {
        let reached = result.map_or_else(|failure| failure.done, |progress| progress.done);
        let part = Region {
            virt: region.virt + done,
            length: reached - done,
        };
        let expected: Vec<Activity> = self
            .inside(part)
            .into_iter()
            .map(|virt| {
                let page = &self.model.pages[&virt];
                Activity {
                    virt,
                    size: page.size,
                    accessed: page.accessed,
                    dirty: page.dirty,
                }
            })
            .collect();
        assert_eq!(seen, expected, "harvest");
    }

    /// Starts of the pages that a call dealt with when it passed this part of its region. A page that another
    /// operation put across the place of the interruption is dealt with whole.
    fn inside(&self, part: Region) -> Vec<u64> {
        if part.length == 0 {
            return Vec::new();
        }
        self.model.touching(part)
    }

    /// Does to the model what an operation did to a part of its region, and tells what that makes outdated.
    fn model_apply(&mut self, operation: &Operation, part: Region) -> Flush {
        let mut flush = Flush::None;
        if part.length == 0 {
            return flush;
        }
        match operation {
            Operation::Map(mapping) => {
                let mut done = part.virt - mapping.virt;
                while done < part.virt - mapping.virt + part.length {
                    let (virt, page) = Model::next_page(mapping, done, self.largest);
                    self.model.pages.insert(virt, page);
                    done += page.size.bytes();
                }
            }
            Operation::Unmap(_) => {
                for start in self.inside(part) {
                    self.model.pages.remove(&start);
                    flush = Flush::Range;
                }
                self.model.forget_tables();
            }
            Operation::Protect(_, perms) => {
                for start in self.inside(part) {
                    let page = self.model.pages.get_mut(&start).expect("inside");
                    let was = *page;
                    page.perms = *perms;
                    page.withheld &= perms.contains(Rights::WRITE);
                    if *page != was {
                        flush = Flush::Range;
                    }
                }
            }
            Operation::WriteProtect(_, size) | Operation::WriteUnprotect(_, size) => {
                let withhold = matches!(operation, Operation::WriteProtect(..));
                for (start, bytes) in self.model.entries(part, *size as usize) {
                    flush = flush.max(self.model_withhold(start, bytes, withhold));
                }
            }
            Operation::Harvest(_, clear) => {
                for start in self.inside(part) {
                    let page = self.model.pages.get_mut(&start).expect("inside");
                    if *clear && (page.accessed || page.dirty) {
                        page.accessed = false;
                        page.dirty = false;
                        flush = Flush::Range;
                    }
                }
            }
        }
        flush
    }

    fn model_withhold(&mut self, start: u64, bytes: u64, withhold: bool) -> Flush {
        match self.model.pages.get_mut(&start) {
            Some(page) if page.size.bytes() == bytes => {
                let now = withhold && page.perms.contains(Rights::WRITE);
                let changed = core::mem::replace(&mut page.withheld, now) != now;
                if changed { Flush::Range } else { Flush::None }
            }
            _ => {
                let level = (1..4).find(|level| span(*level) == bytes).expect("a level");
                let changed = if withhold {
                    self.model.withheld.insert((level, start))
                } else {
                    self.model.withheld.remove(&(level, start))
                };
                if changed { Flush::All } else { Flush::None }
            }
        }
    }

    fn split(&mut self, virt: u64, size: PageSize) {
        let expected = self.model_split(virt, size);
        let Space { mem, pool, tables } = &mut self.space;
        let result = tables.split(mem, pool, virt, size);
        assert_eq!(result, expected, "split {virt:#x} {size:?}");
        self.after(virt, size, result);
    }

    fn model_split(&mut self, virt: u64, size: PageSize) -> Result<Flush, MapError> {
        let smaller = size.smaller().ok_or(MapError::WrongSize)?;
        let length = size.bytes();
        if self.model.touching(Region { virt, length }).is_empty() {
            return Err(MapError::NotMapped);
        }
        let Some(page) = self.model.pages.get(&virt).filter(|page| page.size == size) else {
            return Err(MapError::WrongSize);
        };
        if self.space.pool.in_use() == self.space.pool.total() {
            return Err(MapError::OutOfTables);
        }
        let page = *page;
        for part in 0..512 {
            let offset = part * smaller.bytes();
            let piece = Page {
                size: smaller,
                phys: page.phys + offset,
                ..page
            };
            self.model.pages.insert(virt + offset, piece);
        }
        Ok(Flush::All)
    }

    fn merge(&mut self, virt: u64, size: PageSize) {
        let expected = self.model_merge(virt, size);
        let Space { mem, pool, tables } = &mut self.space;
        let result = tables.merge(mem, pool, virt, size);
        assert_eq!(result, expected, "merge {virt:#x} {size:?}");
        self.after(virt, size, result);
    }

    fn model_merge(&mut self, virt: u64, size: PageSize) -> Result<Flush, MapError> {
        let smaller = size.smaller().ok_or(MapError::WrongSize)?;
        let length = size.bytes();
        let touching = self.model.touching(Region { virt, length });
        let Some(start) = touching.first() else {
            return Err(MapError::NotMapped);
        };
        if self.model.pages[start].size >= size || size > self.largest {
            return Err(MapError::WrongSize);
        }
        let mut whole: Option<Page> = None;
        for part in 0..512 {
            let offset = part * smaller.bytes();
            let not_uniform = MapError::NotUniform {
                virt: virt + offset,
            };
            let page = self.model.pages.get(&(virt + offset)).ok_or(not_uniform)?;
            let merged = whole.get_or_insert(Page { size, ..*page });
            let fits = page.size == smaller
                && merged.phys.is_multiple_of(length)
                && page.phys == merged.phys + offset
                && page.perms == merged.perms
                && page.cache == merged.cache
                && page.withheld == merged.withheld;
            if !fits {
                return Err(not_uniform);
            }
            merged.accessed |= page.accessed;
            merged.dirty |= page.dirty;
        }
        let mut whole = whole.expect("512 pages");
        whole.withheld |= whole.perms.contains(Rights::WRITE)
            && self.model.withheld.contains(&(size as usize, virt));
        for start in touching {
            self.model.pages.remove(&start);
        }
        self.model.pages.insert(virt, whole);
        self.model.forget_tables();
        Ok(Flush::All)
    }

    fn after(&mut self, virt: u64, size: PageSize, result: Result<Flush, MapError>) {
        if let Ok(flush) = result {
            let length = size.bytes();
            self.processor.flush(flush, Region { virt, length });
        }
    }

    fn access(&mut self, which: usize, offset: u64, write: bool) {
        let Some((start, page)) = self.choose(which, PageSize::Size4K) else {
            return;
        };
        let virt = start + offset % page.size.bytes();
        let may = !write || self.model.effective(start, &page).contains(Rights::WRITE);
        let did = self.processor.access(&mut self.space.mem, virt, write);
        assert_eq!(did, may, "access at {virt:#x}, write {write}");
        if may {
            let page = self.model.pages.get_mut(&start).expect("chosen");
            page.accessed = true;
            page.dirty |= write;
        }
    }

    /// The tables say exactly what the model says.
    fn compare(&self) {
        let Space { mem, pool, tables } = &self.space;
        let now = Processor::<F>::pages(mem, BASE, ROOTS);
        assert_eq!(now, self.model.seen());
        let in_use = sim::check::<F>(mem, BASE, ROOTS);
        assert_eq!(in_use, pool.in_use(), "tables reachable and in use");
        assert_eq!(in_use, self.model.tables().len(), "tables needed");
        self.processor.assert_caches_are_true(mem, &now);

        // Every mapping has frames of its own, so no frame may be writable at two addresses.
        let mut writable: Vec<(u64, u64)> = now
            .values()
            .filter(|page| page.perms.contains(Rights::WRITE))
            .map(|page| (page.phys, page.phys + page.size.bytes()))
            .collect();
        writable.sort_unstable();
        for pair in writable.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "writable twice: {pair:x?}");
        }

        for (start, page) in &self.model.pages {
            let effective = self.model.effective(*start, page);
            for offset in [0, page.size.bytes() / 2 + 5, page.size.bytes() - 1] {
                let found = tables.translate(mem, start + offset).expect("mapped");
                assert_eq!(found.phys, page.phys + offset);
                assert_eq!(found.perms, effective);
                assert_eq!(found.size, page.size);
                let withheld = page.perms != effective;
                assert_eq!(found.write_protected, withheld);
            }
            for outside in [start.wrapping_sub(1), start + page.size.bytes()] {
                let mapped = self.model.at(outside).is_some();
                assert_eq!(tables.translate(mem, outside).is_some(), mapped);
            }
        }
    }
}
