//! A booted system on the simulated machine.

use super::live;
use super::machine::SimMachine;
use super::processor::Mode;
pub use super::setup::*;
use super::user::Answer;
use crate::check;
use crate::kernel::Kernel;
use crate::{Machine, SyscallArgs};
use pagurus_abi::Kind;
use pagurus_cap::{Slot, Slots};
use pagurus_ipc::{Env, ThreadId};
use pagurus_paging::{Host, PageSize, Tables};
use pagurus_sched::{Contexts, ScId, TimerId, Timers};
use std::collections::BTreeMap;

/// Why a processor enters the kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Its timer.
    Timer,
    /// Another processor.
    Kick,
    /// It was made to stop in the kernel and gets the lock.
    Lock,
    /// A device.
    Irq(u32),
    /// An exception of the thread that runs.
    Fault {
        /// Vector.
        vector: u64,
        /// Error code.
        code: u64,
        /// Faulting address.
        address: u64,
    },
}

/// The system.
pub struct System {
    /// The kernel and all its objects.
    pub kernel: Box<Kernel<SimMachine>>,
    /// Root's thread.
    pub root: ThreadId,
    pub(super) setup: Setup,
    /// System calls that threads have made and that have no answer yet, with the address of the instruction.
    pub(super) calls: BTreeMap<ThreadId, (u64, SyscallArgs)>,
    pub(super) answers: BTreeMap<ThreadId, Answer>,
    /// System calls that took the short way.
    pub shortened: u64,
    pub(super) serial: u64,
    pub(super) entries: u32,
}

impl System {
    /// The processor that runs `t`.
    pub fn cpu_of(&self, t: ThreadId) -> Option<usize> {
        let processors = &self.kernel.machine.processors;
        processors
            .iter()
            .position(|p| matches!(p.mode, Mode::User { thread, .. } if thread == t))
    }

    /// The thread that processor `cpu` runs.
    pub fn running(&self, cpu: usize) -> Option<ThreadId> {
        match self.kernel.machine.processors[cpu].mode {
            Mode::User { thread, .. } => Some(thread),
            _ => None,
        }
    }

    /// The system call that `t` was making when it was stopped, and will make again when it runs.
    pub fn restarting(&self, t: ThreadId) -> Option<SyscallArgs> {
        self.calls.get(&t).map(|(_, args)| *args)
    }

    /// A device rings; `false` if its line is masked.
    pub fn ring(&mut self, gsi: u32) -> bool {
        let line = self.kernel.machine.lines[gsi as usize];
        match line.route {
            Some((_, cpu)) if line.unmasked => {
                self.event(cpu, Event::Irq(gsi));
                true
            }
            _ => false,
        }
    }

    /// Lets time pass; timers ring.
    pub fn advance(&mut self, ns: u64) {
        self.kernel.machine.clock += self.kernel.machine.ticks(ns);
        for cpu in 0..self.setup.cpus {
            let clock = self.kernel.machine.clock;
            let p = &mut self.kernel.machine.processors[cpu];
            if p.waiting.is_none() && p.timer.is_some_and(|deadline| deadline <= clock) {
                p.timer = None;
                self.event(cpu, Event::Timer);
            }
        }
    }

    pub(super) fn finish(&mut self) {
        if self.setup.prompt {
            self.settle();
        }
        self.entries += 1;
        if self.entries.is_multiple_of(self.setup.check_every.max(1)) {
            self.verify();
        }
    }

    /// Why processor `cpu` is about to enter the kernel, if it is.
    pub fn due(&self, cpu: usize) -> Option<Event> {
        let p = &self.kernel.machine.processors[cpu];
        match (p.mode, p.kicked) {
            _ if p.waiting.is_some() => None,
            (_, true) => Some(Event::Kick),
            (Mode::Kernel, false) => Some(Event::Lock),
            (Mode::Idle | Mode::User { .. }, false) => None,
        }
    }

    /// From now on inter-processor interrupts arrive only when [`System::settle`] or [`System::event`] delivers them.
    pub fn deliver_late(&mut self) {
        self.setup.prompt = false;
    }

    /// Delivers the inter-processor interrupts that are on their way, and lets processors that were stopped go on.
    pub fn settle(&mut self) {
        while let Some((cpu, event)) =
            (0..self.setup.cpus).find_map(|cpu| Some((cpu, self.due(cpu)?)))
        {
            self.event(cpu, event);
        }
    }

    /// A program reads through its page tables; the processor remembers the translation.
    pub fn touch(&mut self, cpu: usize, virt: u64) -> Option<u64> {
        let root = self.kernel.machine.processors[cpu].tables;
        if root == 0 {
            return None;
        }
        let page = virt & !0xfff;
        let p = &self.kernel.machine.processors[cpu];
        let (phys, rights) = match p.cached.get(&page) {
            Some(cached) => *cached,
            None => {
                let tables = Tables::<Host>::new(root, PageSize::Size1G);
                let found = tables.translate(&self.kernel.machine, page)?;
                (found.phys, found.perms)
            }
        };
        let p = &mut self.kernel.machine.processors[cpu];
        p.cached.insert(page, (phys, rights));
        Some(phys | virt & 0xfff)
    }

    /// An object for people.
    fn describe(&self, slot: &Slot) -> String {
        let k = &self.kernel;
        let shown = match slot.kind {
            Kind::Thread => ThreadId::new(slot.object).map(|t| format!("{:x?}", k.thread(t))),
            Kind::SchedContext => ScId::new(slot.object).map(|sc| format!("{:x?}", k.sc(sc))),
            Kind::Timer => TimerId::new(slot.object).map(|t| format!("{:x?}", k.timer(t))),
            _ => None,
        };
        shown.unwrap_or_default()
    }

    /// Checks everything that can be checked between two entries into the kernel.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn verify(&mut self) {
        let found = live::collect(&self.kernel);
        self.kernel.machine.ram.sweep(found.memory);
        self.calls.retain(|t, _| found.threads.contains(t));
        self.answers.retain(|t, _| found.threads.contains(t));
        if let Err(violation) = check::all(&self.kernel) {
            let slot = *self.kernel.slot(violation.slot);
            panic!("{violation:x?}: {slot:x?}\n{}", self.describe(&slot));
        }
        for cpu in 0..self.setup.cpus {
            self.will_notice(cpu);
        }
        for (cpu, p) in self.kernel.machine.processors.iter().enumerate() {
            let tables = Tables::<Host>::new(p.tables, PageSize::Size1G);
            for (virt, cached) in &p.cached {
                let now = tables.translate(&self.kernel.machine, *virt);
                let now = now.map(|found| (found.phys, found.perms));
                assert_eq!(now, Some(*cached), "processor {cpu} remembers {virt:#x}");
            }
        }
    }

    /// A processor outside of the kernel comes back in time for what it has to do.
    fn will_notice(&self, cpu: usize) {
        let p = &self.kernel.machine.processors[cpu];
        if p.mode == Mode::Kernel {
            return;
        }
        let state = &self.kernel.cpus[cpu];
        assert!(!state.resched || p.kicked, "processor {cpu} is not told");
        let scheduled = state.scheduler.deadline(&*self.kernel);
        let armed = state.timers.deadline(&*self.kernel);
        if let Some(deadline) = scheduled.into_iter().chain(armed).min()
            && !state.resched
        {
            let timer = p.timer.expect("a timer that is set");
            assert!(timer <= deadline, "processor {cpu} is told too late");
        }
        // What it runs is what it should run.
        let current = state.scheduler.current.map(|sc| self.kernel.sc(sc).thread);
        let running = self.running(cpu).map(|t| t.address());
        assert!(
            state.resched || running == current,
            "processor {cpu} runs something else"
        );
    }
}
