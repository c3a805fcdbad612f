//! Slots in an array, for tests and proofs.

use crate::delete::{Contents, Finalised, Objects};
use crate::slot::{Slot, SlotId, Slots};
use pagurus_abi::Kind;

/// `N` slots at the addresses 64, 128, … Objects are only addresses here; finalising records them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySlots<const N: usize> {
    /// The slots; the one at address 64 is `slots[0]`.
    pub slots: [Slot; N],
    /// Originals that were finalised, newest last.
    pub ended: Vec<Slot>,
    /// Answer of the next preemption points: preempt when it reaches 0.
    pub steps_until_preemption: Option<u32>,
}

impl<const N: usize> Default for ArraySlots<N> {
    fn default() -> Self {
        ArraySlots {
            slots: [Slot::EMPTY; N],
            ended: Vec::new(),
            steps_until_preemption: None,
        }
    }
}

impl<const N: usize> ArraySlots<N> {
    /// The id of slot number `n`.
    pub fn id(n: usize) -> SlotId {
        SlotId::new((n + 1) * SlotId::SIZE).expect("not 0")
    }

    fn number(id: SlotId) -> usize {
        id.address() / SlotId::SIZE - 1
    }
}

impl<const N: usize> Slots for ArraySlots<N> {
    fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[Self::number(id)]
    }

    fn slot_mut(&mut self, id: SlotId) -> &mut Slot {
        &mut self.slots[Self::number(id)]
    }
}

impl<const N: usize> Objects for ArraySlots<N> {
    fn finalise(&mut self, id: SlotId) -> Finalised {
        let slot = *self.slot(id);
        if slot.is_original() {
            if slot.kind == Kind::CNode {
                // The memory of the CNode goes back; its header with it.
                if let Some(header) = SlotId::new(slot.object) {
                    *self.slot_mut(header) = Slot::EMPTY;
                }
            }
            self.ended.push(slot);
        }
        Finalised::Done
    }

    fn bindings(&mut self, _: SlotId) -> Contents {
        Contents::Empty
    }

    fn preempted(&mut self) -> bool {
        match &mut self.steps_until_preemption {
            None => false,
            Some(0) => true,
            Some(n) => {
                *n -= 1;
                *n == 0
            }
        }
    }
}
