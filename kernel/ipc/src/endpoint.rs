//! Sending and receiving.

use crate::env::Env;
use crate::object::{EndpointId, EndpointState, ReplyId, ReplyState};
use crate::thread::ThreadId;
use crate::{cancel, notification, time, transfer};
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Error, MessageInfo};

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its description.
    pub info: MessageInfo,
    /// Badge of the capability that it is sent by.
    pub badge: u64,
    /// Whether that capability lets capabilities through.
    pub grants: bool,
    /// Whether the sender wants a reply.
    pub calls: bool,
    /// Whether the sender will wait for a receiver.
    pub waits: bool,
    /// Whether this is a fault report rather than a system call of the sender.
    pub fault: bool,
}

/// What became of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is complete (or failed, as the thread's registers say) and the thread can go on.
    Complete,
    /// The thread waits.
    Blocked,
}

/// What became of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// A message or signals are in the thread's registers.
    Complete,
    /// The thread waits.
    Blocked,
    /// A caller was refused because no reply is offered; there may be more of them, so the receive is to be made again.
    Again,
}

/// `t` sends to `ep`.
///
/// # Errors
/// `WouldBlock` if nobody receives and the sender will not wait, `NoReply` if the receiver cannot answer a call; the system call
/// is then to be completed with the error. A fault report never fails: it is left unsent and the thread inactive.
#[inline]
pub fn send<E: Env + ?Sized>(
    e: &mut E,
    t: ThreadId,
    ep: EndpointId,
    out: Outgoing,
) -> Result<Done, Error> {
    let endpoint = *e.endpoint(ep);
    if endpoint.state != EndpointState::Receiving {
        if !out.waits {
            return Err(Error::WouldBlock);
        }
        enqueue_sender(e, t, ep, out);
        return Ok(Done::Blocked);
    }
    let Some(receiver) = endpoint.queue.head else {
        return Err(Error::WouldBlock);
    };
    let reply = e.thread(receiver).reply;
    if out.calls && reply.is_none() {
        return Err(Error::NoReply);
    }
    dequeue(e, ep, receiver);
    deliver(e, t, receiver, reply, out);
    Ok(if out.calls {
        Done::Blocked
    } else {
        Done::Complete
    })
}

/// Hands a message to `receiver`, which is in no queue and offers `reply`.
#[inline]
fn deliver<E: Env + ?Sized>(
    e: &mut E,
    sender: ThreadId,
    receiver: ThreadId,
    reply: Option<ReplyId>,
    out: Outgoing,
) {
    if out.fault {
        transfer::fault(e, sender, receiver, out.badge);
    } else {
        transfer::message(e, sender, receiver, out.info, out.badge, out.grants);
    }
    let r = e.thread_mut(receiver);
    r.waits_for = 0;
    r.reply = None;
    match reply {
        Some(id) if out.calls => {
            let slot = e.reply_mut(id);
            slot.peer = Some(sender);
            slot.state = ReplyState::Owed;
            let s = e.thread_mut(sender);
            s.state = ThreadState::Calling;
            s.reply = Some(id);
            s.faulted = out.fault;
            time::lend(e, sender, receiver, id);
        }
        _ => {
            withdraw(e, reply);
            time::resume(e, receiver);
        }
    }
}

/// A reply that was offered is not needed.
fn withdraw<E: Env + ?Sized>(e: &mut E, reply: Option<ReplyId>) {
    if let Some(id) = reply {
        let r = e.reply_mut(id);
        r.peer = None;
        r.state = ReplyState::Idle;
    }
}

fn enqueue_sender<E: Env + ?Sized>(e: &mut E, t: ThreadId, ep: EndpointId, out: Outgoing) {
    let thread = e.thread_mut(t);
    thread.state = ThreadState::Sending;
    thread.waits_for = ep.address();
    thread.badge = out.badge;
    thread.info = out.info;
    thread.grants = out.grants;
    thread.calls = out.calls;
    thread.faulted = out.fault;
    let queue = e.endpoint(ep).queue.push(e, t);
    let endpoint = e.endpoint_mut(ep);
    endpoint.queue = queue;
    endpoint.state = EndpointState::Sending;
    time::block_sending(e, t);
}

/// Takes `t` out of the queue of `ep`.
#[inline]
pub fn dequeue<E: Env + ?Sized>(e: &mut E, ep: EndpointId, t: ThreadId) {
    let queue = e.endpoint(ep).queue.remove(e, t);
    let endpoint = e.endpoint_mut(ep);
    endpoint.queue = queue;
    if queue.is_empty() {
        endpoint.state = EndpointState::Idle;
    }
}

/// `t` receives from `ep` and offers `reply` for a caller.
///
/// # Errors
/// `WouldBlock` if nobody sends and the receiver will not wait; `ReplyBusy` if the reply is owed to somebody or offered by
/// another thread.
#[inline]
pub fn receive<E: Env + ?Sized>(
    e: &mut E,
    t: ThreadId,
    ep: EndpointId,
    reply: Option<ReplyId>,
    waits: bool,
) -> Result<Receipt, Error> {
    if let Some(id) = reply
        && e.reply(id).state != ReplyState::Idle
    {
        return Err(Error::ReplyBusy);
    }
    if notification::take_bound(e, t) {
        return Ok(Receipt::Complete);
    }
    let endpoint = *e.endpoint(ep);
    if endpoint.state == EndpointState::Sending
        && let Some(sender) = endpoint.queue.head
    {
        dequeue(e, ep, sender);
        let s = e.thread(sender);
        let out = Outgoing {
            info: s.info,
            badge: s.badge,
            grants: s.grants,
            calls: s.calls,
            waits: true,
            fault: s.faulted,
        };
        e.thread_mut(sender).waits_for = 0;
        if out.calls && reply.is_none() {
            cancel::fail(e, sender, Error::NoReply);
            return Ok(Receipt::Again);
        }
        deliver(e, sender, t, reply, out);
        if !out.calls {
            e.thread_mut(sender).frame.complete(0);
            time::resume(e, sender);
        }
        return Ok(Receipt::Complete);
    }
    if !waits {
        return Err(Error::WouldBlock);
    }
    enqueue_receiver(e, t, ep, reply);
    time::detach(e, t);
    Ok(Receipt::Blocked)
}

/// Puts `t` into the queue of `ep` as a receiver; its context is the caller's business.
#[inline]
pub fn enqueue_receiver<E: Env + ?Sized>(
    e: &mut E,
    t: ThreadId,
    ep: EndpointId,
    reply: Option<ReplyId>,
) {
    let thread = e.thread_mut(t);
    thread.state = ThreadState::Receiving;
    thread.waits_for = ep.address();
    thread.reply = reply;
    if let Some(id) = reply {
        let r = e.reply_mut(id);
        r.peer = Some(t);
        r.state = ReplyState::Offered;
    }
    let queue = e.endpoint(ep).queue.push(e, t);
    let endpoint = e.endpoint_mut(ep);
    endpoint.queue = queue;
    endpoint.state = EndpointState::Receiving;
}
