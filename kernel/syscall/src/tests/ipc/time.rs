//! Time that travels with calls, and what becomes of it when a chain breaks.

use crate::machine::Machine;
use crate::tests::scene::*;
use pagurus_abi::Kind;
use pagurus_abi::method::{Method, ThreadState};

/// A calls B, B calls C: all run on A's time.
struct Chain {
    scene: Scene,
    a: Actor,
    b: Actor,
    c: Actor,
    /// Endpoints of B and C.
    ep: [u64; 2],
    /// Replies to A and B.
    reply: [u64; 2],
}

impl Chain {
    fn new() -> Chain {
        let (mut scene, [a, b, c]) = Scene::with();
        let ep = [scene.make(Kind::Endpoint, 0), scene.make(Kind::Endpoint, 0)];
        let reply = [scene.make(Kind::Reply, 0), scene.make(Kind::Reply, 0)];
        assert_eq!(scene.recv(b, ep[0], reply[0]), None);
        assert_eq!(scene.recv(c, ep[1], reply[1]), None);
        assert_eq!(scene.call(a, ep[0], [1; 4]), None);
        assert!(scene.answer(b).is_some());
        assert_eq!(scene.call(b, ep[1], [2; 4]), None);
        assert!(scene.answer(c).is_some());
        let chain = Chain {
            scene,
            a,
            b,
            c,
            ep,
            reply,
        };
        assert_eq!(chain.scene.s.cpu_of(c.id), Some(1), "on A's time");
        chain
    }

    /// Everybody is at home and can begin again.
    fn all_at_home(&mut self) {
        for (actor, cpu) in [(self.a, 1), (self.b, 2), (self.c, 3)] {
            assert_eq!(self.scene.s.cpu_of(actor.id), Some(cpu));
            assert_eq!(
                self.scene.thread(actor).sc,
                Some(self.scene.context_id(actor))
            );
            assert_eq!(self.scene.thread(actor).donor, None);
        }
        let [first, second] = self.ep;
        assert_eq!(self.scene.recv(self.b, first, self.reply[0]), None);
        assert_eq!(self.scene.recv(self.c, second, self.reply[1]), None);
        assert_eq!(self.scene.call(self.a, first, [3; 4]), None);
        assert_eq!(self.scene.call(self.b, second, [4; 4]), None);
        self.scene.reply(self.c, self.reply[1], [5; 4]);
        self.scene.reply(self.b, self.reply[0], [6; 4]);
        assert_eq!(self.scene.answer(self.a).unwrap().words, [6; 4]);
    }
}

#[test]
fn time_goes_back_the_way_it_came() {
    let mut k = Chain::new();
    k.scene.reply(k.c, k.reply[1], [3; 4]);
    assert_eq!(k.scene.s.cpu_of(k.b.id), Some(1));
    assert_eq!(k.scene.answer(k.b).unwrap().words, [3; 4]);
    k.scene.reply(k.b, k.reply[0], [4; 4]);
    assert_eq!(k.scene.answer(k.a).unwrap().words, [4; 4]);
    k.all_at_home();
}

#[test]
fn the_first_is_cancelled_and_takes_its_time_from_the_last() {
    let mut k = Chain::new();
    k.scene.suspend(k.a);
    // Nobody wants the time back yet.
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(1));
    k.scene.resume(k.a);
    assert_eq!(k.scene.s.cpu_of(k.a.id), Some(1));
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3), "on its own");
    assert_eq!(k.scene.state(k.b), ThreadState::Calling);
    k.scene.reply(k.c, k.reply[1], [3; 4]);
    assert_eq!(k.scene.s.cpu_of(k.b.id), Some(2), "on its own");
    let late = k.scene.reply(k.b, k.reply[0], [4; 4]).unwrap();
    assert_eq!(late.result(), Err(pagurus_abi::Error::NoCaller));
    k.all_at_home();
}

#[test]
fn the_reply_to_the_first_ends() {
    let mut k = Chain::new();
    k.scene.delete(k.reply[0]);
    assert_eq!(k.scene.error(k.a), Some(pagurus_abi::Error::Canceled));
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3));
    k.scene.reply(k.c, k.reply[1], [3; 4]);
    k.reply[0] = k.scene.make(Kind::Reply, 0);
    k.all_at_home();
}

#[test]
fn the_middle_is_cancelled() {
    let mut k = Chain::new();
    k.scene.suspend(k.b);
    k.scene.resume(k.b);
    assert_eq!(k.scene.error(k.b), Some(pagurus_abi::Error::Canceled));
    assert_eq!(k.scene.s.cpu_of(k.b.id), Some(2), "its loan is further on");
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(1));
    // It answers A from its own time; A takes its time back from C.
    assert_eq!(k.scene.reply(k.b, k.reply[0], [4; 4]).unwrap().code, 0);
    assert_eq!(k.scene.answer(k.a).unwrap().words, [4; 4]);
    assert_eq!(k.scene.s.cpu_of(k.a.id), Some(1));
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3));
    let late = k.scene.reply(k.c, k.reply[1], [0; 4]).unwrap();
    assert_eq!(late.result(), Err(pagurus_abi::Error::NoCaller));
    k.all_at_home();
}

#[test]
fn the_middle_ends() {
    let mut k = Chain::new();
    k.scene.delete(k.b.thread);
    assert_eq!(k.scene.state(k.a), ThreadState::Calling);
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(1));
    // Nobody can answer A but whoever has the reply.
    k.scene.delete(k.reply[0]);
    assert_eq!(k.scene.error(k.a), Some(pagurus_abi::Error::Canceled));
    assert_eq!(k.scene.s.cpu_of(k.a.id), Some(1));
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3));
}

#[test]
fn the_last_ends_or_stops_and_the_time_sleeps_until_its_owner_wants_it() {
    for ends in [true, false] {
        let mut k = Chain::new();
        if ends {
            k.scene.delete(k.c.thread);
        } else {
            k.scene.suspend(k.c);
        }
        assert_eq!(k.scene.s.running(1), None);
        assert_eq!(k.scene.state(k.b), ThreadState::Calling);
        k.scene.delete(k.reply[1]);
        assert_eq!(k.scene.s.cpu_of(k.b.id), Some(2));
        k.scene.reply(k.b, k.reply[0], [4; 4]);
        assert_eq!(k.scene.s.cpu_of(k.a.id), Some(1));
        assert_eq!(k.scene.answer(k.a).unwrap().words, [4; 4]);
    }
}

#[test]
fn lent_time_ends_at_every_point_of_the_chain() {
    // The time of A, on which C runs: C goes on at home, and the answers find their way without it.
    for unbind in [true, false] {
        let mut k = Chain::new();
        if unbind {
            k.scene.root(k.a.context, Method::SchedUnbind, 0, [0; 4]);
        } else {
            k.scene.delete(k.a.context);
        }
        assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3));
        k.scene.reply(k.c, k.reply[1], [3; 4]);
        assert_eq!(k.scene.s.cpu_of(k.b.id), Some(2));
        k.scene.reply(k.b, k.reply[0], [4; 4]);
        assert_eq!(k.scene.state(k.a), ThreadState::Ready);
        assert!(!k.scene.runs(k.a), "without time");
        if unbind {
            k.scene
                .root(k.a.context, Method::SchedBind, 0, [k.a.thread, 0, 0, 0]);
            assert_eq!(k.scene.answer(k.a).unwrap().words, [4; 4]);
            k.all_at_home();
        }
    }
    // The time of B, which nobody uses at the moment.
    let mut k = Chain::new();
    k.scene.delete(k.b.context);
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(1));
    k.scene.reply(k.c, k.reply[1], [3; 4]);
    assert_eq!(k.scene.s.cpu_of(k.b.id), Some(1), "still on A's");
    k.scene.reply(k.b, k.reply[0], [4; 4]);
    assert!(k.scene.runs(k.a) && !k.scene.runs(k.b));
}

#[test]
fn a_server_without_time_of_its_own_lives_on_that_of_its_callers() {
    let (mut scene, [client, server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.recv(server, ep, reply), None);
    scene.delete(server.context);
    for n in 0..3 {
        assert_eq!(scene.call(client, ep, [n; 4]), None);
        assert_eq!(scene.answer(server).unwrap().words, [n; 4]);
        assert_eq!(scene.s.cpu_of(server.id), Some(1));
        assert_eq!(scene.reply_recv(server, ep, reply, [n + 1; 4]), None);
        assert_eq!(scene.answer(client).unwrap().words, [n + 1; 4]);
    }
}

#[test]
fn a_caller_without_time_is_served_on_the_servers() {
    let (mut scene, [client, server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.call(client, ep, [1; 4]), None);
    scene.delete(client.context);
    assert!(scene.recv(server, ep, reply).is_some());
    assert_eq!(scene.s.cpu_of(server.id), Some(2));
    assert_eq!(scene.reply(server, reply, [2; 4]).unwrap().code, 0);
    assert_eq!(scene.s.cpu_of(server.id), Some(2), "its time is its own");
    assert_eq!(scene.state(client), ThreadState::Ready);
}

#[test]
fn a_reply_used_again_does_not_give_the_next_caller_the_first_ones_time() {
    let (mut scene, [first, second, server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.recv(server, ep, reply), None);
    assert_eq!(scene.call(first, ep, [1; 4]), None);
    assert_eq!(scene.s.cpu_of(server.id), Some(1));
    // The second calls, and loses its time before it is received.
    assert_eq!(scene.call(second, ep, [2; 4]), None);
    scene.delete(second.context);
    // The first is cancelled. The server, on the first one's time, serves the second by the same reply.
    scene.suspend(first);
    assert!(scene.reply_recv(server, ep, reply, [0; 4]).is_some());
    assert_eq!(scene.reply(server, reply, [3; 4]).unwrap().code, 0);
    let time = scene.context_id(first);
    assert_ne!(scene.thread(second).sc, Some(time));
    assert_eq!(scene.state(second), ThreadState::Ready);
    scene.resume(first);
    assert_eq!(scene.thread(first).sc, Some(time));
    assert!(scene.runs(first) && scene.runs(server));
}

#[test]
fn a_reply_that_another_thread_uses_leaves_nobody_without_time() {
    let (mut scene, [first, second, one, two]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.recv(one, ep, reply), None);
    assert_eq!(scene.call(first, ep, [1; 4]), None);
    scene.suspend(first);
    // The reply is free, and another thread offers it.
    assert_eq!(scene.recv(two, ep, reply), None);
    assert_eq!(scene.call(second, ep, [2; 4]), None);
    assert_eq!(scene.s.cpu_of(two.id), Some(2));
    // The first server answers the second caller.
    assert_eq!(scene.reply(one, reply, [3; 4]).unwrap().code, 0);
    scene.resume(first);
    for (actor, cpu) in [(first, 1), (second, 2), (one, 3), (two, 4)] {
        assert_eq!(scene.s.cpu_of(actor.id), Some(cpu));
    }
}

#[test]
fn a_server_works_at_the_priority_of_its_caller() {
    let (mut scene, [low, server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    assert_eq!(scene.recv(server, ep, reply), None);
    // Somebody more important than the caller shares its processor.
    let high = scene.bare_actor();
    scene.configure(high, 1, PRIORITY + 1);
    assert_eq!(scene.call(low, ep, [0; 4]), None);
    assert_eq!(scene.s.cpu_of(server.id), Some(1));
    scene.bind(
        high,
        pagurus_abi::method::ThreadBinding::AddressSpace,
        SPACE,
    );
    scene.root(high.context, Method::SchedBind, 0, [high.thread, 0, 0, 0]);
    scene.root(high.thread, Method::ThreadStart, 0, [0x30_0000, 0, 0, 0]);
    assert_eq!(scene.s.running(1), Some(high.id));
    assert!(
        !scene.runs(server),
        "its own processor is free, but this is not its own time"
    );
    scene.suspend(high);
    assert_eq!(scene.s.running(1), Some(server.id));
}

/// The time of `actor` becomes a tenth of a processor, in periods of a millisecond.
fn limit(scene: &mut Scene, actor: Actor, cpu: u64) {
    let cpu = pagurus_abi::boot::slot::FIRST_CPU as u64 + cpu;
    let a = [cpu, 100_000, 1_000_000, 0];
    scene.root(actor.context, Method::SchedConfigure, PRIORITY, a);
}

#[test]
fn a_budget_that_runs_out_in_the_server_sends_the_server_home() {
    let mut k = Chain::new();
    limit(&mut k.scene, k.a, 1);
    assert!(k.scene.runs(k.c), "on A's time");
    k.scene.s.advance(150_000);
    assert!(k.scene.runs(k.c));
    assert_eq!(k.scene.s.cpu_of(k.c.id), Some(3), "on its own");
    // Others are served meanwhile.
    k.scene.reply(k.c, k.reply[1], [3; 4]);
    assert_eq!(k.scene.thread(k.b).sc, Some(k.scene.context_id(k.a)));
    assert!(
        !k.scene.runs(k.b),
        "B has A's time, of which nothing is left"
    );
    k.scene.s.advance(10_000);
    k.scene.s.advance(900_000);
    assert!(k.scene.runs(k.b), "the next period");
    k.scene.reply(k.b, k.reply[0], [4; 4]);
    assert_eq!(k.scene.answer(k.a).unwrap().words, [4; 4]);
    k.all_at_home();
}

#[test]
fn a_sender_without_budget_is_served_at_the_servers_home() {
    let (mut scene, [client, server, other]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    limit(&mut scene, client, 1);
    // Its budget ends while it is in the kernel to call, and nobody receives that yet.
    scene.s.kernel.machine.clock += scene.s.kernel.machine.ticks(150_000);
    assert_eq!(scene.call(client, ep, [1; 4]), None);
    assert!(scene.recv(server, ep, reply).is_some());
    assert_eq!(scene.s.cpu_of(server.id), Some(2));
    assert_eq!(scene.reply_recv(server, ep, reply, [2; 4]), None);
    assert!(!scene.runs(client));
    assert_eq!(scene.call(other, ep, [3; 4]), None);
    assert_eq!(scene.answer(server).unwrap().words, [3; 4]);
    scene.s.advance(1_000_000);
    assert!(scene.runs(client));
    assert_eq!(scene.answer(client).unwrap().words, [2; 4]);
}

#[test]
fn a_budget_that_runs_out_in_a_server_without_time_stops_the_server() {
    let (mut scene, [client, server]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    limit(&mut scene, client, 1);
    assert_eq!(scene.recv(server, ep, reply), None);
    scene.delete(server.context);
    assert_eq!(scene.call(client, ep, [0; 4]), None);
    assert!(scene.runs(server));
    scene.s.advance(150_000);
    assert!(!scene.runs(server), "the caller's time is used up");
    scene.s.advance(950_000);
    assert!(scene.runs(server), "the next period");
    assert!(scene.answer(server).is_some());
    assert_eq!(scene.reply_recv(server, ep, reply, [5; 4]), None);
    assert_eq!(scene.answer(client).unwrap().words, [5; 4]);
}
