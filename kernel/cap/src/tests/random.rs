//! Random operations on several CNodes, preempted anywhere, against the oracle.

use super::oracle::Oracle;
use super::world::*;
use crate::cnode::CNode;
use crate::delete::Outcome;
use crate::derive::{self, Refinement};
use crate::slot::{Flags, Slot, SlotId, Slots};
use crate::untyped::{Request, watermark};
use pagurus_abi::{Error, Kind, Rights};
use proptest::prelude::*;

/// Somewhere in one of the CNodes.
#[derive(Clone, Copy, Debug)]
struct Place {
    cnode: usize,
    index: u64,
}

#[derive(Clone, Debug)]
enum Op {
    Mint {
        from: Place,
        to: Place,
        rights: u8,
        refinement: (u8, u64),
    },
    Move {
        from: Place,
        to: Place,
    },
    Retype {
        from: Place,
        to: Place,
        what: (Kind, u8),
        count: u64,
        steps: usize,
    },
    Delete {
        at: Place,
        steps: Option<u32>,
    },
    Revoke {
        at: Place,
        steps: Option<u32>,
    },
}

fn place() -> impl Strategy<Value = Place> {
    (0usize..6, prop_oneof![8 => 1u64..12, 1 => 0u64..70])
        .prop_map(|(cnode, index)| Place { cnode, index })
}

fn op() -> impl Strategy<Value = Op> {
    let what = prop::sample::select(vec![
        (Kind::CNode, 4),
        (Kind::CNode, 5),
        (Kind::Untyped, 12),
        (Kind::Untyped, 13),
        (Kind::Untyped, 6),
        (Kind::Endpoint, 0),
        (Kind::Reply, 0),
        (Kind::Thread, 0),
        (Kind::Frame, 12),
        (Kind::Frame, 14),
    ]);
    let steps = prop::option::of(1u32..4);
    prop_oneof![
        4 => (place(), place(), any::<u8>(), (0u8..3, 0u64..4))
            .prop_map(|(from, to, rights, refinement)| Op::Mint { from, to, rights, refinement }),
        3 => (place(), place()).prop_map(|(from, to)| Op::Move { from, to }),
        4 => (place(), place(), what, 1u64..4, 0usize..4)
            .prop_map(|(from, to, what, count, steps)| Op::Retype { from, to, what, count, steps }),
        1 => (place(), steps.clone()).prop_map(|(at, steps)| Op::Delete { at, steps }),
        1 => (place(), steps).prop_map(|(at, steps)| Op::Revoke { at, steps }),
    ]
}

struct Test {
    w: World,
    oracle: Oracle,
}

impl Test {
    fn new() -> Test {
        let w = World::new();
        let mut oracle = Oracle::default();
        for index in 1..FREE {
            oracle.add(w.at(index), None, &w.get(index));
        }
        Test { w, oracle }
    }

    /// The CNodes that exist, the root first.
    fn cnodes(&self) -> Vec<CNode> {
        let mut list = vec![root()];
        let made = self.oracle.contents.values();
        let originals = made.filter(|s| s.is_original() && s.object != ROOT);
        list.extend(originals.filter_map(CNode::of));
        list
    }

    fn find(&self, p: Place) -> (CNode, Result<SlotId, Error>) {
        let list = self.cnodes();
        let cnode = list[p.cnode % list.len()];
        (cnode, cnode.at(p.index))
    }

    fn run(&mut self, op: &Op) {
        let before = self.w.s.clone();
        let done = self.apply(op);
        if done.is_err() {
            assert!(
                *self.w.s == *before,
                "{op:?} was refused and changed something"
            );
        }
        self.oracle.compare(&self.w);
    }

    fn apply(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Mint {
                from,
                to,
                rights,
                refinement,
            } => self.mint(*from, *to, *rights, *refinement),
            Op::Move { from, to } => self.relocate(*from, *to),
            Op::Retype {
                from,
                to,
                what,
                count,
                steps,
            } => self.retype(*from, *to, *what, *count, *steps),
            Op::Delete { at, steps } => {
                let at = self.find(*at).1?;
                // Without it there is nobody to ask.
                if at == self.w.at(CNODE_SLOT) {
                    return Ok(());
                }
                let doomed = match self.w.s.slot(at).is_empty() {
                    true => Default::default(),
                    false => self.oracle.doomed([at]),
                };
                let outcome = self.w.delete_step(at, *steps);
                self.oracle.removed(&self.w, &doomed);
                let left = doomed.iter().any(|id| self.oracle.parents.contains_key(id));
                assert_eq!(outcome == Outcome::Preempted, left);
                Ok(())
            }
            Op::Revoke { at, steps } => {
                let at = self.find(*at).1?;
                if self.w.s.slot(at).is_empty() {
                    return Err(Error::EmptySlot);
                }
                let doomed = self.oracle.doomed_below(at);
                assert!(!doomed.contains(&at));
                let outcome = self.w.revoke_step(at, *steps);
                self.oracle.removed(&self.w, &doomed);
                let left = doomed.iter().any(|id| self.oracle.parents.contains_key(id));
                assert!(outcome == Outcome::Preempted || !left);
                Ok(())
            }
        }
    }

    fn mint(
        &mut self,
        from: Place,
        to: Place,
        rights: u8,
        refinement: (u8, u64),
    ) -> Result<(), Error> {
        let (_, source) = self.find(from);
        let (home, to) = self.find(to);
        let (source, to) = (source?, to?);
        let rights = Rights::from_bits_truncate(rights);
        let (refinement, word) = match refinement {
            (0, _) => (Refinement::Plain, None),
            (1, n) => (Refinement::Badge(n), Some(n)),
            (_, n) => (Refinement::Range(n << 16), Some(n << 16)),
        };
        let old = *self.w.s.slot(source);
        derive::mint(
            &mut *self.w.s,
            source,
            to,
            home.base.address(),
            rights,
            refinement,
        )?;
        assert!(!matches!(
            old.kind,
            Kind::Empty | Kind::Untyped | Kind::Reply
        ));
        let expected = Slot {
            kind: old.kind,
            rights: old.rights & rights,
            size_bits: old.size_bits,
            flags: Flags(old.flags.0 & Flags::DEVICE),
            object: old.object,
            word: word.unwrap_or(old.word),
            ..Slot::EMPTY
        };
        self.oracle.add(to, Some(source), &expected);
        Ok(())
    }

    fn relocate(&mut self, from: Place, to: Place) -> Result<(), Error> {
        let (_, source) = self.find(from);
        let (home, at) = self.find(to);
        let (source, at) = (source?, at?);
        if source == self.w.at(CNODE_SLOT) {
            // It lies in itself, which only boot can do, and must not be able to leave.
            return Ok(());
        }
        self.w.move_to(source, home, to.index)?;
        self.oracle.relocate(source, at);
        Ok(())
    }

    fn retype(
        &mut self,
        from: Place,
        to: Place,
        (kind, size_bits): (Kind, u8),
        count: u64,
        steps: usize,
    ) -> Result<(), Error> {
        let (_, source) = self.find(from);
        let source = source?;
        let (dest, _) = self.find(to);
        let request = Request {
            kind,
            size_bits,
            dest,
            index: to.index,
            count,
        };
        let used = match self.w.s.slot(source).kind {
            Kind::Untyped => watermark(&*self.w.s, source),
            _ => 0,
        };
        let Some(plan) = self.w.retype_in_steps(source, &request, steps)? else {
            // Not done yet; the memory remembers how far it came.
            let slot = *self.w.s.slot(source);
            let old = self.oracle.contents.get_mut(&source).expect("it is there");
            assert!(slot.a >= slot.word || slot.flags.has(Flags::ZEROING));
            (old.a, old.flags, old.word) = (slot.a, slot.flags, slot.word);
            return Ok(());
        };
        assert!(plan.start >= used, "memory in use is handed out again");
        let memory = *self.w.s.slot(source);
        assert!(!memory.is_device() || matches!(kind, Kind::Frame | Kind::Untyped));
        let contents = &mut self.oracle.contents;
        let old = contents.get_mut(&source).expect("it is there");
        (old.a, old.flags, old.word, old.level) =
            (memory.a, memory.flags, memory.word, memory.level);
        assert_eq!(memory.word, plan.end);
        for n in 0..count {
            let at = dest.at(to.index + n).expect("in range");
            let made = *self.w.s.slot(at);
            let size = 1usize << kind.object_bits(size_bits).expect("a kind of object");
            let object = memory.object + plan.start as usize + n as usize * size;
            assert_eq!(
                (made.kind, made.object, made.size_bits),
                (kind, object, size_bits)
            );
            assert_eq!(made.rights, Rights::all());
            assert!(made.is_original() && made.is_device() == memory.is_device());
            self.oracle.add(at, Some(source), &made);
            if let Some(cnode) = CNode::of(&made) {
                let fresh = (1..cnode.slots()).all(|i| self.w.s.slot(cnode.base.nth(i)).is_empty());
                assert!(fresh, "a new CNode is empty");
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_do_what_the_oracle_says(ops in prop::collection::vec(op(), 1..120)) {
        let mut t = Test::new();
        for op in &ops {
            t.run(op);
        }
        // In the end everything can be taken back, and all memory is there.
        for index in [MEMORY_SLOT, DEVICE_SLOT] {
            let untyped = t.oracle.contents.iter().find(|(at, s)| {
                s.kind == Kind::Untyped && t.oracle.parents[at].is_none() && s.is_device() == (index == DEVICE_SLOT)
            });
            let Some((at, _)) = untyped else { continue };
            let at = *at;
            let doomed = t.oracle.doomed_below(at);
            t.w.revoke(at);
            t.oracle.removed(&t.w, &doomed);
            prop_assert_eq!(watermark(&*t.w.s, at), 0);
            t.oracle.compare(&t.w);
        }
    }
}
