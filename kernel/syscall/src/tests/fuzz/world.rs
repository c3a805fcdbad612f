//! The system that the fuzzer plays with.

use super::{Choice, generate};
use crate::SyscallArgs;
use crate::sim::system::{FREE_SLOT, UNTYPED, UNTYPED_SLOT};
use crate::sim::user::invocation;
use crate::sim::{Preemption, Setup, ShortWay, System, retype_info};
use pagurus_abi::boot::slot;
use pagurus_abi::method::{Method, ThreadBinding};
use pagurus_abi::{Error, Kind};
use pagurus_cap::{Outcome, SlotId, Slots, revoke, tree, untyped};
use pagurus_ipc::ThreadId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const CNODE: u64 = slot::CNODE as u64;
/// Slots of root's CNode that the fuzzer uses, from [`FREE_SLOT`] on.
pub const SLOTS: u64 = 64;
const LOG: usize = 40;

/// The system, and what was done last.
pub struct World {
    pub system: System,
    /// What threads asked for last.
    pub asked: BTreeMap<ThreadId, SyscallArgs>,
    /// How calls ended.
    pub outcomes: Outcomes,
    seed: u64,
    log: VecDeque<String>,
}

/// Calls, and the errors they ended with, or `None` for success.
pub type Outcomes = BTreeSet<(String, Option<u32>)>;

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("PAGURUS_FUZZ_SEED={} fails after", self.seed);
            for line in &self.log {
                println!("  {line}");
            }
        }
    }
}

impl World {
    pub fn new(seed: u64, cpus: usize, c: &mut Choice) -> World {
        let system = System::boot(Setup {
            cpus,
            untyped_bits: 20,
            check_every: 8,
            prompt: c.one_in(2),
            short_way: c.of(&[ShortWay::Never, ShortWay::Always, ShortWay::Compared]),
        });
        let mut world = World {
            system,
            asked: BTreeMap::new(),
            outcomes: Outcomes::new(),
            seed,
            log: VecDeque::new(),
        };
        // Root is not more important than its children, or it would have its processor alone.
        let a = [slot::FIRST_CPU as u64, 1_000_000, 1_000_000, 0];
        world
            .root(slot::SCHED_CONTEXT as u64, Method::SchedConfigure, 100, a)
            .expect("root's own time");
        world.populate(c);
        world
    }

    /// Notes how the last call of `t`, which runs, ended.
    pub fn note_answer(&mut self, t: ThreadId) {
        if let (Some(answer), Some(args)) = (self.system.answer(t), self.asked.get(&t)) {
            let code = answer.code as u32;
            let error = (code != 0).then_some(code);
            self.outcomes.insert((generate::name(args), error));
        }
    }

    pub fn log(&mut self, line: String) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    fn root(&mut self, cap: u64, method: Method, p: u64, a: [u64; 4]) -> Result<[u64; 4], Error> {
        let root = self.system.root;
        let mut answer = self.system.make(root, invocation(cap, method, p, a));
        // Somebody as important as root may run now.
        for _ in 0..64 {
            if answer.is_some() {
                break;
            }
            self.system.advance(1_000_000);
            self.system.settle();
            answer = self.system.answer(root);
        }
        answer.expect("root is served").result()
    }

    fn make(&mut self, kind: Kind, bits: u8, at: u64, count: u64) {
        let a = [CNODE, at, 0, count];
        self.root(
            UNTYPED_SLOT,
            Method::UntypedRetype,
            retype_info(kind, bits),
            a,
        )
        .expect("there is room");
    }

    /// Root makes some of everything and starts threads.
    fn populate(&mut self, c: &mut Choice) {
        let threads = 2 + c.below(4);
        let mut at = FREE_SLOT;
        let mut take = |n| {
            let first = at;
            at += n;
            first
        };
        let (thread, context) = (take(threads), take(threads));
        let spaces = take(2);
        let (endpoint, notification, reply) = (take(3), take(2), take(3));
        let (frame, cnode, memory) = (take(threads), take(2), take(2));
        let (trace, irq, timer) = (take(1), take(1), take(4));
        let (vcpu, guest) = (take(2), take(1));
        self.make(Kind::Vcpu, 0, vcpu, 2);
        self.make(Kind::GuestSpace, 15, guest, 1);
        self.make(Kind::Thread, 0, thread, threads);
        self.make(Kind::SchedContext, 0, context, threads);
        self.make(Kind::AddressSpace, 15, spaces, 2);
        self.make(Kind::Endpoint, 0, endpoint, 3);
        self.make(Kind::Notification, 0, notification, 2);
        self.make(Kind::Reply, 0, reply, 3);
        self.make(Kind::Frame, 12, frame, threads);
        self.make(Kind::CNode, 5, cnode, 2);
        self.make(Kind::Untyped, 17, memory, 2);
        self.make(Kind::TraceBuffer, 12, trace, 1);
        self.make(Kind::Timer, 0, timer, 4);
        for n in 0..3 {
            let a = [notification + n % 2, 0, 0, 0];
            self.root(timer + n, Method::TimerBind, 0, a)
                .expect("binds");
        }
        let issued = self.root(
            slot::IRQ_CONTROL as u64,
            Method::IrqIssue,
            c.below(4),
            [0, CNODE, irq, 0],
        );
        issued.expect("a handler");
        let a = [guest, 0x20_0000, 0, 0x1000 | 7];
        self.root(frame, Method::FrameMap, 0, a).expect("maps");
        let cpus = self.system.kernel.machine.processors.len() as u64;
        for n in 0..threads {
            let t = thread + n;
            let bind = |place: ThreadBinding, cap| [place as u64, cap, 0, 0];
            for a in [
                bind(ThreadBinding::CSpace, CNODE),
                bind(ThreadBinding::AddressSpace, spaces + n % 2),
                bind(ThreadBinding::IpcBuffer, frame + n),
                bind(ThreadBinding::FaultEndpoint, endpoint + n % 3),
            ] {
                self.root(t, Method::ThreadBind, 0, a).expect("binds");
            }
            if n < 2 {
                let a = bind(ThreadBinding::Notification, notification + n);
                self.root(t, Method::ThreadBind, 0, a).expect("binds");
                for (place, cap) in [(0, frame + n), (1, guest)] {
                    self.root(vcpu + n, Method::VcpuBind, 0, [place, cap, 0, 0])
                        .expect("binds");
                }
                let a = bind(ThreadBinding::Vcpu, vcpu + n);
                self.root(t, Method::ThreadBind, 0, a).expect("binds");
            }
            let cpu = slot::FIRST_CPU as u64 + c.below(cpus);
            let period = 1_000_000;
            let budget = c.of(&[period, period, 100_000]);
            let a = [cpu, budget, period, 0];
            let priority = 98 + c.below(3);
            self.root(context + n, Method::SchedConfigure, priority, a)
                .expect("configures");
            self.root(context + n, Method::SchedBind, 0, [t, 0, 0, 0])
                .expect("binds");
            let a = [0x20_0000 + n, 0x7000_0000, 0, 0];
            self.root(t, Method::ThreadStart, 0, a).expect("starts");
        }
    }

    /// Whether hardly anybody runs any more.
    pub fn is_dead(&self) -> bool {
        let running = |n: &usize| self.system.running(*n).is_some();
        let cpus = self.system.kernel.machine.processors.len();
        (0..cpus).filter(running).count() <= cpus / 2
    }

    fn memory(&self) -> Option<SlotId> {
        let k = &self.system.kernel;
        let mut at = k.head;
        while let Some(id) = at {
            let s = k.slot(id);
            if s.kind == Kind::Untyped && s.depth == 0 && s.object as u64 == UNTYPED {
                return Some(id);
            }
            at = s.next;
        }
        None
    }

    /// Revokes all that was made, and checks that all memory is there again.
    pub fn take_back_everything(&mut self) {
        let cpus = self.system.kernel.machine.processors.len();
        for cpu in 0..cpus {
            if self.system.kernel.machine.processors[cpu].waiting.is_some() {
                self.system.proceed(cpu);
            }
        }
        self.system.kernel.machine.preemption = Preemption::Random {
            seed: self.seed,
            one_in: 3,
        };
        self.log("everything is taken back".into());
        let Some(memory) = self.memory() else { return };
        while self.system.in_kernel(0, |k| revoke(k, memory)) == Outcome::Preempted {}
        self.system.verify();
        assert!(!tree::has_children(&*self.system.kernel, memory));
        assert_eq!(untyped::watermark(&*self.system.kernel, memory), 0);
    }
}
