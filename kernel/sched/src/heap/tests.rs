use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id(usize);

impl Addressed for Id {
    fn address(self) -> usize {
        self.0
    }
}

#[derive(Default)]
struct Table {
    times: BTreeMap<Id, u64>,
    below: BTreeMap<Id, [Option<Id>; 2]>,
}

impl Waiting<Id> for Table {
    fn time(&self, id: Id) -> u64 {
        self.times[&id]
    }
    fn below(&self, id: Id) -> [Option<Id>; 2] {
        self.below[&id]
    }
    fn set_below(&mut self, id: Id, below: [Option<Id>; 2]) {
        self.below.insert(id, below);
    }
}

impl Table {
    fn insert(&mut self, heap: &mut TimeHeap<Id>, id: Id, time: u64) {
        self.times.insert(id, time);
        heap.insert(self, id);
    }

    /// Everything that is reached from the first, with its depth.
    fn reached(&self, heap: &TimeHeap<Id>) -> BTreeMap<Id, u32> {
        let mut found = BTreeMap::new();
        let mut stack: Vec<_> = heap.first().map(|id| (id, 0)).into_iter().collect();
        while let Some((id, depth)) = stack.pop() {
            assert_eq!(found.insert(id, depth), None, "{id:?} is in two places");
            stack.extend(
                self.below[&id]
                    .into_iter()
                    .flatten()
                    .map(|id| (id, depth + 1)),
            );
        }
        found
    }
}

#[test]
fn neighbours_lie_as_deep_as_their_number_says() {
    let (mut table, mut heap) = (Table::default(), TimeHeap::new());
    for n in 0..1024usize {
        // Any order of the times: this one is the worst for a heap that follows times.
        table.insert(&mut heap, Id(0x10_0000 + n * 128), n as u64);
    }
    let deepest = table.reached(&heap).into_values().max();
    assert!(deepest <= Some(10), "{deepest:?}");
}

#[test]
fn the_worst_addresses_do_not_exceed_the_bound() {
    let (mut table, mut heap) = (Table::default(), TimeHeap::new());
    // Each agrees with the one before in one more of the bits that decide first.
    let mut ids: Vec<Id> = (0..usize::BITS)
        .map(|n| Id((1usize << n).rotate_left(7)))
        .collect();
    ids.push(Id(0));
    for (n, id) in ids.iter().enumerate() {
        table.insert(&mut heap, *id, n as u64);
    }
    let deepest = table.reached(&heap).into_values().max();
    assert_eq!(deepest, Some(MAX_DEPTH - 1));
    for id in &ids {
        assert!(heap.holds(&table, *id));
        heap.remove(&mut table, *id);
    }
    assert_eq!(heap.first(), None);
}

#[test]
fn what_is_not_in_it_is_not_taken_out() {
    let (mut table, mut heap) = (Table::default(), TimeHeap::new());
    table.insert(&mut heap, Id(128), 5);
    table.times.insert(Id(256), 6);
    table.below.insert(Id(256), [None; 2]);
    assert!(!heap.holds(&table, Id(256)));
    heap.remove(&mut table, Id(256));
    assert_eq!(heap.first(), Some(Id(128)));
}

#[test]
fn a_wrong_order_is_noticed() {
    let (mut table, mut heap) = (Table::default(), TimeHeap::new());
    for n in 1..8usize {
        table.insert(&mut heap, Id(n * 128), n as u64);
    }
    let last = Id(7 * 128);
    assert!(heap.holds(&table, last) && heap.first() != Some(last));
    table.times.insert(last, 0);
    assert!(!heap.holds(&table, last));
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Id, u64),
    Remove(Id),
    TakeFirst,
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        (0..40usize).prop_map(|n| Id(0x4000 + n * 128)),
        // Few bits set in any place: long common ways.
        (0..64u32, 0..64u32).prop_map(|(a, b)| Id(1 << a | 1 << b)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (id(), 0..50u64).prop_map(|(id, time)| Op::Insert(id, time)),
        1 => id().prop_map(Op::Remove),
        1 => Just(Op::TakeFirst),
    ]
}

proptest! {
    /// The first is one of the earliest, nothing is lost or doubled, nothing lies below something later.
    #[test]
    fn it_agrees_with_a_sorted_set(ops in prop::collection::vec(op(), 1..300)) {
        let (mut table, mut heap) = (Table::default(), TimeHeap::new());
        let mut model = BTreeSet::new();
        for op in ops {
            match op {
                Op::Insert(id, time) => {
                    if model.iter().all(|(_, other)| *other != id) {
                        table.insert(&mut heap, id, time);
                        model.insert((time, id));
                    }
                }
                Op::Remove(id) => {
                    if model.iter().any(|(_, other)| *other == id) {
                        heap.remove(&mut table, id);
                        prop_assert_eq!(table.below[&id], [None; 2]);
                        model.retain(|(_, other)| *other != id);
                    }
                }
                Op::TakeFirst => {
                    if let Some(id) = heap.first() {
                        heap.remove(&mut table, id);
                        prop_assert!(model.remove(&(table.times[&id], id)));
                    }
                }
            }
            let first = heap.first().map(|id| table.times[&id]);
            prop_assert_eq!(first, model.first().map(|(time, _)| *time));
            let reached = table.reached(&heap);
            prop_assert_eq!(reached.len(), model.len());
            for (id, depth) in reached {
                prop_assert!(model.contains(&(table.times[&id], id)));
                prop_assert!(heap.holds(&table, id));
                prop_assert!(depth < MAX_DEPTH);
            }
        }
    }
}
