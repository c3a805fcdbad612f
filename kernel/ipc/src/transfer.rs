//! Moving a message from one thread to another.

use crate::env::Env;
use crate::thread::ThreadId;
use pagurus_abi::fault::{FAULT_WORDS, FaultKind};
use pagurus_abi::message::{MAX_CAPS, REGISTER_WORDS, TransferMode};
use pagurus_abi::{MessageInfo, Rights};
use pagurus_cap::derive::{self, Refinement};
use pagurus_cap::{SlotId, Slots};

/// Vector of page faults (SDM volume 3, 6.15).
const PAGE_FAULT: u64 = 14;

/// Hands the message described by `info` in `from` to `to` and completes the receive of `to`.
///
/// Words beyond the registers need an IPC buffer on both sides, capabilities too; what cannot be transferred is left out, and the
/// counts that the receiver sees say so.
#[inline]
pub fn message<E: Env + ?Sized>(
    e: &mut E,
    from: ThreadId,
    to: ThreadId,
    info: MessageInfo,
    badge: u64,
    grants: bool,
) {
    let words = e.thread(from).frame.words();
    let received = if info.is_short() {
        info
    } else {
        long(e, from, to, info, grants)
    };
    let frame = &mut e.thread_mut(to).frame;
    frame.rax = 0;
    frame.rdi = badge;
    frame.rsi = received.0;
    [frame.rdx, frame.r10, frame.r8, frame.r9] = words;
    frame.completed = 1;
}

/// Hands the report of the fault of `from` to `to` and completes the receive of `to`.
pub fn fault<E: Env + ?Sized>(e: &mut E, from: ThreadId, to: ThreadId, badge: u64) {
    let thread = e.thread(from);
    let ([vector, code, address], frame) = (thread.fault, thread.frame);
    let kind = if vector == PAGE_FAULT {
        FaultKind::Page
    } else {
        FaultKind::Exception
    };
    let target = e.thread(to).buffer;
    let words = if target != 0 {
        e.write_word(target, 4, frame.rsp);
        e.write_word(target, 5, frame.rflags);
        FAULT_WORDS
    } else {
        REGISTER_WORDS
    };
    let info = MessageInfo::new(kind as u64, words, 0);
    let receiver = &mut e.thread_mut(to).frame;
    receiver.complete_with([vector, code, address, frame.rip]);
    receiver.rdi = badge;
    receiver.rsi = info.0 | MessageInfo::FAULT;
}

fn long<E: Env + ?Sized>(
    e: &mut E,
    from: ThreadId,
    to: ThreadId,
    info: MessageInfo,
    grants: bool,
) -> MessageInfo {
    let (source, target) = (e.thread(from).buffer, e.thread(to).buffer);
    let mut words = info.words();
    if words > REGISTER_WORDS {
        if source != 0 && target != 0 {
            e.copy_words(source, target, words);
        } else {
            words = REGISTER_WORDS;
        }
    }
    let mut caps = 0;
    if grants && source != 0 && target != 0 {
        caps = capabilities(e, from, to, info.caps());
    }
    MessageInfo::new(info.label(), words, caps)
}

/// Transfers up to `count` capabilities in order and returns how many went; stops at the first that cannot.
fn capabilities<E: Env + ?Sized>(e: &mut E, from: ThreadId, to: ThreadId, count: usize) -> usize {
    let (source, target) = (e.thread(from).buffer, e.thread(to).buffer);
    let (base, window) = e.receive_window(target);
    let count = count.min(MAX_CAPS).min(window as usize);
    for n in 0..count {
        let cap = e.cap_to_send(source, n);
        let Ok(at) = e.thread(from).slot_at(cap.index as u64) else {
            return n;
        };
        let Ok(place) = e.thread(to).slot_at(base as u64 + n as u64) else {
            return n;
        };
        let Some(home) = e.thread(to).cspace else {
            return n;
        };
        if place == home || one(e, at, place, home, cap.rights, cap.mode).is_err() {
            return n;
        }
    }
    count
}

fn one<S: Slots + ?Sized>(
    s: &mut S,
    from: SlotId,
    to: SlotId,
    home: SlotId,
    rights: u8,
    mode: u8,
) -> Result<(), pagurus_abi::Error> {
    if mode == TransferMode::Move as u8 {
        derive::move_to(s, from, to, home.address())
    } else {
        let rights = Rights::from_bits_truncate(rights);
        derive::mint(s, from, to, home.address(), rights, Refinement::Plain)
    }
}
