//! Answering a caller.

use crate::env::Env;
use crate::object::{ReplyId, ReplyState};
use crate::thread::ThreadId;
use crate::{time, transfer};
use pagurus_abi::fault::FaultReply;
use pagurus_abi::layout::USER_END;
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Error, MessageInfo};

/// `server` answers the caller that `reply` is owed to.
///
/// Capabilities go along: that the server may answer at all was decided by whoever called it.
///
/// # Errors
/// `NoCaller` if nobody waits.
#[inline]
pub fn reply<E: Env + ?Sized>(
    e: &mut E,
    server: ThreadId,
    id: ReplyId,
    info: MessageInfo,
) -> Result<(), Error> {
    let r = *e.reply(id);
    let Some(caller) = r.peer else {
        return Err(Error::NoCaller);
    };
    if r.state != ReplyState::Owed {
        return Err(Error::NoCaller);
    }
    let r = e.reply_mut(id);
    r.peer = None;
    r.state = ReplyState::Idle;
    e.thread_mut(caller).reply = None;
    if e.thread(caller).faulted {
        after_fault(e, server, caller, id, info);
        return Ok(());
    }
    transfer::message(e, server, caller, info, 0, true);
    time::give_back(e, server, caller, id);
    Ok(())
}

/// The handler has said what is to become of a thread that faulted.
fn after_fault<E: Env + ?Sized>(
    e: &mut E,
    server: ThreadId,
    thread: ThreadId,
    id: ReplyId,
    info: MessageInfo,
) {
    let words = e.thread(server).frame.words();
    let t = e.thread_mut(thread);
    t.faulted = false;
    let resumes_at = info.label() == FaultReply::ResumeAt as u64;
    // Beyond the user's addresses the return to user mode itself would fault, in the kernel.
    let astray = resumes_at && words[0] >= USER_END;
    if astray || info.label() >= FaultReply::Stop as u64 {
        t.state = ThreadState::Inactive;
        // It had lent its time on, and will not get it back.
        time::detach(e, thread);
        // The time goes home with its owner, who sleeps.
        if time::release(e, id) == Some(server) {
            time::detach(e, server);
            time::resume(e, server);
        }
        return;
    }
    if resumes_at {
        t.frame.rip = words[0];
        if info.words() > 1 && words[1] != 0 {
            t.frame.rsp = words[1];
        }
    }
    time::give_back(e, server, thread, id);
}
