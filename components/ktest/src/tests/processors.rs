//! Several processors. On a machine with one these tests have nothing to try and pass.

use crate::report::{Outcome, ensure, equal};
use crate::world::{CNODE, SPACE, Time, World, check, park, peek, whole};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::{MessageInfo, Rights};
use pagurus_rt::object::{Endpoint, Mint, Notification, Reply};

static COUNTS: [AtomicU64; 64] = [const { AtomicU64::new(0) }; 64];

/// Waits until `condition` holds. Other processors make it so.
fn until(condition: impl Fn() -> bool) {
    while !condition() {
        core::hint::spin_loop();
    }
}

/// Answers signals on `from` by signals on `to`.
extern "C" fn answer(from: u64, to: u64) -> ! {
    let (from, to) = (
        Cap::<Notification>::new(from as u32),
        Cap::<Notification>::new(to as u32),
    );
    while from.wait().is_ok() {
        let _ = to.signal();
    }
    park()
}

pub fn wake_up_elsewhere(w: &mut World) -> Outcome {
    for cpu in 1..w.cpus() {
        let (there, back) = (w.make::<Notification>()?, w.make::<Notification>()?);
        w.spawn(
            Time::unlimited(cpu, 100),
            answer,
            there.index().into(),
            back.index().into(),
        )?;
        for _ in 0..200 {
            there.signal()?;
            back.wait()?;
        }
    }
    Ok(())
}

/// Calls an endpoint many times, each time checking the answer; then signals.
extern "C" fn client(endpoint: u64, done: u64) -> ! {
    let (endpoint, id) = (Cap::<Endpoint>::new(endpoint as u32), endpoint >> 32);
    for n in 0..300 {
        let answer = endpoint.call(MessageInfo::new(0, 2, 0), [id, n, 0, 0]);
        if !answer.is_ok_and(|a| a.words[0] == id && a.words[1] == n * 2) {
            park();
        }
        COUNTS[id as usize].fetch_add(1, SeqCst);
    }
    let _ = Cap::<Notification>::new(done as u32).signal();
    park()
}

/// Doubles the second word.
extern "C" fn doubler(endpoint: u64, reply: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(endpoint as u32),
        Cap::<Reply>::new(reply as u32),
    );
    let mut message = endpoint.recv(reply);
    while let Ok(m) = message {
        let words = [m.words[0], m.words[1] * 2, 0, 0];
        message = endpoint.reply_recv(reply, MessageInfo::new(0, 2, 0), words);
    }
    park()
}

pub fn call_across(w: &mut World) -> Outcome {
    COUNTS.iter().for_each(|c| c.store(0, SeqCst));
    let (endpoint, reply) = w.meeting()?;
    w.spawn(
        Time::unlimited(0, 100),
        doubler,
        endpoint.index().into(),
        reply.index().into(),
    )?;
    let done = w.make::<Notification>()?;
    let mut clients = 0;
    let mut expected = 0;
    for cpu in 0..w.cpus() {
        let badged = w.slot();
        CNODE.mint(
            badged,
            World::at(done.index()),
            Rights::WRITE,
            Mint::Badge(1 << cpu),
        )?;
        let argument = u64::from(endpoint.index()) | u64::from(cpu) << 32;
        w.spawn(Time::unlimited(cpu, 90), client, argument, badged.into())?;
        clients += 1;
        expected |= 1 << cpu;
    }
    let mut seen = 0;
    while seen != expected {
        seen |= done.wait()?;
    }
    let calls: u64 = COUNTS.iter().map(|c| c.load(SeqCst)).sum();
    equal("calls", calls, clients * 300)
}

/// Reads a page for ever and counts.
extern "C" fn reader(address: u64, n: u64) -> ! {
    loop {
        peek(address);
        COUNTS[n as usize].fetch_add(1, SeqCst);
    }
}

pub fn shoot_down(w: &mut World) -> Outcome {
    if w.cpus() < 2 {
        return Ok(());
    }
    for round in 0..20 {
        COUNTS.iter().for_each(|c| c.store(0, SeqCst));
        let (frame, address) = w.mapped(12)?;
        let (endpoint, reply) = w.meeting()?;
        let worker = w.thread(Time::unlimited(1, 100))?;
        worker.thread.bind_fault_endpoint(endpoint)?;
        w.start(worker, reader, address, 1)?;
        until(|| COUNTS[1].load(SeqCst) > 1000);
        frame.unmap()?;
        // It must fault now, not when its processor happens to forget the translation.
        let count = COUNTS[1].load(SeqCst);
        let fault = endpoint.recv(reply)?;
        ensure("it is a fault", fault.info.is_fault())?;
        equal("at the page", fault.words[2], address)?;
        // One read may have been under way and counted afterwards.
        ensure(
            "no read after the unmapping",
            COUNTS[1].load(SeqCst) <= count + 1,
        )?;
        // With another page there it goes on.
        if round % 2 == 0 {
            frame.map(SPACE, whole(address, 12, Rights::READ))?;
            reply.reply(MessageInfo::new(0, 0, 0), [0; 4])?;
            let before = COUNTS[1].load(SeqCst);
            until(|| COUNTS[1].load(SeqCst) > before);
            worker.thread.suspend()?;
        }
    }
    Ok(())
}

pub fn stop_a_running_thread(w: &mut World) -> Outcome {
    for cpu in 1..w.cpus() {
        COUNTS.iter().for_each(|c| c.store(0, SeqCst));
        let (_, address) = w.mapped(12)?;
        let worker = w.spawn(Time::unlimited(cpu, 100), reader, address, 2)?;
        for _ in 0..50 {
            let before = COUNTS[2].load(SeqCst);
            until(|| COUNTS[2].load(SeqCst) > before);
            worker.thread.suspend()?;
            let stopped = COUNTS[2].load(SeqCst);
            let registers = worker.thread.read_registers()?;
            for _ in 0..1000 {
                equal(
                    "counts after it was stopped",
                    COUNTS[2].load(SeqCst),
                    stopped,
                )?;
            }
            worker.thread.write_registers(&registers)?;
            worker.thread.resume()?;
        }
        // Deleted while it runs.
        CNODE.delete(worker.thread.index())?;
        let stopped = COUNTS[2].load(SeqCst);
        for _ in 0..1000 {
            equal(
                "counts after it was deleted",
                COUNTS[2].load(SeqCst),
                stopped,
            )?;
        }
        check()?;
    }
    Ok(())
}

/// Derives capabilities from slot `from` into slots from `to` on and deletes them, for ever, and counts.
extern "C" fn deriver(from: u64, to: u64) -> ! {
    let (first, n) = (to as u32, to >> 32);
    loop {
        for index in first..first + 16 {
            let _ = CNODE.mint(index, World::at(from as u32), Rights::all(), Mint::Plain);
        }
        for index in first..first + 16 {
            let _ = CNODE.delete(index);
        }
        COUNTS[n as usize].fetch_add(1, SeqCst);
    }
}

pub fn revoke_under_way(w: &mut World) -> Outcome {
    if w.cpus() < 2 {
        return Ok(());
    }
    COUNTS.iter().for_each(|c| c.store(0, SeqCst));
    let endpoint = w.make::<Endpoint>()?;
    for cpu in 1..w.cpus() {
        let first = w.slots(16);
        let to = u64::from(first) | u64::from(cpu) << 32;
        w.spawn(
            Time::unlimited(cpu, 100),
            deriver,
            endpoint.index().into(),
            to,
        )?;
    }
    until(|| (1..w.cpus()).all(|cpu| COUNTS[cpu as usize].load(SeqCst) > 5));
    for _ in 0..200 {
        CNODE.revoke(endpoint.index())?;
    }
    check()?;
    // With the endpoint gone there is nothing to derive from.
    CNODE.delete(endpoint.index())?;
    check()
}
