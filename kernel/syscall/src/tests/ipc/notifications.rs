//! Signals.

use crate::tests::scene::*;
use pagurus_abi::method::{Method, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, MessageInfo, Syscall};

#[test]
fn signals_add_up_until_they_are_fetched() {
    let (mut scene, [a, b]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let (one, four) = (scene.badged(n, 1), scene.badged(n, 4));
    assert_eq!(scene.poll(b, n).unwrap().result(), Err(Error::WouldBlock));
    scene.signal(a, one);
    scene.signal(a, four);
    scene.signal(a, one);
    assert_eq!(scene.poll(b, n).unwrap().badge, 5);
    assert_eq!(scene.poll(b, n).unwrap().result(), Err(Error::WouldBlock));
    scene.signal(a, four);
    assert_eq!(scene.wait(b, n).unwrap().badge, 4);
}

#[test]
fn a_signal_wakes_the_first_who_waits() {
    let (mut scene, [a, b, c]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let two = scene.badged(n, 2);
    assert_eq!(scene.wait(a, n), None);
    assert_eq!(scene.wait(b, n), None);
    assert_eq!(scene.state(a), ThreadState::Waiting);
    scene.signal(c, two);
    assert_eq!(scene.answer(a).unwrap().badge, 2);
    assert_eq!(scene.state(b), ThreadState::Waiting);
    scene.signal(c, two);
    assert_eq!(scene.answer(b).unwrap().badge, 2);
    assert_eq!(scene.poll(c, n).unwrap().result(), Err(Error::WouldBlock));
}

#[test]
fn a_signal_is_never_lost_whether_somebody_waits_or_not() {
    // Also by a capability without badge: first signal, then wait must be the same as the other way round.
    let (mut scene, [a, b]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    scene.signal(a, n);
    let first = scene.wait(b, n).map(|answer| answer.badge);
    let (mut scene, [a, b]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    assert_eq!(scene.wait(b, n), None);
    scene.signal(a, n);
    let second = scene.answer(b).map(|answer| answer.badge);
    assert_eq!(first, second);
}

#[test]
fn a_bound_notification_ends_a_receive() {
    let (mut scene, [server, other]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    let n = scene.make(Kind::Notification, 0);
    let eight = scene.badged(n, 8);
    scene.bind(server, ThreadBinding::Notification, n);
    // While it receives: the reply that it offered is free again.
    assert_eq!(scene.recv(server, ep, reply), None);
    scene.signal(other, eight);
    let got = scene.answer(server).unwrap();
    assert_eq!((got.code, got.badge), (0, 8));
    assert!(got.info.is_signal());
    // Before it receives; messages wait behind it.
    scene.signal(other, eight);
    assert_eq!(scene.call(other, ep, [6, 0, 0, 0]), None);
    for call in [Syscall::Recv, Syscall::TryRecv] {
        let got = scene.ipc(server, call, ep, reply, EMPTY, [0; 4]).unwrap();
        match call {
            Syscall::Recv => assert_eq!((got.badge, got.info.0), (8, MessageInfo::SIGNAL)),
            _ => assert_eq!((got.words[0], got.info.is_signal()), (6, false)),
        }
    }
    // And in between, when it answers.
    let root = scene.s.root;
    scene.s.ipc(root, Syscall::Signal, eight, 0, EMPTY, [0; 4]);
    let got = scene.reply_recv(server, ep, reply, [7, 0, 0, 0]).unwrap();
    assert_eq!((got.badge, got.info.0), (8, MessageInfo::SIGNAL));
    assert_eq!(scene.answer(other).unwrap().words[0], 7);
    assert!(scene.runs(server) && scene.runs(other));
}

#[test]
fn a_signal_for_a_bound_thread_that_does_something_else_waits() {
    let (mut scene, [server, other]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let one = scene.badged(n, 1);
    let ep = scene.make(Kind::Endpoint, 0);
    scene.bind(server, ThreadBinding::Notification, n);
    assert_eq!(scene.send(server, ep, [0; 4]), None);
    scene.signal(other, one);
    assert_eq!(scene.state(server), ThreadState::Sending);
    assert!(scene.recv(other, ep, 0).is_some());
    assert_eq!(scene.answer(server).unwrap().code, 0);
    assert!(scene.recv(server, ep, 0).unwrap().info.is_signal());
}

#[test]
fn a_notification_bound_while_signals_wait_ends_the_receive_that_waits() {
    let (mut scene, [server, other]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let one = scene.badged(n, 1);
    let ep = scene.make(Kind::Endpoint, 0);
    scene.signal(other, one);
    assert_eq!(scene.recv(server, ep, 0), None);
    scene.bind(server, ThreadBinding::Notification, n);
    let got = scene.answer(server).expect("the signal ends the receive");
    assert_eq!((got.badge, got.info.is_signal()), (1, true));
}

#[test]
fn one_notification_one_thread_and_back() {
    let (mut scene, [a, b]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let m = scene.make(Kind::Notification, 0);
    scene.bind(a, ThreadBinding::Notification, n);
    let place = ThreadBinding::Notification as u64;
    for (actor, cap) in [(a, m), (a, n), (b, n)] {
        let got = scene.try_root(actor.thread, Method::ThreadBind, 0, [place, cap, 0, 0]);
        assert_eq!(got, Err(Error::AlreadyBound));
    }
    scene.unbind(a, ThreadBinding::Notification);
    scene.bind(b, ThreadBinding::Notification, n);
    // Revoked, it is forgotten on both sides.
    scene.delete(n);
    assert_eq!(scene.thread(b).notification, None);
    scene.bind(b, ThreadBinding::Notification, m);
    // The thread ends: the notification is free.
    scene.delete(b.thread);
    scene.bind(a, ThreadBinding::Notification, m);
}

#[test]
fn interrupts_signal_until_they_are_unbound() {
    let (mut scene, [driver]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    let bit = scene.badged(n, 0x10);
    for (mode, level) in [(0, false), (1, true)] {
        let irq = scene.slot();
        let control = pagurus_abi::boot::slot::IRQ_CONTROL as u64;
        scene.root(control, Method::IrqIssue, mode, [5, CNODE, irq, 0]);
        assert!(!scene.s.ring(5), "masked until somebody wants it");
        scene.root(irq, Method::IrqBind, 0, [bit, 0, 0, 0]);
        scene.root(irq, Method::IrqAck, 0, [0; 4]);
        assert_eq!(scene.wait(driver, n), None);
        assert!(scene.s.ring(5));
        assert_eq!(scene.answer(driver).unwrap().badge, 0x10);
        // A level that is still high would ring for ever.
        assert_eq!(scene.s.ring(5), !level);
        scene.root(irq, Method::IrqAck, 0, [0; 4]);
        assert!(scene.s.ring(5));
        assert_eq!(scene.poll(driver, n).unwrap().badge, 0x10);
        scene.root(irq, Method::IrqUnbind, 0, [0; 4]);
        assert!(!scene.s.ring(5));
        // The line can be issued anew once its handler is gone, and not before.
        let again = scene.slot();
        let got = scene.try_root(control, Method::IrqIssue, mode, [5, CNODE, again, 0]);
        assert_eq!(got, Err(Error::InUse));
        scene.root(irq, Method::IrqBind, 0, [bit, 0, 0, 0]);
        scene.root(irq, Method::IrqAck, 0, [0; 4]);
        scene.delete(irq);
        assert!(!scene.s.ring(5));
    }
}

#[test]
fn an_interrupt_on_its_way_does_not_open_a_line_that_was_unbound() {
    let mut scene = Scene::new(1);
    let n = scene.make(Kind::Notification, 0);
    let irq = scene.slot();
    let control = pagurus_abi::boot::slot::IRQ_CONTROL as u64;
    scene.root(control, Method::IrqIssue, 0, [5, CNODE, irq, 0]);
    scene.root(irq, Method::IrqBind, 0, [n, 0, 0, 0]);
    scene.root(irq, Method::IrqAck, 0, [0; 4]);
    scene.root(irq, Method::IrqUnbind, 0, [0; 4]);
    scene.s.event(0, crate::sim::Event::Irq(5));
    assert!(!scene.s.ring(5));
    scene.root(irq, Method::IrqBind, 0, [n, 0, 0, 0]);
    scene.root(irq, Method::IrqAck, 0, [0; 4]);
    assert!(scene.s.ring(5));
}
