//! The checks find what is wrong: every invariant, broken in every place where it can be.

use crate::check;
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::method::{Invariant, Method, ThreadBinding};
use pagurus_abi::{Kind, Rights};
use pagurus_cap::{Flags, Slots};
use pagurus_ipc::{EndpointId, EndpointState, Env, NotificationId, ReplyId, ReplyState};
use pagurus_sched::{ContextState, Contexts, ReleaseQueue, Timer, TimerId, TimerQueue, Timers};

/// Something of everything, and the slots that name it.
struct Stage {
    scene: Scene,
    /// Waits for an answer from `server`, which runs on its time.
    client: Actor,
    server: Actor,
    /// Waits to send to `ep`, second in the queue behind `first`.
    sender: Actor,
    first: Actor,
    /// Waits for `n`.
    waiter: Actor,
    /// Armed on the first processor, in this order: the second and third are below the first.
    timers: [u64; 3],
    /// Are out of budget on one processor: the first, and one below it in the queue.
    spent: [Actor; 2],
    ep: u64,
    n: u64,
    reply: u64,
    frame: u64,
    copy: u64,
    cnode: u64,
    memory: u64,
    space: u64,
}

impl Stage {
    fn new() -> Stage {
        let (mut scene, [client, server, first, sender, waiter]) = Scene::with();
        let (work, ep) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Endpoint, 0));
        let (n, reply) = (
            scene.make(Kind::Notification, 0),
            scene.make(Kind::Reply, 0),
        );
        let frame = scene.make(Kind::Frame, 13);
        let copy = scene.copy(frame, Rights::RW);
        let space = scene.make(Kind::AddressSpace, 15);
        scene.root(
            copy,
            Method::FrameMap,
            0,
            [space, 0x1000_0000, 0, 0x2000 | 3],
        );
        let memory = scene.make(Kind::Untyped, 14);
        let root = scene.s.root;
        let cnode = scene.slot();
        scene
            .s
            .retype(root, memory, Kind::CNode, 4, (CNODE, cnode), 1)
            .unwrap();
        let n_of_timers = scene.make(Kind::Notification, 0);
        let irq = scene.slot();
        let control = pagurus_abi::boot::slot::IRQ_CONTROL as u64;
        scene.root(control, Method::IrqIssue, 0, [5, CNODE, irq, 0]);
        scene.root(irq, Method::IrqBind, 0, [n, 0, 0, 0]);
        scene.bind(server, ThreadBinding::Notification, n);
        scene.recv(server, work, reply);
        scene.call(client, work, [0; 4]);
        scene.send(first, ep, [0; 4]);
        scene.send(sender, ep, [0; 4]);
        scene.wait(waiter, n);
        let timers = [1, 2, 3].map(|n| {
            let timer = scene.make(Kind::Timer, 0);
            scene.root(timer, Method::TimerBind, 0, [n_of_timers, 0, 0, 0]);
            let deadline = n * 1_000_000_000;
            scene.root(timer, Method::TimerArm, 0, [deadline, 0, 0, 0]);
            timer
        });
        let spent = [0; 2].map(|_| scene.actor(5));
        for t in spent {
            let a = [slot::FIRST_CPU as u64 + 5, 100_000, 1_000_000, 0];
            scene.root(t.context, Method::SchedConfigure, PRIORITY, a);
        }
        for t in spent {
            assert!(scene.runs(t));
            scene.s.advance(100_000);
        }
        Stage {
            scene,
            client,
            server,
            sender,
            first,
            waiter,
            timers,
            spent,
            ep,
            n,
            reply,
            frame,
            copy,
            cnode,
            memory,
            space,
        }
    }

    fn slot(&mut self, index: u64) -> &mut pagurus_cap::Slot {
        let at = self.scene.place(index);
        self.scene.s.kernel.slot_mut(at)
    }

    fn binding(&mut self, actor: Actor, n: usize) -> &mut pagurus_cap::Slot {
        self.scene.s.kernel.slot_mut(actor.id.binding(n))
    }

    fn thread(&mut self, actor: Actor) -> &mut pagurus_ipc::Thread {
        self.scene.s.kernel.thread_mut(actor.id)
    }

    fn context(&mut self, actor: Actor) -> &mut pagurus_sched::SchedContext {
        let id = self.scene.context_id(actor);
        self.scene.s.kernel.sc_mut(id)
    }

    fn timer(&mut self, n: usize) -> &mut Timer {
        let id = self.timer_id(n);
        self.scene.s.kernel.timer_mut(id)
    }

    fn timer_id(&self, n: usize) -> TimerId {
        TimerId::new(self.scene.capability(self.timers[n]).object).unwrap()
    }

    fn timer_binding(&mut self, n: usize) -> &mut pagurus_cap::Slot {
        let at = crate::timer::binding(self.timer_id(n));
        self.scene.s.kernel.slot_mut(at)
    }

    fn endpoint(&mut self) -> &mut pagurus_ipc::Endpoint {
        let id = EndpointId::new(self.scene.capability(self.ep).object).unwrap();
        self.scene.s.kernel.endpoint_mut(id)
    }

    fn notification(&mut self) -> &mut pagurus_ipc::Notification {
        let id = NotificationId::new(self.scene.capability(self.n).object).unwrap();
        self.scene.s.kernel.notification_mut(id)
    }

    fn reply(&mut self) -> &mut pagurus_ipc::Reply {
        let id = ReplyId::new(self.scene.capability(self.reply).object).unwrap();
        self.scene.s.kernel.reply_mut(id)
    }

    /// Entry `index` of the table that maps the frame.
    fn entry(&mut self, index: usize) -> &mut u64 {
        let object = self.scene.capability(self.space).object;
        let ram = &mut self.scene.s.kernel.machine.ram;
        let mut table = (object - crate::sim::ram::DIRECT) as u64;
        for level in [3, 2, 1] {
            let at = (0x1000_0000u64 >> (12 + 9 * level)) as usize % 512;
            table = ram.table_entry(table, at) & 0x000f_ffff_ffff_f000;
        }
        ram.table_entry_mut(table, index)
    }
}

type Break = fn(&mut Stage);

fn find(invariant: Invariant, breaks: &[Break]) {
    for (n, broken) in breaks.iter().enumerate() {
        let mut stage = Stage::new();
        assert!(check::all(&stage.scene.s.kernel).is_ok());
        broken(&mut stage);
        let found = check::all(&stage.scene.s.kernel).map_err(|v| v.invariant);
        assert_eq!(found, Err(invariant), "number {n}");
    }
}

#[test]
fn links() {
    find(
        Invariant::Links,
        &[
            |s| s.slot(s.ep).prev = None,
            |s| {
                let next = s.slot(s.ep).next;
                s.scene.s.kernel.slot_mut(next.unwrap()).prev = next;
            },
            |s| s.slot(s.ep).kind = Kind::Empty,
        ],
    );
}

#[test]
fn depth() {
    find(
        Invariant::Depth,
        &[
            |s| s.slot(s.copy).depth += 1,
            |s| {
                let head = s.scene.s.kernel.head.unwrap();
                s.scene.s.kernel.slot_mut(head).depth = 1;
            },
        ],
    );
}

#[test]
fn derivation() {
    find(
        Invariant::Derivation,
        &[
            |s| s.slot(s.copy).rights = Rights::all() | Rights::from_bits_retain(0x80),
            |s| s.slot(s.copy).object += 4096,
            |s| s.slot(s.copy).size_bits += 1,
            |s| s.slot(s.frame).rights = Rights::READ,
            |s| s.binding(s.server, 1).kind = Kind::Frame,
        ],
    );
}

#[test]
fn originals() {
    find(
        Invariant::Originals,
        &[
            |s| s.slot(s.copy).flags.0 |= Flags::ORIGINAL,
            |s| s.slot(s.frame).size_bits = 3,
            |s| {
                let head = s.scene.s.kernel.head.unwrap();
                s.scene.s.kernel.slot_mut(head).flags.0 &= !Flags::ORIGINAL;
            },
        ],
    );
}

#[test]
fn overlap() {
    find(
        Invariant::Overlap,
        &[
            |s| s.slot(s.ep).object += 4096,
            |s| s.slot(s.cnode).object += 8192,
            |s| s.slot(s.memory).word = 0,
            |s| s.slot(s.ep).object += 1,
        ],
    );
}

#[test]
fn device() {
    find(
        Invariant::Device,
        &[
            |s| s.slot(s.ep).flags.0 |= Flags::DEVICE,
            |s| s.slot(crate::sim::system::UNTYPED_SLOT).flags.0 |= Flags::DEVICE,
        ],
    );
}

#[test]
fn containers() {
    find(
        Invariant::Containers,
        &[
            |s| s.slot(0).word += 1,
            |s| s.slot(s.ep).home += 64,
            |s| s.slot(s.cnode).level += 1,
            |s| s.slot(s.cnode).level = 0,
            |s| s.slot(s.memory).b = 0,
            |s| s.slot(s.memory).level = 0,
            // What objects remember of bindings.
            |s| s.thread(s.server).cspace = None,
            |s| s.thread(s.server).cspace_slots += 1,
            |s| s.thread(s.server).cr3 += 4096,
            |s| s.thread(s.server).buffer += 1,
            |s| s.thread(s.server).buffer = 0,
            |s| s.thread(s.server).notification = None,
            |s| s.notification().bound = None,
            |s| s.binding(s.server, 3).rights = Rights::READ,
            |s| s.binding(s.server, 3).home += 4096,
            |s| s.timer_binding(0).rights = Rights::READ,
            |s| s.timer_binding(1).home += 4096,
            |s| {
                // Armed without a notification.
                let at = crate::timer::binding(s.timer_id(2));
                pagurus_cap::tree::remove(&mut *s.scene.s.kernel, at);
            },
            // Tables of the kernel's own.
            |s| s.scene.s.kernel.irqs.set(5, None),
            |s| s.scene.s.kernel.irqs.set(9, Some(Default::default())),
            |s| s.scene.s.kernel.trace[1] = 0x1000,
            |s| {
                let at = crate::Memory::irq_binding(&s.scene.s.kernel.machine, 5);
                s.scene.s.kernel.slot_mut(at).home = 4096;
            },
        ],
    );
}

#[test]
fn queues() {
    find(
        Invariant::Queues,
        &[
            |s| s.thread(s.sender).prev = None,
            |s| s.thread(s.first).next = None,
            |s| s.thread(s.first).waits_for = 0,
            |s| s.thread(s.first).waits_for += 64,
            |s| s.endpoint().queue.tail = s.endpoint().queue.head,
            |s| s.endpoint().queue = Default::default(),
            |s| s.endpoint().state = EndpointState::Idle,
            |s| s.endpoint().state = EndpointState::Receiving,
            |s| {
                // A circle.
                let head = s.endpoint().queue.head;
                s.thread(s.sender).next = head;
            },
            |s| s.notification().word = 1,
            |s| s.notification().queue = Default::default(),
            |s| s.thread(s.client).reply = None,
            |s| s.thread(s.server).reply = s.scene.thread(s.client).reply,
            |s| s.thread(s.server).donor = None,
            |s| s.thread(s.server).faulted = true,
            |s| s.thread(s.server).next = Some(s.client.id),
            |s| s.reply().peer = None,
            |s| s.reply().peer = Some(s.server.id),
            |s| s.reply().borrower = None,
            |s| s.reply().borrower = Some(s.client.id),
            |s| s.reply().state = ReplyState::Offered,
            |s| s.reply().state = ReplyState::Idle,
        ],
    );
}

#[test]
fn scheduling() {
    find(
        Invariant::Scheduling,
        &[
            |s| s.thread(s.client).home = None,
            |s| s.context(s.client).home = s.server.id.address(),
            |s| s.thread(s.server).sc = None,
            |s| s.thread(s.waiter).sc = s.scene.thread(s.server).sc,
            |s| s.context(s.server).thread = s.server.id.address(),
            |s| s.context(s.client).thread = 0,
            |s| s.context(s.client).state = ContextState::Idle,
            |s| s.context(s.client).state = ContextState::Ready,
            |s| s.context(s.client).cpu = 9,
            |s| s.context(s.client).cpu = 2,
            |s| s.context(s.client).budget = 0,
            |s| s.context(s.client).next = Some(s.scene.context_id(s.server)),
            |s| {
                let id = s.scene.context_id(s.client);
                s.context(s.client).remaining = s.scene.s.kernel.sc(id).budget + 1;
            },
            |s| s.scene.s.kernel.cpus[1].scheduler.current = None,
            |s| s.scene.s.kernel.cpus[2].scheduler.current = Some(s.scene.context_id(s.client)),
            |s| s.scene.s.kernel.cpus[2].loaded = Some(s.server.id),
            |s| s.scene.s.kernel.cpus[1].asid += 1,
            |s| s.scene.s.kernel.cpus[60].asid = 1,
            // The release queue.
            |s| s.scene.s.kernel.cpus[5].scheduler.release = ReleaseQueue::new(),
            |s| {
                // Of another processor.
                let queue = std::mem::take(&mut s.scene.s.kernel.cpus[5].scheduler.release);
                s.scene.s.kernel.cpus[4].scheduler.release = queue;
            },
            |s| s.context(s.spent[0]).release += 1_000_000,
            |s| s.context(s.spent[0]).state = ContextState::Idle,
            |s| {
                let sc = s.context(s.spent[0]);
                (sc.next, sc.prev) = (None, None);
            },
            |s| {
                // In the wrong place.
                let sc = s.context(s.spent[0]);
                (sc.next, sc.prev) = (sc.prev, sc.next);
            },
            |s| s.context(s.spent[1]).next = Some(s.scene.context_id(s.spent[0])),
            |s| s.context(s.spent[1]).next = Some(s.scene.context_id(s.client)),
            // The timers' queue.
            |s| s.scene.s.kernel.cpus[0].timers = TimerQueue::new(),
            |s| {
                // Of another processor, and of one that does not run.
                let queue = std::mem::take(&mut s.scene.s.kernel.cpus[0].timers);
                s.scene.s.kernel.cpus[1].timers = queue;
            },
            |s| s.timer(0).cpu = 1,
            |s| s.timer(0).cpu = 60,
            |s| s.timer(0).deadline = u64::MAX,
            |s| s.timer(2).deadline = 1,
            |s| s.timer(1).deadline = 0,
            |s| s.timer(0).below = [None; 2],
            |s| s.timer(0).below.reverse(),
            |s| s.timer(1).below = [Some(s.timer_id(0)), None],
            // A queue that no processor works through.
            |s| s.scene.s.kernel.cpus[60].timers = s.scene.s.kernel.cpus[0].timers.clone(),
        ],
    );
}

#[test]
fn mappings() {
    find(
        Invariant::Mappings,
        &[
            |s| *s.entry(0) = 0,
            |s| *s.entry(0) |= 1 << 20,
            |s| *s.entry(1) = 0,
            |s| *s.entry(2) = *s.entry(1),
            |s| *s.entry(1) &= !(1 << 63),
            |s| *s.entry(5) = 8,
            |s| s.slot(s.copy).rights = Rights::READ,
            |s| s.slot(s.copy).set_mapping(None),
            |s| s.slot(s.copy).a += 1,
            |s| s.slot(s.space).word = 0,
            |s| s.scene.s.kernel.asids.release(1),
        ],
    );
}
