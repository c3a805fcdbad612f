//! Queues of waiting threads, linked through the threads.

use crate::env::Env;
use crate::object::WaitQueue;
use crate::thread::ThreadId;

impl WaitQueue {
    /// Appends `t`.
    #[inline]
    pub fn push<E: Env + ?Sized>(mut self, e: &mut E, t: ThreadId) -> WaitQueue {
        let thread = e.thread_mut(t);
        thread.next = None;
        thread.prev = self.tail;
        match self.tail {
            Some(tail) => e.thread_mut(tail).next = Some(t),
            None => self.head = Some(t),
        }
        self.tail = Some(t);
        self
    }

    /// Takes out `t`, which is in the queue.
    #[inline]
    pub fn remove<E: Env + ?Sized>(mut self, e: &mut E, t: ThreadId) -> WaitQueue {
        let thread = e.thread_mut(t);
        let (next, prev) = (thread.next.take(), thread.prev.take());
        match prev {
            Some(p) => e.thread_mut(p).next = next,
            None => self.head = next,
        }
        match next {
            Some(n) => e.thread_mut(n).prev = prev,
            None => self.tail = prev,
        }
        self
    }

    /// Whether nobody waits.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.head.is_none()
    }
}
