//! The kernel's own state.

use crate::asid::AsidTable;
use crate::irq::IrqTable;
use crate::machine::Machine;
use pagurus_abi::layout::MAX_CPUS;
use pagurus_cap::SlotId;
use pagurus_ipc::ThreadId;
use pagurus_sched::{CpuScheduler, TimerQueue};

/// State of one processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Ready queue and budgets.
    pub scheduler: CpuScheduler,
    /// Armed timers.
    pub timers: TimerQueue,
    /// The thread whose registers are, or were last, in this processor; `None` when idle or evicted.
    pub loaded: Option<ThreadId>,
    /// Address space that the processor's translation caches may have something of; 0 is none.
    pub asid: u16,
    /// What runs has to be chosen anew.
    pub resched: bool,
    /// The processor runs.
    pub online: bool,
}

impl Cpu {
    const NEW: Cpu = Cpu {
        scheduler: CpuScheduler::new(),
        timers: TimerQueue::new(),
        loaded: None,
        asid: 0,
        resched: false,
        online: false,
    };
}

/// What the kernel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// System calls.
    pub syscalls: u64,
    /// Interrupts.
    pub interrupts: u64,
}

/// All of the kernel's state but the objects in memory.
///
/// There is one in a running system; it is some hundred KiB and lives in static memory.
#[derive(Clone, PartialEq)]
pub struct Kernel<M> {
    /// The machine.
    pub machine: M,
    /// The processors.
    pub cpus: [Cpu; MAX_CPUS],
    /// The processors that run, as bits by number: what is done for each of them takes no time for the others.
    pub online: u64,
    /// The processor that is in the kernel.
    pub here: usize,
    /// The thread whose method call is being carried out, unless the call has ended it.
    pub(crate) caller: Option<ThreadId>,
    /// First capability of the derivation list.
    pub head: Option<SlotId>,
    /// Address spaces.
    pub asids: AsidTable,
    /// Interrupt lines.
    pub irqs: IrqTable,
    /// Counters.
    pub counters: Counters,
    /// Trace buffers' physical addresses by processor, 0 for none.
    pub trace: [u64; MAX_CPUS],
}

impl<M: Machine> Kernel<M> {
    /// A kernel in which nothing exists yet.
    pub const fn new(machine: M) -> Self {
        Kernel {
            machine,
            cpus: [Cpu::NEW; MAX_CPUS],
            online: 0,
            here: 0,
            caller: None,
            head: None,
            asids: AsidTable::new(),
            irqs: IrqTable::new(),
            counters: Counters {
                syscalls: 0,
                interrupts: 0,
            },
            trace: [0; MAX_CPUS],
        }
    }

    /// Processor `cpu` has entered the kernel (and has the lock).
    #[inline(always)]
    pub fn enter(&mut self, cpu: usize) {
        self.here = cpu;
    }

    /// The numbers of the processors that run.
    pub fn online_cpus(&self) -> impl Iterator<Item = usize> + use<M> {
        let mut rest = self.online;
        core::iter::from_fn(move || {
            let n = rest.trailing_zeros() as usize;
            rest &= rest.wrapping_sub(1);
            (n < MAX_CPUS).then_some(n)
        })
    }

    /// The thread that processor was running when it entered the kernel.
    #[inline(always)]
    pub fn loaded(&self) -> Option<ThreadId> {
        self.cpus[self.here].loaded
    }
}
