//! The short way is taken where it should be. That it does the same as the general way is checked in every test of
//! communication, and in the fuzzer.

use crate::tests::scene::*;
use pagurus_abi::method::{Method, THREAD_FPU, ThreadBinding};
use pagurus_abi::{Kind, MessageInfo, Syscall};

/// Whether `act` took the short way.
fn short(scene: &mut Scene, act: impl FnOnce(&mut Scene)) -> bool {
    let before = scene.s.shortened;
    act(scene);
    scene.s.shortened > before
}

struct Pair {
    scene: Scene,
    client: Actor,
    server: Actor,
    ep: u64,
    reply: u64,
}

impl Pair {
    fn new() -> Pair {
        let (mut scene, [client, server]) = Scene::with();
        let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
        assert_eq!(scene.recv(server, ep, reply), None);
        Pair {
            scene,
            client,
            server,
            ep,
            reply,
        }
    }

    fn call(&mut self, info: MessageInfo) -> bool {
        let (client, ep) = (self.client, self.ep);
        short(&mut self.scene, |s| {
            s.ipc(client, Syscall::Call, ep, 0, info, [1, 2, 3, 4]);
        })
    }

    fn reply_recv(&mut self, info: MessageInfo) -> bool {
        let (server, ep, reply) = (self.server, self.ep, self.reply);
        short(&mut self.scene, |s| {
            s.ipc(server, Syscall::ReplyRecv, ep, reply, info, [5, 6, 7, 8]);
        })
    }
}

#[test]
fn a_short_call_and_its_answer() {
    let mut p = Pair::new();
    for _ in 0..3 {
        assert!(p.call(MessageInfo::new(3, 4, 0)));
        assert_eq!(p.scene.answer(p.server).unwrap().words, [1, 2, 3, 4]);
        assert!(p.reply_recv(MessageInfo::new(4, 2, 0)));
        assert_eq!(p.scene.answer(p.client).unwrap().words, [5, 6, 7, 8]);
    }
}

#[test]
fn signals_without_and_waits_with_something_to_get() {
    let (mut scene, [a, _]) = Scene::with();
    let n = scene.make(Kind::Notification, 0);
    assert!(short(&mut scene, |s| s.signal(a, n)));
    assert!(short(&mut scene, |s| {
        assert_eq!(s.wait(a, n).unwrap().badge, 1);
    }));
    assert!(!short(&mut scene, |s| assert_eq!(s.wait(a, n), None)));
    let root = scene.s.root;
    assert!(!short(&mut scene, |s| {
        s.s.ipc(root, Syscall::Signal, n, 0, EMPTY, [0; 4]);
    }));
}

#[test]
fn whatever_is_not_plain_goes_the_general_way() {
    // Long messages, capabilities.
    for info in [MessageInfo::new(0, 5, 0), MessageInfo::new(0, 0, 1)] {
        let mut p = Pair::new();
        assert!(!p.call(info));
        assert!(!p.reply_recv(info));
    }
    // Nobody receives; another caller waits when the answer is given.
    let mut p = Pair::new();
    assert!(p.call(EMPTY));
    let other = p.scene.s.root;
    assert_eq!(
        p.scene.s.ipc(other, Syscall::Call, p.ep, 0, EMPTY, [0; 4]),
        None
    );
    assert!(!p.reply_recv(EMPTY));
    // A signal waits for the server.
    let mut p = Pair::new();
    let n = p.scene.make(Kind::Notification, 0);
    p.scene.bind(p.server, ThreadBinding::Notification, n);
    assert!(p.call(EMPTY));
    let root = p.scene.s.root;
    p.scene.s.ipc(root, Syscall::Signal, n, 0, EMPTY, [0; 4]);
    let before = p.scene.s.shortened;
    let got = p.scene.reply_recv(p.server, p.ep, p.reply, [0; 4]);
    assert!(got.unwrap().info.is_signal());
    assert_eq!(p.scene.s.shortened, before);
    // The server has lost the loan.
    let mut p = Pair::new();
    assert!(p.call(EMPTY));
    p.scene.delete(p.client.context);
    assert!(!p.reply_recv(EMPTY));
    // Nobody to answer.
    let (mut scene, [server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert!(!short(&mut scene, |s| {
        assert_eq!(s.reply_recv(server, ep, reply, [0; 4]), None);
    }));
}

#[test]
fn more_registers_to_load_go_the_general_way() {
    for client in [true, false] {
        let mut p = Pair::new();
        let who = if client { p.client } else { p.server };
        if !client {
            p.scene.suspend(who);
        }
        p.scene.suspend(p.client);
        let flags = [THREAD_FPU, 0, 0, 0];
        p.scene.root(who.thread, Method::ThreadSetFlags, 0, flags);
        p.scene.resume(p.client);
        if !client {
            p.scene.resume(who);
            assert_eq!(p.scene.recv(p.server, p.ep, p.reply), None);
        }
        assert!(!p.call(EMPTY));
        assert!(!p.reply_recv(EMPTY));
    }
}

#[test]
fn a_receiver_without_address_space_is_stranded_by_the_general_way() {
    let mut p = Pair::new();
    p.scene.unbind(p.server, ThreadBinding::AddressSpace);
    assert!(!p.call(EMPTY));
    assert_eq!(
        p.scene.state(p.server),
        pagurus_abi::method::ThreadState::Inactive
    );
}

#[test]
fn a_processor_that_should_run_somebody_else_goes_the_general_way() {
    let mut p = Pair::new();
    let high = p.scene.bare_actor();
    p.scene.bind(high, ThreadBinding::AddressSpace, SPACE);
    p.scene.configure(high, 1, PRIORITY + 1);
    let bind = [high.thread, 0, 0, 0];
    p.scene.root(high.context, Method::SchedBind, 0, bind);
    // The interrupt that tells the client's processor is on its way.
    p.scene.s.deliver_late();
    let entry = [0x30_0000, 0, 0, 0];
    p.scene.root(high.thread, Method::ThreadStart, 0, entry);
    assert!(p.scene.s.kernel.machine.processors[1].kicked);
    assert!(p.scene.runs(p.client));
    assert!(!p.call(EMPTY));
    assert_eq!(p.scene.s.running(1), Some(high.id));
}
