//! Which slots of a CNode are free, for components that fill their own.

use alloc::vec::Vec;

/// Hands out slots of the range that it was made for: one bit for each, first fit.
#[derive(Clone, Debug)]
pub struct SlotAllocator {
    first: u32,
    count: u32,
    /// One bit for each slot, set if it is taken.
    taken: Vec<u64>,
    free: u32,
    /// Below this there is no free slot.
    hint: u32,
}

impl SlotAllocator {
    /// Slots `first..end`, all free.
    pub fn new(first: u32, end: u32) -> Self {
        let count = end.saturating_sub(first);
        SlotAllocator {
            first,
            count,
            taken: alloc::vec![0; (count as usize).div_ceil(64)],
            free: count,
            hint: 0,
        }
    }

    /// Slots that are free.
    pub fn free_slots(&self) -> u32 {
        self.free
    }

    /// Takes a slot; `None` if none is left.
    pub fn take(&mut self) -> Option<u32> {
        self.take_run(1)
    }

    /// Takes `length` slots one after the other and returns the first; `None` if there is no such run or
    /// `length` is 0.
    pub fn take_run(&mut self, length: u32) -> Option<u32> {
        if length == 0 || length > self.free {
            return None;
        }
        let mut start = self.hint;
        let mut at = self.hint;
        while at < self.count {
            if self.is_taken(at) {
                at += 1;
                start = at;
                continue;
            }
            at += 1;
            if at - start == length {
                for i in start..at {
                    self.set(i, true);
                }
                self.free -= length;
                if start == self.hint {
                    self.hint = at;
                }
                return Some(self.first + start);
            }
        }
        None
    }

    /// Gives a slot back; `false` if it was not taken or lies outside the range, then nothing changes.
    pub fn give_back(&mut self, slot: u32) -> bool {
        let Some(i) = slot.checked_sub(self.first).filter(|i| *i < self.count) else {
            return false;
        };
        if !self.is_taken(i) {
            return false;
        }
        self.set(i, false);
        self.free += 1;
        self.hint = self.hint.min(i);
        true
    }

    fn is_taken(&self, i: u32) -> bool {
        self.taken[i as usize / 64] & 1 << (i % 64) != 0
    }

    fn set(&mut self, i: u32, taken: bool) {
        let word = &mut self.taken[i as usize / 64];
        let bit = 1 << (i % 64);
        *word = if taken { *word | bit } else { *word & !bit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a set: a slot is never handed out twice, and a run is found exactly if there is one.
        #[test]
        fn behaves_like_a_set(steps in prop::collection::vec((any::<bool>(), 0u32..90), 0..200)) {
            let (first, end) = (10, 90);
            let mut slots = SlotAllocator::new(first, end);
            let mut taken = BTreeSet::new();
            for (take, n) in steps {
                if take {
                    let length = n % 9;
                    let runs = (first..end.saturating_sub(length) + 1)
                        .find(|s| length > 0 && (*s..s + length).all(|i| i < end && !taken.contains(&i)));
                    let got = slots.take_run(length);
                    prop_assert_eq!(got, runs);
                    if let Some(start) = got {
                        taken.extend(start..start + length);
                    }
                } else {
                    prop_assert_eq!(slots.give_back(n), taken.remove(&n));
                }
                prop_assert_eq!(slots.free_slots() as usize, (end - first) as usize - taken.len());
            }
        }
    }

    #[test]
    fn an_empty_range_has_nothing() {
        assert_eq!(SlotAllocator::new(5, 5).take(), None);
        assert_eq!(SlotAllocator::new(9, 5).take(), None);
    }
}
