//! Deriving and moving capabilities.

use crate::cnode;
use crate::level;
use crate::slot::{Flags, Slot, SlotId, Slots};
use crate::tree;
use pagurus_abi::{Error, Kind, Rights};

/// What a derived capability has that its source has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refinement {
    /// Nothing.
    Plain,
    /// A badge, on an Endpoint or Notification that has none.
    Badge(u64),
    /// Narrower ports, or a lower maximum priority.
    Range(u64),
}

/// What a capability derived from `source` looks like: never more rights, never a wider range.
///
/// # Errors
/// `EmptySlot`, `NotCopyable` (Untyped and Reply), `TooDeep`, or `InvalidArgument` if the refinement does not suit
/// the kind.
#[inline]
pub fn derived(source: &Slot, rights: Rights, refinement: Refinement) -> Result<Slot, Error> {
    match source.kind {
        Kind::Empty => return Err(Error::EmptySlot),
        Kind::Untyped | Kind::Reply => return Err(Error::NotCopyable),
        _ => {}
    }
    if source.depth == u8::MAX {
        return Err(Error::TooDeep);
    }
    let word = match (refinement, source.kind) {
        (Refinement::Plain, Kind::Frame | Kind::TraceBuffer) => 0,
        (Refinement::Plain, _) => source.word,
        (Refinement::Badge(badge), Kind::Endpoint | Kind::Notification) if source.word == 0 => {
            badge
        }
        (Refinement::Range(range), Kind::IoPort) => narrower_ports(source.word, range)?,
        (Refinement::Range(priority), Kind::Cpu) if priority <= source.word => priority,
        _ => return Err(Error::InvalidArgument),
    };
    Ok(Slot {
        rights: source.rights & rights,
        flags: Flags(source.flags.0 & Flags::DEVICE),
        level: 0,
        asid: 0,
        word,
        a: 0,
        b: 0,
        next: None,
        prev: None,
        home: 0,
        ..*source
    })
}

fn narrower_ports(whole: u64, part: u64) -> Result<u64, Error> {
    let (first, last) = (part & 0xffff, part >> 16 & 0xffff);
    if part >> 32 != 0 || first > last || first < (whole & 0xffff) || last > (whole >> 16 & 0xffff)
    {
        return Err(Error::InvalidArgument);
    }
    Ok(part)
}

/// Derives from `source` into the empty slot `to` of the CNode with header `home`.
///
/// # Errors
/// Those of [`derived`], and `OccupiedSlot`.
#[inline]
pub fn mint<S: Slots + ?Sized>(
    s: &mut S,
    source: SlotId,
    to: SlotId,
    home: usize,
    rights: Rights,
    refinement: Refinement,
) -> Result<(), Error> {
    let slot = derived(s.slot(source), rights, refinement)?;
    if !s.slot(to).is_empty() {
        return Err(Error::OccupiedSlot);
    }
    tree::insert_child(s, source, to, home, slot);
    cnode::count_in(s, home);
    Ok(())
}

/// Derives from `source` into the empty binding slot `to` of the kernel object `owner`.
///
/// # Errors
/// Those of [`derived`], and `AlreadyBound` if the binding is in use.
pub fn bind<S: Slots + ?Sized>(
    s: &mut S,
    source: SlotId,
    to: SlotId,
    owner: usize,
) -> Result<(), Error> {
    let mut slot = derived(s.slot(source), Rights::all(), Refinement::Plain)?;
    if !s.slot(to).is_empty() {
        return Err(Error::AlreadyBound);
    }
    slot.flags.0 |= Flags::BINDING;
    tree::insert_child(s, source, to, owner, slot);
    Ok(())
}

/// Moves the capability in `from` to the empty slot `to` of the CNode with header `home`.
///
/// # Errors
/// `EmptySlot`, `OccupiedSlot`, or `Cycle` (see [`level`]).
pub fn move_to<S: Slots + ?Sized>(
    s: &mut S,
    from: SlotId,
    to: SlotId,
    home: usize,
) -> Result<(), Error> {
    if s.slot(from).is_empty() {
        return Err(Error::EmptySlot);
    }
    if !s.slot(to).is_empty() {
        return Err(Error::OccupiedSlot);
    }
    level::may_move(s, from, home)?;
    let Slot {
        home: old_home,
        flags,
        ..
    } = *s.slot(from);
    tree::relocate(s, from, to, home);
    cnode::count_out(s, old_home, flags);
    cnode::count_in(s, home);
    Ok(())
}
