//! Methods of timers.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::timer::binding;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{Slots, delete, derive};
use pagurus_sched::{TimerId, Timers};

fn subject(i: &Invocation<'_>) -> Result<TimerId, Error> {
    TimerId::new(i.object).ok_or(Error::EmptySlot)
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn timer_bind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let source = self.slot_by(i.thread, i.a[0], Kind::Notification, Rights::WRITE)?;
        let timer = subject(i)?;
        derive::bind(self, source, binding(timer), timer.address())?;
        Ok(Completion::OK)
    }

    pub(crate) fn timer_unbind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let binding = binding(subject(i)?);
        if self.slot(binding).is_empty() {
            return Err(Error::NotBound);
        }
        // A binding has no children and is let go of in one step.
        delete(self, binding);
        Ok(Completion::OK)
    }

    pub(crate) fn timer_arm(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let (timer, deadline) = (subject(i)?, i.a[0]);
        if deadline == 0 {
            return Err(Error::InvalidArgument);
        }
        if self.slot(binding(timer)).is_empty() {
            return Err(Error::NotBound);
        }
        self.arm(timer, deadline);
        Ok(Completion::OK)
    }

    pub(crate) fn timer_disarm(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let was_armed = self.disarm(subject(i)?);
        Ok(Completion::Results([was_armed as u64, 0, 0, 0]))
    }

    pub(crate) fn timer_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let timer = self.timer(subject(i)?);
        Ok(Completion::Results([
            timer.deadline,
            timer.cpu as u64,
            0,
            0,
        ]))
    }
}
