//! The invariants of the derivation tree and of untyped memory, checked on a live state.

use crate::slot::{Slot, SlotId, Slots};
use pagurus_abi::method::Invariant;
use pagurus_abi::{Kind, Rights};

/// A broken invariant and the slot where it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Where.
    pub slot: SlotId,
}

/// Walks the whole tree from its head and returns the number of capabilities.
///
/// `physical` turns what a capability of a kind holds into a physical address.
///
/// Linear in the number of capabilities: ancestors of the current one are kept in an array, one for each depth.
///
/// # Errors
/// The first violation found.
pub fn tree<S: Slots + ?Sized>(
    s: &S,
    head: Option<SlotId>,
    physical: impl Fn(Kind, usize) -> usize,
) -> Result<u64, Violation> {
    let mut ancestors: [Option<SlotId>; 256] = [None; 256];
    // Lowest end of the siblings of each depth seen so far: siblings come newest first, so downwards in memory.
    let mut ceiling: [u64; 256] = [u64::MAX; 256];
    let mut count = 0;
    let mut before: Option<SlotId> = None;
    let mut at = head;
    while let Some(id) = at {
        let slot = s.slot(id);
        let bad = |invariant| {
            Err(Violation {
                invariant,
                slot: id,
            })
        };
        if slot.is_empty() || slot.prev != before {
            return bad(Invariant::Links);
        }
        let depth = slot.depth as usize;
        let limit = before.map_or(0, |b| s.slot(b).depth as usize + 1);
        if depth > limit {
            return bad(Invariant::Depth);
        }
        if depth > 0 {
            let parent_id = match ancestors[depth - 1] {
                Some(p) => p,
                None => return bad(Invariant::Depth),
            };
            let parent = s.slot(parent_id);
            if let Err(invariant) = child(parent, slot, &physical, &mut ceiling[depth]) {
                return bad(invariant);
            }
        } else if !slot.is_original() {
            return bad(Invariant::Originals);
        }
        ancestors[depth] = Some(id);
        if depth + 1 < 256 {
            ceiling[depth + 1] = u64::MAX;
        }
        count += 1;
        before = Some(id);
        at = slot.next;
    }
    Ok(count)
}

/// Checks a capability against its parent. `ceiling` is the start of the object of the sibling before.
fn child(
    parent: &Slot,
    slot: &Slot,
    physical: &impl Fn(Kind, usize) -> usize,
    ceiling: &mut u64,
) -> Result<(), Invariant> {
    if slot.is_original() {
        if parent.kind == Kind::IrqControl && slot.kind == Kind::IrqHandler {
            return Ok(());
        }
        if parent.kind != Kind::Untyped {
            return Err(Invariant::Originals);
        }
        let bits = slot
            .kind
            .object_bits(slot.size_bits)
            .ok_or(Invariant::Originals)?;
        let start = physical(slot.kind, slot.object) as u64;
        let base = parent.object as u64;
        let end = start + (1 << bits);
        if start < base || end > base + parent.word || !start.is_multiple_of(1 << bits) {
            return Err(Invariant::Overlap);
        }
        if end > *ceiling {
            return Err(Invariant::Overlap);
        }
        *ceiling = start;
        if parent.is_device() != slot.is_device()
            || slot.is_device() && !matches!(slot.kind, Kind::Untyped | Kind::Frame)
        {
            return Err(Invariant::Device);
        }
        // See `level`: what leads to CNodes is never below the memory that it was made from.
        let level = match slot.kind {
            Kind::CNode => slot.level,
            Kind::Untyped => slot.b as u8,
            _ => parent.level,
        };
        if level < parent.level {
            return Err(Invariant::Containers);
        }
        return Ok(());
    }
    let same = slot.kind == parent.kind
        && slot.object == parent.object
        && slot.size_bits == parent.size_bits
        && slot.is_device() == parent.is_device();
    let rights_grow = !(slot.rights - parent.rights).is_empty();
    let badge_changes = matches!(slot.kind, Kind::Endpoint | Kind::Notification)
        && parent.word != 0
        && slot.word != parent.word;
    let range_grows = match slot.kind {
        Kind::IoPort => {
            (slot.word & 0xffff) < (parent.word & 0xffff) || slot.word >> 16 > parent.word >> 16
        }
        Kind::Cpu => slot.word > parent.word,
        _ => false,
    };
    if !same
        || rights_grow
        || badge_changes
        || range_grows
        || matches!(slot.kind, Kind::Untyped | Kind::Reply)
        || slot.rights.intersects(!Rights::all())
    {
        return Err(Invariant::Derivation);
    }
    Ok(())
}

/// Checks that the header of a CNode counts its used slots.
///
/// # Errors
/// `Containers`, at the header.
pub fn container<S: Slots + ?Sized>(s: &S, cnode: crate::cnode::CNode) -> Result<(), Violation> {
    let mut used = 0;
    for i in 1..cnode.slots() {
        let slot = s.slot(cnode.base.nth(i));
        if !slot.is_empty() {
            used += 1;
            if slot.home != cnode.base.address() {
                return Err(Violation {
                    invariant: Invariant::Containers,
                    slot: cnode.base.nth(i),
                });
            }
        }
    }
    if s.slot(cnode.base).word == used {
        Ok(())
    } else {
        Err(Violation {
            invariant: Invariant::Containers,
            slot: cnode.base,
        })
    }
}
