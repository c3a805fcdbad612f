//! The supervisor's helpers: one that wakes it after every time slice, one that answers faults.
//!
//! Both run in root's place, in its address space and with its capabilities. The supervisor itself never receives from
//! anybody but the first: a call lends the caller's time, and a supervisor on a fuzzer's time would be at its mercy.
//! The catcher is; it is started again when it does not get on.

use crate::layout::{MAX_FUZZERS, stack_top};
use crate::random::{self, Choice, Random};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pagurus_rt::Cap;
use pagurus_rt::abi::MessageInfo;
use pagurus_rt::abi::fault::FaultReply;
use pagurus_rt::object::{Endpoint, Notification, Reply};
use pagurus_rt::syscall::{Received, yield_now};

/// Badge of the fault endpoint in the hands of fuzzers; those of their faults are smaller.
pub const JUNK: u64 = 0xffff;
/// Vector of the debug exception.
const DEBUG: u64 = 1;

/// Faults that were answered.
pub static FAULTS: AtomicU64 = AtomicU64::new(0);
/// Messages that fuzzers sent to the fault endpoint.
pub static MESSAGES: AtomicU64 = AtomicU64::new(0);
/// How often the catcher was started.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// Signals once in every period: the rest of its budget it gives up. With a high priority it ends the supervisor's wait
/// in time, with the lowest it tells that its processor has nothing better to do.
pub extern "C" fn ticker(notification: u64, _: u64) -> ! {
    let notification = Cap::<Notification>::new(notification as u32);
    loop {
        // Nothing can be done about a refusal here; the harness notices that all stands still.
        let _ = notification.signal();
        yield_now();
    }
}

/// Answers faults: most threads go on where fuzzers begin.
pub extern "C" fn catcher(endpoint: u64, reply: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(endpoint as u32),
        Cap::<Reply>::new(reply as u32),
    );
    let mut random = Random(random::stream(
        reply.index().into(),
        STARTS.fetch_add(1, Relaxed),
    ));
    // Somebody may still wait for what the last catcher did not say.
    let _ = reply.reply(label(FaultReply::Stop), [0; 4]);
    let mut received = endpoint.recv(reply);
    loop {
        received = match received {
            Ok(message) => {
                let (info, words) = answer(&mut random, &message);
                endpoint.reply_recv(reply, info, words)
            }
            Err(_) => endpoint.recv(reply),
        };
    }
}

fn label(reply: FaultReply) -> MessageInfo {
    MessageInfo::new(reply as u64, 0, 0)
}

fn answer(random: &mut Random, message: &Received) -> (MessageInfo, [u64; 4]) {
    if !message.info.is_fault() {
        MESSAGES.fetch_add(1, Relaxed);
        return (MessageInfo::new(0, 2, 0), message.words);
    }
    FAULTS.fetch_add(1, Relaxed);
    let who = message.badge.wrapping_sub(1) as usize;
    // Who faults by a debug exception has the trap flag set, and would after every instruction.
    if who >= MAX_FUZZERS || message.words[0] == DEBUG {
        return (label(FaultReply::Stop), [0; 4]);
    }
    match random.below(16) {
        0 => (label(FaultReply::Retry), [0; 4]),
        1 => (label(FaultReply::Stop), [0; 4]),
        2 => (MessageInfo::new(random.any() & 0xff, 2, 0), message.words),
        _ => (
            MessageInfo::new(FaultReply::ResumeAt as u64, 2, 0),
            [crate::fuzzer::entry(), stack_top(who), 0, 0],
        ),
    }
}
