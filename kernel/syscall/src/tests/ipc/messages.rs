//! Words from one thread to another.

use crate::tests::scene::*;
use pagurus_abi::method::{ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, MessageInfo, Rights, Syscall};

#[test]
fn a_call_brings_words_badge_and_label_and_the_answer_comes_back() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    let badged = scene.badged(ep, 0xb00);
    assert_eq!(scene.recv(server, ep, reply), None);
    assert_eq!(scene.state(server), ThreadState::Receiving);
    assert_eq!(scene.call(client, badged, [1, 2, 3, 4]), None);
    assert_eq!(scene.state(client), ThreadState::Calling);
    let request = scene.answer(server).unwrap();
    assert_eq!((request.code, request.badge), (0, 0xb00));
    assert_eq!(request.info, MessageInfo::new(7, 4, 0));
    assert_eq!(request.words, [1, 2, 3, 4]);
    // It serves the client on the client's processor, in the client's time.
    assert_eq!(scene.s.cpu_of(server.id), Some(1));
    assert_eq!(scene.reply(server, reply, [5, 6, 7, 8]).unwrap().code, 0);
    let answer = scene.answer(client).unwrap();
    assert_eq!((answer.code, answer.badge), (0, 0));
    assert_eq!(answer.info, MessageInfo::new(9, 4, 0));
    assert_eq!(answer.words, [5, 6, 7, 8]);
    assert_eq!(scene.s.cpu_of(client.id), Some(1));
    assert_eq!(scene.s.cpu_of(server.id), Some(2), "at home again");
}

#[test]
fn it_does_not_matter_who_comes_first() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    assert_eq!(scene.call(client, ep, [1, 2, 3, 4]), None);
    assert_eq!(scene.state(client), ThreadState::Sending);
    let request = scene.recv(server, ep, reply).unwrap();
    assert_eq!(request.words, [1, 2, 3, 4]);
    assert_eq!(request.info, MessageInfo::new(7, 4, 0));
    assert_eq!(scene.state(client), ThreadState::Calling);
    assert_eq!(scene.s.cpu_of(server.id), Some(1));
    assert_eq!(scene.reply_recv(server, ep, reply, [5, 6, 7, 8]), None);
    assert_eq!(scene.answer(client).unwrap().words, [5, 6, 7, 8]);
    assert_eq!(scene.state(server), ThreadState::Receiving);
}

#[test]
fn senders_are_served_in_order_and_a_send_needs_no_reply() {
    let (mut scene, [a, b, c, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    for (n, actor) in [(1, a), (2, b), (3, c)] {
        assert_eq!(scene.send(actor, ep, [n, 0, 0, 0]), None);
        assert_eq!(scene.state(actor), ThreadState::Sending);
    }
    for (n, actor) in [(1, a), (2, b), (3, c)] {
        let got = scene.recv(server, ep, 0).unwrap();
        assert_eq!((got.words[0], got.info.label()), (n, 8));
        assert_eq!(scene.answer(actor).unwrap().code, 0);
        assert_eq!(scene.state(actor), ThreadState::Ready);
    }
}

#[test]
fn receivers_are_served_in_order() {
    let (mut scene, [a, b, client]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    assert_eq!(scene.recv(a, ep, 0), None);
    assert_eq!(scene.recv(b, ep, 0), None);
    for (n, actor) in [(1, a), (2, b)] {
        assert_eq!(scene.send(client, ep, [n, 0, 0, 0]).unwrap().code, 0);
        assert_eq!(scene.answer(actor).unwrap().words[0], n);
    }
}

#[test]
fn the_server_loop_begins_without_anybody_to_answer() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    assert_eq!(scene.reply_recv(server, ep, reply, [0; 4]), None);
    for n in 0..3 {
        assert_eq!(scene.call(client, ep, [n, 0, 0, 0]), None);
        assert_eq!(scene.answer(server).unwrap().words[0], n);
        assert_eq!(scene.reply_recv(server, ep, reply, [n + 10, 0, 0, 0]), None);
        assert_eq!(scene.answer(client).unwrap().words[0], n + 10);
    }
}

#[test]
fn calls_that_cannot_be_answered_are_refused_on_both_sides() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    // The receiver waits and offers nothing: it goes on waiting.
    assert_eq!(scene.recv(server, ep, 0), None);
    let refused = scene.call(client, ep, [0; 4]).unwrap();
    assert_eq!(refused.result(), Err(Error::NoReply));
    assert_eq!(scene.state(server), ThreadState::Receiving);
    // The caller waits: it is told, and the receiver gets the next message.
    let (mut scene, [client, server, other]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    assert_eq!(scene.call(client, ep, [1, 0, 0, 0]), None);
    assert_eq!(scene.send(other, ep, [2, 0, 0, 0]), None);
    assert_eq!(scene.recv(server, ep, 0).unwrap().words[0], 2);
    assert_eq!(scene.error(client), Some(Error::NoReply));
    assert_eq!(scene.answer(other).unwrap().code, 0);
}

#[test]
fn any_number_of_callers_is_refused_one_at_a_time() {
    let (mut scene, [a, b, c, d, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    for caller in [a, b, c, d] {
        assert_eq!(scene.call(caller, ep, [0; 4]), None);
    }
    let before = scene.s.kernel.counters.syscalls;
    assert_eq!(scene.recv(server, ep, 0), None);
    let entries = scene.s.kernel.counters.syscalls - before;
    assert_eq!(entries, 5, "interrupts come in between");
    for caller in [a, b, c, d] {
        assert_eq!(scene.error(caller), Some(Error::NoReply));
    }
    assert_eq!(scene.state(server), ThreadState::Receiving);
}

#[test]
fn what_would_wait_and_may_not_is_refused() {
    let (mut scene, [a, b]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    let refused = scene.ipc(a, Syscall::TrySend, ep, 0, EMPTY, [0; 4]);
    assert_eq!(refused.unwrap().result(), Err(Error::WouldBlock));
    let refused = scene.ipc(a, Syscall::TryRecv, ep, reply, EMPTY, [0; 4]);
    assert_eq!(refused.unwrap().result(), Err(Error::WouldBlock));
    // Another sender that waits is no receiver.
    assert_eq!(scene.send(b, ep, [3, 0, 0, 0]), None);
    let refused = scene.ipc(a, Syscall::TrySend, ep, 0, EMPTY, [0; 4]);
    assert_eq!(refused.unwrap().result(), Err(Error::WouldBlock));
    let got = scene.ipc(a, Syscall::TryRecv, ep, reply, EMPTY, [0; 4]);
    assert_eq!(got.unwrap().words[0], 3);
    assert_eq!(scene.recv(b, ep, 0), None);
    let sent = scene.ipc(a, Syscall::TrySend, ep, 0, EMPTY, [4, 0, 0, 0]);
    assert_eq!(sent.unwrap().code, 0);
    assert_eq!(scene.answer(b).unwrap().words[0], 4);
}

#[test]
fn a_reply_is_good_for_one_caller_once() {
    let (mut scene, [client, server, thief]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    let nobody = scene.reply(server, reply, [0; 4]).unwrap();
    assert_eq!(nobody.result(), Err(Error::NoCaller));
    assert_eq!(scene.recv(server, ep, reply), None);
    // It is offered, to nobody yet.
    let nobody = scene.reply(thief, reply, [0; 4]).unwrap();
    assert_eq!(nobody.result(), Err(Error::NoCaller));
    let busy = scene.recv(thief, ep, reply).unwrap();
    assert_eq!(busy.result(), Err(Error::ReplyBusy));
    assert_eq!(scene.call(client, ep, [0; 4]), None);
    let busy = scene.recv(server, ep, reply).unwrap();
    assert_eq!(busy.result(), Err(Error::ReplyBusy));
    // It is the capability that counts, not who received.
    assert_eq!(scene.reply(thief, reply, [1; 4]).unwrap().code, 0);
    assert_eq!(scene.answer(client).unwrap().words, [1; 4]);
    let nobody = scene.reply(server, reply, [0; 4]).unwrap();
    assert_eq!(nobody.result(), Err(Error::NoCaller));
}

#[test]
fn a_busy_reply_fails_reply_recv_after_the_answer_was_given() {
    let (mut scene, [server, other]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    assert_eq!(scene.recv(other, ep, reply), None);
    let busy = scene.reply_recv(server, ep, reply, [0; 4]).unwrap();
    assert_eq!(busy.result(), Err(Error::ReplyBusy));
    assert!(scene.runs(server));
}

#[test]
fn long_messages_go_through_the_buffers() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    for n in 4..240 {
        scene.s.write_word(client.id, n, 1000 + n as u64);
    }
    assert_eq!(scene.recv(server, ep, 0), None);
    let info = MessageInfo::new(1, 240, 0);
    scene.ipc(client, Syscall::Send, ep, 0, info, [1, 2, 3, 4]);
    let got = scene.answer(server).unwrap();
    assert_eq!((got.info, got.words), (info, [1, 2, 3, 4]));
    for n in 4..240 {
        assert_eq!(scene.s.read_word(server.id, n), 1000 + n as u64);
    }
    // No more than the message says.
    scene.s.write_word(client.id, 5, 77);
    assert_eq!(scene.recv(server, ep, 0), None);
    let info = MessageInfo::new(1, 5, 0);
    scene.ipc(client, Syscall::Send, ep, 0, info, [0; 4]);
    assert_eq!(scene.answer(server).unwrap().info.words(), 5);
    assert_eq!(scene.s.read_word(server.id, 5), 1005);
}

#[test]
fn without_a_buffer_on_either_side_only_the_registers_arrive() {
    for without in 0..2 {
        let (mut scene, actors) = Scene::with::<2>();
        let [client, server] = actors;
        let ep = scene.make(Kind::Endpoint, 0);
        scene.unbind(actors[without], ThreadBinding::IpcBuffer);
        assert_eq!(scene.recv(server, ep, 0), None);
        let info = MessageInfo::new(1, 10, 2);
        scene.ipc(client, Syscall::Send, ep, 0, info, [1, 2, 3, 4]);
        let got = scene.answer(server).unwrap();
        assert_eq!(
            (got.info, got.words),
            (MessageInfo::new(1, 4, 0), [1, 2, 3, 4])
        );
    }
}

#[test]
fn nobody_can_pretend_to_be_the_kernel() {
    let (mut scene, [client, server]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    for flags in [MessageInfo::SIGNAL, MessageInfo::FAULT, 0xf000] {
        assert_eq!(scene.recv(server, ep, reply), None);
        let info = MessageInfo(MessageInfo::new(5, 2, 0).0 | flags);
        scene.ipc(client, Syscall::Call, ep, 0, info, [0; 4]);
        assert_eq!(
            scene.answer(server).unwrap().info,
            MessageInfo::new(5, 2, 0)
        );
        scene.ipc(server, Syscall::Reply, reply, 0, info, [0; 4]);
        assert_eq!(
            scene.answer(client).unwrap().info,
            MessageInfo::new(5, 2, 0)
        );
    }
}

#[test]
fn rights_decide_who_sends_and_who_receives() {
    let (mut scene, [a, _b]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let reply = scene.make(Kind::Reply, 0);
    let receive = scene.copy(ep, Rights::READ);
    let send = scene.copy(ep, Rights::WRITE | Rights::GRANT);
    for call in [Syscall::Call, Syscall::Send, Syscall::TrySend] {
        let got = scene.ipc(a, call, receive, 0, EMPTY, [0; 4]).unwrap();
        assert_eq!(got.result(), Err(Error::MissingRights), "{call:?}");
    }
    for call in [Syscall::Recv, Syscall::TryRecv, Syscall::ReplyRecv] {
        let got = scene.ipc(a, call, send, reply, EMPTY, [0; 4]).unwrap();
        assert_eq!(got.result(), Err(Error::MissingRights), "{call:?}");
    }
}

#[test]
fn bad_indices_and_kinds_are_refused() {
    use Syscall::*;
    let (mut scene, [a]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    let n = scene.make(Kind::Notification, 0);
    let reply = scene.make(Kind::Reply, 0);
    let empty = scene.slot();
    for call in [
        Call, Send, TrySend, Recv, TryRecv, Reply, ReplyRecv, Signal, Wait, Poll,
    ] {
        for (index, error) in [
            (0, Error::EmptySlot),
            (empty, Error::EmptySlot),
            (1 << 14, Error::InvalidIndex),
            (u64::MAX, Error::InvalidIndex),
            (1 << 32 | ep, Error::InvalidIndex),
            (CNODE, Error::WrongKind),
        ] {
            let got = scene.ipc(a, call, index, reply, EMPTY, [0; 4]).unwrap();
            assert_eq!(got.result(), Err(error), "{call:?} by {index}");
        }
    }
    for call in [Recv, TryRecv, ReplyRecv] {
        for (second, error) in [
            (empty, Error::EmptySlot),
            (u32::MAX as u64, Error::InvalidIndex),
            (ep, Error::WrongKind),
        ] {
            let got = scene.ipc(a, call, ep, second, EMPTY, [0; 4]).unwrap();
            assert_eq!(got.result(), Err(error), "{call:?} with {second}");
        }
    }
    let got = scene.ipc(a, ReplyRecv, ep, 0, EMPTY, [0; 4]).unwrap();
    assert_eq!(got.result(), Err(Error::EmptySlot), "no reply at all");
    for call in [Signal, Wait, Poll] {
        let rights = if call == Signal {
            Rights::READ
        } else {
            Rights::WRITE
        };
        let cap = scene.copy(n, rights);
        let got = scene.ipc(a, call, cap, 0, EMPTY, [0; 4]).unwrap();
        assert_eq!(got.result(), Err(Error::MissingRights), "{call:?}");
    }
    let args = crate::SyscallArgs {
        rax: Syscall::ALL.len() as u64,
        ..Default::default()
    };
    assert_eq!(
        scene.s.make(a.id, args).unwrap().result(),
        Err(Error::InvalidCall)
    );
}
