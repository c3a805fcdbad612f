//! A booted system with some threads, each on a processor of its own, so that all run at the same time.

use crate::sim::system::{FREE_SLOT, UNTYPED_SLOT};
use crate::sim::{Answer, Setup, ShortWay, System};
use pagurus_abi::boot::slot;
use pagurus_abi::method::{MINT_BADGE, MINT_PLAIN, Method, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, MessageInfo, Rights, Syscall};
use pagurus_cap::{SlotId, Slots};
use pagurus_ipc::{Env, Thread, ThreadId};
use pagurus_sched::ScId;
use std::collections::BTreeSet;

/// Root's CNode, which is the capability space of every thread here.
pub const CNODE: u64 = slot::CNODE as u64;
/// Root's address space, which every thread here shares.
pub const SPACE: u64 = slot::ADDRESS_SPACE as u64;
/// A message without words.
pub const EMPTY: MessageInfo = MessageInfo::new(0, 0, 0);
/// Priority of the threads.
pub const PRIORITY: u64 = 100;

/// A thread and the slots of its capabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Actor {
    pub id: ThreadId,
    pub thread: u64,
    pub context: u64,
    pub frame: u64,
}

/// The system and its threads.
pub struct Scene {
    pub s: System,
    /// What root was refused, and why.
    refused: BTreeSet<(u16, u32)>,
    next: u64,
}

impl Scene {
    /// A system with `others` processors beside root's.
    pub fn new(others: usize) -> Scene {
        Scene::with_memory(others, 22)
    }

    /// A system with `others` processors beside root's and `2^untyped_bits` bytes of memory.
    pub fn with_memory(others: usize, untyped_bits: u8) -> Scene {
        Scene {
            s: System::boot(Setup {
                cpus: 1 + others,
                untyped_bits,
                short_way: ShortWay::Compared,
                ..Setup::default()
            }),
            refused: BTreeSet::new(),
            next: FREE_SLOT,
        }
    }

    /// A system with these threads, number `n` on processor `n + 1`.
    pub fn with<const N: usize>() -> (Scene, [Actor; N]) {
        let mut scene = Scene::new(N);
        let actors = core::array::from_fn(|n| scene.actor(1 + n as u64));
        (scene, actors)
    }

    /// An empty slot.
    pub fn slot(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Root calls a method.
    pub fn try_root(
        &mut self,
        cap: u64,
        method: Method,
        p: u64,
        a: [u64; 4],
    ) -> Result<[u64; 4], Error> {
        let root = self.s.root;
        self.s.invoke(root, cap, method, p, a)
    }

    /// Root calls a method, which must succeed.
    pub fn root(&mut self, cap: u64, method: Method, p: u64, a: [u64; 4]) -> [u64; 4] {
        self.try_root(cap, method, p, a)
            .unwrap_or_else(|e| panic!("{method:?} of {cap} by root: {e}"))
    }

    /// Root calls a method that must be refused with this error and change nothing.
    pub fn refuse(&mut self, cap: u64, method: Method, p: u64, a: [u64; 4], error: Error) {
        let before = self.s.kernel.clone();
        let got = self.try_root(cap, method, p, a);
        assert_eq!(got, Err(error), "{method:?} of {cap}, {p:#x}, {a:x?}");
        let mut now = self.s.kernel.clone();
        now.counters = before.counters;
        now.caller = before.caller;
        now.here = before.here;
        now.machine.here = before.machine.here;
        now.machine.processors = before.machine.processors.clone();
        assert!(
            *now == *before,
            "{method:?} of {cap} was refused and changed something"
        );
        self.refused.insert((method as u16, error as u32));
    }

    /// Each of these methods was refused for each of these reasons.
    pub fn all_refused(&self, expected: &[(Method, &[Error])]) {
        for (method, errors) in expected {
            let got = self.refused.iter().filter(|(m, _)| *m == *method as u16);
            let got: BTreeSet<u32> = got.map(|(_, error)| *error).collect();
            let errors: BTreeSet<u32> = errors.iter().map(|e| *e as u32).collect();
            assert_eq!(got, errors, "{method:?}");
        }
    }

    /// A capability derived 255 times.
    pub fn deepest(&mut self, cap: u64) -> u64 {
        let mut at = cap;
        while self.capability(at).depth < u8::MAX {
            at = self.copy(at, Rights::all());
        }
        at
    }

    /// A new object of a kind.
    pub fn make(&mut self, kind: Kind, bits: u8) -> u64 {
        let at = self.slot();
        let root = self.s.root;
        self.s
            .retype(root, UNTYPED_SLOT, kind, bits, (CNODE, at), 1)
            .expect("there is room");
        at
    }

    /// A copy with fewer rights.
    pub fn copy(&mut self, cap: u64, rights: Rights) -> u64 {
        let at = self.slot();
        let p = rights.bits() as u64 | MINT_PLAIN << 8;
        self.root(CNODE, Method::CNodeMint, p, [at, CNODE, cap, 0]);
        at
    }

    /// A copy with a badge.
    pub fn badged(&mut self, cap: u64, badge: u64) -> u64 {
        let at = self.slot();
        let p = Rights::all().bits() as u64 | MINT_BADGE << 8;
        self.root(CNODE, Method::CNodeMint, p, [at, CNODE, cap, badge]);
        at
    }

    /// Root deletes a capability.
    pub fn delete(&mut self, cap: u64) {
        self.root(CNODE, Method::CNodeDelete, 0, [cap, 0, 0, 0]);
    }

    /// Binds something to a thread.
    pub fn bind(&mut self, actor: Actor, place: ThreadBinding, cap: u64) {
        let a = [place as u64, cap, 0, 0];
        self.root(actor.thread, Method::ThreadBind, 0, a);
    }

    /// Takes something from a thread.
    pub fn unbind(&mut self, actor: Actor, place: ThreadBinding) {
        let a = [place as u64, 0, 0, 0];
        self.root(actor.thread, Method::ThreadUnbind, 0, a);
    }

    /// A thread that runs on processor `cpu`, alone if nobody else was put there.
    pub fn actor(&mut self, cpu: u64) -> Actor {
        let actor = self.bare_actor();
        self.bind(actor, ThreadBinding::CSpace, CNODE);
        self.bind(actor, ThreadBinding::AddressSpace, SPACE);
        self.bind(actor, ThreadBinding::IpcBuffer, actor.frame);
        self.configure(actor, cpu, PRIORITY);
        self.root(actor.context, Method::SchedBind, 0, [actor.thread, 0, 0, 0]);
        let entry = [0x20_0000 + actor.thread, 0x7000_0000, 0, 0];
        self.root(actor.thread, Method::ThreadStart, 0, entry);
        actor
    }

    /// The objects of a thread, with nothing bound.
    pub fn bare_actor(&mut self) -> Actor {
        let thread = self.make(Kind::Thread, 0);
        let context = self.make(Kind::SchedContext, 0);
        let frame = self.make(Kind::Frame, 12);
        let object = self.capability(thread).object;
        Actor {
            id: ThreadId::new(object).expect("an address"),
            thread,
            context,
            frame,
        }
    }

    /// Unlimited time on a processor.
    pub fn configure(&mut self, actor: Actor, cpu: u64, priority: u64) {
        let a = [slot::FIRST_CPU as u64 + cpu, 1_000_000, 1_000_000, 0];
        self.root(actor.context, Method::SchedConfigure, priority, a);
    }

    /// What is in a slot of root's CNode.
    pub fn capability(&self, index: u64) -> pagurus_cap::Slot {
        *self.s.kernel.slot(self.place(index))
    }

    /// A slot of root's CNode.
    pub fn place(&self, index: u64) -> SlotId {
        let first = crate::sim::ram::DIRECT + crate::sim::system::RAM as usize;
        SlotId::new(first).expect("not 0").nth(index as usize)
    }

    /// A thread as the kernel has it.
    pub fn thread(&self, actor: Actor) -> &Thread {
        self.s.kernel.thread(actor.id)
    }

    /// The context that was created with a thread.
    pub fn context_id(&self, actor: Actor) -> ScId {
        ScId::new(self.capability(actor.context).object).expect("an address")
    }

    /// What a thread does.
    pub fn state(&self, actor: Actor) -> ThreadState {
        self.thread(actor).state
    }

    /// Whether a thread runs on a processor.
    pub fn runs(&self, actor: Actor) -> bool {
        self.s.cpu_of(actor.id).is_some()
    }

    /// The answer that a thread has got, if it runs again.
    pub fn answer(&mut self, actor: Actor) -> Option<Answer> {
        self.s.answer(actor.id)
    }

    /// The error that a thread has got.
    pub fn error(&mut self, actor: Actor) -> Option<Error> {
        self.answer(actor).and_then(|a| a.result().err())
    }

    /// A system call; `None` if the thread waits.
    pub fn ipc(
        &mut self,
        actor: Actor,
        call: Syscall,
        cap: u64,
        second: u64,
        info: MessageInfo,
        words: [u64; 4],
    ) -> Option<Answer> {
        self.s.ipc(actor.id, call, cap, second as u32, info, words)
    }

    pub fn call(&mut self, actor: Actor, cap: u64, words: [u64; 4]) -> Option<Answer> {
        let info = MessageInfo::new(7, 4, 0);
        self.ipc(actor, Syscall::Call, cap, 0, info, words)
    }

    pub fn send(&mut self, actor: Actor, cap: u64, words: [u64; 4]) -> Option<Answer> {
        let info = MessageInfo::new(8, 4, 0);
        self.ipc(actor, Syscall::Send, cap, 0, info, words)
    }

    pub fn recv(&mut self, actor: Actor, cap: u64, reply: u64) -> Option<Answer> {
        self.ipc(actor, Syscall::Recv, cap, reply, EMPTY, [0; 4])
    }

    pub fn reply(&mut self, actor: Actor, reply: u64, words: [u64; 4]) -> Option<Answer> {
        let info = MessageInfo::new(9, 4, 0);
        self.ipc(actor, Syscall::Reply, reply, 0, info, words)
    }

    pub fn reply_recv(
        &mut self,
        actor: Actor,
        cap: u64,
        reply: u64,
        words: [u64; 4],
    ) -> Option<Answer> {
        let info = MessageInfo::new(9, 4, 0);
        self.ipc(actor, Syscall::ReplyRecv, cap, reply, info, words)
    }

    pub fn signal(&mut self, actor: Actor, cap: u64) {
        let answer = self.ipc(actor, Syscall::Signal, cap, 0, EMPTY, [0; 4]);
        if let Some(answer) = answer {
            assert_eq!(answer.code, 0);
        }
    }

    pub fn wait(&mut self, actor: Actor, cap: u64) -> Option<Answer> {
        self.ipc(actor, Syscall::Wait, cap, 0, EMPTY, [0; 4])
    }

    pub fn poll(&mut self, actor: Actor, cap: u64) -> Option<Answer> {
        self.ipc(actor, Syscall::Poll, cap, 0, EMPTY, [0; 4])
    }

    /// Root stops a thread.
    pub fn suspend(&mut self, actor: Actor) {
        self.root(actor.thread, Method::ThreadSuspend, 0, [0; 4]);
    }

    /// Root lets a thread go on.
    pub fn resume(&mut self, actor: Actor) {
        self.root(actor.thread, Method::ThreadResume, 0, [0; 4]);
    }
}
