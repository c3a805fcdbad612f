//! Faults are calls to the fault endpoint.

use crate::sim::{Event, Mode};
use crate::tests::scene::*;
use pagurus_abi::fault::{FaultKind, FaultReply};
use pagurus_abi::layout::USER_END;
use pagurus_abi::method::{ThreadBinding, ThreadState};
use pagurus_abi::{Kind, MessageInfo, Rights, Syscall};

struct Pair {
    scene: Scene,
    handler: Actor,
    thread: Actor,
    ep: u64,
    reply: u64,
}

impl Pair {
    fn new() -> Pair {
        let (mut scene, [handler, thread]) = Scene::with();
        let ep = scene.make(Kind::Endpoint, 0);
        let reply = scene.make(Kind::Reply, 0);
        let badged = scene.badged(ep, 0xfa);
        scene.bind(thread, ThreadBinding::FaultEndpoint, badged);
        Pair {
            scene,
            handler,
            thread,
            ep,
            reply,
        }
    }

    fn fault(&mut self, vector: u64) {
        let cpu = self.scene.s.cpu_of(self.thread.id).expect("it runs");
        let fault = Event::Fault {
            vector,
            code: 6,
            address: 0x1234,
        };
        self.scene.s.event(cpu, fault);
    }

    fn receive(&mut self) -> Option<crate::sim::Answer> {
        self.scene.recv(self.handler, self.ep, self.reply)
    }

    fn answer(&mut self, label: u64, words: [u64; 4]) {
        let info = MessageInfo::new(label, 2, 0);
        let done = self
            .scene
            .ipc(self.handler, Syscall::Reply, self.reply, 0, info, words);
        assert_eq!(done.unwrap().code, 0);
    }

    fn registers(&self) -> (u64, u64) {
        let cpu = self.scene.s.cpu_of(self.thread.id).expect("it runs");
        match self.scene.s.kernel.machine.processors[cpu].mode {
            Mode::User { registers, .. } => (registers.rip, registers.rsp),
            _ => unreachable!("it runs"),
        }
    }
}

#[test]
fn the_handler_is_told_everything() {
    for handler_first in [true, false] {
        for (vector, kind) in [(14, FaultKind::Page), (6, FaultKind::Exception)] {
            let mut p = Pair::new();
            let (rip, rsp) = p.registers();
            let got = if handler_first {
                assert_eq!(p.receive(), None);
                p.fault(vector);
                p.scene.answer(p.handler).unwrap()
            } else {
                p.fault(vector);
                assert_eq!(p.scene.state(p.thread), ThreadState::Sending);
                p.receive().unwrap()
            };
            assert_eq!(p.scene.state(p.thread), ThreadState::Calling);
            assert!(got.info.is_fault());
            assert_eq!((got.info.label(), got.info.words()), (kind as u64, 6));
            assert_eq!((got.badge, got.words), (0xfa, [vector, 6, 0x1234, rip]));
            assert_eq!(p.scene.s.read_word(p.handler.id, 4), rsp);
            assert_eq!(p.scene.s.read_word(p.handler.id, 5), 0x202);
            // It handles the fault in the time of the one who made it.
            assert_eq!(p.scene.s.cpu_of(p.handler.id), Some(2));
        }
    }
}

#[test]
fn every_fault_is_in_the_log_and_says_whether_anybody_was_told() {
    let mut p = Pair::new();
    let faults = |p: &Pair| -> Vec<(u64, u64, bool)> {
        let events = p.scene.s.kernel.machine.events.iter();
        let faults = events.filter_map(|event| match *event {
            crate::Event::Fault {
                vector, rip, told, ..
            } => Some((vector, rip, told)),
            _ => None,
        });
        faults.collect()
    };
    let (rip, _) = p.registers();
    p.fault(14);
    assert_eq!(faults(&p), [(14, rip, true)]);
    assert!(p.receive().is_some());
    p.scene.unbind(p.thread, ThreadBinding::FaultEndpoint);
    p.answer(FaultReply::Retry as u64, [0; 4]);
    p.fault(6);
    assert_eq!(faults(&p), [(14, rip, true), (6, rip, false)]);
}

#[test]
fn a_handler_without_buffer_gets_the_first_four_words() {
    let mut p = Pair::new();
    p.scene.unbind(p.handler, ThreadBinding::IpcBuffer);
    p.fault(13);
    let got = p.receive().unwrap();
    assert_eq!((got.info.words(), got.words[0]), (4, 13));
}

#[test]
fn retry_repeats_the_instruction_and_resume_goes_elsewhere() {
    let mut p = Pair::new();
    let before = p.registers();
    for (label, words, after) in [
        (FaultReply::Retry as u64, [9; 4], before),
        (
            FaultReply::ResumeAt as u64,
            [0x5000, 0, 0, 0],
            (0x5000, before.1),
        ),
        (
            FaultReply::ResumeAt as u64,
            [0x6000, 0x9000, 0, 0],
            (0x6000, 0x9000),
        ),
    ] {
        p.fault(14);
        assert!(p.receive().is_some());
        p.answer(label, words);
        assert_eq!(p.scene.state(p.thread), ThreadState::Ready);
        assert_eq!(p.registers(), after);
        assert!(p.scene.runs(p.handler), "at home again");
    }
}

#[test]
fn every_other_answer_stops_the_thread_which_can_be_started_again() {
    for (label, words) in [
        (FaultReply::Stop as u64, [0; 4]),
        (77, [0; 4]),
        (FaultReply::ResumeAt as u64, [USER_END, 0, 0, 0]),
        (FaultReply::ResumeAt as u64, [u64::MAX, 0, 0, 0]),
    ] {
        let mut p = Pair::new();
        p.fault(14);
        assert!(p.receive().is_some());
        p.answer(label, words);
        assert_eq!(p.scene.state(p.thread), ThreadState::Inactive);
        assert!(p.scene.runs(p.handler), "in its own time");
        assert_eq!(p.scene.s.cpu_of(p.handler.id), Some(1));
        p.scene.resume(p.thread);
        assert!(p.scene.runs(p.thread));
        p.fault(14);
        assert_eq!(p.scene.state(p.thread), ThreadState::Sending);
    }
}

#[test]
fn without_anybody_to_tell_the_thread_stops() {
    // No fault endpoint.
    let mut p = Pair::new();
    p.scene.unbind(p.thread, ThreadBinding::FaultEndpoint);
    p.fault(14);
    assert_eq!(p.scene.state(p.thread), ThreadState::Inactive);
    // A handler that cannot answer.
    let mut p = Pair::new();
    assert_eq!(p.scene.recv(p.handler, p.ep, 0), None);
    p.fault(14);
    assert_eq!(p.scene.state(p.thread), ThreadState::Inactive);
    assert_eq!(p.scene.state(p.handler), ThreadState::Receiving);
    // One that comes later and cannot answer.
    let mut p = Pair::new();
    p.fault(14);
    assert_eq!(p.scene.recv(p.handler, p.ep, 0), None);
    assert_eq!(p.scene.state(p.thread), ThreadState::Inactive);
}

#[test]
fn a_thread_whose_handler_goes_away_stops() {
    let ways: [fn(&mut Pair); 4] = [
        |p| p.scene.delete(p.ep),
        |p| {
            assert!(p.receive().is_some());
            p.scene.delete(p.reply);
        },
        |p| p.scene.suspend(p.thread),
        |p| {
            assert!(p.receive().is_some());
            p.scene.suspend(p.thread);
        },
    ];
    for way in ways {
        let mut p = Pair::new();
        let before = p.registers();
        p.fault(14);
        way(&mut p);
        assert_eq!(p.scene.state(p.thread), ThreadState::Inactive);
        assert!(p.scene.runs(p.handler));
        // What it was doing is not touched.
        p.scene.resume(p.thread);
        assert_eq!(p.registers(), before);
    }
}

#[test]
fn a_fault_endpoint_must_be_one_that_can_be_sent_to() {
    let (mut scene, [a]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let read = scene.copy(ep, Rights::READ | Rights::GRANT);
    let place = ThreadBinding::FaultEndpoint as u64;
    let got = scene.try_root(
        a.thread,
        pagurus_abi::method::Method::ThreadBind,
        0,
        [place, read, 0, 0],
    );
    assert_eq!(got, Err(pagurus_abi::Error::MissingRights));
}

#[test]
fn a_server_that_faults_while_it_serves_gets_its_loan_back() {
    let (mut scene, [handler, server, client]) = Scene::with();
    let (ep, work) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Endpoint, 0));
    let (reply, own) = (scene.make(Kind::Reply, 0), scene.make(Kind::Reply, 0));
    scene.bind(server, ThreadBinding::FaultEndpoint, ep);
    assert_eq!(scene.recv(server, work, own), None);
    assert_eq!(scene.recv(handler, ep, reply), None);
    assert_eq!(scene.call(client, work, [0; 4]), None);
    assert!(scene.answer(server).is_some());
    let fault = Event::Fault {
        vector: 14,
        code: 0,
        address: 0,
    };
    scene.s.event(3, fault);
    assert!(scene.answer(handler).unwrap().info.is_fault());
    // The client's time has gone through two hands.
    let time = Some(scene.context_id(client));
    assert_eq!(scene.thread(handler).sc, time);
    let retry = MessageInfo::new(FaultReply::Retry as u64, 0, 0);
    scene.ipc(handler, Syscall::Reply, reply, 0, retry, [0; 4]);
    assert_eq!(scene.thread(server).sc, time);
    scene.reply(server, own, [3; 4]);
    assert_eq!(scene.thread(client).sc, time);
    assert!([handler, server, client].iter().all(|a| scene.runs(*a)));
}
