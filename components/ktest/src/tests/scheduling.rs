//! Who runs, and for how long.
#![allow(unsafe_code)] // FPU registers

use crate::report::{Failure, Outcome, ensure, equal, refused};
use crate::world::{CNODE, SLICE_NS, Time, Worker, World, park};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::method::ThreadState;
use pagurus_rt::abi::{Error, Kind};
use pagurus_rt::object::{AddressSpace, Cpu, Mint, Notification, SchedContext, Thread, Untyped};
use pagurus_rt::syscall::yield_now;
use pagurus_rt::time::ticks;

static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static ORDER: AtomicU64 = AtomicU64::new(0);

fn reset() {
    COUNTS.iter().for_each(|c| c.store(0, SeqCst));
    ORDER.store(0, SeqCst);
}

/// Appends digit `a` to `ORDER`, signals `b` if it is not 0.
extern "C" fn note(digit: u64, notification: u64) -> ! {
    ORDER.store(ORDER.load(SeqCst) * 10 + digit, SeqCst);
    if notification != 0 {
        let _ = Cap::<Notification>::new(notification as u32).signal();
    }
    park()
}

/// Counts for ever.
extern "C" fn count(n: u64, _: u64) -> ! {
    loop {
        COUNTS[n as usize].fetch_add(1, SeqCst);
    }
}

/// Signals after `period` ticks of real time.
extern "C" fn alarm(notification: u64, period: u64) -> ! {
    let end = ticks() + period;
    while ticks() < end {
        // Let the others have the rest of every slice.
        yield_now();
    }
    let _ = Cap::<Notification>::new(notification as u32).signal();
    park()
}

/// Sleeps for some time: a thread that may use a tenth of the processor at high priority looks at the clock.
pub(super) fn sleep(w: &mut World, ns: u64) -> Outcome {
    let done = w.make::<Notification>()?;
    let time = Time {
        cpu: 0,
        priority: 250,
        budget: 100_000,
        period: 1_000_000,
    };
    let period = ns * w.boot.tsc_khz / 1_000_000;
    w.spawn(time, alarm, done.index().into(), period)?;
    done.wait()?;
    Ok(())
}

fn state(worker: Worker) -> Result<u64, Error> {
    Ok(worker.thread.info()?.state.map_or(99, |s| s as u64))
}

pub fn priorities(w: &mut World) -> Outcome {
    reset();
    let done = w.make::<Notification>()?;
    // None of them runs before this thread, which is more important, waits.
    w.spawn(Time::unlimited(0, 10), note, 1, done.index().into())?;
    w.spawn(Time::unlimited(0, 30), note, 3, 0)?;
    w.spawn(Time::unlimited(0, 20), note, 2, 0)?;
    equal("before this thread waits", ORDER.load(SeqCst), 0)?;
    done.wait()?;
    equal("order", ORDER.load(SeqCst), 321)?;
    // A capability to a processor limits the priorities that it can give.
    let limited = w.slot();
    let all = pagurus_rt::abi::Rights::all();
    CNODE.mint(
        limited,
        World::at(slot::FIRST_CPU),
        all,
        Mint::MaxPriority(50),
    )?;
    let context = w.make::<SchedContext>()?;
    let result = limits(context, Cap::new(limited));
    // It was not made from the test's memory.
    CNODE.delete(limited)?;
    result
}

/// What a capability to a processor with maximum priority 50 permits.
fn limits(context: Cap<SchedContext>, cpu: Cap<Cpu>) -> Outcome {
    let configure = |budget, priority| context.configure(cpu, budget, SLICE_NS, priority);
    refused(
        "above the limit",
        configure(SLICE_NS, 51),
        Error::MissingRights,
    )?;
    configure(SLICE_NS, 50)?;
    let long = configure(SLICE_NS + 1, 5);
    refused("more budget than period", long, Error::InvalidArgument)?;
    refused(
        "too short a budget",
        configure(1, 5),
        Error::InvalidArgument,
    )
}

pub fn round_robin(w: &mut World) -> Outcome {
    reset();
    for n in 0..3 {
        w.spawn(Time::unlimited(0, 20), count, n, 0)?;
    }
    sleep(w, 20 * 3 * SLICE_NS)?;
    let counts = [0, 1, 2].map(|n: usize| COUNTS[n].load(SeqCst));
    let (least, most) = (counts.iter().min(), counts.iter().max());
    let (Some(least), Some(most)) = (least.copied(), most.copied()) else {
        return ensure("three counts", false);
    };
    // Rounds of three: at most one slice apart, with a margin for a busy host.
    if least * 2 < most {
        Err(Failure::Broken("equals got unequal time", least, most))
    } else {
        Ok(())
    }
}

pub fn budgets_hold(w: &mut World) -> Outcome {
    reset();
    // A quarter of the processor for the more important one, the rest for the other.
    let quarter = Time {
        cpu: 0,
        priority: 60,
        budget: 2_500_000,
        period: 10_000_000,
    };
    let limited = w.spawn(quarter, count, 0, 0)?;
    let free = w.spawn(Time::unlimited(0, 20), count, 1, 0)?;
    let start = ticks();
    let mut rounds = 0;
    let (elapsed, used, most) = loop {
        sleep(w, 200_000_000)?;
        let elapsed = (ticks() - start) * 1_000_000 / w.boot.tsc_khz;
        let used = limited.time.info()?.used_ns;
        // One period more than the time that passed, at most.
        let most = (elapsed / 10_000_000 + 2) * 2_500_000;
        rounds += 1;
        // A timer that a busy host delays lets it use more, which it pays back in the next periods.
        if used <= most || rounds == 10 {
            break (elapsed, used, most);
        }
    };
    limited.thread.suspend()?;
    free.thread.suspend()?;
    if used > most {
        return Err(Failure::Broken("used more than its budget", used, most));
    }
    ensure("it got a good part of its budget", used > most / 2)?;
    // What is left was used by the other.
    ensure(
        "the other got time",
        free.time.info()?.used_ns > elapsed / 4,
    )?;
    // Time that was never configured is no time.
    let thread = w.make::<Thread>()?;
    let context = w.make::<SchedContext>()?;
    thread.bind_cspace(CNODE)?;
    thread.bind_address_space(crate::world::SPACE)?;
    context.bind(thread)?;
    let idle = Worker {
        thread,
        time: context,
    };
    w.start(idle, count, 2, 0)?;
    sleep(w, 20_000_000)?;
    equal("runs of a thread without time", COUNTS[2].load(SeqCst), 0)?;
    equal("its state", state(idle)?, ThreadState::Ready as u64)
}

/// Loads `n` into all of xmm0 and checks that it stays; counts rounds in `COUNTS[n]`, breaches in `COUNTS[0]`.
extern "C" fn keep_registers(n: u64, _: u64) -> ! {
    loop {
        let now: u64;
        // SAFETY: this thread may use the registers, and the compiler uses none of them.
        unsafe {
            asm!(
                "movq xmm0, {n}",
                "movq xmm15, {n}",
                "mov {i}, 2000",
                "2: dec {i}",
                "jnz 2b",
                "movq {now}, xmm0",
                "movq {i}, xmm15",
                "and {now}, {i}",
                n = in(reg) n,
                i = out(reg) _,
                now = out(reg) now,
            );
        }
        COUNTS[if now == n { n as usize } else { 0 }].fetch_add(1, SeqCst);
    }
}

pub fn fpu_registers_are_private(w: &mut World) -> Outcome {
    reset();
    let slice = 1_000_000;
    for n in [1, 2] {
        let time = Time {
            cpu: 0,
            priority: 20,
            budget: slice,
            period: slice,
        };
        let worker = w.thread(time)?;
        worker.thread.set_flags(true, 0)?;
        w.start(worker, keep_registers, n, 0)?;
    }
    sleep(w, 40 * slice)?;
    equal(
        "registers of another thread seen",
        COUNTS[0].load(SeqCst),
        0,
    )?;
    ensure(
        "both ran",
        COUNTS[1].load(SeqCst) > 0 && COUNTS[2].load(SeqCst) > 0,
    )
}

pub fn suspend_and_resume(w: &mut World) -> Outcome {
    reset();
    let worker = w.spawn(Time::unlimited(0, 20), count, 0, 0)?;
    sleep(w, 10_000_000)?;
    worker.thread.suspend()?;
    let before = COUNTS[0].load(SeqCst);
    ensure("it ran", before > 0)?;
    sleep(w, 10_000_000)?;
    equal("counts while suspended", COUNTS[0].load(SeqCst), before)?;
    let registers = worker.thread.read_registers()?;
    worker.thread.write_registers(&registers)?;
    refused(
        "resuming what runs",
        {
            worker.thread.resume()?;
            worker.thread.resume()
        },
        Error::InUse,
    )?;
    sleep(w, 10_000_000)?;
    ensure("it went on", COUNTS[0].load(SeqCst) > before)
}

pub fn threads_made_and_ended(w: &mut World) -> Outcome {
    let lease = w.make_sized::<Untyped>(20)?;
    let done = w.make::<Notification>()?;
    let (endpoint, reply) = w.meeting()?;
    let first = w.slots(3);
    let (_, stack) = w.mapped(13)?;
    for n in 0..1000u64 {
        lease.retype(Kind::Thread, 0, World::at(first), 1)?;
        lease.retype(Kind::SchedContext, 0, World::at(first + 1), 1)?;
        lease.retype(Kind::AddressSpace, 15, World::at(first + 2), 1)?;
        let thread = Cap::<Thread>::new(first);
        let context = Cap::<SchedContext>::new(first + 1);
        thread.bind_cspace(CNODE)?;
        thread.bind_fault_endpoint(endpoint)?;
        // Every other one in an address space of its own, where nothing is mapped.
        if n % 2 == 0 {
            thread.bind_address_space(crate::world::SPACE)?;
        } else {
            thread.bind_address_space(Cap::<AddressSpace>::new(first + 2))?;
        }
        context.configure(Cap::new(slot::FIRST_CPU), SLICE_NS, SLICE_NS, 100)?;
        context.bind(thread)?;
        thread.start(
            note as *const () as u64,
            stack + 8184,
            n,
            done.index().into(),
        )?;
        if n % 2 == 0 {
            done.wait()?;
        } else {
            ensure("it faulted", endpoint.recv(reply)?.info.is_fault())?;
        }
        CNODE.revoke(lease.index())?;
        equal("memory of the lease", lease.info()?.free, 1 << 20)?;
    }
    Ok(())
}
