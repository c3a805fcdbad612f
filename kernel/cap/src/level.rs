//! Levels: why the walk of a deletion ends.
//!
//! A deletion goes from a capability to what was derived from it, and from the original of a CNode to what lies
//! in the CNode. A circle would need a CNode that lies (through any number of steps) in itself: either a CNode
//! original inside that CNode, or untyped memory inside a CNode that was made from it. Levels forbid both with one
//! comparison:
//!
//! - a CNode gets a level when it is made: above that of the CNode its original goes to, and at least the level of the
//!   untyped memory that it is made from;
//! - untyped memory gets a level when something is made from it while nothing else is: above the CNode that holds
//!   it, and at least the level of the untyped memory that it was itself made from (its floor);
//! - originals of CNodes and untyped memory in use may only lie in CNodes of a lower level.
//!
//! So every step of the walk into a CNode goes to a higher level, and there are 255 of them.

use crate::slot::{Slot, SlotId, Slots};
use crate::tree;
use pagurus_abi::{Error, Kind};

/// Level of the CNode with this header.
#[inline(always)]
pub fn of_cnode<S: Slots + ?Sized>(s: &S, home: usize) -> u8 {
    match SlotId::new(home) {
        Some(header) => s.slot(header).level,
        None => 0,
    }
}

/// Whether the capability in `from` may be moved into the CNode with header `home`.
///
/// # Errors
/// `Cycle` if it has, or may lead to, a CNode that is not above that one.
pub fn may_move<S: Slots + ?Sized>(s: &S, from: SlotId, home: usize) -> Result<(), Error> {
    let slot = s.slot(from);
    let bound = match slot.kind {
        Kind::CNode if slot.is_original() => slot.level,
        Kind::Untyped if tree::has_children(s, from) => slot.level,
        _ => return Ok(()),
    };
    if of_cnode(s, home) < bound {
        Ok(())
    } else {
        Err(Error::Cycle)
    }
}

/// The level that untyped memory in use by a first child gets.
///
/// # Errors
/// `TooDeep` past level 255.
pub fn of_untyped_in_use<S: Slots + ?Sized>(s: &S, untyped: &Slot) -> Result<u8, Error> {
    let above = of_cnode(s, untyped.home)
        .checked_add(1)
        .ok_or(Error::TooDeep)?;
    Ok(above.max(untyped.b as u8))
}

/// The level of a CNode made from untyped memory of level `untyped_level`, whose original goes to the CNode with
/// header `home`.
///
/// # Errors
/// `TooDeep` past level 255.
pub fn of_new_cnode<S: Slots + ?Sized>(s: &S, untyped_level: u8, home: usize) -> Result<u8, Error> {
    let above = of_cnode(s, home).checked_add(1).ok_or(Error::TooDeep)?;
    Ok(above.max(untyped_level))
}
