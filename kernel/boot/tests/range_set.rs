//! Sets of ranges behave like sets of addresses.

use pagurus_boot::{PAGE, Range, RangeSet};
use proptest::prelude::*;

const SPACE: u64 = 64;

#[derive(Clone, Debug)]
enum Change {
    Insert(u64, u64),
    Remove(u64, u64),
}

fn change() -> impl Strategy<Value = Change> {
    (any::<bool>(), 0..SPACE, 0..SPACE).prop_map(|(insert, a, b)| {
        if insert {
            Change::Insert(a, b)
        } else {
            Change::Remove(a, b)
        }
    })
}

fn addresses<const N: usize>(set: &RangeSet<N>) -> Vec<bool> {
    (0..SPACE)
        .map(|address| set.contains(Range::new(address, address + 1)))
        .collect()
}

fn is_canonical<const N: usize>(set: &RangeSet<N>) -> bool {
    set.ranges().iter().all(|range| !range.is_empty())
        && set.ranges().windows(2).all(|two| two[0].end < two[1].start)
}

proptest! {
    #[test]
    fn a_large_enough_set_is_exact(changes in prop::collection::vec(change(), 0..40)) {
        let mut set = RangeSet::<32>::new();
        let mut model = vec![false; SPACE as usize];
        for change in changes {
            let (a, b, value) = match change {
                Change::Insert(a, b) => { set.insert(Range::new(a, b)); (a, b, true) }
                Change::Remove(a, b) => { set.remove(Range::new(a, b)); (a, b, false) }
            };
            if a < b {
                model[a as usize..b as usize].fill(value);
            }
            prop_assert!(is_canonical(&set));
            prop_assert_eq!(addresses(&set), model.clone());
            prop_assert_eq!(set.bytes(), model.iter().filter(|there| **there).count() as u64);
            prop_assert_eq!(set.lost(), 0);
        }
    }

    #[test]
    fn a_full_set_loses_but_never_invents(changes in prop::collection::vec(change(), 0..60)) {
        let mut set = RangeSet::<3>::new();
        let mut model = vec![false; SPACE as usize];
        for change in changes {
            let (a, b, value) = match change {
                Change::Insert(a, b) => { set.insert(Range::new(a, b)); (a, b, true) }
                Change::Remove(a, b) => { set.remove(Range::new(a, b)); (a, b, false) }
            };
            if a < b {
                model[a as usize..b as usize].fill(value);
            }
            prop_assert!(is_canonical(&set));
            for (have, may) in addresses(&set).iter().zip(&model) {
                prop_assert!(!have || *may);
            }
            let missing = model.iter().filter(|there| **there).count() as u64 - set.bytes();
            prop_assert!(set.lost() >= missing);
        }
    }

    #[test]
    fn what_is_found_is_the_lowest_that_fits(
        inserts in prop::collection::vec((0..SPACE, 1..16u64), 0..8),
        length in 1..12u64,
        align_bits in 0..4u32,
        within in (0..SPACE, 0..SPACE),
    ) {
        let mut set = RangeSet::<16>::new();
        for (start, length) in inserts {
            set.insert(Range::new(start, start + length));
        }
        let align = 1 << align_bits;
        let within = Range::new(within.0, within.1);
        let fits = |start: u64| {
            let range = Range::new(start, start + length);
            start.is_multiple_of(align) && set.contains(range) && within.contains(range)
        };
        let expected = (0..2 * SPACE).find(|start| fits(*start));
        prop_assert_eq!(set.find(length, align, within).map(|range| range.start), expected);
        prop_assert!(set.find(length, align, within).is_none_or(|range| range.length() == length));
    }

    #[test]
    fn rounding_to_pages_keeps_inside_and_outside(start in any::<u64>(), end in any::<u64>()) {
        let range = Range::new(start, end);
        let (inside, touched) = (range.pages_inside(), range.pages_touched());
        for rounded in [inside, touched] {
            prop_assert!(rounded.is_empty() || (rounded.start % PAGE == 0 && rounded.end % PAGE == 0));
        }
        prop_assert!(inside.is_empty() || range.contains(inside));
        // The last page of the address space has no end that could be said.
        if !range.is_empty() && end < u64::MAX - PAGE {
            prop_assert!(touched.contains(range));
            prop_assert!(touched.length() < range.length() + 2 * PAGE);
            prop_assert!(range.length() < inside.length() + 2 * PAGE);
        }
    }
}

#[test]
fn nothing_is_found_for_no_length_or_beyond_the_end() {
    let mut set = RangeSet::<4>::new();
    set.insert(Range::new(u64::MAX - 10, u64::MAX));
    assert_eq!(set.find(0, 1, Range::ALL), None);
    assert_eq!(set.find(11, 1, Range::ALL), None);
    assert_eq!(set.find(1, 1 << 63, Range::ALL), None);
    assert!(set.find(10, 1, Range::ALL).is_some());
}
