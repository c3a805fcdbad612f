//! Which thread runs on which context.
//!
//! Everything that changes [`Thread::sc`](crate::Thread::sc) or the thread of a context stands here. What was lent is
//! remembered on both sides, by the thread ([`Thread::donor`](crate::Thread::donor)) and by the reply
//! ([`Reply::borrower`](crate::Reply::borrower)): were it only on one, a reply that is used for another caller later
//! would give that one time which is not its own.

use crate::env::Env;
use crate::object::ReplyId;
use crate::thread::ThreadId;
use pagurus_abi::method::ThreadState;
use pagurus_sched::{ContextState, ScId};

/// Takes `t` off the context it runs on; nobody runs on that one until somebody is put on it.
pub fn detach<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    disown(e, t);
    if let Some(sc) = e.thread_mut(t).sc.take() {
        e.sc_mut(sc).thread = 0;
        e.sleep_context(sc);
    }
}

/// What `t` runs on is nobody's loan any more.
fn disown<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    if let Some(reply) = e.thread_mut(t).donor.take() {
        e.reply_mut(reply).borrower = None;
    }
}

/// What was lent by `reply` is nobody's loan any more; returns who had it.
pub fn release<E: Env + ?Sized>(e: &mut E, reply: ReplyId) -> Option<ThreadId> {
    let borrower = e.reply_mut(reply).borrower.take()?;
    e.thread_mut(borrower).donor = None;
    Some(borrower)
}

/// Puts `t`, which has no context, on its own context `sc`, which has no thread.
fn attach<E: Env + ?Sized>(e: &mut E, t: ThreadId, sc: ScId) {
    // It may have lent on a loan that it never got back.
    disown(e, t);
    e.thread_mut(t).sc = Some(sc);
    e.sc_mut(sc).thread = t.address();
}

/// `t` lends its context to `server`, until `reply` is used. Without a context of its own there is nothing to lend,
/// and the server runs at home.
#[inline]
pub fn lend<E: Env + ?Sized>(e: &mut E, t: ThreadId, server: ThreadId, reply: ReplyId) {
    match e.thread_mut(t).sc.take() {
        Some(sc) => {
            // A receiver that was taken off a queue is on no context; one that receives now is on its own.
            detach(e, server);
            let s = e.thread_mut(server);
            s.sc = Some(sc);
            s.donor = Some(reply);
            s.state = ThreadState::Ready;
            e.reply_mut(reply).borrower = Some(server);
            e.sc_mut(sc).thread = server.address();
            e.wake_context(sc);
            if e.sc(sc).state == ContextState::Depleted {
                return_spent_loan(e, server);
            }
        }
        None => resume(e, server),
    }
}

/// What was lent to `server` is used up until the next period: its caller waits for that, and keeps the context, asleep,
/// until the answer comes. The server goes on at home, or it would keep all its other callers waiting; without a home of
/// its own it has nowhere to go, and stays.
pub fn return_spent_loan<E: Env + ?Sized>(e: &mut E, server: ThreadId) {
    let thread = e.thread(server);
    let (Some(reply), Some(sc), Some(home)) = (thread.donor, thread.sc, thread.home) else {
        return;
    };
    let (Some(caller), 0) = (e.reply(reply).peer, e.sc(home).thread) else {
        return;
    };
    release(e, reply);
    e.sleep_context(sc);
    e.thread_mut(server).sc = None;
    e.thread_mut(caller).sc = Some(sc);
    e.sc_mut(sc).thread = caller.address();
    run_at_home(e, server);
}

/// `server` answers `caller` by `reply`: gives the context back if it was lent by this very call, else the caller runs
/// at home.
#[inline]
pub fn give_back<E: Env + ?Sized>(e: &mut E, server: ThreadId, caller: ThreadId, reply: ReplyId) {
    if release(e, reply) == Some(server)
        && let Some(sc) = e.thread_mut(server).sc.take()
    {
        let c = e.thread_mut(caller);
        c.sc = Some(sc);
        c.state = ThreadState::Ready;
        e.sc_mut(sc).thread = caller.address();
        e.wake_context(sc);
        return;
    }
    resume(e, caller);
}

/// `t` may run: on the context it has, else at home, which it takes back if it was lent.
pub fn resume<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    e.thread_mut(t).state = ThreadState::Ready;
    if e.thread(t).sc.is_none()
        && let Some(home) = e.thread(t).home
    {
        if let Some(borrower) = ThreadId::new(e.sc(home).thread) {
            e.evict(borrower);
            detach(e, borrower);
            attach(e, t, home);
            // It has no claim on this time any more; its own is free, for it could not have lent it.
            if e.thread(borrower).state == ThreadState::Ready {
                run_at_home(e, borrower);
            }
        } else {
            attach(e, t, home);
        }
    }
    if let Some(sc) = e.thread(t).sc {
        e.wake_context(sc);
    }
}

/// Puts a ready thread without context on its home, if that one is free.
pub fn run_at_home<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    if e.thread(t).sc.is_none()
        && let Some(home) = e.thread(t).home
        && e.sc(home).thread == 0
    {
        attach(e, t, home);
        e.wake_context(home);
    }
}

/// `t` stops running to wait; a sender keeps its context, asleep, to lend it when it is received from.
pub fn block_sending<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    if let Some(sc) = e.thread(t).sc {
        e.sleep_context(sc);
    }
}
