//! The kernel's page tables, built on the host: everything is where it should be, and the audit finds
//! everything that is not.

use super::audit::{Violation, audit};
use super::format::{KernelFormat, walker_address};
use super::image::Segments;
use super::layout::{DIRECT_MAP, IMAGE, STACK_WINDOW};
use super::plan;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_boot::platform::MemorySet;
use pagurus_boot::{PAGE, Range};
use pagurus_paging::format::{ENTRIES, LARGE};
use pagurus_paging::sim::SimMem;
use pagurus_paging::{Mapping, PageFormat, PageSize, PhysMem, Pool, Tables};
use proptest::prelude::*;

const SEGMENTS: Segments = Segments {
    text: (0x3000, 0xa000),
    data: 0xa000,
    end: 0x15000,
    load_end: 0x25000,
    relocations: (0x100, 0x400),
};
/// Where the tables are; outside of the RAM of the tests, so that they cannot be mistaken for it.
const TABLES: u64 = 1 << 50;
const MIB: u64 = 1 << 20;

struct Built {
    memory: SimMem,
    tables: Tables<KernelFormat>,
    image: u64,
}

fn build(ram: &MemorySet, image: u64, largest: PageSize) -> Built {
    let mut memory = SimMem::new(TABLES, 400);
    let tables = Tables::new(TABLES, largest);
    let mut pool = Pool::new(TABLES + PAGE, memory.end());
    let constants = Range::new(image, image + SEGMENTS.data);
    let image_mappings = plan::image(image, &SEGMENTS);
    for mapping in image_mappings
        .into_iter()
        .chain(plan::direct_map(ram, constants))
    {
        map(&mut memory, &mut pool, &tables, &mapping);
    }
    Built {
        memory,
        tables,
        image,
    }
}

fn map(memory: &mut SimMem, pool: &mut Pool, tables: &Tables<KernelFormat>, mapping: &Mapping) {
    let mapping = Mapping {
        virt: walker_address(mapping.virt as usize),
        ..*mapping
    };
    let progress = tables.map(memory, pool, &mapping, 0, usize::MAX).unwrap();
    assert!(progress.complete);
}

fn ram() -> MemorySet {
    let mut ram = MemorySet::new();
    ram.insert(Range::new(0, 0x9f000));
    ram.insert(Range::new(MIB, 255 * MIB));
    ram.insert(Range::new(4096 * MIB, 5120 * MIB));
    ram
}

impl Built {
    fn audit(&self) -> Option<Violation> {
        audit(&self.memory, self.tables.root(), self.image, &SEGMENTS)
    }

    fn translate(&self, virt: usize) -> Option<(u64, Rights)> {
        let found = self.tables.translate(&self.memory, walker_address(virt))?;
        Some((found.phys, found.perms))
    }

    /// The entries of all pages: table, index, first virtual address.
    fn pages(&self) -> Vec<(u64, usize, usize)> {
        let mut found = Vec::new();
        let mut pending = vec![(self.tables.root(), 3, 0u64)];
        while let Some((table, level, base)) = pending.pop() {
            for index in 0..ENTRIES {
                let entry = self.memory.read(table, index);
                let virt = base + ((index as u64) << (12 + 9 * level));
                if entry & 1 == 0 {
                    continue;
                }
                if level == 0 || entry & LARGE != 0 {
                    found.push((table, index, super::format::canonical(virt)));
                } else {
                    pending.push((entry & 0x000f_ffff_ffff_f000, level - 1, virt));
                }
            }
        }
        found
    }
}

fn has_code(virt: usize) -> bool {
    let (start, end) = SEGMENTS.text;
    (IMAGE + start as usize..IMAGE + end as usize).contains(&virt)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn ram_is_mapped_and_nothing_else(
        pieces in prop::collection::vec((0..4096u64, 1..600u64), 1..6),
        image_page in 0..4096u64,
        large in any::<bool>(),
    ) {
        let mut ram = MemorySet::new();
        for (start, count) in &pieces {
            ram.insert(Range::new(start * PAGE, (start + count) * PAGE));
        }
        let image = image_page * PAGE;
        let largest = if large { PageSize::Size1G } else { PageSize::Size4K };
        let built = build(&ram, image, largest);
        prop_assert_eq!(built.audit(), None);
        for page in 0..4800u64 {
            let phys = page * PAGE;
            let expected = ram.contains(Range::new(phys, phys + PAGE)).then(|| {
                let constant = (image..image + SEGMENTS.data).contains(&phys);
                (phys, if constant { Rights::READ } else { Rights::RW })
            });
            prop_assert_eq!(built.translate(DIRECT_MAP + phys as usize), expected);
        }
    }
}

#[test]
fn the_image_is_mapped_by_segment() {
    let built = build(&ram(), 2 * MIB, PageSize::Size1G);
    for offset in (0..SEGMENTS.load_end + 0x4000).step_by(PAGE as usize) {
        let perms = match offset {
            0..0x3000 => Some(Rights::READ),
            0x3000..0xa000 => Some(Rights::READ | Rights::EXECUTE),
            0xa000..0x15000 => Some(Rights::RW),
            _ => None,
        };
        let expected = perms.map(|perms| (2 * MIB + offset, perms));
        assert_eq!(built.translate(IMAGE + offset as usize), expected);
    }
}

#[test]
fn large_pages_are_used_where_they_fit() {
    let built = build(&ram(), 2 * MIB, PageSize::Size1G);
    let of = |virt: usize| {
        built
            .tables
            .translate(&built.memory, walker_address(virt))
            .unwrap()
            .size
    };
    assert_eq!(of(DIRECT_MAP + (4096 * MIB) as usize), PageSize::Size1G);
    assert_eq!(of(DIRECT_MAP + (128 * MIB) as usize), PageSize::Size2M);
    assert_eq!(of(DIRECT_MAP + (2 * MIB) as usize), PageSize::Size4K);
}

#[test]
fn a_page_that_is_writable_and_executable_is_refused() {
    let rwx = Rights::READ | Rights::WRITE | Rights::EXECUTE;
    assert!(KernelFormat::check(rwx).is_err());
    assert!(KernelFormat::check(Rights::WRITE).is_err());
    assert!(KernelFormat::check(Rights::RW).is_ok());
}

/// Breaks each page of the kernel in each way, one at a time.
#[test]
fn the_audit_finds_every_bad_page() {
    const WRITE: u64 = 1 << 1;
    const NO_EXECUTE: u64 = 1 << 63;
    let built = build(&ram(), 2 * MIB, PageSize::Size1G);
    let pages = built.pages();
    assert!(pages.len() > 1000);
    let audit_with = |(table, index, _): (u64, usize, usize), change: fn(u64) -> u64| {
        let mut memory = built.memory.clone();
        let entry = memory.read(table, index);
        memory.write(table, index, change(entry));
        audit(&memory, built.tables.root(), built.image, &SEGMENTS)
    };
    // A sample of the many pages of RAM, and all of the image.
    let chosen = pages
        .iter()
        .enumerate()
        .filter(|(i, page)| i % 97 == 0 || page.2 >= IMAGE);
    for (_, page) in chosen {
        let virt = page.2;
        let entry = built.memory.read(page.0, page.1);
        let (writable, executable) = (entry & WRITE != 0, entry & NO_EXECUTE == 0);

        // Whether the levels above let a user in is theirs to say.
        assert_eq!(audit_with(*page, |entry| entry | 1 << 2), None);
        let as_code = audit_with(*page, |entry| entry & !NO_EXECUTE);
        assert_eq!(
            as_code,
            match (executable, writable) {
                (true, _) => None,
                (_, true) => Some(Violation::WritableExecutable { virt }),
                _ => Some(Violation::ForeignCode { virt }),
            }
        );
        let as_data = audit_with(*page, |entry| entry | WRITE);
        assert_eq!(
            as_data,
            match (writable, has_code(virt)) {
                (true, _) => None,
                (_, true) => Some(Violation::WritableExecutable { virt }),
                _ => Some(Violation::WritableConstant { virt }),
            }
        );
    }
}

#[test]
fn the_audit_finds_user_pages_aliases_and_the_lower_half() {
    let extra = |mapping: Mapping| {
        let mut built = build(&ram(), 2 * MIB, PageSize::Size1G);
        let mut pool = Pool::new(TABLES + 300 * PAGE, built.memory.end());
        map(&mut built.memory, &mut pool, &built.tables, &mapping);
        built
    };
    let stack = Mapping {
        virt: STACK_WINDOW as u64,
        phys: 64 * MIB,
        length: PAGE,
        perms: Rights::RW,
        cache: CacheMode::Default,
    };
    let virt = STACK_WINDOW;
    assert_eq!(extra(stack).audit(), None);

    // The constants, once more and writable.
    let alias = Mapping {
        phys: 2 * MIB + SEGMENTS.data - PAGE,
        ..stack
    };
    assert_eq!(
        extra(alias).audit(),
        Some(Violation::WritableConstant { virt })
    );
    let code = Mapping {
        perms: Rights::READ | Rights::EXECUTE,
        ..stack
    };
    assert_eq!(extra(code).audit(), Some(Violation::ForeignCode { virt }));

    // A user page needs the user bit at every level.
    let mut built = extra(stack);
    let mut table = built.tables.root();
    for level in (0..4).rev() {
        assert_eq!(built.audit(), None);
        let index = (walker_address(virt) >> (12 + 9 * level)) as usize % ENTRIES;
        let entry = built.memory.read(table, index);
        built.memory.write(table, index, entry | 1 << 2);
        table = entry & 0x000f_ffff_ffff_f000;
    }
    assert_eq!(built.audit(), Some(Violation::UserAccessible { virt }));

    // What an identity map would look like.
    let mut built = extra(stack);
    let upper = built.memory.read(built.tables.root(), ENTRIES / 2);
    built.memory.write(built.tables.root(), 0, upper);
    assert_eq!(built.audit(), Some(Violation::LowerHalf { virt: 0 }));
}
