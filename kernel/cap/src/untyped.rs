//! Untyped memory: from which all objects are made, and to which they return.
//!
//! A watermark tells how much is in use: objects are made above it, and when the last capability derived from the
//! memory is gone the watermark is 0 again, which is noticed at the next `retype`. Memory is zeroed
//! before it is handed out: bytes between the watermark and `zeroed` are known to be zero, so an interrupted zeroing
//! goes on where it stopped.

use crate::cnode::CNode;
use crate::level;
use crate::slot::{Flags, Slot, SlotId, Slots};
use crate::tree;
use pagurus_abi::{Error, Kind, Rights};

/// Objects made by one `retype`, at most.
pub const MAX_BATCH: u64 = 256;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Kind of the objects.
    pub kind: Kind,
    /// Their size, as [`Kind::object_bits`] takes it.
    pub size_bits: u8,
    /// The CNode that the originals go to.
    pub dest: CNode,
    /// Index of the first.
    pub index: u64,
    /// How many.
    pub count: u64,
}

/// Where the objects will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Offset of the first object in the untyped memory.
    pub start: u64,
    /// Offset of the end of the last.
    pub end: u64,
    /// log2 of the bytes of one object.
    pub object_bits: u8,
    /// Whether the memory must be zero: not for device memory and not for smaller untyped memory.
    pub zero: bool,
    /// Level of the untyped memory from now on.
    pub level: u8,
}

/// Bytes in use: 0 as soon as nothing is derived from it.
pub fn watermark<S: Slots + ?Sized>(s: &S, untyped: SlotId) -> u64 {
    if tree::has_children(s, untyped) {
        s.slot(untyped).word
    } else {
        0
    }
}

/// Checks a request against the memory in `untyped` without changing anything.
///
/// # Errors
/// `WrongKind`, `InvalidArgument` (kind, size or count), `DeviceMemory`, `OutOfMemory`, `InvalidIndex`, `OccupiedSlot`,
/// `TooDeep`.
pub fn plan<S: Slots + ?Sized>(s: &S, untyped: SlotId, r: &Request) -> Result<Plan, Error> {
    let slot = s.slot(untyped);
    if slot.kind != Kind::Untyped {
        return Err(Error::WrongKind);
    }
    let object_bits = r
        .kind
        .object_bits(r.size_bits)
        .ok_or(Error::InvalidArgument)?;
    if slot.is_device() && !matches!(r.kind, Kind::Frame | Kind::Untyped) {
        return Err(Error::DeviceMemory);
    }
    if r.count == 0 || r.count > MAX_BATCH {
        return Err(Error::InvalidArgument);
    }
    if object_bits > slot.size_bits {
        return Err(Error::OutOfMemory);
    }
    if slot.depth == u8::MAX {
        return Err(Error::TooDeep);
    }
    let in_use = tree::has_children(s, untyped);
    let level = if in_use {
        slot.level
    } else {
        level::of_untyped_in_use(s, slot)?
    };
    if r.kind == Kind::CNode {
        level::of_new_cnode(s, level, r.dest.base.address())?;
    }
    // No overflow: sizes are at most 2^46 and counts at most 2^8.
    let size = 1u64 << object_bits;
    let used = if in_use { slot.word } else { 0 };
    let start = (used + size - 1) & !(size - 1);
    let end = start + r.count * size;
    if end > slot.bytes() {
        return Err(Error::OutOfMemory);
    }
    let last = r
        .index
        .checked_add(r.count - 1)
        .ok_or(Error::InvalidIndex)?;
    r.dest.at(last)?;
    let first = r.dest.at(r.index)?;
    for i in 0..r.count as usize {
        if !s.slot(first.nth(i)).is_empty() {
            return Err(Error::OccupiedSlot);
        }
    }
    let zero = !slot.is_device() && r.kind != Kind::Untyped;
    Ok(Plan {
        start,
        end,
        object_bits,
        zero,
        level,
    })
}

/// What must still be zeroed before [`commit`]: offsets from and to, or `None`.
pub fn to_zero<S: Slots + ?Sized>(s: &S, untyped: SlotId, plan: &Plan) -> Option<(u64, u64)> {
    if !plan.zero {
        return None;
    }
    // Without children everything below the old watermark may be dirty, whatever was once known.
    let known = if tree::has_children(s, untyped) || s.slot(untyped).flags.has(Flags::ZEROING) {
        s.slot(untyped).a
    } else {
        0
    };
    let from = known.max(plan.start);
    (from < plan.end).then_some((from, plan.end))
}

/// Notes that the bytes of `plan` up to offset `to` are zero: the next [`to_zero`] begins there.
pub fn zeroed<S: Slots + ?Sized>(s: &mut S, untyped: SlotId, plan: &Plan, to: u64) {
    let in_use = tree::has_children(s, untyped);
    let slot = s.slot_mut(untyped);
    slot.a = to;
    if in_use {
        // What was skipped to align the objects is not zero, and the next request may be for something smaller.
        slot.word = slot.word.max(plan.start);
    } else {
        // There is no child yet to vouch for `a`; nothing was skipped.
        slot.flags.0 |= Flags::ZEROING;
    }
}

/// Makes the objects' original capabilities. `address` turns the physical address of an object into what its
/// capability holds (the kernel's own address for kernel objects).
///
/// The caller has got `plan` from [`plan`] for the same request, with nothing in between, and has zeroed what
/// [`to_zero`] named.
pub fn commit<S: Slots + ?Sized>(
    s: &mut S,
    untyped: SlotId,
    r: &Request,
    plan: &Plan,
    address: impl Fn(Kind, usize) -> usize,
) {
    let source = *s.slot(untyped);
    let home = r.dest.base.address();
    let device = source.flags.0 & Flags::DEVICE;
    let size = 1usize << plan.object_bits;
    let mut physical = source.object + plan.start as usize;
    let mut at = r.dest.base.nth(r.index as usize);
    let cnode_level = if r.kind == Kind::CNode {
        level::of_new_cnode(s, plan.level, home).unwrap_or(u8::MAX)
    } else {
        0
    };
    for _ in 0..r.count {
        let mut slot = Slot::original(r.kind, address(r.kind, physical), r.size_bits);
        slot.flags.0 |= device;
        match r.kind {
            // The floor of its level: nothing made from it may be below the level of its own source.
            Kind::Untyped => slot.b = plan.level as u64,
            Kind::CNode => slot.level = cnode_level,
            Kind::TraceBuffer => slot.rights = Rights::RW,
            _ => {}
        }
        tree::insert_child(s, untyped, at, home, slot);
        if r.kind == Kind::CNode
            && let Some(header) = SlotId::new(slot.object)
        {
            s.slot_mut(header).level = cnode_level;
        }
        physical += size;
        at = at.nth(1);
    }
    if let Some(header) = SlotId::new(home) {
        s.slot_mut(header).word += r.count;
    }
    let slot = s.slot_mut(untyped);
    slot.word = plan.end;
    slot.level = plan.level;
    slot.flags.0 &= !Flags::ZEROING;
    slot.a = slot.a.max(plan.end);
    if !plan.zero {
        // Nothing above was looked at.
        slot.a = plan.end;
    }
}
