//! Requests of processors to one processor. Pure: atomics and nothing else, so that a model checker can
//! run it.

use core::sync::atomic::{AtomicU64, Ordering};

/// What must be flushed before a request counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flush {
    /// Nothing: that the processor has entered the kernel is enough.
    #[default]
    Nothing,
    /// Translations of user memory.
    User,
    /// All translations, those of the kernel too.
    All,
}

/// The requests to one processor: a bit for each processor that waits. Aligned to a cache line, so that
/// looking at one's own costs nothing while nobody asks.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Mailbox {
    waiting: AtomicU64,
    user: AtomicU64,
    all: AtomicU64,
}

impl Mailbox {
    /// A mailbox without requests.
    pub const fn new() -> Mailbox {
        Mailbox {
            waiting: AtomicU64::new(0),
            user: AtomicU64::new(0),
            all: AtomicU64::new(0),
        }
    }

    /// Puts in the request of processor `from`, which must have no other request here. What it wrote before
    /// is visible to the owner when the owner flushes.
    pub fn request(&self, from: usize, flush: Flush) {
        let bit = 1 << from;
        match flush {
            Flush::Nothing => {}
            Flush::User => _ = self.user.fetch_or(bit, Ordering::Relaxed),
            Flush::All => _ = self.all.fetch_or(bit, Ordering::Relaxed),
        }
        // Publishes the line above and the caller's changes.
        self.waiting.fetch_or(bit, Ordering::Release);
    }

    /// Whether the request of processor `from` has been served. If so, what the owner did before is visible.
    pub fn is_served(&self, from: usize) -> bool {
        self.waiting.load(Ordering::Acquire) & 1 << from == 0
    }

    /// Whether there is a request.
    #[inline]
    pub fn has_request(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    /// Serves the requests there are: calls `flush` once with the most that any of them wants, then lets
    /// their senders go on. Requests that come meanwhile stay for the next time. Only the owner calls this.
    pub fn serve(&self, flush: impl FnOnce(Flush)) {
        let served = self.waiting.load(Ordering::Acquire);
        if served == 0 {
            return;
        }
        let wanted = if self.all.load(Ordering::Relaxed) & served != 0 {
            Flush::All
        } else if self.user.load(Ordering::Relaxed) & served != 0 {
            Flush::User
        } else {
            Flush::Nothing
        };
        flush(wanted);
        self.all.fetch_and(!served, Ordering::Relaxed);
        self.user.fetch_and(!served, Ordering::Relaxed);
        // Last: from here on a sender may put in its next request, whose bits the lines above must not take.
        self.waiting.fetch_and(!served, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    #[test]
    fn a_request_is_served_with_the_most_that_is_wanted() {
        let mailbox = Mailbox::new();
        mailbox.request(0, Flush::Nothing);
        mailbox.request(1, Flush::All);
        mailbox.request(63, Flush::User);
        assert!(mailbox.has_request() && !mailbox.is_served(63));
        let mut seen = None;
        mailbox.serve(|flush| seen = Some(flush));
        assert_eq!(seen, Some(Flush::All));
        assert!(!mailbox.has_request());
        mailbox.serve(|_| panic!("nothing is left to serve"));
    }

    #[test]
    fn an_earlier_wish_does_not_stick() {
        let mailbox = Mailbox::new();
        mailbox.request(1, Flush::All);
        mailbox.serve(|_| {});
        mailbox.request(1, Flush::Nothing);
        let mut seen = None;
        mailbox.serve(|flush| seen = Some(flush));
        assert_eq!(seen, Some(Flush::Nothing));
    }

    #[test]
    fn a_request_that_comes_while_another_is_served_stays() {
        let mailbox = Mailbox::new();
        mailbox.request(1, Flush::User);
        mailbox.serve(|_| mailbox.request(2, Flush::All));
        assert!(mailbox.is_served(1) && !mailbox.is_served(2));
        let mut seen = None;
        mailbox.serve(|flush| seen = Some(flush));
        assert_eq!(seen, Some(Flush::All));
    }

    /// Every processor asks every other one, again and again, and serves while it waits. Each counts a
    /// change before it asks; whoever serves it must see that change.
    #[test]
    fn all_may_ask_all_at_once() {
        const CPUS: usize = 4;
        const ROUNDS: usize = 2_000;
        struct World {
            mailboxes: [Mailbox; CPUS],
            changes: [AtomicUsize; CPUS],
            seen: [[AtomicUsize; CPUS]; CPUS],
            finished: AtomicUsize,
        }
        let world = Arc::new(World {
            mailboxes: Default::default(),
            changes: Default::default(),
            seen: Default::default(),
            finished: AtomicUsize::new(0),
        });
        let serve = |world: &World, me: usize| {
            world.mailboxes[me].serve(|_| {
                for other in 0..CPUS {
                    let change = world.changes[other].load(Ordering::Relaxed);
                    world.seen[me][other].store(change, Ordering::Relaxed);
                }
            });
        };
        thread::scope(|scope| {
            for me in 0..CPUS {
                let world = world.clone();
                scope.spawn(move || {
                    for round in 1..=ROUNDS {
                        world.changes[me].store(round, Ordering::Relaxed);
                        let others = (0..CPUS).filter(|other| *other != me);
                        others
                            .clone()
                            .for_each(|other| world.mailboxes[other].request(me, Flush::User));
                        for other in others {
                            while !world.mailboxes[other].is_served(me) {
                                serve(&world, me);
                                thread::yield_now();
                            }
                            assert_eq!(world.seen[other][me].load(Ordering::Relaxed), round);
                        }
                    }
                    world.finished.fetch_add(1, Ordering::Relaxed);
                    while world.finished.load(Ordering::Relaxed) < CPUS {
                        serve(&world, me);
                        thread::yield_now();
                    }
                });
            }
        });
    }
}
