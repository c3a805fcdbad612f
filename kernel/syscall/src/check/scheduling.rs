//! Threads, scheduling contexts and processors.

use super::{Found, Totals, ensure};
use crate::kernel::{Cpu, Kernel};
use crate::machine::Machine;
use pagurus_abi::layout::PRIORITIES;
use pagurus_abi::method::{Invariant, ThreadState};
use pagurus_ipc::{Env, ThreadId};
use pagurus_sched::{ContextState, Contexts, ScId, TimerId, Timers};

const BROKEN: Invariant = Invariant::Scheduling;

/// A thread and the contexts it runs on and is bound to.
pub(super) fn thread<M: Machine>(k: &Kernel<M>, t: ThreadId, totals: &mut Totals) -> Found {
    let thread = k.thread(t);
    if let Some(sc) = thread.sc {
        ensure(k.sc(sc).thread == t.address(), BROKEN)?;
    }
    if let Some(home) = thread.home {
        ensure(k.sc(home).home == t.address(), BROKEN)?;
    }
    let has_time = match thread.state {
        // A thread that could run and does not would never run again.
        ThreadState::Ready => match thread.sc {
            Some(sc) => k.sc(sc).budget == 0 || k.sc(sc).state != ContextState::Idle,
            None => thread.home.is_none(),
        },
        // A caller's is asleep too, once it was used up by the server.
        ThreadState::Sending | ThreadState::Calling => thread
            .sc
            .is_none_or(|sc| k.sc(sc).state == ContextState::Idle),
        _ => thread.sc.is_none(),
    };
    ensure(has_time, BROKEN)?;
    let on = k.cpus.iter().filter(|c| c.loaded == Some(t)).count() as u64;
    totals.loaded += on;
    ensure(on <= 1, BROKEN)
}

/// A scheduling context, its threads and its place in a queue.
pub(super) fn context<M: Machine>(k: &Kernel<M>, id: ScId, totals: &mut Totals) -> Found {
    let sc = k.sc(id);
    match ThreadId::new(sc.thread) {
        Some(t) => ensure(k.thread(t).sc == Some(id), BROKEN)?,
        None => ensure(sc.state == ContextState::Idle, BROKEN)?,
    }
    if let Some(t) = ThreadId::new(sc.home) {
        ensure(k.thread(t).home == Some(id), BROKEN)?;
    }
    ensure(sc.remaining <= sc.budget && sc.budget <= sc.period, BROKEN)?;
    let linked = sc.next.is_some() || sc.prev.is_some();
    let counted = match sc.state {
        ContextState::Idle => return ensure(!linked, BROKEN),
        ContextState::Ready => 0,
        ContextState::Current => 1,
        ContextState::Depleted => 2,
    };
    totals.contexts[counted] += 1;
    let cpu = k.cpus.get(sc.cpu as usize).filter(|c| c.online);
    let cpu = cpu.ok_or(BROKEN)?;
    ensure(sc.budget != 0, BROKEN)?;
    ensure(sc.state != ContextState::Current || !linked, BROKEN)?;
    if sc.state == ContextState::Depleted {
        totals.releases_linked += [sc.prev, sc.next].iter().flatten().count() as u64;
        ensure(cpu.scheduler.release.holds(k, id), BROKEN)?;
    }
    Ok(())
}

/// A timer and its place in a queue.
pub(super) fn timer<M: Machine>(k: &Kernel<M>, id: TimerId, totals: &mut Totals) -> Found {
    let timer = k.timer(id);
    if !timer.is_armed() {
        return ensure(timer.below == [None; 2] && timer.cpu == 0, BROKEN);
    }
    totals.armed += 1;
    totals.timers_linked += timer.below.iter().flatten().count() as u64;
    let cpu = k.cpus.get(timer.cpu as usize).filter(|c| c.online);
    ensure(cpu.is_some_and(|c| c.timers.holds(k, id)), BROKEN)
}

/// All processors; their queues hold exactly the contexts that say so.
pub(super) fn processors<M: Machine>(k: &Kernel<M>, totals: &Totals) -> Found {
    let mut contexts = [0, 0, totals.releases_linked];
    let mut armed = totals.timers_linked;
    let mut loaded = 0;
    for (n, cpu) in k.cpus.iter().enumerate() {
        let used = cpu.loaded.is_some() || cpu.scheduler.current.is_some() || cpu.asid != 0;
        armed += cpu.timers.first().is_some() as u64;
        if !cpu.online {
            ensure(!used, BROKEN)?;
            continue;
        }
        loaded += cpu.loaded.is_some() as u64;
        if let Some(current) = cpu.scheduler.current {
            contexts[1] += 1;
            let sc = k.sc(current);
            ensure(
                sc.state == ContextState::Current && sc.cpu as usize == n,
                BROKEN,
            )?;
        }
        contexts[0] += ready(k, n, cpu, totals)?;
        // What lies below a depleted context, or first in a queue, is as much as there are depleted contexts; and each of
        // these was found in its queue.
        contexts[2] += cpu.scheduler.release.first().is_some() as u64;
        ensure(cpu.resched || !cpu.scheduler.should_switch(k), BROKEN)?;
        if let Some(t) = cpu.loaded {
            let asid = k.thread(t).asid;
            ensure(asid == cpu.asid || asid == 0, BROKEN)?;
        }
    }
    ensure(
        contexts == totals.contexts && loaded == totals.loaded && armed == totals.armed,
        BROKEN,
    )
}

/// Length of the ready queue of processor `n`.
fn ready<M: Machine>(
    k: &Kernel<M>,
    n: usize,
    cpu: &Cpu,
    totals: &Totals,
) -> Result<u64, Invariant> {
    let queue = &cpu.scheduler.ready;
    let mut length = 0;
    for priority in 0..PRIORITIES {
        let priority = priority as u8;
        let head = queue.first_at(priority);
        ensure(queue.is_marked(priority) == head.is_some(), BROKEN)?;
        let Some(head) = head else { continue };
        let mut at = head;
        loop {
            let sc = k.sc(at);
            let here = sc.state == ContextState::Ready && sc.cpu as usize == n;
            ensure(here && sc.priority == priority, BROKEN)?;
            length += 1;
            ensure(length <= totals.capabilities, BROKEN)?;
            let next = sc.next.ok_or(BROKEN)?;
            ensure(k.sc(next).prev == Some(at), BROKEN)?;
            if next == head {
                break;
            }
            at = next;
        }
    }
    Ok(length)
}
