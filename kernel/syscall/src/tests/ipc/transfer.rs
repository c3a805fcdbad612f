//! Capabilities in messages.

use crate::tests::scene::*;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::method::{Method, ThreadBinding};
use pagurus_abi::{Kind, MessageInfo, Rights, Syscall};
use pagurus_cap::{SlotId, Slots, tree};
use pagurus_ipc::Env;

/// A client in root's capability space and a server with its own of 16 slots.
struct Pair {
    scene: Scene,
    client: Actor,
    server: Actor,
    /// Endpoint: full, for the client.
    ep: u64,
    /// Reply: in the server's slot 2; its endpoint is in slot 1.
    cnode: u64,
}

impl Pair {
    fn new() -> Pair {
        let (mut scene, [client, server]) = Scene::with();
        let ep = scene.make(Kind::Endpoint, 0);
        let reply = scene.make(Kind::Reply, 0);
        let cnode = scene.make(Kind::CNode, 4);
        let all = Rights::all().bits() as u64;
        scene.root(cnode, Method::CNodeMint, all, [1, CNODE, ep, 0]);
        scene.root(cnode, Method::CNodeMove, 0, [2, CNODE, reply, 0]);
        scene.unbind(server, ThreadBinding::CSpace);
        scene.bind(server, ThreadBinding::CSpace, cnode);
        Pair {
            scene,
            client,
            server,
            ep,
            cnode,
        }
    }

    /// The client sends its buffer's capabilities to the server; the number that arrived.
    fn send(&mut self, caps: usize) -> usize {
        assert_eq!(self.scene.recv(self.server, 1, 0), None);
        let info = MessageInfo::new(0, 0, caps);
        self.scene
            .ipc(self.client, Syscall::Send, self.ep, 0, info, [0; 4]);
        self.scene.answer(self.server).unwrap().info.caps()
    }

    /// A slot of the server.
    fn slot(&self, index: u64) -> SlotId {
        self.scene.thread(self.server).slot_at(index).unwrap()
    }

    fn get(&self, index: u64) -> pagurus_cap::Slot {
        *self.scene.s.kernel.slot(self.slot(index))
    }

    fn window(&mut self, base: u32, count: u32) {
        self.scene.s.set_window(self.server.id, base, count);
    }

    fn offer(&mut self, n: usize, cap: CapTransfer) {
        self.scene.s.offer_cap(self.client.id, n, cap);
    }
}

#[test]
fn a_derived_capability_ends_with_its_source() {
    let mut p = Pair::new();
    let n = p.scene.make(Kind::Notification, 0);
    let badged = p.scene.badged(n, 5);
    p.window(4, 4);
    p.offer(0, CapTransfer::derive(badged as u32, Rights::WRITE));
    assert_eq!(p.send(1), 1);
    let got = p.get(4);
    assert_eq!(
        (got.kind, got.word, got.rights),
        (Kind::Notification, 5, Rights::WRITE)
    );
    let source = p.scene.place(badged);
    assert!(tree::descends_from(&*p.scene.s.kernel, p.slot(4), source));
    p.scene.delete(badged);
    assert!(p.get(4).is_empty());
}

#[test]
fn a_moved_capability_is_gone_from_its_sender_and_the_same() {
    let mut p = Pair::new();
    let frame = p.scene.make(Kind::Frame, 13);
    let before = p.scene.capability(frame);
    p.window(4, 1);
    p.offer(0, CapTransfer::give(frame as u32));
    assert_eq!(p.send(1), 1);
    assert!(p.scene.capability(frame).is_empty());
    let got = p.get(4);
    assert!(got.is_original());
    assert_eq!(
        (got.object, got.rights, got.depth),
        (before.object, before.rights, before.depth)
    );
}

#[test]
fn an_answer_brings_capabilities_too() {
    let mut p = Pair::new();
    let cap = p.scene.make(Kind::Notification, 0);
    let all = Rights::all().bits() as u64;
    p.scene
        .root(p.cnode, Method::CNodeMint, all, [7, CNODE, cap, 0]);
    let at = p.scene.slot();
    p.scene.s.set_window(p.client.id, at as u32, 1);
    assert_eq!(p.scene.recv(p.server, 1, 2), None);
    assert_eq!(p.scene.call(p.client, p.ep, [0; 4]), None);
    p.scene
        .s
        .offer_cap(p.server.id, 0, CapTransfer::derive(7, Rights::WRITE));
    let info = MessageInfo::new(0, 0, 1);
    p.scene.ipc(p.server, Syscall::Reply, 2, 0, info, [0; 4]);
    assert_eq!(p.scene.answer(p.client).unwrap().info.caps(), 1);
    assert_eq!(p.scene.capability(at).kind, Kind::Notification);
    assert_eq!(p.scene.capability(at).rights, Rights::WRITE);
}

#[test]
fn capabilities_stop_at_the_first_that_cannot_go() {
    type Case = (&'static str, fn(&mut Pair), usize);
    let cases: [Case; 8] = [
        ("the window is closed", |p| p.window(4, 0), 0),
        ("the window has two slots", |p| p.window(4, 2), 2),
        ("the window is wide", |p| p.window(4, u32::MAX), 3),
        ("the window starts at the header", |p| p.window(0, 4), 0),
        ("the window leaves the CNode", |p| p.window(15, 4), 1),
        ("the window is out of range", |p| p.window(u32::MAX, 4), 0),
        ("the second slot is full", |p| p.window(1, 4), 0),
        (
            "the second capability is missing",
            |p| {
                p.window(4, 4);
                p.offer(1, CapTransfer::derive(0, Rights::all()));
            },
            1,
        ),
    ];
    for (name, prepare, arrives) in cases {
        let mut p = Pair::new();
        let n = p.scene.make(Kind::Notification, 0);
        for i in 0..3 {
            p.offer(i, CapTransfer::derive(n as u32, Rights::all()));
        }
        prepare(&mut p);
        assert_eq!(p.send(3), arrives, "{name}");
    }
}

#[test]
fn what_cannot_be_copied_is_not_derived_but_can_be_moved() {
    for kind in [Kind::Untyped, Kind::Reply] {
        let mut p = Pair::new();
        let bits = if kind == Kind::Untyped { 12 } else { 0 };
        let cap = p.scene.make(kind, bits);
        p.window(4, 4);
        p.offer(0, CapTransfer::derive(cap as u32, Rights::all()));
        assert_eq!(p.send(1), 0);
        p.offer(0, CapTransfer::give(cap as u32));
        assert_eq!(p.send(1), 1);
        assert_eq!(p.get(4).kind, kind);
    }
}

#[test]
fn a_capability_space_cannot_be_moved_into_itself_by_a_message() {
    let mut p = Pair::new();
    p.window(4, 4);
    p.offer(0, CapTransfer::give(p.cnode as u32));
    assert_eq!(p.send(1), 0);
    assert_eq!(p.scene.capability(p.cnode).kind, Kind::CNode);
    // Nor the memory that it is made from.
    let memory = p.scene.make(Kind::Untyped, 14);
    let inner = p.scene.slot();
    let root = p.scene.s.root;
    p.scene
        .s
        .retype(root, memory, Kind::CNode, 4, (CNODE, inner), 1)
        .unwrap();
    p.scene.unbind(p.server, ThreadBinding::CSpace);
    let all = Rights::all().bits() as u64;
    p.scene
        .root(inner, Method::CNodeMint, all, [1, CNODE, p.ep, 0]);
    p.scene.bind(p.server, ThreadBinding::CSpace, inner);
    p.offer(0, CapTransfer::give(memory as u32));
    assert_eq!(p.send(1), 0);
    p.scene.delete(memory);
    assert!(p.scene.capability(inner).is_empty());
}

#[test]
fn an_endpoint_without_grant_lets_no_capability_through() {
    let mut p = Pair::new();
    let n = p.scene.make(Kind::Notification, 0);
    p.ep = p.scene.copy(p.ep, Rights::RW);
    p.window(4, 4);
    p.offer(0, CapTransfer::derive(n as u32, Rights::all()));
    assert_eq!(p.send(1), 0);
    assert!(p.get(4).is_empty());
}

#[test]
fn a_receiver_without_capability_space_gets_words_only() {
    let mut p = Pair::new();
    let n = p.scene.make(Kind::Notification, 0);
    p.window(4, 4);
    p.offer(0, CapTransfer::derive(n as u32, Rights::all()));
    assert_eq!(p.scene.recv(p.server, 1, 0), None);
    p.scene.unbind(p.server, ThreadBinding::CSpace);
    let info = MessageInfo::new(0, 2, 1);
    p.scene
        .ipc(p.client, Syscall::Send, p.ep, 0, info, [8, 9, 0, 0]);
    let got = p.scene.answer(p.server).unwrap();
    assert_eq!(
        (got.info, got.words[..2].to_vec()),
        (MessageInfo::new(0, 2, 0), vec![8, 9])
    );
}

#[test]
fn a_sender_without_capability_space_when_its_message_is_taken_sends_none() {
    let mut p = Pair::new();
    let n = p.scene.make(Kind::Notification, 0);
    p.window(4, 4);
    p.offer(0, CapTransfer::derive(n as u32, Rights::all()));
    let info = MessageInfo::new(0, 0, 1);
    assert_eq!(
        p.scene.ipc(p.client, Syscall::Send, p.ep, 0, info, [0; 4]),
        None
    );
    p.scene.unbind(p.client, ThreadBinding::CSpace);
    assert_eq!(p.scene.recv(p.server, 1, 0).unwrap().info.caps(), 0);
    assert!(p.scene.s.kernel.thread(p.client.id).cspace.is_none());
}
