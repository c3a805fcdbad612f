//! Deletion and revocation.
//!
//! Both delete a subtree from its leaves up, one capability at a time, with a preemption point after each. Nothing
//! is remembered between two steps: an interrupted deletion is started again and finds less to do.

use crate::cnode::{self, CNode, Search};
use crate::slot::{SlotId, Slots};
use crate::tree;
use pagurus_abi::Kind;

/// Whether the kernel has let go of what a capability stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalised {
    /// It has; the slot may be emptied.
    Done,
    /// More remains (a large mapping, say); call again.
    Again,
}

/// What an object holds.
pub type Contents = Search;

/// The kernel's part in a deletion.
pub trait Objects: Slots {
    /// Lets go of what the capability in `id`, which has no children and an empty object, stands for: unmaps a
    /// frame, undoes a binding, ends the object if this is its original. Bounded work.
    fn finalise(&mut self, id: SlotId) -> Finalised;

    /// The bindings in the kernel object that the original in `id` names, other than a CNode; bindings have no
    /// originals among them.
    fn bindings(&mut self, id: SlotId) -> Contents;

    /// Whether something more urgent waits, so that the deletion should stop and be started again.
    fn preempted(&mut self) -> bool;
}

/// How far a deletion came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is gone.
    Done,
    /// Stopped at a preemption point: start again.
    Preempted,
}

/// What the original in `id` holds, if it is one.
#[inline]
fn contents<O: Objects + ?Sized>(o: &mut O, id: SlotId) -> Contents {
    if !o.slot(id).is_original() {
        return Search::Empty;
    }
    contents_of_original(o, id)
}

/// Not inlined, to keep the way of derived capabilities short.
#[inline(never)]
fn contents_of_original<O: Objects + ?Sized>(o: &mut O, id: SlotId) -> Contents {
    let slot = *o.slot(id);
    match CNode::of(&slot) {
        Some(c) => cnode::next_used(o, c),
        None => o.bindings(id),
    }
}

/// The next thing to delete on the way from `from`: something without children and contents.
fn leaf<O: Objects + ?Sized>(o: &mut O, from: SlotId) -> Option<SlotId> {
    let mut at = from;
    loop {
        if let Some(child) = tree::first_child(o, at) {
            at = child;
            continue;
        }
        match contents(o, at) {
            Search::Empty => return Some(at),
            Search::Used(inner) => at = inner,
            Search::Again if o.preempted() => return None,
            Search::Again => {}
        }
    }
}

/// Deletes one leaf; `false` if it is not gone yet.
fn delete_leaf<O: Objects + ?Sized>(o: &mut O, id: SlotId) -> bool {
    if o.finalise(id) == Finalised::Again {
        return false;
    }
    let slot = *o.slot(id);
    tree::remove(o, id);
    cnode::count_out(o, slot.home, slot.flags);
    true
}

/// Deletes the capability in `id` and everything derived from it.
pub fn delete<O: Objects + ?Sized>(o: &mut O, id: SlotId) -> Outcome {
    while !o.slot(id).is_empty() {
        let Some(at) = leaf(o, id) else {
            return Outcome::Preempted;
        };
        let gone = delete_leaf(o, at);
        if gone && at == id {
            return Outcome::Done;
        }
        if o.preempted() {
            return Outcome::Preempted;
        }
    }
    Outcome::Done
}

/// Deletes everything derived from the capability in `id`.
///
/// The capability itself stays, unless it lies in something derived from it.
pub fn revoke<O: Objects + ?Sized>(o: &mut O, id: SlotId) -> Outcome {
    while let Some(child) = tree::first_child(o, id) {
        let Some(at) = leaf(o, child) else {
            return Outcome::Preempted;
        };
        delete_leaf(o, at);
        if o.preempted() {
            return Outcome::Preempted;
        }
    }
    Outcome::Done
}

/// Whether `kind` has contents of its own, so that a deletion has to look into it.
pub const fn is_container(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::CNode
            | Kind::Thread
            | Kind::SchedContext
            | Kind::IrqHandler
            | Kind::Vcpu
            | Kind::Timer
    )
}
