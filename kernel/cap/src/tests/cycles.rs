//! Every way to put a container into itself.

use super::world::*;
use crate::cnode::CNode;
use crate::slot::{SlotId, Slots};
use crate::untyped::Request;
use pagurus_abi::{Error, Kind};

fn retype_into(
    w: &mut World,
    untyped: SlotId,
    kind: Kind,
    bits: u8,
    dest: CNode,
    index: u64,
) -> Result<(), Error> {
    let request = Request {
        kind,
        size_bits: bits,
        dest,
        index,
        count: 1,
    };
    w.retype_in_steps(untyped, &request, usize::MAX).map(|_| ())
}

#[test]
fn a_cnode_cannot_be_moved_into_itself() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 4, FREE, 1).unwrap();
    let inner = w.cnode(FREE);
    let before = w.s.clone();
    assert_eq!(w.move_to(w.at(FREE), inner, 1), Err(Error::Cycle));
    assert!(*w.s == *before);
    // A copy may lie in it: it does not keep the CNode alive.
    w.copy(FREE, FREE + 1).unwrap();
    w.move_to(w.at(FREE + 1), inner, 1).unwrap();
    w.delete(w.at(FREE));
    w.check();
}

#[test]
fn two_cnodes_cannot_be_moved_into_each_other() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 4, FREE, 2).unwrap();
    let (a, b) = (w.cnode(FREE), w.cnode(FREE + 1));
    // Equals: neither may go into the other.
    assert_eq!(w.move_to(w.at(FREE), b, 1), Err(Error::Cycle));
    assert_eq!(w.move_to(w.at(FREE + 1), a, 1), Err(Error::Cycle));
    // Made inside: may be moved out, and back in, but the other may not follow.
    let memory = w.at(MEMORY_SLOT);
    retype_into(&mut w, memory, Kind::CNode, 4, a, 1).unwrap();
    let inner = CNode::of(w.s.slot(a.at(1).unwrap())).unwrap();
    w.move_to(a.at(1).unwrap(), root(), FREE + 2).unwrap();
    assert_eq!(w.move_to(w.at(FREE), inner, 1), Err(Error::Cycle));
    w.move_to(w.at(FREE + 2), b, 3).unwrap();
    w.check();
    w.delete(w.at(FREE + 1));
    w.check();
}

#[test]
fn memory_cannot_lie_in_a_cnode_that_is_made_from_it() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Untyped, 15, FREE, 1).unwrap();
    w.retype(FREE, Kind::CNode, 5, FREE + 1, 1).unwrap();
    let inner = w.cnode(FREE + 1);
    assert_eq!(w.move_to(w.at(FREE), inner, 1), Err(Error::Cycle));
    assert_eq!(w.move_to(w.at(MEMORY_SLOT), inner, 1), Err(Error::Cycle));
    w.check();
}

#[test]
fn unused_memory_moved_into_a_cnode_makes_only_deeper_ones() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 5, FREE, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Untyped, 14, FREE + 1, 1)
        .unwrap();
    let a = w.cnode(FREE);
    // Nothing is made from it yet: it may go anywhere.
    w.move_to(w.at(FREE + 1), a, 1).unwrap();
    let memory = a.at(1).unwrap();
    retype_into(&mut w, memory, Kind::CNode, 4, root(), FREE + 2).unwrap();
    let b = w.cnode(FREE + 2);
    // `b` ends when `a` does; were `a` in `b`, both would wait for the other.
    assert_eq!(w.move_to(w.at(FREE), b, 1), Err(Error::Cycle));
    w.check();
    w.delete(w.at(FREE));
    assert!(w.get(FREE + 2).is_empty());
    w.check();
}

#[test]
fn memory_made_from_memory_does_not_forget_where_it_came_from() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 5, FREE, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Untyped, 15, FREE + 1, 1)
        .unwrap();
    let a = w.cnode(FREE);
    w.move_to(w.at(FREE + 1), a, 1).unwrap();
    let outer = a.at(1).unwrap();
    // The smaller piece goes back to the root CNode, where everything would be at the lowest level again.
    retype_into(&mut w, outer, Kind::Untyped, 14, root(), FREE + 2).unwrap();
    w.retype(FREE + 2, Kind::CNode, 4, FREE + 3, 1).unwrap();
    let b = w.cnode(FREE + 3);
    assert_eq!(w.move_to(w.at(FREE), b, 1), Err(Error::Cycle));
    w.delete(w.at(FREE));
    assert!(w.get(FREE + 3).is_empty());
    w.check();
}

#[test]
fn a_long_chain_of_containers_is_deleted_from_its_end() {
    const LENGTH: u8 = 60;
    let mut w = World::new();
    let memory = w.at(MEMORY_SLOT);
    let (mut dest, mut index) = (root(), FREE);
    for level in 1..=LENGTH {
        retype_into(&mut w, memory, Kind::CNode, 4, dest, index).unwrap();
        dest = CNode::of(w.s.slot(dest.at(index).unwrap())).unwrap();
        assert_eq!(w.s.slot(dest.base).level, level);
        index = 1;
    }
    w.check();
    w.delete(w.at(FREE));
    assert_eq!(crate::untyped::watermark(&*w.s, memory), 0);
    w.check();
}

#[test]
fn levels_past_255_are_refused() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::CNode, 4, FREE, 1).unwrap();
    let cnode = w.cnode(FREE);
    // As if it were the last of a chain.
    w.s.slot_mut(cnode.base).level = 255;
    let at = w.at(FREE);
    w.s.slot_mut(at).level = 255;
    let memory = w.at(MEMORY_SLOT);
    let got = retype_into(&mut w, memory, Kind::CNode, 4, cnode, 1);
    assert_eq!(got, Err(Error::TooDeep));
    w.retype(MEMORY_SLOT, Kind::Untyped, 12, FREE + 1, 1)
        .unwrap();
    w.move_to(w.at(FREE + 1), cnode, 1).unwrap();
    let inside = cnode.at(1).unwrap();
    let got = retype_into(&mut w, inside, Kind::Endpoint, 0, root(), FREE + 2);
    assert_eq!(got, Err(Error::TooDeep));
}
