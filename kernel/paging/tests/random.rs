//! Random sequences of operations, interrupted and interleaved, against the model.

mod common;

use common::driver::{Command, Driver, Operation};
use common::manual::Manual;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::{Ept, Host, Mapping, Npt, PageSize, Region};
use proptest::prelude::*;

const KIB_4: u64 = 1 << 12;
const MIB_2: u64 = 1 << 21;
const GIB_1: u64 = 1 << 30;

/// Addresses near which much happens: corners of tables of every level.
fn address() -> impl Strategy<Value = u64> {
    let far = prop_oneof![Just(GIB_1), Just(510 * GIB_1), Just(1024 * GIB_1)];
    let corner = || prop_oneof![3 => Just(0u64), 1 => Just(1), 1 => Just(511)];
    let gib = 0u64..3;
    (far, gib, corner(), corner())
        .prop_map(|(far, gib, mib_2, kib_4)| far + gib * GIB_1 + mib_2 * MIB_2 + kib_4 * KIB_4)
}

fn size() -> impl Strategy<Value = PageSize> {
    prop::sample::select(&PageSize::ALL[..])
}

fn largest() -> impl Strategy<Value = PageSize> {
    prop_oneof![
        1 => Just(PageSize::Size4K),
        3 => Just(PageSize::Size2M),
        6 => Just(PageSize::Size1G)
    ]
}

/// A length that makes sense at addresses with these bits or-ed: not hundreds of thousands of pages.
fn length(addresses: u64, pages: u64, mib_2: u64, gib: u64) -> u64 {
    let small = pages * KIB_4;
    if addresses & (MIB_2 - 1) != 0 {
        return small + mib_2 % 2 * MIB_2;
    }
    let middle = small + mib_2 * MIB_2;
    if addresses & (GIB_1 - 1) != 0 {
        return middle;
    }
    middle + gib * GIB_1
}

fn pages() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0u64), 3 => 1u64..4, 1 => 508u64..516]
}

fn region() -> impl Strategy<Value = Region> {
    let gib = prop_oneof![3 => Just(0u64), 1 => 1u64..4];
    let mib_2 = prop_oneof![2 => Just(0u64), 2 => 1u64..4, 1 => 509u64..514];
    (address(), pages(), mib_2, gib).prop_map(|(virt, pages, mib_2, gib)| Region {
        virt,
        length: (pages * KIB_4 + mib_2 * MIB_2 + gib * GIB_1).max(KIB_4),
    })
}

fn perms<F: Manual>() -> impl Strategy<Value = Rights> {
    let all = [
        Rights::READ,
        Rights::READ | Rights::EXECUTE,
        Rights::RW,
        Rights::RW,
        Rights::RW | Rights::EXECUTE,
    ];
    let count = if F::WRITE_EXECUTE { 5 } else { 4 };
    prop::sample::select(all[..count].to_vec())
}

/// A mapping whose frames begin at `number * 16 GiB`, so that no two mappings share frames.
fn mapping<F: Manual>() -> impl Strategy<Value = Mapping> {
    let cache = prop_oneof![
        4 => Just(CacheMode::Default),
        1 => Just(CacheMode::Uncached),
        1 => Just(CacheMode::WriteCombining)
    ];
    // How far the frame is aligned as the address is.
    let alike = prop_oneof![3 => Just(GIB_1), 2 => Just(MIB_2), 1 => Just(KIB_4)];
    let mib_2 = prop_oneof![2 => Just(0u64), 2 => 1u64..4, 1 => 510u64..514];
    let lengths = (pages(), mib_2, 0u64..3);
    (address(), alike, lengths, perms::<F>(), cache).prop_map(
        |(virt, alike, (pages, mib_2, gib), perms, cache)| {
            let phys = (virt & (alike - 1)) + if alike < GIB_1 { alike } else { 0 };
            Mapping {
                virt,
                phys,
                length: length(virt | phys, pages, mib_2, gib).max(KIB_4),
                perms,
                cache,
            }
        },
    )
}

fn operation<F: Manual>() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => mapping::<F>().prop_map(Operation::Map),
        2 => region().prop_map(Operation::Unmap),
        2 => (region(), perms::<F>()).prop_map(|(region, perms)| Operation::Protect(region, perms)),
        2 => (region(), size()).prop_map(|(region, size)| Operation::WriteProtect(region, size)),
        3 => (region(), size()).prop_map(|(region, size)| Operation::WriteUnprotect(region, size)),
        2 => (region(), any::<bool>()).prop_map(|(region, clear)| Operation::Harvest(region, clear)),
    ]
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0usize), 4 => 1usize..20, 3 => 20usize..2000]
}

fn command<F: Manual>() -> impl Strategy<Value = Command> {
    let access = (any::<usize>(), any::<u64>(), any::<bool>());
    prop_oneof![
        8 => (operation::<F>(), budget()).prop_map(|(operation, budget)| Command::Begin(operation, budget)),
        4 => (any::<usize>(), budget()).prop_map(|(which, budget)| Command::Resume(which, budget)),
        1 => (address(), size()).prop_map(|(virt, size)| Command::Split(virt & !(size.bytes() - 1), size)),
        1 => (address(), size()).prop_map(|(virt, size)| Command::Merge(virt & !(size.bytes() - 1), size)),
        3 => any::<usize>().prop_map(Command::SplitPage),
        3 => any::<usize>().prop_map(Command::MergePage),
        10 => access.prop_map(|(page, offset, write)| Command::Access { page, offset, write }),
    ]
}

/// Where something was mapped or protected before.
#[derive(Default)]
struct Past {
    mapped: Vec<Region>,
    protected: Vec<(Region, PageSize)>,
}

impl Past {
    /// Lets an operation deal with exactly what an earlier one dealt with, as the kernel does.
    fn repeat(&self, operation: &mut Operation, which: usize) {
        let pick = |count: usize| which.checked_rem(count);
        match operation {
            Operation::Map(_) => {}
            Operation::Unmap(region)
            | Operation::Protect(region, _)
            | Operation::WriteProtect(region, _)
            | Operation::Harvest(region, _) => {
                if let Some(at) = pick(self.mapped.len()) {
                    *region = self.mapped[at];
                }
            }
            Operation::WriteUnprotect(region, size) => {
                if let Some(at) = pick(self.protected.len()) {
                    (*region, *size) = self.protected[at];
                }
            }
        }
        // Protection works on whole entries.
        if let Operation::WriteProtect(region, size) = operation {
            let first = region.virt & !(size.bytes() - 1);
            let end = (region.virt + region.length).next_multiple_of(size.bytes());
            region.virt = first;
            region.length = end - first;
        }
    }
}

/// A command, and the number of an earlier operation to repeat, if any.
type Step = (Command, Option<usize>);

fn run<F: Manual>(tables: usize, largest: PageSize, steps: Vec<Step>) {
    let mut driver = Driver::<F>::new(tables, largest);
    let mut past = Past::default();
    for (number, (mut command, earlier)) in steps.into_iter().enumerate() {
        if let Command::Begin(operation, _) = &mut command {
            if let Some(which) = earlier {
                past.repeat(operation, which);
            }
            match operation {
                Operation::Map(mapping) => {
                    mapping.phys += (number as u64 + 1) * 16 * GIB_1;
                    past.mapped.push(mapping.region());
                }
                Operation::WriteProtect(region, size) => past.protected.push((*region, *size)),
                _ => {}
            }
        }
        driver.run(command);
    }
    driver.finish();
}

fn steps<F: Manual>() -> impl Strategy<Value = Vec<Step>> {
    let earlier = prop::option::weighted(0.8, any::<usize>());
    prop::collection::vec((command::<F>(), earlier), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn host_tables_say_what_was_asked(
        tables in 1usize..40, largest in largest(), steps in steps::<Host>()
    ) {
        run::<Host>(tables, largest, steps);
    }

    #[test]
    fn npt_tables_say_what_was_asked(
        tables in 1usize..40, largest in largest(), steps in steps::<Npt>()
    ) {
        run::<Npt>(tables, largest, steps);
    }

    #[test]
    fn ept_tables_say_what_was_asked(
        tables in 1usize..40, largest in largest(), steps in steps::<Ept>()
    ) {
        run::<Ept>(tables, largest, steps);
    }
}
