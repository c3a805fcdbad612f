//! Signals.

use crate::env::Env;
use crate::object::{NotificationId, ReplyState};
use crate::thread::ThreadId;
use crate::{endpoint, time};
use pagurus_abi::MessageInfo;
use pagurus_abi::method::ThreadState;

use crate::object::EndpointId;

/// What a capability without a badge signals.
const UNBADGED: u64 = 1;

/// What a capability with this badge signals; a word of 0 means that there is no signal.
#[inline(always)]
pub const fn bits(badge: u64) -> u64 {
    if badge == 0 { UNBADGED } else { badge }
}

/// Adds `badge`, the badge of the capability that is used, to the notification and wakes who waits for it.
#[inline]
pub fn signal<E: Env + ?Sized>(e: &mut E, id: NotificationId, badge: u64) {
    let n = e.notification_mut(id);
    let word = n.word | bits(badge);
    if let Some(waiter) = n.queue.head {
        n.word = 0;
        let queue = e.notification(id).queue.remove(e, waiter);
        e.notification_mut(id).queue = queue;
        finish(e, waiter, word, 0);
        time::resume(e, waiter);
        return;
    }
    n.word = word;
    if let Some(bound) = n.bound {
        match e.thread(bound).state {
            ThreadState::Receiving => end_receive(e, id, bound),
            ThreadState::Ready => e.signalled(bound),
            _ => {}
        }
    }
}

/// Binds the notification to `t`; neither is bound to another. Signals that wait end a receive that waits.
pub fn bind<E: Env + ?Sized>(e: &mut E, id: NotificationId, t: ThreadId) {
    e.thread_mut(t).notification = Some(id);
    let n = e.notification_mut(id);
    n.bound = Some(t);
    if n.word != 0 && e.thread(t).state == ThreadState::Receiving {
        end_receive(e, id, t);
    }
}

/// Ends the receive of `bound` with all signals of its notification, which has some.
fn end_receive<E: Env + ?Sized>(e: &mut E, id: NotificationId, bound: ThreadId) {
    let word = core::mem::take(&mut e.notification_mut(id).word);
    if let Some(ep) = EndpointId::new(e.thread(bound).waits_for) {
        endpoint::dequeue(e, ep, bound);
    }
    if let Some(reply) = e.thread_mut(bound).reply.take() {
        let r = e.reply_mut(reply);
        r.peer = None;
        r.state = ReplyState::Idle;
    }
    finish(e, bound, word, MessageInfo::SIGNAL);
    time::resume(e, bound);
}

/// Completes a wait or receive with signals.
fn finish<E: Env + ?Sized>(e: &mut E, t: ThreadId, word: u64, info: u64) {
    let thread = e.thread_mut(t);
    thread.waits_for = 0;
    thread.frame.complete(0);
    thread.frame.rdi = word;
    thread.frame.rsi = info;
}

/// Completes a receive of `t` with the signals of its bound notification, if it has any.
#[inline]
pub fn take_bound<E: Env + ?Sized>(e: &mut E, t: ThreadId) -> bool {
    let Some(id) = e.thread(t).notification else {
        return false;
    };
    let word = core::mem::take(&mut e.notification_mut(id).word);
    if word == 0 {
        return false;
    }
    finish(e, t, word, MessageInfo::SIGNAL);
    true
}

/// Fetches the signals; `None` if there are none.
#[inline(always)]
pub fn poll<E: Env + ?Sized>(e: &mut E, id: NotificationId) -> Option<u64> {
    let word = core::mem::take(&mut e.notification_mut(id).word);
    (word != 0).then_some(word)
}

/// `t` waits for signals, of which there are none.
pub fn wait<E: Env + ?Sized>(e: &mut E, t: ThreadId, id: NotificationId) {
    let thread = e.thread_mut(t);
    thread.state = ThreadState::Waiting;
    thread.waits_for = id.address();
    let queue = e.notification(id).queue.push(e, t);
    e.notification_mut(id).queue = queue;
    time::detach(e, t);
}
