//! Methods of scheduling contexts.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::layout::{MAX_PERIOD_NS, MIN_BUDGET_NS};
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{SlotId, delete, derive};
use pagurus_ipc::thread::SCHED_BINDING;
use pagurus_ipc::{Env, ThreadId, time};
use pagurus_sched::{ContextState, Contexts, ScId};

fn subject(i: &Invocation<'_>) -> Result<ScId, Error> {
    ScId::new(i.object).ok_or(Error::EmptySlot)
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn sched_configure(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [cpu, budget, period, _] = *i.a;
        let sc = subject(i)?;
        let processor = *self.lookup(i.thread, cpu, Kind::Cpu, Rights::WRITE)?;
        let priority = u8::try_from(i.p).map_err(|_| Error::InvalidArgument)?;
        if priority as u64 > processor.word {
            return Err(Error::MissingRights);
        }
        if budget < MIN_BUDGET_NS || budget > period || period > MAX_PERIOD_NS {
            return Err(Error::InvalidArgument);
        }
        let n = processor.object;
        if !self.cpus.get(n).is_some_and(|c| c.online) {
            return Err(Error::Unsupported);
        }
        let was_awake = self.sc(sc).state != ContextState::Idle;
        if let Some(t) = ThreadId::new(self.sc(sc).thread) {
            self.evict(t);
        }
        self.sleep_context(sc);
        let (budget, period) = (self.machine.ticks(budget), self.machine.ticks(period));
        let context = self.sc_mut(sc);
        context.cpu = n as u8;
        context.priority = priority;
        context.budget = budget.max(1);
        context.period = period.max(1);
        context.remaining = 0;
        context.debt = 0;
        context.release = 0;
        let runs = ThreadId::new(context.thread)
            .is_some_and(|t| self.thread(t).state == ThreadState::Ready);
        if was_awake || runs {
            self.wake_context(sc);
        }
        Ok(Completion::OK)
    }

    pub(crate) fn sched_bind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let sc = subject(i)?;
        let slot = self.lookup(i.thread, i.a[0], Kind::Thread, Rights::WRITE)?;
        let t = ThreadId::new(slot.object).ok_or(Error::EmptySlot)?;
        if self.sc(sc).home != 0 {
            return Err(Error::AlreadyBound);
        }
        self.bind_context(t, sc, i.at)?;
        if self.thread(t).state == ThreadState::Ready {
            time::run_at_home(self, t);
        }
        Ok(Completion::OK)
    }

    /// Makes `sc`, whose capability is in `source`, the home of `t`.
    pub(crate) fn bind_context(
        &mut self,
        t: ThreadId,
        sc: ScId,
        source: SlotId,
    ) -> Result<(), Error> {
        derive::bind(self, source, t.binding(SCHED_BINDING), t.address())?;
        self.sc_mut(sc).home = t.address();
        self.thread_mut(t).home = Some(sc);
        Ok(())
    }

    pub(crate) fn sched_unbind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let sc = subject(i)?;
        let t = ThreadId::new(self.sc(sc).home).ok_or(Error::NotBound)?;
        // A binding has no children and is let go of in one step.
        delete(self, t.binding(SCHED_BINDING));
        Ok(Completion::OK)
    }

    pub(crate) fn sched_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let sc = subject(i)?;
        let used = self.used_ns(sc);
        let context = *self.sc(sc);
        Ok(Completion::Results([
            used,
            self.machine.nanoseconds(context.budget),
            self.machine.nanoseconds(context.period),
            context.priority as u64 | (context.cpu as u64) << 8,
        ]))
    }

    /// Whoever runs on `sc` does so no more; if it can it goes on at home.
    pub(crate) fn clear_context(&mut self, sc: ScId) {
        if let Some(t) = ThreadId::new(self.sc(sc).thread) {
            self.evict(t);
            time::detach(self, t);
            if self.thread(t).state == ThreadState::Ready && self.thread(t).home != Some(sc) {
                time::run_at_home(self, t);
            }
        }
        self.sleep_context(sc);
    }
}
