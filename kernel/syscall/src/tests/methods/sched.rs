//! Scheduling contexts and processors.

use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::layout::{MAX_PERIOD_NS, MIN_BUDGET_NS};
use pagurus_abi::method::Method::*;
use pagurus_abi::method::{MINT_RANGE, ThreadBinding};
use pagurus_abi::{Error, Kind, Rights, Syscall};
use pagurus_sched::Contexts;

const CPU: u64 = slot::FIRST_CPU as u64;

#[test]
fn every_reason_to_refuse() {
    let mut scene = Scene::new(2);
    let t = scene.bare_actor();
    let other = scene.bare_actor();
    let sc = t.context;
    let ok = 1_000_000;
    let read = scene.copy(CPU, Rights::READ);
    let modest = scene.slot();
    scene.root(
        CNODE,
        CNodeMint,
        15 | MINT_RANGE << 8,
        [modest, CNODE, CPU, 10],
    );
    for (p, a, error) in [
        (0, [0, ok, ok, 0], Error::EmptySlot),
        (0, [1 << 14, ok, ok, 0], Error::InvalidIndex),
        (0, [CNODE, ok, ok, 0], Error::WrongKind),
        (0, [read, ok, ok, 0], Error::MissingRights),
        (11, [modest, ok, ok, 0], Error::MissingRights),
        (256, [CPU, ok, ok, 0], Error::InvalidArgument),
        (0, [CPU, MIN_BUDGET_NS - 1, ok, 0], Error::InvalidArgument),
        (0, [CPU, ok + 1, ok, 0], Error::InvalidArgument),
        (0, [CPU, ok, MAX_PERIOD_NS + 1, 0], Error::InvalidArgument),
        (0, [CPU, u64::MAX, u64::MAX, 0], Error::InvalidArgument),
    ] {
        scene.refuse(sc, SchedConfigure, p, a, error);
    }
    scene.root(sc, SchedConfigure, 10, [modest, ok, ok, 0]);
    let read = scene.copy(t.thread, Rights::READ);
    let deepest = scene.deepest(sc);
    scene.refuse(sc, SchedBind, 0, [0; 4], Error::EmptySlot);
    scene.refuse(sc, SchedBind, 0, [1 << 14, 0, 0, 0], Error::InvalidIndex);
    scene.refuse(sc, SchedBind, 0, [CNODE, 0, 0, 0], Error::WrongKind);
    scene.refuse(sc, SchedBind, 0, [read, 0, 0, 0], Error::MissingRights);
    scene.refuse(deepest, SchedBind, 0, [t.thread, 0, 0, 0], Error::TooDeep);
    scene.refuse(sc, SchedUnbind, 0, [0; 4], Error::NotBound);
    scene.root(sc, SchedBind, 0, [t.thread, 0, 0, 0]);
    scene.refuse(
        sc,
        SchedBind,
        0,
        [other.thread, 0, 0, 0],
        Error::AlreadyBound,
    );
    scene.refuse(
        other.context,
        SchedBind,
        0,
        [t.thread, 0, 0, 0],
        Error::AlreadyBound,
    );
    let lookup = [
        Error::EmptySlot,
        Error::InvalidIndex,
        Error::WrongKind,
        Error::MissingRights,
    ];
    scene.all_refused(&[
        (
            SchedConfigure,
            &[&lookup[..], &[Error::InvalidArgument]].concat(),
        ),
        (
            SchedBind,
            &[&lookup[..], &[Error::TooDeep, Error::AlreadyBound]].concat(),
        ),
        (SchedUnbind, &[Error::NotBound]),
    ]);
}

#[test]
fn a_processor_that_does_not_run_gets_no_time() {
    // No capability to one is ever handed out; the check is there all the same.
    let mut scene = Scene::new(1);
    let sc = scene.make(Kind::SchedContext, 0);
    let at = scene.place(CPU + 1);
    pagurus_cap::Slots::slot_mut(&mut *scene.s.kernel, at).object = 63;
    let a = [CPU + 1, 1_000_000, 1_000_000, 0];
    scene.refuse(sc, SchedConfigure, 0, a, Error::Unsupported);
}

#[test]
fn info_says_what_was_configured_and_used() {
    let (mut scene, [t]) = Scene::with();
    let a = [CPU + 1, 200_000, 1_000_000, 0];
    scene.root(t.context, SchedConfigure, 7, a);
    scene.s.advance(100_000);
    let [used, budget, period, place] = scene.root(t.context, SchedInfo, 0, [0; 4]);
    assert!((100_000..150_000).contains(&used), "{used}");
    assert_eq!((budget, period, place), (200_000, 1_000_000, 7 | 1 << 8));
    let [number, apic, khz, runs] = scene.root(CPU + 1, CpuInfo, 0, [0; 4]);
    assert_eq!((number, apic, khz, runs), (1, 2, 2_000_000, 1));
}

#[test]
fn time_given_and_taken() {
    let mut scene = Scene::new(1);
    let t = scene.bare_actor();
    scene.bind(t, ThreadBinding::AddressSpace, SPACE);
    scene.root(t.thread, ThreadStart, 0, [0x1000, 0, 0, 0]);
    assert!(!scene.runs(t), "no time at all");
    scene.root(t.context, SchedBind, 0, [t.thread, 0, 0, 0]);
    assert!(!scene.runs(t), "time without budget");
    scene.configure(t, 1, PRIORITY);
    assert!(scene.runs(t));
    scene.root(t.context, SchedUnbind, 0, [0; 4]);
    assert!(!scene.runs(t));
    scene.root(t.context, SchedBind, 0, [t.thread, 0, 0, 0]);
    assert!(scene.runs(t));
    scene.delete(t.context);
    assert!(!scene.runs(t));
    assert_eq!(scene.thread(t).home, None);
}

#[test]
fn a_context_moves_with_its_thread_to_another_processor() {
    let (mut scene, [a, b]) = Scene::with();
    scene.suspend(b);
    scene.configure(a, 2, PRIORITY);
    assert_eq!(scene.s.cpu_of(a.id), Some(2));
    assert_eq!(scene.s.running(1), None);
    // Also while the time is lent.
    scene.configure(a, 1, PRIORITY);
    scene.resume(b);
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.recv(b, ep, reply), None);
    assert_eq!(scene.call(a, ep, [0; 4]), None);
    scene.configure(a, 2, PRIORITY);
    assert_eq!(scene.s.cpu_of(b.id), Some(2));
    assert!(
        scene
            .reply(b, reply, [0; 4])
            .is_none_or(|answer| answer.code == 0)
    );
    // Both share the processor now.
    let mut seen = [false; 2];
    for _ in 0..4 {
        seen[0] |= scene.runs(a);
        seen[1] |= scene.runs(b);
        scene.s.advance(1_000_000);
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn equals_take_turns_and_the_more_important_goes_first() {
    let mut scene = Scene::new(1);
    let actors = [scene.actor(1), scene.actor(1), scene.actor(1)];
    let mut order = Vec::new();
    for _ in 0..6 {
        let n = actors
            .iter()
            .position(|a| scene.runs(*a))
            .expect("one runs");
        order.push(n);
        scene.s.advance(1_000_000);
    }
    assert_eq!(order[..3], order[3..], "round robin");
    assert_eq!(order[..3].iter().sum::<usize>(), 3, "all of them");
    scene.configure(actors[1], 1, PRIORITY + 1);
    for _ in 0..3 {
        assert!(scene.runs(actors[1]));
        scene.s.advance(1_000_000);
    }
    scene.suspend(actors[1]);
    assert!(!scene.runs(actors[1]) && scene.s.running(1).is_some());
}

#[test]
fn yield_ends_the_budget_of_the_period() {
    let (mut scene, [t]) = Scene::with();
    scene.root(
        t.context,
        SchedConfigure,
        PRIORITY,
        [CPU + 1, 100_000, 1_000_000, 0],
    );
    let got = scene.ipc(t, Syscall::Yield, 0, 0, EMPTY, [0; 4]);
    assert_eq!(got, None, "not before the next period");
    assert!(!scene.runs(t));
    scene.s.advance(1_000_000);
    assert_eq!(scene.answer(t).unwrap().code, 0);
    // With the whole period for a budget it only goes behind its equals.
    let mut scene = Scene::new(1);
    let (a, b) = (scene.actor(1), scene.actor(1));
    assert!(scene.runs(a));
    scene.ipc(a, Syscall::Yield, 0, 0, EMPTY, [0; 4]);
    assert!(scene.runs(b));
    scene.ipc(b, Syscall::Yield, 0, 0, EMPTY, [0; 4]);
    assert!(scene.runs(a));
}

#[test]
fn a_budget_is_all_that_a_thread_gets() {
    let (mut scene, [t]) = Scene::with();
    scene.root(
        t.context,
        SchedConfigure,
        PRIORITY,
        [CPU + 1, 200_000, 1_000_000, 0],
    );
    let start = scene.s.kernel.sc(scene.context_id(t)).consumed;
    for _ in 0..1000 {
        scene.s.advance(10_000);
    }
    let used = scene.s.kernel.sc(scene.context_id(t)).consumed - start;
    let nanoseconds = used / crate::sim::machine::TICKS_PER_NS;
    // Ten periods; the timer is looked at every 10 us here.
    assert!(
        (1_900_000..=2_200_000).contains(&nanoseconds),
        "{nanoseconds}"
    );
}
