//! The derivation tree: one list in pre-order, with depths.

use crate::slot::{Slot, SlotId, Slots};

/// Whether anything was derived from `id`.
#[inline(always)]
pub fn has_children<S: Slots + ?Sized>(s: &S, id: SlotId) -> bool {
    first_child(s, id).is_some()
}

/// The capability derived last from `id` that still exists.
#[inline(always)]
pub fn first_child<S: Slots + ?Sized>(s: &S, id: SlotId) -> Option<SlotId> {
    let slot = s.slot(id);
    match slot.next {
        Some(next) if s.slot(next).depth > slot.depth => Some(next),
        _ => None,
    }
}

/// Fills the empty slot `at` with `slot`, as a child of `parent`.
///
/// The caller has checked that `at` is empty and that `parent` is less than 255 deep. Everything but the
/// links, the depth and the home is taken from `slot`.
#[inline]
pub fn insert_child<S: Slots + ?Sized>(
    s: &mut S,
    parent: SlotId,
    at: SlotId,
    home: usize,
    slot: Slot,
) {
    let p = s.slot_mut(parent);
    let depth = p.depth + 1;
    let next = p.next.replace(at);
    if let Some(next) = next {
        s.slot_mut(next).prev = Some(at);
    }
    *s.slot_mut(at) = Slot {
        next,
        prev: Some(parent),
        depth,
        home,
        ..slot
    };
}

/// Fills the empty slot `at` with `slot` as a root of the forest, before `head`, and returns the new head.
pub fn insert_root<S: Slots + ?Sized>(
    s: &mut S,
    head: Option<SlotId>,
    at: SlotId,
    home: usize,
    slot: Slot,
) -> SlotId {
    *s.slot_mut(at) = Slot {
        next: head,
        prev: None,
        depth: 0,
        home,
        ..slot
    };
    if let Some(head) = head {
        s.slot_mut(head).prev = Some(at);
    }
    at
}

/// Takes `id`, which has no children, out of the tree and empties it.
#[inline]
pub fn remove<S: Slots + ?Sized>(s: &mut S, id: SlotId) {
    let Slot { next, prev, .. } = *s.slot(id);
    if let Some(prev) = prev {
        s.slot_mut(prev).next = next;
    }
    if let Some(next) = next {
        s.slot_mut(next).prev = prev;
    }
    *s.slot_mut(id) = Slot::EMPTY;
}

/// Moves the capability in `from` to the empty slot `to`; its place in the tree stays.
pub fn relocate<S: Slots + ?Sized>(s: &mut S, from: SlotId, to: SlotId, home: usize) {
    let slot = *s.slot(from);
    *s.slot_mut(to) = Slot { home, ..slot };
    if let Some(prev) = slot.prev {
        s.slot_mut(prev).next = Some(to);
    }
    if let Some(next) = slot.next {
        s.slot_mut(next).prev = Some(to);
    }
    *s.slot_mut(from) = Slot::EMPTY;
}

/// Whether `id` was derived, directly or not, from `ancestor`. Walks back along the list: for checks and
/// audits, not for system calls.
pub fn descends_from<S: Slots + ?Sized>(s: &S, id: SlotId, ancestor: SlotId) -> bool {
    let mut depth = s.slot(id).depth;
    let mut at = s.slot(id).prev;
    while let Some(p) = at {
        let slot = s.slot(p);
        if slot.depth < depth {
            if p == ancestor {
                return true;
            }
            depth = slot.depth;
        }
        if depth == 0 {
            return false;
        }
        at = slot.prev;
    }
    false
}
