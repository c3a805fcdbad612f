//! Ending a wait from outside.

use crate::env::Env;
use crate::object::{EndpointId, NotificationId, ReplyId, ReplyState};
use crate::thread::ThreadId;
use crate::{endpoint, time};
use pagurus_abi::Error;
use pagurus_abi::method::ThreadState;

/// Takes `t` out of whatever it waits for, without completing its system call or waking it.
pub fn withdraw<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    let thread = e.thread_mut(t);
    let waits_for = core::mem::take(&mut thread.waits_for);
    let state = thread.state;
    if let Some(reply) = thread.reply.take() {
        time::release(e, reply);
        let r = e.reply_mut(reply);
        r.peer = None;
        r.state = ReplyState::Idle;
    }
    match state {
        ThreadState::Sending | ThreadState::Receiving => {
            if let Some(ep) = EndpointId::new(waits_for) {
                endpoint::dequeue(e, ep, t);
            }
        }
        ThreadState::Waiting => {
            if let Some(n) = NotificationId::new(waits_for) {
                let queue = e.notification(n).queue.remove(e, t);
                e.notification_mut(n).queue = queue;
            }
        }
        ThreadState::Inactive | ThreadState::Ready | ThreadState::Calling => {}
    }
}

/// Ends the wait of `t`, which is in no queue any more, with an error. A thread that waits for its fault handler
/// becomes inactive: there is no system call to complete, and trying again would fault again.
pub fn fail<E: Env + ?Sized>(e: &mut E, t: ThreadId, error: Error) {
    let thread = e.thread_mut(t);
    if core::mem::take(&mut thread.faulted) {
        thread.state = ThreadState::Inactive;
        time::detach(e, t);
        return;
    }
    thread.frame.fail(error);
    time::resume(e, t);
}

/// Ends the wait of `t` with `Canceled`.
pub fn cancel<E: Env + ?Sized>(e: &mut E, t: ThreadId) {
    withdraw(e, t);
    fail(e, t, Error::Canceled);
}

/// The endpoint goes away: whoever waits there is told. One thread at a time; `false` once nobody is left.
pub fn empty_endpoint<E: Env + ?Sized>(e: &mut E, ep: EndpointId) -> bool {
    match e.endpoint(ep).queue.head {
        Some(t) => {
            cancel(e, t);
            true
        }
        None => false,
    }
}

/// The notification goes away: whoever waits there is told. One thread at a time; `false` once nobody is left.
pub fn empty_notification<E: Env + ?Sized>(e: &mut E, n: NotificationId) -> bool {
    match e.notification(n).queue.head {
        Some(t) => {
            cancel(e, t);
            true
        }
        None => false,
    }
}

/// The reply goes away: its caller is told, its receiver offers it no more.
pub fn drop_reply<E: Env + ?Sized>(e: &mut E, id: ReplyId) {
    let r = *e.reply(id);
    let Some(peer) = r.peer else { return };
    match r.state {
        ReplyState::Idle => {}
        ReplyState::Offered => {
            e.thread_mut(peer).reply = None;
            let r = e.reply_mut(id);
            r.peer = None;
            r.state = ReplyState::Idle;
        }
        ReplyState::Owed => cancel(e, peer),
    }
}
