//! Messages, signals, and capabilities that travel.

use crate::report::{Outcome, ensure, equal, refused};
use crate::world::{CNODE, Time, World, park, peek};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::message::CapTransfer;
use pagurus_rt::abi::{Error, Kind, MessageInfo, Rights};
use pagurus_rt::ipc_buffer::Buffer;
use pagurus_rt::object::{Endpoint, Mint, Notification, Reply};

static SEEN: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

/// Packs two capabilities into a thread's argument.
fn pair(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> u64 {
    u64::from(endpoint.index()) | u64::from(reply.index()) << 32
}

/// Answers each call with its words plus one, its badge as label.
extern "C" fn adder(caps: u64, _: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(caps as u32),
        Cap::new((caps >> 32) as u32),
    );
    let mut message = endpoint.recv(reply);
    while let Ok(m) = message {
        let words = m.words.map(|word| word.wrapping_add(1));
        message = endpoint.reply_recv(reply, MessageInfo::new(m.badge, 4, 0), words);
    }
    park()
}

/// Signals a notification and waits for ever.
pub extern "C" fn signal_one(notification: u64, _: u64) -> ! {
    let _ = Cap::<Notification>::new(notification as u32).signal();
    park()
}

pub fn call_and_reply(w: &mut World) -> Outcome {
    let (endpoint, reply) = w.meeting()?;
    w.spawn(Time::unlimited(0, 100), adder, pair(endpoint, reply), 0)?;
    for n in 0..1000u64 {
        let answer = endpoint.call(MessageInfo::new(1, 4, 0), [n, 2, 3, u64::MAX])?;
        equal("first word", answer.words[0], n + 1)?;
        equal("last word", answer.words[3], 0)?;
        equal("words", answer.info.words() as u64, 4)?;
    }
    // Nobody to answer, nobody to be answered.
    refused(
        "an answer to nobody",
        w.make::<Reply>()?.reply(Default::default(), [0; 4]),
        Error::NoCaller,
    )
}

pub fn badges(w: &mut World) -> Outcome {
    let (endpoint, reply) = w.meeting()?;
    w.spawn(Time::unlimited(0, 100), adder, pair(endpoint, reply), 0)?;
    for badge in [1, 77, 0xffff_ffff_ffff] {
        let index = w.slot();
        CNODE.mint(
            index,
            World::at(endpoint.index()),
            Rights::WRITE,
            Mint::Badge(badge),
        )?;
        let answer = Cap::<Endpoint>::new(index).call(MessageInfo::new(0, 0, 0), [0; 4])?;
        equal("badge that the server saw", answer.info.label(), badge)?;
    }
    Ok(())
}

/// Receives one call with an IPC buffer at `buffer` and answers it with what arrived.
extern "C" fn taker(caps: u64, buffer: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(caps as u32),
        Cap::new((caps >> 32) as u32),
    );
    if let Ok(m) = endpoint.recv(reply) {
        // Words 4.. are in the buffer: answer with their sum.
        let sum = (4..m.info.words() as u64)
            .map(|n| peek(buffer + n * 8))
            .sum();
        let counts = [m.info.caps() as u64, m.info.words() as u64, sum, 0];
        let _ = reply.reply(MessageInfo::new(0, 4, 0), counts);
    }
    park()
}

/// Starts a taker whose buffer offers `slots` slots from `first` on.
fn start_taker(w: &mut World, first: u32, slots: u32) -> Result<Cap<Endpoint>, Error> {
    let (endpoint, reply) = w.meeting()?;
    let (frame, address) = w.mapped(12)?;
    let window = core::mem::offset_of!(pagurus_rt::abi::IpcBuffer, receive_base) as u64;
    crate::world::poke(address + window, u64::from(first) | u64::from(slots) << 32);
    let worker = w.thread(Time::unlimited(0, 100))?;
    worker.thread.bind_ipc_buffer(frame, 0)?;
    w.start(worker, taker, pair(endpoint, reply), address)?;
    Ok(endpoint)
}

pub fn capabilities_travel(w: &mut World) -> Outcome {
    let Some(buffer) = Buffer::current() else {
        return ensure("there is an IPC buffer", false);
    };
    let target = w.slots(4);
    let (a, b) = (w.make::<Endpoint>()?, w.make::<Notification>()?);
    let endpoint = start_taker(w, target, 4)?;
    buffer.set_send(&[
        CapTransfer::derive(a.index(), Rights::READ),
        CapTransfer::give(b.index()),
    ]);
    let answer = endpoint.call(MessageInfo::new(0, 0, 2), [0; 4])?;
    equal("capabilities that arrived", answer.words[0], 2)?;
    let first = CNODE.inspect(target)?;
    equal(
        "kind of the derived one",
        first.info.kind().map_or(0, |k| k as u64),
        Kind::Endpoint as u64,
    )?;
    equal(
        "its rights",
        first.info.rights().bits().into(),
        Rights::READ.bits().into(),
    )?;
    let second = CNODE.inspect(target + 1)?;
    equal(
        "kind of the one given",
        second.info.kind().map_or(0, |k| k as u64),
        Kind::Notification as u64,
    )?;
    equal(
        "it left its old slot",
        CNODE
            .inspect(b.index())?
            .info
            .kind()
            .map_or(9, |k| k as u64),
        0,
    )?;
    // Revoking the source takes the derived one back.
    CNODE.revoke(a.index())?;
    equal(
        "after revocation",
        CNODE.inspect(target)?.info.kind().map_or(9, |k| k as u64),
        0,
    )?;
    // Only as many as the receiver has room for.
    let narrow = w.slots(1);
    let endpoint = start_taker(w, narrow, 1)?;
    buffer.set_send(&[
        CapTransfer::derive(a.index(), Rights::READ),
        CapTransfer::derive(a.index(), Rights::READ),
    ]);
    let answer = endpoint.call(MessageInfo::new(0, 0, 2), [0; 4])?;
    equal("capabilities into one slot", answer.words[0], 1)?;
    // And none without the right to grant.
    let endpoint = start_taker(w, w.boot.first_free_slot + 5000, 4)?;
    let plain = w.slot();
    CNODE.mint(
        plain,
        World::at(endpoint.index()),
        Rights::WRITE,
        Mint::Plain,
    )?;
    let answer = Cap::<Endpoint>::new(plain).call(MessageInfo::new(0, 0, 2), [0; 4])?;
    equal("capabilities without the right", answer.words[0], 0)
}

pub fn long_messages(w: &mut World) -> Outcome {
    let Some(buffer) = Buffer::current() else {
        return ensure("there is an IPC buffer", false);
    };
    let endpoint = start_taker(w, 0, 0)?;
    let words: [u64; 240] = core::array::from_fn(|n| n as u64 * 3);
    buffer.write_words(4, &words[4..]);
    let answer = endpoint.call(MessageInfo::new(0, 240, 0), [1, 2, 3, 4])?;
    equal("words that arrived", answer.words[1], 240)?;
    equal("their sum", answer.words[2], words[4..].iter().sum())?;
    // A receiver without a buffer gets what fits in registers.
    let (endpoint, reply) = w.meeting()?;
    w.spawn(Time::unlimited(0, 100), taker, pair(endpoint, reply), 0)?;
    let answer = endpoint.call(MessageInfo::new(0, 240, 0), [1, 2, 3, 4])?;
    equal("words without a buffer", answer.words[1], 4)
}

/// Waits for a notification and puts what it got into `SEEN[0]`, then signals another.
extern "C" fn waiter(from: u64, to: u64) -> ! {
    if let Ok(word) = Cap::<Notification>::new(from as u32).wait() {
        SEEN[0].store(word, SeqCst);
        let _ = Cap::<Notification>::new(to as u32).signal();
    }
    park()
}

pub fn notifications(w: &mut World) -> Outcome {
    let (there, back) = (w.make::<Notification>()?, w.make::<Notification>()?);
    let badged = w.slots(2);
    for (n, badge) in [4, 8].into_iter().enumerate() {
        CNODE.mint(
            badged + n as u32,
            World::at(there.index()),
            Rights::WRITE,
            Mint::Badge(badge),
        )?;
        Cap::<Notification>::new(badged + n as u32).signal()?;
    }
    equal("both signals", there.wait()?, 12)?;
    refused("none left", there.poll(), Error::WouldBlock)?;
    refused(
        "waiting by a signaller",
        Cap::<Notification>::new(badged).wait(),
        Error::MissingRights,
    )?;
    w.spawn(
        Time::unlimited(0, 100),
        waiter,
        there.index().into(),
        back.index().into(),
    )?;
    Cap::<Notification>::new(badged).signal()?;
    back.wait()?;
    equal("what the waiter got", SEEN[0].load(SeqCst), 4)
}

/// Receives messages and signals, and counts them in `SEEN[1]` and `SEEN[2]`.
extern "C" fn listener(caps: u64, _: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(caps as u32),
        Cap::<Reply>::new((caps >> 32) as u32),
    );
    loop {
        match endpoint.recv(reply) {
            Ok(m) if m.info.is_signal() => {
                SEEN[2].fetch_or(m.badge, SeqCst);
            }
            Ok(_) => {
                SEEN[1].fetch_add(1, SeqCst);
                let _ = reply.reply(MessageInfo::new(0, 1, 0), [SEEN[2].load(SeqCst), 0, 0, 0]);
            }
            Err(_) => park(),
        }
    }
}

pub fn bound_notification(w: &mut World) -> Outcome {
    SEEN.iter().for_each(|s| s.store(0, SeqCst));
    let (endpoint, reply) = w.meeting()?;
    let notification = w.make::<Notification>()?;
    let worker = w.thread(Time::unlimited(0, 100))?;
    worker.thread.bind_notification(notification)?;
    let other = w.thread(Time::unlimited(0, 100))?;
    refused(
        "a second thread",
        other.thread.bind_notification(notification),
        Error::AlreadyBound,
    )?;
    // Signalled before it receives, and while it does.
    let badged = w.slots(2);
    CNODE.mint(
        badged,
        World::at(notification.index()),
        Rights::WRITE,
        Mint::Badge(2),
    )?;
    CNODE.mint(
        badged + 1,
        World::at(notification.index()),
        Rights::WRITE,
        Mint::Badge(16),
    )?;
    Cap::<Notification>::new(badged).signal()?;
    w.start(worker, listener, pair(endpoint, reply), 0)?;
    let answer = endpoint.call(MessageInfo::new(0, 0, 0), [0; 4])?;
    equal("signals by the first call", answer.words[0], 2)?;
    Cap::<Notification>::new(badged + 1).signal()?;
    let answer = endpoint.call(MessageInfo::new(0, 0, 0), [0; 4])?;
    equal("signals by the second call", answer.words[0], 18)?;
    equal("calls", SEEN[1].load(SeqCst), 2)
}

/// Calls an endpoint and puts the error into `SEEN[3]`, then signals.
extern "C" fn caller(endpoint: u64, notification: u64) -> ! {
    let result = Cap::<Endpoint>::new(endpoint as u32).call(MessageInfo::new(0, 0, 0), [0; 4]);
    SEEN[3].store(result.err().map_or(0, |e| e as u64), SeqCst);
    let _ = Cap::<Notification>::new(notification as u32).signal();
    park()
}

pub fn destroyed_partner(w: &mut World) -> Outcome {
    let done = w.make::<Notification>()?;
    // The endpoint goes while a caller waits there.
    let endpoint = w.make::<Endpoint>()?;
    w.spawn(
        Time::unlimited(0, 100),
        caller,
        endpoint.index().into(),
        done.index().into(),
    )?;
    pass_time(w)?;
    CNODE.delete(endpoint.index())?;
    done.wait()?;
    equal(
        "error of the caller",
        SEEN[3].load(SeqCst),
        Error::Canceled as u64,
    )?;
    // The reply goes while the caller waits for the answer.
    let (endpoint, reply) = w.meeting()?;
    w.spawn(
        Time::unlimited(0, 100),
        caller,
        endpoint.index().into(),
        done.index().into(),
    )?;
    endpoint.recv(reply)?;
    CNODE.delete(reply.index())?;
    done.wait()?;
    equal(
        "error of the caller",
        SEEN[3].load(SeqCst),
        Error::Canceled as u64,
    )?;
    // Nobody can answer a call if the receiver offers no reply: the caller is told rather than left alone.
    w.spawn(
        Time::unlimited(0, 100),
        caller,
        endpoint.index().into(),
        done.index().into(),
    )?;
    pass_time(w)?;
    refused(
        "receiving without a reply",
        endpoint.try_recv(Cap::new(0)),
        Error::WouldBlock,
    )?;
    done.wait()?;
    equal(
        "error of the caller",
        SEEN[3].load(SeqCst),
        Error::NoReply as u64,
    )
}

/// Lets every thread of lower priority on processor 0 run until it waits.
pub fn pass_time(w: &mut World) -> Outcome {
    let notification = w.make::<Notification>()?;
    w.spawn(
        Time::unlimited(0, 1),
        signal_one,
        notification.index().into(),
        0,
    )?;
    notification.wait()?;
    Ok(())
}
