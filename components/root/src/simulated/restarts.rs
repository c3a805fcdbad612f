//! Components that fail, and start again without a loss.

use super::description::{CLIENT, CLIENT_ORDERS, GSI, SERVER, object, system};
use super::{held, run, started, thread_of};
use crate::run::{Ended, serve};
use crate::system::System;
use pagurus_abi::layout::{IMAGE_BASE, STACK_TOP};
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::{Error, Syscall};
use pagurus_protocol::root::{ComponentState, Restart};
use pagurus_protocol::wire::write_request;
use pagurus_rt::Cap;
use pagurus_rt::server::Fault;
use pagurus_syscall::sim::Preemption;
use pagurus_syscall::sim::system::Event;
use std::vec::Vec;

fn page_fault(id: u16) -> Fault {
    Fault {
        badge: id.into(),
        page: true,
        vector: 14,
        code: 4,
        address: 0xdead_0000,
        rip: IMAGE_BASE,
        rsp: STACK_TOP - 64,
        rflags: 2,
    }
}

/// What root has left: slots, and bytes in the leases.
fn left(root: &System) -> (u32, Vec<u64>) {
    let leases = root.members.iter().filter_map(|m| m.prepared.as_ref());
    let free = leases.map(|p| p.lease.info().unwrap().free).collect();
    (root.slots.free_slots(), free)
}

#[test]
fn an_interrupt_is_bound_unmasked_and_signals_the_server() {
    started(&system(), 1, |simulation, root| {
        let events = Cap::<pagurus_rt::object::Notification>::new(
            root.objects.original(object::EVENTS).unwrap(),
        );
        assert_eq!(events.poll(), Err(Error::WouldBlock));
        assert!(simulation.system.borrow_mut().ring(GSI));
        assert_eq!(events.poll(), Ok(4));
        // Masked until it is acknowledged; the server ends without doing so.
        assert!(!simulation.system.borrow_mut().ring(GSI));
        root.restart(SERVER).unwrap();
        assert!(simulation.system.borrow_mut().ring(GSI));
    });
}

#[test]
fn a_timer_is_bound_and_is_not_armed_when_the_server_starts_again() {
    started(&system(), 1, |simulation, root| {
        let original = |index| root.objects.original(index).unwrap();
        let events = Cap::<pagurus_rt::object::Notification>::new(original(object::EVENTS));
        let timer = Cap::<pagurus_rt::object::Timer>::new(original(object::TIMER));
        let fires = || {
            let now = simulation.system.borrow().kernel.machine.clock;
            timer.arm(now + 1000).unwrap();
            simulation.system.borrow_mut().advance(1000);
            events.poll()
        };
        assert_eq!(fires(), Ok(8));
        timer.arm(u64::MAX).unwrap();
        root.restart(SERVER).unwrap();
        assert_eq!(timer.info().unwrap().deadline, None);
        assert_eq!(fires(), Ok(8));
    });
}

#[test]
fn a_thousand_restarts_lose_nothing() {
    let mut description = system();
    for id in [SERVER, CLIENT] {
        description.component(id).info.restarts = pagurus_capdl_image::Restarts::Always;
    }
    started(&description, 1, |simulation, root| {
        let before = left(root);
        let rest = held(root, SERVER);
        for n in 0..1000u16 {
            let id = if n % 2 == 0 { SERVER } else { CLIENT };
            assert!(root.fault(&page_fault(id)), "the thread is gone");
            assert_eq!(root.member(id).unwrap().state, ComponentState::Running);
        }
        assert_eq!(left(root), before);
        assert_eq!(held(root, SERVER), rest);
        assert_eq!(root.member(SERVER).unwrap().restarts, 500);
        assert_eq!(root.audit().unwrap().differences, 0);
        simulation.verify();
    });
}

#[test]
fn a_restart_survives_preemption_anywhere() {
    started(&system(), 2, |simulation, root| {
        let before = left(root);
        for seed in 0..40 {
            let random = Preemption::Random { seed, one_in: 3 };
            simulation.system.borrow_mut().kernel.machine.preemption = random;
            root.restart(SERVER).unwrap();
        }
        simulation.system.borrow_mut().kernel.machine.preemption = Preemption::Never;
        assert_eq!(left(root), before);
        assert_eq!(root.audit().unwrap().differences, 0);
    });
}

#[test]
fn a_component_may_fail_as_often_as_its_description_says() {
    started(&system(), 1, |_, root| {
        assert!(root.fault(&page_fault(CLIENT)));
        assert!(root.fault(&page_fault(CLIENT)));
        assert!(!root.fault(&page_fault(CLIENT)), "its thread stays");
        let member = root.member(CLIENT).unwrap();
        assert_eq!(
            (member.state, member.restarts),
            (ComponentState::Faulted, 2)
        );
        // An order starts it all the same.
        root.restart(CLIENT).unwrap();
        assert_eq!(root.member(CLIENT).unwrap().state, ComponentState::Running);
        assert!(!root.fault(&page_fault(9)), "a fault from nobody known");
    });
}

#[test]
fn a_fault_reaches_root_and_the_component_runs_again() {
    started(&system(), 1, |simulation, root| {
        let faulting = thread_of(simulation, root, CLIENT);
        simulation.then(move |sim| {
            run(sim, faulting);
            let fault = Event::Fault {
                vector: 14,
                code: 6,
                address: 0x1234,
            };
            sim.event(0, fault);
        });
        // The same component that asks for its own restart gets no answer: it is no more.
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));
        let member = root.member(CLIENT).unwrap();
        assert_eq!(
            (member.state, member.restarts),
            (ComponentState::Running, 1)
        );

        let t = thread_of(simulation, root, CLIENT);
        simulation.then(move |sim| {
            run(sim, t);
            let mut words = [0; MAX_WORDS];
            let order = Restart {
                component: CLIENT.into(),
            };
            let info = write_request(&order, &[], 0, &mut words).unwrap();
            let first = [words[0], words[1], words[2], words[3]];
            let answer = sim.ipc(t, Syscall::Call, CLIENT_ORDERS.into(), 0, info, first);
            assert_eq!(answer, None);
        });
        assert_eq!(serve(root), Err(Ended::Receive(Error::Canceled)));
        assert_eq!(root.member(CLIENT).unwrap().restarts, 2);
    });
}
