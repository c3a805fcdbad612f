//! CNodes: arrays of slots whose first slot is a header.
//!
//! Index 0 is therefore never a capability, which makes a null capability index an ordinary error. The header
//! counts the used slots (`word`), has the containment level (`level`) and, in `a`, the first
//! index that a search for a used slot has not passed yet.

use crate::slot::{Flags, Slot, SlotId, Slots};
use pagurus_abi::Error;

/// How many slots one step of [`next_used`] looks at.
const SEARCH_STEP: usize = 4096;

/// A CNode as a capability names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CNode {
    /// The header; slot `i` is `base.nth(i)`.
    pub base: SlotId,
    /// log2 of the number of slots.
    pub bits: u8,
}

impl CNode {
    /// The CNode that `slot` names, if it is a CNode capability.
    pub fn of(slot: &Slot) -> Option<CNode> {
        if slot.kind != pagurus_abi::Kind::CNode {
            return None;
        }
        Some(CNode {
            base: SlotId::new(slot.object)?,
            bits: slot.size_bits,
        })
    }

    /// The slot with this index.
    ///
    /// # Errors
    /// `InvalidIndex` for 0 and for what lies beyond the end.
    #[inline(always)]
    pub fn at(self, index: u64) -> Result<SlotId, Error> {
        if index == 0 || index >> self.bits != 0 {
            return Err(Error::InvalidIndex);
        }
        Ok(self.base.nth(index as usize))
    }

    /// Number of slots, the header included.
    pub const fn slots(self) -> usize {
        1 << self.bits
    }
}

/// A slot was filled: counts it, unless it is a binding.
#[inline(always)]
pub fn count_in<S: Slots + ?Sized>(s: &mut S, home: usize) {
    if let Some(header) = SlotId::new(home) {
        s.slot_mut(header).word += 1;
    }
}

/// A slot was emptied.
#[inline(always)]
pub fn count_out<S: Slots + ?Sized>(s: &mut S, home: usize, flags: Flags) {
    if !flags.has(Flags::BINDING)
        && let Some(header) = SlotId::new(home)
    {
        let h = s.slot_mut(header);
        h.word = h.word.saturating_sub(1);
    }
}

/// What a step of the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// No slot is used.
    Empty,
    /// This one is.
    Used(SlotId),
    /// Nothing yet; call again.
    Again,
}

/// Looks for a used slot, at most [`SEARCH_STEP`] slots at a time; where it stopped is in the header.
pub fn next_used<S: Slots + ?Sized>(s: &mut S, cnode: CNode) -> Search {
    let header = s.slot(cnode.base);
    if header.word == 0 {
        return Search::Empty;
    }
    // 0 in fresh memory. Slots behind the position may have been filled since: then the count is not yet 0 at the
    // end, and the search starts over.
    let start = (header.a as usize).max(1);
    let end = cnode.slots().min(start + SEARCH_STEP);
    for index in start..end {
        let id = cnode.base.nth(index);
        if !s.slot(id).is_empty() {
            s.slot_mut(cnode.base).a = index as u64;
            return Search::Used(id);
        }
    }
    s.slot_mut(cnode.base).a = if end == cnode.slots() { 1 } else { end as u64 };
    Search::Again
}
