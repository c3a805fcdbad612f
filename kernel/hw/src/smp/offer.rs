//! What a processor that starts needs, and who gets it. Pure: atomics and nothing else.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

/// What a processor needs to leave the page in which it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Top of its stack.
    pub stack: u64,
    /// Physical address of the kernel's page tables.
    pub tables: u64,
    /// Its number.
    pub index: u64,
}

/// Where an offer lies. The assembly of the start reads it:
/// load `state`; if its lowest bit is clear, halt; load the rest; compare-and-exchange `state` with itself
/// plus one; if that fails, halt. Success means that the rest belongs to this ticket, because it changes
/// only while nothing is on offer.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Desk {
    /// Four times the ticket, plus 1 while it is on offer or 2 when it was taken.
    state: AtomicU64,
    stack: AtomicU64,
    tables: AtomicU64,
    index: AtomicU64,
}

/// Offset of the state.
pub const OFFSET_STATE: usize = offset_of!(Desk, state);
/// Offset of the stack.
pub const OFFSET_STACK: usize = offset_of!(Desk, stack);
/// Offset of the page tables.
pub const OFFSET_TABLES: usize = offset_of!(Desk, tables);
/// Offset of the number.
pub const OFFSET_INDEX: usize = offset_of!(Desk, index);

/// The desk of this kernel.
pub static OFFER: Desk = Desk::new();

const STEP: u64 = 4;
const ON_OFFER: u64 = 1;
const TAKEN: u64 = 2;

impl Desk {
    /// A desk with nothing on it.
    pub const fn new() -> Desk {
        Desk {
            state: AtomicU64::new(0),
            stack: AtomicU64::new(0),
            tables: AtomicU64::new(0),
            index: AtomicU64::new(0),
        }
    }

    /// Puts an offer out and returns its ticket. The one before must have been taken or withdrawn.
    pub fn make(&self, offer: Offer) -> u64 {
        let ticket = (self.state.load(Ordering::Relaxed) / STEP + 1) * STEP;
        self.stack.store(offer.stack, Ordering::Relaxed);
        self.tables.store(offer.tables, Ordering::Relaxed);
        self.index.store(offer.index, Ordering::Relaxed);
        self.state.store(ticket | ON_OFFER, Ordering::Release);
        ticket
    }

    /// Whether somebody took it.
    pub fn is_taken(&self, ticket: u64) -> bool {
        self.state.load(Ordering::Acquire) == ticket | TAKEN
    }

    /// Takes the offer back. `false` if somebody was quicker.
    pub fn withdraw(&self, ticket: u64) -> bool {
        self.state
            .compare_exchange(
                ticket | ON_OFFER,
                ticket,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// What the assembly does, for tests.
    #[cfg(test)]
    fn take(&self) -> Option<Offer> {
        let state = self.state.load(Ordering::Acquire);
        if state & ON_OFFER == 0 {
            return None;
        }
        let offer = Offer {
            stack: self.stack.load(Ordering::Relaxed),
            tables: self.tables.load(Ordering::Relaxed),
            index: self.index.load(Ordering::Relaxed),
        };
        self.state
            .compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
            .then_some(offer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::vec::Vec;

    const fn offer(index: u64) -> Offer {
        Offer {
            stack: index * 3,
            tables: index * 5,
            index,
        }
    }

    #[test]
    fn an_offer_is_taken_once() {
        let desk = Desk::new();
        assert_eq!(desk.take(), None);
        let ticket = desk.make(offer(1));
        assert!(!desk.is_taken(ticket));
        assert_eq!(desk.take(), Some(offer(1)));
        assert_eq!(desk.take(), None);
        assert!(desk.is_taken(ticket) && !desk.withdraw(ticket));
    }

    #[test]
    fn who_comes_late_gets_nothing() {
        let desk = Desk::new();
        let first = desk.make(offer(1));
        assert!(desk.withdraw(first));
        assert_eq!(desk.take(), None);
        let second = desk.make(offer(2));
        assert!(!desk.withdraw(first), "a ticket is for one offer");
        assert_eq!(desk.take(), Some(offer(2)));
        assert!(desk.is_taken(second) && !desk.is_taken(first));
    }

    #[test]
    fn of_many_takers_each_gets_another_whole_offer() {
        let desk = Desk::new();
        let got: Vec<u64> = thread::scope(|scope| {
            let takers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut mine = Vec::new();
                        while mine.last() != Some(&0) {
                            if let Some(taken) = desk.take() {
                                assert_eq!(taken, offer(taken.index));
                                mine.push(taken.index);
                            }
                            thread::yield_now();
                        }
                        mine
                    })
                })
                .collect();
            let mut put = |index| {
                let ticket = desk.make(offer(index));
                // Sometimes it is withdrawn instead, while takers are at it.
                if index % 7 == 3 && desk.withdraw(ticket) {
                    return;
                }
                while !desk.is_taken(ticket) {
                    thread::yield_now();
                }
            };
            (1..500).for_each(&mut put);
            (0..3).for_each(|_| put(0));
            takers
                .into_iter()
                .flat_map(|taker| taker.join().unwrap())
                .collect()
        });
        let mut indexes: Vec<u64> = got.into_iter().filter(|index| *index != 0).collect();
        let count = indexes.len();
        indexes.sort();
        indexes.dedup();
        assert_eq!(indexes.len(), count);
        assert!(count >= 499 - 71);
    }
}
