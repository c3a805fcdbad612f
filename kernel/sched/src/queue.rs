//! The two queues of a processor.

use crate::context::{ContextState, Contexts, ScId};
use crate::heap::{Addressed, TimeHeap, Waiting};
use pagurus_abi::layout::PRIORITIES;

/// Contexts that want to run: one circular list for each priority, and a bitmap of the lists that are not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyQueue {
    bitmap: [u64; PRIORITIES / 64],
    heads: [Option<ScId>; PRIORITIES],
}

impl ReadyQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        ReadyQueue {
            bitmap: [0; PRIORITIES / 64],
            heads: [None; PRIORITIES],
        }
    }

    /// The highest priority at which something is ready.
    #[inline]
    pub fn highest(&self) -> Option<u8> {
        for word in (0..self.bitmap.len()).rev() {
            if self.bitmap[word] != 0 {
                return Some((word * 64 + 63 - self.bitmap[word].leading_zeros() as usize) as u8);
            }
        }
        None
    }

    /// The first of those with the highest priority.
    #[inline]
    pub fn first(&self) -> Option<ScId> {
        self.heads[self.highest()? as usize]
    }

    /// The first at this priority.
    pub fn first_at(&self, priority: u8) -> Option<ScId> {
        self.heads[priority as usize]
    }

    /// Whether the bitmap says that something is ready at this priority.
    pub const fn is_marked(&self, priority: u8) -> bool {
        self.bitmap[priority as usize / 64] >> (priority % 64) & 1 != 0
    }

    /// Appends to the list of its priority; at its front if `front`.
    #[inline]
    pub fn insert<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId, front: bool) {
        let priority = c.sc(id).priority as usize;
        match self.heads[priority] {
            None => {
                let sc = c.sc_mut(id);
                sc.next = Some(id);
                sc.prev = Some(id);
                self.heads[priority] = Some(id);
                self.bitmap[priority / 64] |= 1 << (priority % 64);
            }
            Some(head) => {
                let tail = c.sc(head).prev.unwrap_or(head);
                let sc = c.sc_mut(id);
                sc.next = Some(head);
                sc.prev = Some(tail);
                c.sc_mut(tail).next = Some(id);
                c.sc_mut(head).prev = Some(id);
                if front {
                    self.heads[priority] = Some(id);
                }
            }
        }
        c.sc_mut(id).state = ContextState::Ready;
    }

    /// Takes a context out, wherever it is in the queue.
    #[inline]
    pub fn remove<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId) {
        let sc = c.sc_mut(id);
        let priority = sc.priority as usize;
        let (next, prev) = (sc.next.take(), sc.prev.take());
        sc.state = ContextState::Idle;
        if next == Some(id) {
            self.heads[priority] = None;
            self.bitmap[priority / 64] &= !(1 << (priority % 64));
            return;
        }
        if let (Some(next), Some(prev)) = (next, prev) {
            c.sc_mut(prev).next = Some(next);
            c.sc_mut(next).prev = Some(prev);
            if self.heads[priority] == Some(id) {
                self.heads[priority] = Some(next);
            }
        }
    }
}

impl Default for ReadyQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Contexts out of budget, the earliest release first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseQueue {
    heap: TimeHeap<ScId>,
}

impl ReleaseQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        ReleaseQueue {
            heap: TimeHeap::new(),
        }
    }

    /// The one that is released first.
    #[inline]
    pub fn first(&self) -> Option<ScId> {
        self.heap.first()
    }

    /// Sorts a context in by its release.
    #[cold]
    pub fn insert<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId) {
        self.heap.insert(c, id);
        c.sc_mut(id).state = ContextState::Depleted;
    }

    /// Takes a context out.
    #[cold]
    pub fn remove<C: Contexts + ?Sized>(&mut self, c: &mut C, id: ScId) {
        self.heap.remove(c, id);
        c.sc_mut(id).state = ContextState::Idle;
    }

    /// Whether the context is in the queue, and rightly placed.
    pub fn holds<C: Contexts + ?Sized>(&self, c: &C, id: ScId) -> bool {
        self.heap.holds(c, id)
    }
}

impl Addressed for ScId {
    fn address(self) -> usize {
        ScId::address(self)
    }
}

impl<C: Contexts + ?Sized> Waiting<ScId> for C {
    fn time(&self, id: ScId) -> u64 {
        self.sc(id).release
    }

    fn below(&self, id: ScId) -> [Option<ScId>; 2] {
        let sc = self.sc(id);
        [sc.prev, sc.next]
    }

    fn set_below(&mut self, id: ScId, below: [Option<ScId>; 2]) {
        let sc = self.sc_mut(id);
        [sc.prev, sc.next] = below;
    }
}
