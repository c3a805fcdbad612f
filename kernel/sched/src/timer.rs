//! Timers.

use crate::heap::{Addressed, TimeHeap, Waiting};
use core::num::NonZeroUsize;

/// Names a timer: in the kernel its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct TimerId(NonZeroUsize);

impl TimerId {
    /// The timer at this address, unless it is 0.
    pub const fn new(address: usize) -> Option<TimerId> {
        match NonZeroUsize::new(address) {
            Some(a) => Some(TimerId(a)),
            None => None,
        }
    }

    /// Its address.
    pub const fn address(self) -> usize {
        self.0.get()
    }
}

/// A timer. All zero (fresh memory) is a timer that is not armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Timer {
    /// Armed: those below it in its processor's queue.
    pub below: [Option<TimerId>; 2],
    /// When it fires, in ticks; 0 if it is not armed.
    pub deadline: u64,
    /// Armed: the processor in whose queue it is.
    pub cpu: u8,
}

const _: () = assert!(core::mem::size_of::<Timer>() <= 64);

impl Timer {
    /// Whether it is in a queue.
    pub const fn is_armed(&self) -> bool {
        self.deadline != 0
    }
}

/// Where timers are kept.
pub trait Timers {
    /// The timer with this id.
    fn timer(&self, id: TimerId) -> &Timer;
    /// The timer with this id, to change it.
    fn timer_mut(&mut self, id: TimerId) -> &mut Timer;
}

/// The armed timers of one processor, the earliest deadline first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimerQueue {
    heap: TimeHeap<TimerId>,
}

impl TimerQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        TimerQueue {
            heap: TimeHeap::new(),
        }
    }

    /// The one that fires first.
    #[inline]
    pub fn first(&self) -> Option<TimerId> {
        self.heap.first()
    }

    /// When the first one fires.
    #[inline]
    pub fn deadline<T: Timers + ?Sized>(&self, t: &T) -> Option<u64> {
        self.heap.first().map(|id| t.timer(id).deadline)
    }

    /// Arms a timer that is not armed; `deadline` is not 0, and this is the queue of processor `cpu`.
    pub fn arm<T: Timers + ?Sized>(&mut self, t: &mut T, id: TimerId, deadline: u64, cpu: u8) {
        let timer = t.timer_mut(id);
        timer.deadline = deadline;
        timer.cpu = cpu;
        self.heap.insert(t, id);
    }

    /// Takes out a timer that is in this queue.
    pub fn disarm<T: Timers + ?Sized>(&mut self, t: &mut T, id: TimerId) {
        self.heap.remove(t, id);
        let timer = t.timer_mut(id);
        timer.deadline = 0;
        timer.cpu = 0;
    }

    /// Takes out one whose deadline has come, if there is one.
    pub fn expire<T: Timers + ?Sized>(&mut self, t: &mut T, now: u64) -> Option<TimerId> {
        let id = self.first().filter(|id| t.timer(*id).deadline <= now)?;
        self.disarm(t, id);
        Some(id)
    }

    /// Whether the timer is in the queue, and rightly placed.
    pub fn holds<T: Timers + ?Sized>(&self, t: &T, id: TimerId) -> bool {
        self.heap.holds(t, id)
    }
}

impl Addressed for TimerId {
    fn address(self) -> usize {
        TimerId::address(self)
    }
}

impl<T: Timers + ?Sized> Waiting<TimerId> for T {
    fn time(&self, id: TimerId) -> u64 {
        self.timer(id).deadline
    }

    fn below(&self, id: TimerId) -> [Option<TimerId>; 2] {
        self.timer(id).below
    }

    fn set_below(&mut self, id: TimerId, below: [Option<TimerId>; 2]) {
        self.timer_mut(id).below = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Table(BTreeMap<TimerId, Timer>);

    impl Timers for Table {
        fn timer(&self, id: TimerId) -> &Timer {
            &self.0[&id]
        }
        fn timer_mut(&mut self, id: TimerId) -> &mut Timer {
            self.0.entry(id).or_default()
        }
    }

    #[test]
    fn timers_expire_in_order_and_are_as_good_as_new_then() {
        let (mut table, mut queue) = (Table::default(), TimerQueue::new());
        let ids: Vec<_> = (1..100).filter_map(|n| TimerId::new(n * 128)).collect();
        // 37 is prime to 100: every deadline from 1 to 99 once.
        for (n, id) in ids.iter().enumerate() {
            queue.arm(&mut table, *id, (n as u64 + 1) * 37 % 100, 3);
        }
        assert!(
            ids.iter()
                .all(|id| queue.holds(&table, *id) && table.timer(*id).cpu == 3)
        );
        let mut now = 0;
        while let Some(deadline) = queue.deadline(&table) {
            assert_eq!(queue.expire(&mut table, deadline - 1), None);
            let expected = table.0.iter().find(|(_, t)| t.deadline == deadline);
            let expected = expected.map(|(id, _)| *id);
            assert_eq!(queue.expire(&mut table, deadline), expected);
            assert_eq!(deadline, now + 1);
            now = deadline;
        }
        assert_eq!(now, 99);
        assert!(table.0.values().all(|t| *t == Timer::default()));
        assert_eq!(queue.expire(&mut table, u64::MAX), None);
    }
}
