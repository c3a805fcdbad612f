//! What a processor does when it leaves the kernel.

use crate::env::{ContextsOf, TimersOf};
use crate::event::Event;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::method::ThreadState;
use pagurus_ipc::{Env, ThreadId, time};
use pagurus_sched::{ContextState, Contexts, ScId};

impl<M: Machine> Kernel<M> {
    /// The thread that this processor goes on with, or `None` to wait for an interrupt.
    ///
    /// The caller loads the thread's address space and FPU state and returns to user mode at its frame.
    #[inline]
    #[allow(clippy::should_implement_trait)] // it does not iterate
    pub fn next(&mut self) -> Option<ThreadId> {
        loop {
            while self.cpus[self.here].resched {
                self.choose();
            }
            let cpu = &mut self.cpus[self.here];
            let Some(sc) = cpu.scheduler.current else {
                cpu.loaded = None;
                cpu.asid = 0;
                return None;
            };
            let Some(t) = ThreadId::new(self.machine.sc(sc).thread) else {
                // Only a context with a thread is ever woken; without one it cannot be current.
                self.sleep_context(sc);
                continue;
            };
            if self.cpus[self.here].loaded == Some(t) {
                return Some(t);
            }
            let thread = self.machine.thread(t);
            if thread.cr3 == 0 {
                self.strand(t);
                continue;
            }
            let asid = thread.asid;
            if thread.vcpu != 0 {
                self.refresh_vcpu(t);
            }
            let cpu = &mut self.cpus[self.here];
            cpu.loaded = Some(t);
            cpu.asid = asid;
            return Some(t);
        }
    }

    /// Whether thread `t`, which made a system call on this processor, simply goes on: [`Kernel::next`] would choose it, and
    /// nothing about it is to be loaded.
    #[inline(always)]
    pub fn continues(&self, t: ThreadId) -> bool {
        let cpu = &self.cpus[self.here];
        if cpu.resched || cpu.loaded != Some(t) {
            return false;
        }
        let thread = self.machine.thread(t);
        thread.state == ThreadState::Ready && thread.sc == cpu.scheduler.current
    }

    /// A ready thread has nowhere to run: it stops until somebody gives it an address space and resumes it.
    fn strand(&mut self, t: ThreadId) {
        self.machine.thread_mut(t).state = ThreadState::Inactive;
        time::detach(self, t);
        self.machine.note(Event::Stranded {
            thread: t.address(),
        });
    }

    fn choose(&mut self) {
        let now = self.machine.now();
        let contexts = &mut ContextsOf(&mut self.machine);
        let cpu = &mut self.cpus[self.here];
        let before = cpu.scheduler.current;
        cpu.resched = false;
        cpu.scheduler.pick(contexts, now);
        if let Some(sc) = before
            && contexts.sc(sc).state == ContextState::Depleted
        {
            return self.end_loan(sc);
        }
        self.program_timer();
    }

    /// Sets the processor's own timer to what comes first: the end of the budget, a release or a deadline.
    #[inline]
    pub(crate) fn program_timer(&mut self) {
        let cpu = &self.cpus[self.here];
        let scheduled = cpu.scheduler.deadline(&ContextsOf(&mut self.machine));
        let deadline = match cpu.timers.deadline(&TimersOf(&mut self.machine)) {
            None => scheduled,
            Some(armed) => Some(scheduled.map_or(armed, |s| s.min(armed))),
        };
        self.machine.set_timer(deadline);
    }

    /// The context `sc` is out of budget. Whoever runs on it by a loan goes home, and this processor chooses again: that home
    /// may be more important than what was chosen.
    #[cold]
    fn end_loan(&mut self, sc: ScId) {
        self.cpus[self.here].resched = true;
        let Some(t) = ThreadId::new(self.sc(sc).thread) else {
            return;
        };
        time::return_spent_loan(self, t);
        if self.thread(t).sc != Some(sc) {
            self.machine.note(Event::LoanSpent {
                thread: t.address(),
            });
        }
    }

    /// The timer of this processor rang.
    pub fn timer_rang(&mut self) {
        self.fire_timers();
        self.cpus[self.here].resched = true;
    }

    /// Another processor asked this one to choose anew.
    pub fn kicked(&mut self) {
        self.cpus[self.here].resched = true;
    }

    /// Brings processor `cpu` into service.
    pub fn cpu_online(&mut self, cpu: usize) {
        if let Some(c) = self.cpus.get_mut(cpu) {
            c.online = true;
            self.online |= 1 << cpu;
            c.resched = true;
        }
    }

    /// Nanoseconds that a context has used, those since it was last charged included.
    pub(crate) fn used_ns(&mut self, sc: ScId) -> u64 {
        let n = self.machine.sc(sc).cpu as usize;
        let now = self.machine.now();
        let cpu = &mut self.cpus[n];
        if cpu.scheduler.current == Some(sc) {
            cpu.scheduler
                .charge(&mut ContextsOf(&mut self.machine), now);
        }
        let consumed = self.sc(sc).consumed;
        self.machine.nanoseconds(consumed)
    }
}
