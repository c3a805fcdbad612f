//! What the derivation tree should be: parents in a map, and sets found by looking at everything.

use super::world::World;
use crate::cnode::CNode;
use crate::slot::{Slot, SlotId, Slots};
use pagurus_abi::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// Every capability: who its parent is and what it is. Links, depth and home are not remembered but expected.
#[derive(Clone, Default)]
pub struct Oracle {
    pub parents: BTreeMap<SlotId, Option<SlotId>>,
    pub contents: BTreeMap<SlotId, Slot>,
}

/// A capability without what follows from its place.
pub fn essence(slot: &Slot) -> Slot {
    Slot {
        next: None,
        prev: None,
        depth: 0,
        home: 0,
        ..*slot
    }
}

impl Oracle {
    /// A capability appears.
    pub fn add(&mut self, at: SlotId, parent: Option<SlotId>, slot: &Slot) {
        assert!(self.parents.insert(at, parent).is_none());
        self.contents.insert(at, essence(slot));
    }

    /// A capability is somewhere else.
    pub fn relocate(&mut self, from: SlotId, to: SlotId) {
        let parent = self.parents.remove(&from).expect("it is there");
        let slot = self.contents.remove(&from).expect("it is there");
        self.parents.insert(to, parent);
        self.contents.insert(to, slot);
        for parent in self.parents.values_mut() {
            if *parent == Some(from) {
                *parent = Some(to);
            }
        }
    }

    fn children(&self, of: SlotId) -> impl Iterator<Item = SlotId> {
        self.parents
            .iter()
            .filter(move |(_, p)| **p == Some(of))
            .map(|(at, _)| *at)
    }

    /// What lies in the CNode whose original is in `at`.
    fn inside(&self, at: SlotId) -> Vec<SlotId> {
        let slot = &self.contents[&at];
        match CNode::of(slot) {
            Some(c) if slot.is_original() => {
                let first = c.base.address();
                let end = first + c.slots() * SlotId::SIZE;
                let ids = self.parents.keys().copied();
                ids.filter(|id| id.address() > first && id.address() < end)
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Everything that ends with the capabilities in `first`, these included.
    pub fn doomed(&self, first: impl IntoIterator<Item = SlotId>) -> BTreeSet<SlotId> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<_> = first.into_iter().collect();
        while let Some(at) = pending.pop() {
            if found.insert(at) {
                pending.extend(self.children(at));
                pending.extend(self.inside(at));
            }
        }
        found
    }

    /// Everything that is derived from the capability in `at`, and ends with that.
    pub fn doomed_below(&self, at: SlotId) -> BTreeSet<SlotId> {
        self.doomed(self.children(at).collect::<Vec<_>>())
    }

    /// Takes note of what a deletion that may end `doomed` has removed: nothing else, and nothing before what depends on it.
    pub fn removed(&mut self, w: &World, doomed: &BTreeSet<SlotId>) {
        let gone: BTreeSet<SlotId> = self
            .parents
            .keys()
            .copied()
            .filter(|at| {
                let slot = w.s.slot(*at);
                // The memory of a CNode that ended may hold anything.
                slot.is_empty() || slot.kind == Kind::KernelControl
            })
            .collect();
        assert!(
            gone.is_subset(doomed),
            "more was deleted than was asked for"
        );
        for at in &gone {
            let needed = self.doomed([*at]);
            assert!(
                needed.is_subset(&gone),
                "{at:x?} went before what hangs on it"
            );
        }
        for at in gone {
            self.parents.remove(&at);
            self.contents.remove(&at);
        }
    }

    /// Compares everything with the real state.
    pub fn compare(&self, w: &World) {
        assert_eq!(w.check(), self.parents.len() as u64);
        let mut ancestors: Vec<SlotId> = Vec::new();
        let mut at = w.head;
        while let Some(id) = at {
            let slot = w.s.slot(id);
            ancestors.truncate(slot.depth as usize);
            let parent = self.parents.get(&id);
            assert_eq!(
                parent,
                Some(&ancestors.last().copied()),
                "parent of {id:x?}"
            );
            assert_eq!(essence(slot), self.contents[&id], "{id:x?}");
            ancestors.push(id);
            at = slot.next;
        }
        self.no_cycle();
        self.no_overlap();
    }

    /// Nothing hangs on itself, but the root CNode, which lies in itself.
    fn no_cycle(&self) {
        let root = SlotId::new(super::world::ROOT).expect("not 0").nth(1);
        // Remove what hangs on nothing that is left, until all is gone.
        let mut left: BTreeSet<SlotId> = self.parents.keys().copied().collect();
        left.remove(&root);
        loop {
            let held: BTreeSet<SlotId> = left
                .iter()
                .flat_map(|at| self.children(*at).chain(self.inside(*at)))
                .collect();
            let before = left.len();
            left.retain(|at| held.contains(at));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "a cycle: {left:x?}");
    }

    /// No two objects share memory.
    fn no_overlap(&self) {
        let mut ranges = Vec::new();
        for slot in self.contents.values() {
            let in_memory = !matches!(slot.kind, Kind::Untyped | Kind::Cpu | Kind::IoPort);
            if slot.is_original() && in_memory {
                let bits = slot.kind.object_bits(slot.size_bits).expect("an object");
                ranges.push((slot.object, slot.object + (1usize << bits)));
            }
        }
        ranges.sort();
        for pair in ranges.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{pair:x?} overlap");
        }
    }
}
