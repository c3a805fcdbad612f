//! What ends while somebody depends on it: every object in every state.

use crate::tests::scene::*;
use pagurus_abi::method::{Method, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, Syscall};
use pagurus_ipc::{Env, ReplyId, ReplyState};

/// What a thread waits for, in each way that there is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    Send,
    Call,
    Receive,
    Answer,
    Signal,
}

const WAITS: [Wait; 5] = [
    Wait::Send,
    Wait::Call,
    Wait::Receive,
    Wait::Answer,
    Wait::Signal,
];

struct Waiting {
    scene: Scene,
    thread: Actor,
    other: Actor,
    ep: u64,
    n: u64,
    reply: u64,
}

impl Waiting {
    /// `thread` waits; in `Answer`, `other` serves it and runs on its time.
    fn new(wait: Wait) -> Waiting {
        let (mut scene, [thread, other]) = Scene::with();
        let ep = scene.make(Kind::Endpoint, 0);
        let n = scene.make(Kind::Notification, 0);
        let reply = scene.make(Kind::Reply, 0);
        match wait {
            Wait::Send => assert_eq!(scene.send(thread, ep, [0; 4]), None),
            Wait::Call => assert_eq!(scene.call(thread, ep, [0; 4]), None),
            Wait::Receive => assert_eq!(scene.recv(thread, ep, reply), None),
            Wait::Signal => assert_eq!(scene.wait(thread, n), None),
            Wait::Answer => {
                assert_eq!(scene.call(thread, ep, [0; 4]), None);
                assert!(scene.recv(other, ep, reply).is_some());
            }
        }
        Waiting {
            scene,
            thread,
            other,
            ep,
            n,
            reply,
        }
    }

    fn reply_state(&self) -> ReplyState {
        let id = ReplyId::new(self.scene.capability(self.reply).object).unwrap();
        Env::reply(&*self.scene.s.kernel, id).state
    }

    /// `thread` and `other` can still do everything.
    fn all_is_well(&mut self) {
        let (ep, reply) = (
            self.scene.make(Kind::Endpoint, 0),
            self.scene.make(Kind::Reply, 0),
        );
        assert_eq!(self.scene.call(self.thread, ep, [1; 4]), None);
        assert_eq!(
            self.scene.recv(self.other, ep, reply).unwrap().words,
            [1; 4]
        );
        assert_eq!(self.scene.reply(self.other, reply, [2; 4]).unwrap().code, 0);
        assert_eq!(self.scene.answer(self.thread).unwrap().words, [2; 4]);
    }
}

#[test]
fn a_suspended_thread_leaves_what_it_waited_for_with_canceled() {
    for wait in WAITS {
        let mut w = Waiting::new(wait);
        w.scene.suspend(w.thread);
        assert_eq!(w.scene.state(w.thread), ThreadState::Inactive);
        assert_eq!(w.reply_state(), ReplyState::Idle, "{wait:?}");
        assert!(w.scene.runs(w.other));
        w.scene.resume(w.thread);
        assert_eq!(w.scene.error(w.thread), Some(Error::Canceled), "{wait:?}");
        if wait == Wait::Answer {
            let late = w.scene.reply(w.other, w.reply, [0; 4]).unwrap();
            assert_eq!(late.result(), Err(Error::NoCaller));
        }
        assert!(w.scene.runs(w.other) && w.scene.runs(w.thread));
        assert_eq!(w.scene.s.cpu_of(w.other.id), Some(2), "at home: {wait:?}");
        w.all_is_well();
    }
}

#[test]
fn a_thread_can_end_in_any_wait() {
    for wait in WAITS {
        let mut w = Waiting::new(wait);
        w.scene.delete(w.thread.thread);
        assert_eq!(w.reply_state(), ReplyState::Idle, "{wait:?}");
        assert!(w.scene.runs(w.other), "{wait:?}");
        // The queue is whole: somebody else can use it.
        let answer = w
            .scene
            .ipc(w.other, Syscall::TrySend, w.ep, 0, EMPTY, [0; 4]);
        assert_eq!(answer.unwrap().result(), Err(Error::WouldBlock));
        w.scene.delete(w.ep);
        w.scene.delete(w.n);
        w.scene.delete(w.reply);
    }
}

#[test]
fn what_is_waited_for_can_end() {
    for wait in WAITS {
        let mut w = Waiting::new(wait);
        let (ended, told) = match wait {
            Wait::Send | Wait::Call | Wait::Receive => (w.ep, true),
            Wait::Answer => (w.reply, true),
            Wait::Signal => (w.n, true),
        };
        w.scene.delete(ended);
        assert_eq!(
            w.scene.error(w.thread),
            told.then_some(Error::Canceled),
            "{wait:?}"
        );
        assert!(w.scene.runs(w.thread) && w.scene.runs(w.other));
        assert_eq!(w.scene.s.cpu_of(w.thread.id), Some(1), "{wait:?}");
        assert_eq!(w.scene.s.cpu_of(w.other.id), Some(2), "{wait:?}");
        w.all_is_well();
    }
}

#[test]
fn an_endpoint_that_nobody_waits_at_any_more_can_end_while_a_call_is_served() {
    let mut w = Waiting::new(Wait::Answer);
    w.scene.delete(w.ep);
    assert_eq!(w.scene.state(w.thread), ThreadState::Calling);
    assert_eq!(w.scene.reply(w.other, w.reply, [4; 4]).unwrap().code, 0);
    assert_eq!(w.scene.answer(w.thread).unwrap().words, [4; 4]);
}

#[test]
fn a_receiver_whose_reply_ends_goes_on_receiving_without() {
    let mut w = Waiting::new(Wait::Receive);
    w.scene.delete(w.reply);
    assert_eq!(w.scene.state(w.thread), ThreadState::Receiving);
    let refused = w.scene.call(w.other, w.ep, [0; 4]).unwrap();
    assert_eq!(refused.result(), Err(Error::NoReply));
    assert_eq!(w.scene.send(w.other, w.ep, [5; 4]).unwrap().code, 0);
    assert_eq!(w.scene.answer(w.thread).unwrap().words, [5; 4]);
}

#[test]
fn many_who_wait_are_told_one_by_one_and_the_deletion_can_be_preempted_between() {
    let (mut scene, actors) = Scene::with::<6>();
    let ep = scene.make(Kind::Endpoint, 0);
    for actor in actors {
        assert_eq!(scene.send(actor, ep, [0; 4]), None);
    }
    scene.s.kernel.machine.preemption = crate::sim::Preemption::Always;
    scene.delete(ep);
    for actor in actors {
        assert_eq!(scene.error(actor), Some(Error::Canceled));
    }
}

#[test]
fn a_thread_that_suspends_itself_has_its_answer_when_it_goes_on() {
    let (mut scene, [thread]) = Scene::with();
    let args = crate::sim::user::invocation(thread.thread, Method::ThreadSuspend, 0, [0; 4]);
    assert_eq!(scene.s.make(thread.id, args), None);
    assert_eq!(scene.state(thread), ThreadState::Inactive);
    scene.resume(thread);
    assert_eq!(scene.answer(thread).unwrap().code, 0);
}

#[test]
fn a_thread_can_end_itself_and_what_it_needs() {
    // The thread, or its time.
    for what in 0..2 {
        let (mut scene, [thread]) = Scene::with();
        let cap = [thread.thread, thread.context][what];
        let args = crate::sim::user::invocation(CNODE, Method::CNodeDelete, 0, [cap, 0, 0, 0]);
        assert_eq!(scene.s.make(thread.id, args), None);
        assert_eq!(scene.s.running(1), None);
        assert!(scene.capability(cap).is_empty());
        if what == 1 {
            // It is ready, and runs as soon as somebody gives it time; its call was carried out once.
            assert_eq!(scene.state(thread), ThreadState::Ready);
            let context = scene.make(Kind::SchedContext, 0);
            let with = Actor { context, ..thread };
            scene.configure(with, 1, PRIORITY);
            scene.root(context, Method::SchedBind, 0, [thread.thread, 0, 0, 0]);
            assert_eq!(scene.answer(thread).unwrap().code, 0);
        }
    }
}

#[test]
fn a_thread_that_takes_its_own_address_space_stops_with_its_answer() {
    let (mut scene, [thread]) = Scene::with();
    let place = ThreadBinding::AddressSpace as u64;
    let unbind = [place, 0, 0, 0];
    let args = crate::sim::user::invocation(thread.thread, Method::ThreadUnbind, 0, unbind);
    assert_eq!(scene.s.make(thread.id, args), None);
    assert_eq!(scene.state(thread), ThreadState::Inactive);
    let got = scene.try_root(thread.thread, Method::ThreadResume, 0, [0; 4]);
    assert_eq!(got, Err(Error::MissingBinding));
    scene.bind(thread, ThreadBinding::AddressSpace, SPACE);
    scene.resume(thread);
    assert_eq!(scene.answer(thread).unwrap().code, 0);
}

#[test]
fn a_thread_can_change_the_time_it_runs_on() {
    let (mut scene, [thread, _]) = Scene::with();
    let cpu = pagurus_abi::boot::slot::FIRST_CPU as u64 + 2;
    let a = [cpu, 500_000, 1_000_000, 0];
    let args = crate::sim::user::invocation(thread.context, Method::SchedConfigure, 101, a);
    let answer = scene.s.make(thread.id, args).expect("it goes on elsewhere");
    assert_eq!(answer.code, 0);
    assert_eq!(scene.s.cpu_of(thread.id), Some(2));
}

#[test]
fn a_running_thread_is_stopped_before_it_ends() {
    let (mut scene, [thread]) = Scene::with();
    assert!(scene.runs(thread));
    scene.s.kernel.machine.synchronised.clear();
    scene.delete(thread.thread);
    assert!(scene.s.kernel.machine.synchronised.contains(&(1 << 1)));
    assert_eq!(scene.s.running(1), None);
}
