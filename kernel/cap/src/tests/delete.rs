//! Deletion: the subtree, all of it and nothing else, in any number of steps.

use super::world::*;
use crate::delete::Outcome;
use pagurus_abi::Kind;

#[test]
fn deleting_a_cnode_deletes_what_is_in_it_and_what_came_from_that() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 4, FREE, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE + 1, 1)
        .unwrap();
    let inner = w.cnode(FREE);
    // The original of the endpoint lies in the CNode, a copy outside of it.
    w.copy(FREE + 1, FREE + 2).unwrap();
    w.move_to(w.at(FREE + 1), inner, 5).unwrap();
    let others = w.check();
    w.delete(w.at(FREE));
    assert!(w.get(FREE).is_empty() && w.get(FREE + 2).is_empty());
    assert_eq!(w.check(), others - 3);
}

#[test]
fn a_revoked_capability_stays_and_can_be_used_again() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
    w.copy(FREE, FREE + 1).unwrap();
    w.copy(FREE + 1, FREE + 2).unwrap();
    w.copy(FREE, FREE + 3).unwrap();
    let kept = w.get(FREE);
    w.revoke(w.at(FREE));
    let after = w.get(FREE);
    assert_eq!(
        (after.kind, after.object, after.depth),
        (kept.kind, kept.object, kept.depth)
    );
    for n in 1..4 {
        assert!(w.get(FREE + n).is_empty());
    }
    w.copy(FREE, FREE + 1).unwrap();
    w.check();
}

#[test]
fn a_large_sparse_cnode_is_searched_in_steps_that_all_count() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 9, FREE, 1).unwrap();
    let inner = w.cnode(FREE);
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE + 1, 1)
        .unwrap();
    w.move_to(w.at(FREE + 1), inner, 500).unwrap();
    let mut steps = 0;
    // Somebody puts capabilities behind the search while it is interrupted.
    while w.delete_step(w.at(FREE), Some(1)) == Outcome::Preempted {
        steps += 1;
        if steps == 1 {
            let at = inner.at(1).unwrap();
            let from = w.at(CPU_SLOT);
            let home = inner.base.address();
            crate::derive::mint(
                &mut *w.s,
                from,
                at,
                home,
                pagurus_abi::Rights::all(),
                crate::derive::Refinement::Plain,
            )
            .unwrap();
        }
        assert!(steps < 16, "the deletion makes progress");
    }
    assert!(w.get(FREE).is_empty());
    w.check();
}

#[test]
fn every_step_of_a_preempted_deletion_leaves_a_sound_tree() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Untyped, 15, FREE, 1).unwrap();
    w.retype(FREE, Kind::CNode, 5, FREE + 1, 1).unwrap();
    w.retype(FREE, Kind::Endpoint, 0, FREE + 2, 3).unwrap();
    for n in 0..3 {
        w.copy(FREE + 2 + n, FREE + 5 + n).unwrap();
        w.copy(FREE + 5 + n, FREE + 8 + n).unwrap();
        let cnode = w.cnode(FREE + 1);
        w.move_to(w.at(FREE + 5 + n), cnode, 1 + n).unwrap();
    }
    let mut count = w.check();
    let mut steps = 0;
    while w.delete_step(w.at(FREE), Some(1)) == Outcome::Preempted {
        let now = w.check();
        assert_eq!(now, count - 1, "one capability at a time");
        count = now;
        steps += 1;
    }
    assert_eq!(steps, 10, "eleven capabilities, the last without a stop");
    assert_eq!(crate::untyped::watermark(&*w.s, w.at(MEMORY_SLOT)), 0);
}
