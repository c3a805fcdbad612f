//! Timers.

use crate::sim::Event;
use crate::sim::machine::TICKS_PER_NS;
use crate::tests::scene::*;
use crate::timer::FIRED_AT_ONCE;
use pagurus_abi::method::Method::*;
use pagurus_abi::method::ThreadBinding;
use pagurus_abi::{Error, Kind, Rights, Syscall};
use pagurus_sched::{TimerId, Timers};

/// The error with which a notification says that it has no signals.
const NOTHING: Option<Error> = Some(Error::WouldBlock);

/// A timer that signals `notification` by `badge`.
fn timer(scene: &mut Scene, notification: u64, badge: u64) -> u64 {
    let timer = scene.make(Kind::Timer, 0);
    let badged = scene.badged(notification, badge);
    scene.root(timer, TimerBind, 0, [badged, 0, 0, 0]);
    timer
}

/// The time in `ns` nanoseconds.
fn after(scene: &Scene, ns: u64) -> u64 {
    scene.s.kernel.machine.clock + ns * TICKS_PER_NS
}

/// Root arms a timer.
fn arm(scene: &mut Scene, timer: u64, ns: u64) -> u64 {
    let deadline = after(scene, ns);
    scene.root(timer, TimerArm, 0, [deadline, 0, 0, 0]);
    deadline
}

/// A thread arms a timer.
fn arm_by(scene: &mut Scene, actor: Actor, timer: u64, ns: u64) {
    let deadline = after(scene, ns);
    let got = scene
        .s
        .invoke(actor.id, timer, TimerArm, 0, [deadline, 0, 0, 0]);
    assert_eq!(got, Ok([0; 4]));
}

/// Deadline and processor of a timer.
fn info(scene: &mut Scene, timer: u64) -> (u64, u64) {
    let got = scene.root(timer, TimerInfo, 0, [0; 4]);
    assert_eq!(got[2..], [0, 0]);
    (got[0], got[1])
}

/// The signals that there are; root fetches them.
fn signals(scene: &mut Scene, notification: u64) -> Result<u64, Error> {
    let root = scene.s.root;
    let got = scene
        .s
        .ipc(root, Syscall::Poll, notification, 0, EMPTY, [0; 4]);
    let got = got.expect("a poll does not wait");
    got.result().map(|_| got.badge)
}

#[test]
fn every_reason_to_refuse() {
    let mut scene = Scene::new(1);
    let n = scene.make(Kind::Notification, 0);
    let t = scene.make(Kind::Timer, 0);
    let receive = scene.copy(n, Rights::READ);
    let deepest = scene.deepest(n);
    scene.refuse(t, TimerBind, 0, [0; 4], Error::EmptySlot);
    scene.refuse(t, TimerBind, 0, [1 << 14, 0, 0, 0], Error::InvalidIndex);
    scene.refuse(t, TimerBind, 0, [CNODE, 0, 0, 0], Error::WrongKind);
    scene.refuse(t, TimerBind, 0, [receive, 0, 0, 0], Error::MissingRights);
    scene.refuse(t, TimerBind, 0, [deepest, 0, 0, 0], Error::TooDeep);
    scene.refuse(t, TimerUnbind, 0, [0; 4], Error::NotBound);
    scene.refuse(t, TimerArm, 0, [1, 0, 0, 0], Error::NotBound);
    scene.refuse(t, TimerArm, 0, [u64::MAX, 0, 0, 0], Error::NotBound);
    scene.refuse(t, TimerArm, 0, [0; 4], Error::InvalidArgument);
    scene.root(t, TimerBind, 0, [n, 0, 0, 0]);
    scene.refuse(t, TimerBind, 0, [n, 0, 0, 0], Error::AlreadyBound);
    scene.refuse(t, TimerArm, 0, [0; 4], Error::InvalidArgument);
    scene.all_refused(&[
        (
            TimerBind,
            &[
                Error::EmptySlot,
                Error::InvalidIndex,
                Error::WrongKind,
                Error::MissingRights,
                Error::TooDeep,
                Error::AlreadyBound,
            ],
        ),
        (TimerUnbind, &[Error::NotBound]),
        (TimerArm, &[Error::InvalidArgument, Error::NotBound]),
    ]);
    // Nothing to take back and nothing to tell is no error.
    assert_eq!(scene.root(t, TimerDisarm, 0, [0; 4]), [0; 4]);
    assert_eq!(info(&mut scene, t), (0, 0));
}

#[test]
fn it_fires_once_and_not_before_its_time() {
    let mut scene = Scene::new(0);
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 32);
    let deadline = arm(&mut scene, t, 100_000);
    assert_eq!(info(&mut scene, t), (deadline, 0));
    scene.s.advance(99_999);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
    scene.s.advance(1);
    assert_eq!(signals(&mut scene, n), Ok(32));
    assert_eq!(info(&mut scene, t), (0, 0));
    scene.s.advance(1_000_000_000);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
    // The binding stays, so it can be armed again.
    arm(&mut scene, t, 1);
    scene.s.advance(1);
    assert_eq!(signals(&mut scene, n), Ok(32));
}

#[test]
fn a_time_that_has_come_fires_at_once() {
    let mut scene = Scene::new(0);
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 2);
    scene.s.advance(1000);
    for deadline in [1, after(&scene, 0)] {
        // Also in place of a later deadline.
        arm(&mut scene, t, 50_000);
        scene.root(t, TimerArm, 0, [deadline, 0, 0, 0]);
        assert_eq!(signals(&mut scene, n), Ok(2));
        assert_eq!(info(&mut scene, t), (0, 0));
    }
    scene.s.advance(100_000);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
}

#[test]
fn another_deadline_replaces_the_one_before() {
    let mut scene = Scene::new(0);
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 1);
    // Earlier, later, and never.
    for [first, second] in [[90_000, 40_000], [40_000, 90_000]] {
        arm(&mut scene, t, first);
        arm(&mut scene, t, second);
        scene.s.advance(second - 1);
        assert_eq!(signals(&mut scene, n).err(), NOTHING);
        scene.s.advance(1);
        assert_eq!(signals(&mut scene, n), Ok(1));
        scene.s.advance(100_000);
        assert_eq!(signals(&mut scene, n).err(), NOTHING);
    }
    arm(&mut scene, t, 1000);
    scene.root(t, TimerArm, 0, [u64::MAX, 0, 0, 0]);
    scene.s.advance(1_000_000_000_000);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
    assert_eq!(info(&mut scene, t), (u64::MAX, 0));
}

#[test]
fn a_deadline_is_taken_back_by_any_processor() {
    let (mut scene, [a]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 1);
    arm_by(&mut scene, a, t, 1000);
    assert_eq!(info(&mut scene, t).1, 1);
    assert_eq!(scene.root(t, TimerDisarm, 0, [0; 4]), [1, 0, 0, 0]);
    assert_eq!(scene.root(t, TimerDisarm, 0, [0; 4]), [0; 4]);
    scene.s.advance(100_000);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
}

#[test]
fn whoever_arms_it_is_interrupted() {
    let (mut scene, [a, b]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 1);
    arm_by(&mut scene, a, t, 1000);
    arm_by(&mut scene, b, t, 1000);
    assert_eq!(info(&mut scene, t).1, 2);
    let due = |scene: &Scene, cpu: usize| scene.s.kernel.cpus[cpu].timers.first().is_some();
    assert!(!due(&scene, 1) && due(&scene, 2));
    // Also one where nobody runs.
    scene.suspend(b);
    assert_eq!(scene.s.running(2), None);
    assert_eq!(scene.wait(a, n), None);
    scene.s.advance(1000);
    assert_eq!(scene.answer(a).unwrap().badge, 1);
}

#[test]
fn the_end_of_a_binding_disarms() {
    let ends: [fn(&mut Scene, u64, u64, u64); 5] = [
        |scene, timer, _, _| assert_eq!(scene.root(timer, TimerUnbind, 0, [0; 4]), [0; 4]),
        |scene, _, badged, _| scene.delete(badged),
        |scene, _, badged, _| {
            scene.root(CNODE, CNodeRevoke, 0, [badged, 0, 0, 0]);
        },
        |scene, _, _, notification| scene.delete(notification),
        |scene, timer, _, _| scene.delete(timer),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (mut scene, [a]) = Scene::with();
        let n = scene.make(Kind::Notification, 0);
        let t = scene.make(Kind::Timer, 0);
        let badged = scene.badged(n, 4);
        scene.root(t, TimerBind, 0, [badged, 0, 0, 0]);
        // One before, one after it in the queue of a processor that has nothing to do with what is deleted.
        let others = [900, 1100].map(|ns| {
            let other = timer(&mut scene, n, 8);
            arm_by(&mut scene, a, other, ns);
            other
        });
        arm_by(&mut scene, a, t, 1000);
        end(&mut scene, t, badged, n);
        let object = TimerId::new(scene.capability(t).object);
        if let Some(object) = object {
            assert!(!scene.s.kernel.timer(object).is_armed(), "number {number}");
            scene.refuse(t, TimerArm, 0, [1, 0, 0, 0], Error::NotBound);
        }
        scene.s.advance(100_000);
        if !scene.capability(n).is_empty() {
            assert_eq!(signals(&mut scene, n), Ok(8), "number {number}");
        }
        for other in others {
            assert_eq!(info(&mut scene, other), (0, 0));
        }
    }
}

#[test]
fn its_memory_comes_back_while_it_is_armed() {
    let (mut scene, [a]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let lease = scene.make(Kind::Untyped, 14);
    let first = scene.slot();
    for _ in 0..40 {
        scene.slot();
    }
    let root = scene.s.root;
    for preemption in [
        crate::sim::Preemption::Never,
        crate::sim::Preemption::Always,
    ] {
        scene
            .s
            .retype(root, lease, Kind::Timer, 0, (CNODE, first), 40)
            .unwrap();
        for t in first..first + 40 {
            scene.root(t, TimerBind, 0, [n, 0, 0, 0]);
            if t % 2 == 0 {
                arm(&mut scene, t, 1000);
            } else {
                arm_by(&mut scene, a, t, 1000);
            }
        }
        scene.s.kernel.machine.preemption = preemption;
        scene.root(CNODE, CNodeRevoke, 0, [lease, 0, 0, 0]);
        scene.s.kernel.machine.preemption = crate::sim::Preemption::Never;
        assert!(
            scene
                .s
                .kernel
                .cpus
                .iter()
                .all(|c| c.timers.first().is_none())
        );
    }
    scene.s.advance(100_000);
    assert_eq!(signals(&mut scene, n).err(), NOTHING);
}

#[test]
fn many_fire_in_the_order_of_their_deadlines() {
    let (mut scene, [a]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let mut timers = Vec::new();
    let mut seed = 7;
    for bit in 0..64 {
        let t = timer(&mut scene, n, 1 << bit);
        let ns = 1000 + crate::sim::random(&mut seed) % 50_000;
        arm_by(&mut scene, a, t, ns);
        timers.push((ns, 1u64 << bit));
    }
    timers.sort_unstable();
    let mut now = 0;
    while let Some((ns, _)) = timers.first().copied() {
        let due: u64 = timers.extract_if(.., |t| t.0 == ns).map(|t| t.1).sum();
        scene.s.advance(ns - now - 1);
        assert_eq!(signals(&mut scene, n).err(), NOTHING);
        scene.s.advance(1);
        assert_eq!(signals(&mut scene, n), Ok(due));
        now = ns;
    }
}

#[test]
fn an_interrupt_fires_so_many_and_rings_again_for_the_rest() {
    let (mut scene, [a]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let count = FIRED_AT_ONCE * 2 + 1;
    let timers: Vec<u64> = (0..count).map(|_| timer(&mut scene, n, 1)).collect();
    for t in &timers {
        arm_by(&mut scene, a, *t, 1000);
    }
    scene.s.kernel.machine.clock = after(&scene, 1000);
    let mut armed = count;
    while armed > 0 {
        let clock = scene.s.kernel.machine.clock;
        let rings = scene.s.kernel.machine.processors[1].timer;
        assert!(rings.is_some_and(|at| at <= clock), "{armed} wait for ever");
        scene.s.event(1, Event::Timer);
        let now = timers
            .iter()
            .filter(|t| info(&mut scene, **t).0 != 0)
            .count();
        assert_eq!(now, armed.saturating_sub(FIRED_AT_ONCE));
        armed = now;
    }
    assert_eq!(signals(&mut scene, n), Ok(1));
}

#[test]
fn a_server_stops_waiting_when_its_time_has_come() {
    let (mut scene, [server, client]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 16);
    scene.bind(server, ThreadBinding::Notification, n);
    arm_by(&mut scene, server, t, 5000);
    assert_eq!(scene.recv(server, ep, reply), None);
    scene.s.advance(4999);
    assert_eq!(scene.answer(server), None);
    scene.s.advance(1);
    let got = scene.answer(server).unwrap();
    assert_eq!((got.code, got.badge), (0, 16));
    assert!(got.info.is_signal());
    // A call that comes first is served, and the timer can be taken back.
    arm_by(&mut scene, server, t, 5000);
    assert_eq!(scene.recv(server, ep, reply), None);
    assert_eq!(scene.call(client, ep, [3; 4]), None);
    assert_eq!(scene.answer(server).unwrap().words, [3; 4]);
    let got = scene.s.invoke(server.id, t, TimerDisarm, 0, [0; 4]);
    assert_eq!(got, Ok([1, 0, 0, 0]));
    scene.reply(server, reply, [4; 4]);
    assert_eq!(scene.recv(server, ep, reply), None);
    scene.s.advance(100_000);
    assert_eq!(scene.answer(server), None);
}

#[test]
fn a_timer_wakes_the_more_important() {
    let mut scene = Scene::new(1);
    let (low, high) = (scene.actor(1), scene.actor(1));
    let n = scene.make(Kind::Notification, 0);
    let t = timer(&mut scene, n, 1);
    scene.configure(high, 1, PRIORITY + 1);
    assert!(scene.runs(high));
    arm_by(&mut scene, high, t, 500_000);
    assert_eq!(scene.wait(high, n), None);
    assert!(scene.runs(low));
    scene.s.advance(499_999);
    assert!(scene.runs(low));
    scene.s.advance(1);
    assert!(scene.runs(high));
}
