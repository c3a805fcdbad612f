//! Timers.

use crate::report::{Failure, Outcome, ensure, equal, refused};
use crate::world::{CNODE, Time, World, park};
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::layout::MAX_CPUS;
use pagurus_rt::abi::{Error, Kind, MessageInfo, Rights};
use pagurus_rt::object::{Endpoint, Mint, Notification, Reply, Timer, Untyped};
use pagurus_rt::time::{ticks, ticks_in};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600_000_000_000;
/// What the timers of most tests signal.
const BADGE: u64 = 32;

static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn reset() {
    COUNTS.iter().for_each(|c| c.store(0, SeqCst));
}

/// A timer, what it signals, and the slot with the badged capability that it is bound to.
struct Alarm {
    timer: Cap<Timer>,
    notification: Cap<Notification>,
    badged: u32,
}

impl Alarm {
    fn new(w: &mut World) -> Result<Alarm, Error> {
        let (timer, notification) = (w.make::<Timer>()?, w.make::<Notification>()?);
        let badged = badge(w, notification, BADGE)?;
        timer.bind(badged)?;
        Ok(Alarm {
            timer,
            notification,
            badged: badged.index(),
        })
    }

    /// It has not fired since its signals were fetched.
    fn is_silent(&self) -> Outcome {
        refused("a signal", self.notification.poll(), Error::WouldBlock)
    }
}

/// A capability that signals by a badge.
fn badge(
    w: &mut World,
    notification: Cap<Notification>,
    badge: u64,
) -> Result<Cap<Notification>, Error> {
    let index = w.slot();
    let from = World::at(notification.index());
    CNODE.mint(index, from, Rights::WRITE, Mint::Badge(badge))?;
    Ok(Cap::new(index))
}

/// The time in `ns` nanoseconds.
fn after(w: &World, ns: u64) -> u64 {
    ticks() + ticks_in(ns, w.boot.tsc_khz)
}

/// Waits for a time.
fn sleep_until(w: &mut World, deadline: u64) -> Outcome {
    let (timer, notification) = (w.make::<Timer>()?, w.make::<Notification>()?);
    timer.bind(notification)?;
    timer.sleep_until(deadline, notification)?;
    ensure("slept long enough", ticks() >= deadline)
}

pub fn fire_once(w: &mut World) -> Outcome {
    let bare = w.make::<Timer>()?;
    refused("armed for nobody", bare.arm(ticks()), Error::NotBound)?;
    refused("unbound twice", bare.unbind(), Error::NotBound)?;
    let alarm = Alarm::new(w)?;
    let never = alarm.timer.arm(0);
    refused("a deadline of 0", never, Error::InvalidArgument)?;
    let second = alarm.timer.bind(alarm.notification);
    refused("a second notification", second, Error::AlreadyBound)?;
    for n in 0..50 {
        let deadline = after(w, (1 + n * n) * MICROSECOND);
        alarm.timer.arm(deadline)?;
        let info = alarm.timer.info()?;
        if ticks() < deadline {
            equal("deadline", info.deadline.unwrap_or(0), deadline)?;
            equal("processor", info.cpu.into(), 0)?;
        }
        equal("badge", alarm.notification.wait()?, BADGE)?;
        ensure("not before its time", ticks() >= deadline)?;
        alarm.is_silent()?;
        ensure("disarmed", alarm.timer.info()?.deadline.is_none())?;
    }
    // What is over fires at once.
    for deadline in [1, ticks()] {
        alarm.timer.arm(deadline)?;
        equal("badge", alarm.notification.poll()?, BADGE)?;
    }
    let soon = after(w, 5 * MILLISECOND);
    sleep_until(w, soon)?;
    alarm.is_silent()
}

pub fn armed_again(w: &mut World) -> Outcome {
    let alarm = Alarm::new(w)?;
    // Earlier and later than before.
    for (first, second) in [(HOUR, MILLISECOND), (20 * MILLISECOND, 30 * MILLISECOND)] {
        let first = after(w, first);
        let deadline = after(w, second);
        alarm.timer.arm(first)?;
        alarm.timer.arm(deadline)?;
        if ticks() >= first {
            // Too slow; it may have fired already.
            let _ = alarm.notification.poll();
            continue;
        }
        equal("badge", alarm.notification.wait()?, BADGE)?;
        ensure("not before its time", ticks() >= deadline)?;
        alarm.is_silent()?;
    }
    alarm.timer.arm(after(w, HOUR))?;
    ensure("it was armed", alarm.timer.disarm()?)?;
    ensure("it is armed no more", !alarm.timer.disarm()?)?;
    let deadline = after(w, 20 * MILLISECOND);
    alarm.timer.arm(deadline)?;
    let taken_back = alarm.timer.disarm()?;
    sleep_until(w, deadline + ticks_in(MILLISECOND, w.boot.tsc_khz))?;
    if taken_back {
        alarm.is_silent()
    } else {
        equal("badge", alarm.notification.poll()?, BADGE)
    }
}

pub fn end_while_armed(w: &mut World) -> Outcome {
    type End = fn(&Alarm) -> Result<(), Error>;
    let ends: [End; 5] = [
        |alarm| alarm.timer.unbind(),
        |alarm| CNODE.delete(alarm.badged),
        |alarm| CNODE.revoke(alarm.badged),
        |alarm| CNODE.revoke(alarm.notification.index()),
        |alarm| CNODE.delete(alarm.timer.index()),
    ];
    for end in ends {
        let alarm = Alarm::new(w)?;
        let deadline = after(w, 10 * MILLISECOND);
        alarm.timer.arm(deadline)?;
        end(&alarm)?;
        if ticks() >= deadline {
            // Too slow; it may have fired before.
            continue;
        }
        sleep_until(w, deadline)?;
        alarm.is_silent()?;
    }
    // With the notification itself, and with all their memory.
    let lease = w.make_sized::<Untyped>(13)?;
    let first = w.slots(33);
    for round in 0..10 {
        lease.retype(Kind::Timer, 0, World::at(first), 32)?;
        lease.retype(Kind::Notification, 0, World::at(first + 32), 1)?;
        let deadline = after(w, MILLISECOND);
        for n in 0..32 {
            let timer = Cap::<Timer>::new(first + n);
            timer.bind(Cap::new(first + 32))?;
            timer.arm(deadline + u64::from(n))?;
        }
        if round % 2 == 0 {
            CNODE.delete(first + 32)?;
            let left = Cap::<Timer>::new(first).info()?.deadline;
            ensure("disarmed with the notification", left.is_none())?;
        }
        CNODE.revoke(lease.index())?;
        equal("memory of the lease", lease.info()?.free, 1 << 13)?;
    }
    let soon = after(w, 2 * MILLISECOND);
    sleep_until(w, soon)
}

/// Serves an endpoint (`a`, low half) with a reply (high half); gives up waiting after 5 ms by a timer (`b`), again and
/// again. Counts in `COUNTS`: 0 time-outs, 1 those that came too early, 2 calls.
extern "C" fn patient_server(a: u64, b: u64) -> ! {
    let (endpoint, reply) = (
        Cap::<Endpoint>::new(a as u32),
        Cap::<Reply>::new((a >> 32) as u32),
    );
    let (timer, wait) = (Cap::<Timer>::new(b as u32), COUNTS[3].load(SeqCst));
    // While a call was served the timer may have fired: its signal comes before that of the deadline armed after it.
    let mut served = false;
    loop {
        let deadline = ticks() + wait;
        if timer.arm(deadline).is_err() {
            park();
        }
        match endpoint.recv(reply) {
            Ok(m) if m.info.is_signal() => {
                COUNTS[0].fetch_add(1, SeqCst);
                COUNTS[1].fetch_add(u64::from(ticks() < deadline && !served), SeqCst);
                served = false;
            }
            Ok(_) => {
                served = true;
                COUNTS[2].fetch_add(1, SeqCst);
                let _ = reply.reply(MessageInfo::new(0, 0, 0), [0; 4]);
            }
            Err(_) => park(),
        }
    }
}

pub fn end_a_receive(w: &mut World) -> Outcome {
    reset();
    COUNTS[3].store(ticks_in(5 * MILLISECOND, w.boot.tsc_khz), SeqCst);
    let alarm = Alarm::new(w)?;
    let (endpoint, reply) = w.meeting()?;
    let worker = w.thread(Time::unlimited(0, 100))?;
    worker.thread.bind_notification(alarm.notification)?;
    let a = u64::from(endpoint.index()) | u64::from(reply.index()) << 32;
    w.start(worker, patient_server, a, alarm.timer.index().into())?;
    for calls in 1..=3 {
        let before = COUNTS[0].load(SeqCst);
        while COUNTS[0].load(SeqCst) < before + 3 {
            let soon = after(w, 5 * MILLISECOND);
            sleep_until(w, soon)?;
        }
        endpoint.call(MessageInfo::new(0, 0, 0), [0; 4])?;
        equal("calls", COUNTS[2].load(SeqCst), calls)?;
    }
    equal("time-outs before their time", COUNTS[1].load(SeqCst), 0)
}

/// Counts for ever.
extern "C" fn count(n: u64, _: u64) -> ! {
    loop {
        COUNTS[n as usize].fetch_add(1, SeqCst);
    }
}

pub fn preempt_the_less_important(w: &mut World) -> Outcome {
    reset();
    // Nothing else interrupts it: its slice ends long after the test's time is over.
    let endless = Time {
        cpu: 0,
        priority: 20,
        budget: HOUR,
        period: HOUR,
    };
    w.spawn(endless, count, 0, 0)?;
    let alarm = Alarm::new(w)?;
    for _ in 0..20 {
        let deadline = after(w, MILLISECOND);
        alarm.timer.sleep_until(deadline, alarm.notification)?;
    }
    ensure("the other ran", COUNTS[0].load(SeqCst) > 0)
}

/// A small generator of random numbers (Knuth, MMIX).
fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

pub fn many_fire_in_order(w: &mut World) -> Outcome {
    const TIMERS: usize = 64;
    let notification = w.make::<Notification>()?;
    let first = w.slots(TIMERS as u32);
    w.memory
        .retype(Kind::Timer, 0, World::at(first), TIMERS as u32)?;
    let timer = |n: usize| Cap::<Timer>::new(first + n as u32);
    for n in 0..TIMERS {
        let badged = badge(w, notification, 1 << n)?;
        timer(n).bind(badged)?;
    }
    let mut seed = 1;
    let mut rounds = 0;
    for attempt in 1..50 {
        let start = after(w, attempt * 2 * MILLISECOND);
        // Some together, more than fire at one interrupt; all in the end within 8 ms.
        let spread = ticks_in(8 * MILLISECOND, w.boot.tsc_khz);
        let mut deadlines = [0; TIMERS];
        for (n, deadline) in deadlines.iter_mut().enumerate() {
            let ahead = if n % 3 == 0 {
                0
            } else {
                random(&mut seed) % spread
            };
            *deadline = start + ahead;
            timer(n).arm(*deadline)?;
        }
        let in_time = ticks() < start;
        let mut left = u64::MAX;
        while left != 0 {
            let signals = notification.wait()?;
            let now = ticks();
            equal("fired twice", signals & !left, 0)?;
            left &= !signals;
            let those = |set: u64| {
                let all = deadlines.iter().enumerate();
                all.filter(move |(n, _)| set >> n & 1 != 0).map(|(_, d)| *d)
            };
            let latest = those(signals).max().unwrap_or(0);
            ensure("not before its time", latest <= now)?;
            // Nothing that is still armed was to fire before what has fired.
            let next = those(left).min().unwrap_or(u64::MAX);
            if in_time && latest > next {
                return Err(Failure::Broken("out of order", latest, next));
            }
        }
        rounds += u64::from(in_time);
        if rounds == 10 {
            return Ok(());
        }
    }
    Err(Failure::Broken("rounds armed in time", rounds, 10))
}

/// Sleeps again and again by a timer (`a`, low half) and its notification (high half), then arms it for later and signals
/// `b`. Counts sleeps in `COUNTS[0]`; `COUNTS[3]` is the length of one.
extern "C" fn sleeper(a: u64, b: u64) -> ! {
    let timer = Cap::<Timer>::new(a as u32);
    let notification = Cap::<Notification>::new((a >> 32) as u32);
    let length = COUNTS[3].load(SeqCst);
    for _ in 0..20 {
        if timer.sleep_until(ticks() + length, notification).is_err() {
            park();
        }
        COUNTS[0].fetch_add(1, SeqCst);
    }
    let _ = timer.arm(ticks() + (length << 20));
    let _ = Cap::<Notification>::new(b as u32).signal();
    park()
}

pub fn on_every_processor(w: &mut World) -> Outcome {
    reset();
    COUNTS[3].store(ticks_in(500 * MICROSECOND, w.boot.tsc_khz), SeqCst);
    let done = w.make::<Notification>()?;
    let mut timers = [None; MAX_CPUS];
    for cpu in 0..w.cpus() {
        let alarm = Alarm::new(w)?;
        timers[cpu as usize] = Some(alarm.timer);
        // Armed here, so that it moves.
        alarm.timer.arm(after(w, HOUR))?;
        let signal = badge(w, done, 1 << cpu)?;
        let a = u64::from(alarm.timer.index()) | u64::from(alarm.notification.index()) << 32;
        w.spawn(Time::unlimited(cpu, 100), sleeper, a, signal.index().into())?;
    }
    let all = u64::MAX >> (64 - w.cpus());
    let mut ended = 0;
    while ended != all {
        ended |= done.wait()?;
    }
    equal("sleeps", COUNTS[0].load(SeqCst), 20 * u64::from(w.cpus()))?;
    for (cpu, timer) in timers.iter().enumerate() {
        let Some(timer) = timer else { continue };
        equal("processor", timer.info()?.cpu.into(), cpu as u64)?;
        ensure("taken back from elsewhere", timer.disarm()?)?;
    }
    Ok(())
}
