//! Who waits for what.

use super::{Found, Totals, ensure};
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::{Invariant, ThreadBinding, ThreadState};
use pagurus_cap::Slots;
use pagurus_ipc::object::WaitQueue;
use pagurus_ipc::{EndpointId, EndpointState, Env, NotificationId, ReplyId, ReplyState, ThreadId};

const BROKEN: Invariant = Invariant::Queues;

/// What a thread says of itself.
pub(super) fn thread<M: Machine>(k: &Kernel<M>, t: ThreadId, totals: &mut Totals) -> Found {
    let thread = k.thread(t);
    let waits = match thread.state {
        ThreadState::Sending | ThreadState::Receiving | ThreadState::Waiting => true,
        ThreadState::Inactive | ThreadState::Ready | ThreadState::Calling => false,
    };
    totals.waiting += waits as u64;
    let linked = thread.next.is_some() || thread.prev.is_some();
    ensure(waits == (thread.waits_for != 0), BROKEN)?;
    ensure(waits || !linked, BROKEN)?;
    let reply = match thread.state {
        ThreadState::Calling => ReplyState::Owed,
        ThreadState::Receiving => ReplyState::Offered,
        _ => ReplyState::Idle,
    };
    match thread.reply {
        Some(r) => {
            let r = k.reply(r);
            let mine = r.peer == Some(t) && r.state == reply && reply != ReplyState::Idle;
            ensure(mine, BROKEN)?;
        }
        None => ensure(reply != ReplyState::Owed, BROKEN)?,
    }
    if let Some(r) = thread.donor {
        ensure(k.reply(r).borrower == Some(t), BROKEN)?;
        // What is lent is never the borrower's own.
        ensure(thread.sc.is_none() || thread.sc != thread.home, BROKEN)?;
    }
    let waits_for_answer = matches!(thread.state, ThreadState::Sending | ThreadState::Calling);
    ensure(waits_for_answer || !thread.faulted, BROKEN)
}

/// Walks a queue: every thread in it is in this state and waits for this object.
fn walk<M: Machine>(
    k: &Kernel<M>,
    queue: WaitQueue,
    state: ThreadState,
    object: usize,
    totals: &mut Totals,
) -> Found {
    let mut before = None;
    let mut at = queue.head;
    while let Some(t) = at {
        let thread = k.thread(t);
        let right = thread.state == state && thread.waits_for == object;
        ensure(right && thread.prev == before, BROKEN)?;
        // More threads than capabilities: the links run in a circle.
        totals.queued += 1;
        ensure(totals.queued <= totals.capabilities, BROKEN)?;
        before = at;
        at = thread.next;
    }
    ensure(queue.tail == before, BROKEN)
}

/// An endpoint and its queue.
pub(super) fn endpoint<M: Machine>(k: &Kernel<M>, id: EndpointId, totals: &mut Totals) -> Found {
    let ep = k.endpoint(id);
    let state = match ep.state {
        EndpointState::Idle => return ensure(ep.queue == WaitQueue::default(), BROKEN),
        EndpointState::Sending => ThreadState::Sending,
        EndpointState::Receiving => ThreadState::Receiving,
    };
    ensure(!ep.queue.is_empty(), BROKEN)?;
    walk(k, ep.queue, state, id.address(), totals)
}

/// A notification and its queue.
pub(super) fn notification<M: Machine>(
    k: &Kernel<M>,
    id: NotificationId,
    totals: &mut Totals,
) -> Found {
    let n = k.notification(id);
    ensure(n.word == 0 || n.queue.is_empty(), BROKEN)?;
    if let Some(t) = n.bound {
        let binding = t.binding(ThreadBinding::Notification as usize);
        ensure(k.slot(binding).object == id.address(), BROKEN)?;
        let receives = k.thread(t).state == ThreadState::Receiving;
        ensure(n.word == 0 || !receives, BROKEN)?;
    }
    walk(k, n.queue, ThreadState::Waiting, id.address(), totals)
}

/// A reply and the thread that it is about.
pub(super) fn reply<M: Machine>(k: &Kernel<M>, id: ReplyId) -> Found {
    let r = k.reply(id);
    if let Some(borrower) = r.borrower {
        let lent = r.state == ReplyState::Owed && k.thread(borrower).donor == Some(id);
        ensure(lent, BROKEN)?;
    }
    let state = match r.state {
        ReplyState::Idle => return ensure(r.peer.is_none(), BROKEN),
        ReplyState::Offered => ThreadState::Receiving,
        ReplyState::Owed => ThreadState::Calling,
    };
    let peer = r.peer.ok_or(BROKEN)?;
    let thread = k.thread(peer);
    ensure(thread.reply == Some(id) && thread.state == state, BROKEN)
}
