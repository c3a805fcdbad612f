//! The allocator against an oracle that knows memory page by page.

mod model;

use memory_manager::buddy::{Block, Buddy, BuddyError, MAX_BITS, MIN_BITS};
use model::{Model, ModelError};
use proptest::prelude::*;

const PAGE: u64 = 1 << MIN_BITS;

#[derive(Clone, Debug)]
enum Step {
    Allocate(u8),
    /// Frees the n-th live block, modulo their number.
    Free(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (MIN_BITS..MIN_BITS + 6).prop_map(Step::Allocate),
        2 => any::<usize>().prop_map(Step::Free),
    ]
}

/// Regions that neither touch nor need to be neighbours: (address, bits).
const REGIONS: [(u64, u8); 3] = [
    (0x10_0000, MIN_BITS + 5),
    (0x20_0000, MIN_BITS + 3),
    // The neighbour of the one before: joined to it, it would look like a block of twice the size.
    (0x20_0000 + 8 * PAGE, MIN_BITS + 3),
];

fn fresh<const N: usize>() -> (Buddy<N>, Model) {
    let (mut buddy, mut model) = (Buddy::new(), Model::default());
    for (address, bits) in REGIONS {
        let block = buddy.add_region::<ModelError>(address, bits).unwrap();
        model.add_region(block, address, bits);
    }
    (buddy, model)
}

/// Whether a block of this size could be cut from the free pages, each region on its own.
fn oracle_fits(live: &[(Block, u64, u8)], bits: u8) -> bool {
    REGIONS.iter().any(|&(start, region_bits)| {
        let end = start + (1 << region_bits);
        (start..end)
            .step_by(1 << bits)
            .filter(|at| at + (1 << bits) <= end)
            .any(|at| {
                live.iter()
                    .all(|&(_, a, b)| a + (1 << b) <= at || at + (1 << bits) <= a)
            })
    })
}

fn check(live: &[(Block, u64, u8)], buddy: &Buddy<96>, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(model.misuse, None);
    let mut held = 0;
    for (i, &(block, address, bits)) in live.iter().enumerate() {
        prop_assert!(address.is_multiple_of(1 << bits), "misaligned");
        let cap = model
            .caps
            .get(&block)
            .expect("a live block has a capability");
        prop_assert_eq!((cap.address, cap.bits), (address, bits));
        prop_assert!(
            REGIONS
                .iter()
                .any(|&(a, b)| a <= address && address + (1 << bits) <= a + (1 << b)),
            "outside every region"
        );
        for &(_, a, b) in &live[i + 1..] {
            prop_assert!(
                a + (1 << b) <= address || address + (1 << bits) <= a,
                "overlap"
            );
        }
        held += 1u64 << bits;
    }
    prop_assert_eq!(buddy.free_bytes() + held, buddy.total_bytes());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn agrees_with_the_oracle(steps in prop::collection::vec(step(), 1..120)) {
        let (mut buddy, mut model) = fresh::<96>();
        let mut live: Vec<(Block, u64, u8)> = Vec::new();
        for step in steps {
            match step {
                Step::Allocate(bits) => {
                    let fits = oracle_fits(&live, bits);
                    match buddy.allocate(bits, &mut model) {
                        Ok(block) => {
                            prop_assert!(fits);
                            let (address, got) = buddy.allocated(block).unwrap();
                            prop_assert_eq!(got, bits);
                            live.push((block, address, bits));
                        }
                        // Joining is complete exactly if "no block" means "no such run of free pages".
                        Err(e) => {
                            prop_assert_eq!(e, BuddyError::OutOfMemory);
                            prop_assert!(!fits);
                        }
                    }
                }
                Step::Free(n) if !live.is_empty() => {
                    let (block, ..) = live.swap_remove(n % live.len());
                    prop_assert_eq!(buddy.free(block, &mut model), Ok(()));
                    prop_assert_eq!(buddy.free(block, &mut model), Err(BuddyError::NotAllocated));
                }
                Step::Free(_) => {}
            }
            check(&live, &buddy, &model)?;
        }
        for (block, ..) in live.drain(..) {
            buddy.free(block, &mut model).unwrap();
        }
        prop_assert_eq!(model.misuse, None);
        prop_assert_eq!(model.caps.len(), REGIONS.len());
        prop_assert_eq!(buddy.unused_nodes(), 96 - REGIONS.len());
        prop_assert_eq!(buddy.free_blocks(MIN_BITS + 5), 1);
        prop_assert_eq!(buddy.free_blocks(MIN_BITS + 3), 2);
    }

    /// Whatever the kernel refuses and however few nodes there are: no byte is lost and none is handed out twice.
    #[test]
    fn refusals_lose_nothing(
        steps in prop::collection::vec((step(), prop::option::weighted(0.3, 0u32..4)), 1..80)
    ) {
        let (mut buddy, mut model) = fresh::<96>();
        let mut live: Vec<(Block, u64, u8)> = Vec::new();
        for (step, fail_after) in steps {
            model.fail_after = fail_after;
            match step {
                Step::Allocate(bits) => {
                    if let Ok(block) = buddy.allocate(bits, &mut model) {
                        let (address, _) = buddy.allocated(block).unwrap();
                        live.push((block, address, bits));
                    }
                }
                Step::Free(n) if !live.is_empty() => {
                    let n = n % live.len();
                    match buddy.free(live[n].0, &mut model) {
                        Ok(()) => { live.swap_remove(n); }
                        Err(e) => {
                            prop_assert_eq!(e, BuddyError::Kernel(ModelError::Injected));
                            prop_assert!(buddy.allocated(live[n].0).is_some(), "still handed out");
                        }
                    }
                }
                Step::Free(_) => {}
            }
            model.fail_after = None;
            check(&live, &buddy, &model)?;
        }
    }

    /// Any number as block: refused unless it is handed out, and never a panic.
    #[test]
    fn strange_blocks_are_refused(number in any::<u16>()) {
        let (mut buddy, mut model) = fresh::<96>();
        prop_assert_eq!(buddy.free(Block(number), &mut model), Err(BuddyError::NotAllocated));
        prop_assert_eq!(buddy.allocated(Block(number)), None);
    }
}

#[test]
fn sizes_out_of_range_are_refused() {
    let (mut buddy, mut model) = fresh::<96>();
    for bits in [0, MIN_BITS - 1, MAX_BITS + 1, 63, 64, 255] {
        assert_eq!(
            buddy.allocate(bits, &mut model),
            Err(BuddyError::InvalidSize)
        );
    }
}

#[test]
fn regions_must_be_aligned_and_apart() {
    let mut buddy = Buddy::<8>::new();
    let add = |buddy: &mut Buddy<8>, a, b| buddy.add_region::<ModelError>(a, b).map(|_| ());
    assert_eq!(add(&mut buddy, 0x1000, 13), Err(BuddyError::Misaligned));
    assert_eq!(add(&mut buddy, 0x4000, 14), Ok(()));
    assert_eq!(add(&mut buddy, 0x4000, 12), Err(BuddyError::Overlap));
    assert_eq!(add(&mut buddy, 0x0000, 15), Err(BuddyError::Overlap));
    assert_eq!(add(&mut buddy, 0x8000, 12), Ok(()));
    assert_eq!(
        add(&mut buddy, u64::MAX - 4095, 12),
        Err(BuddyError::Misaligned)
    );
}

#[test]
fn too_few_nodes_is_a_clean_refusal() {
    let (mut buddy, mut model) = (Buddy::<6>::new(), Model::default());
    let region = buddy.add_region::<ModelError>(0, MIN_BITS + 8).unwrap();
    model.add_region(region, 0, MIN_BITS + 8);
    assert_eq!(
        buddy.allocate(MIN_BITS, &mut model),
        Err(BuddyError::OutOfNodes)
    );
    assert_eq!(buddy.free_blocks(MIN_BITS + 8), 1, "joined again");
    assert_eq!(buddy.unused_nodes(), 5);
    assert_eq!(model.caps.len(), 1);
    assert!(buddy.allocate(MIN_BITS + 6, &mut model).is_ok());
}
