//! Methods of interrupt control and interrupt handlers.

use super::Invocation;
use crate::dispatch::Completion;
use crate::event::Event;
use crate::irq::IRQS;
use crate::kernel::Kernel;
use crate::machine::{IrqMode, Machine};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{Slot, Slots, cnode, delete, derive, tree};

impl<M: Machine> Kernel<M> {
    pub(crate) fn irq_issue(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [gsi, dest, index, _] = *i.a;
        let mode = IrqMode {
            level: i.p & 1 != 0,
            low: i.p & 2 != 0,
        };
        if i.p > 3 || gsi >= IRQS as u64 || !self.machine.irq_exists(gsi as u32) {
            return Err(Error::InvalidArgument);
        }
        let gsi = gsi as u32;
        let cnode = self.cnode_by(i.thread, dest, Rights::WRITE)?;
        let at = cnode.at(index)?;
        if !self.slot(at).is_empty() {
            return Err(Error::OccupiedSlot);
        }
        if i.depth == u8::MAX {
            return Err(Error::TooDeep);
        }
        if self.irqs.issued(gsi).is_some() {
            return Err(Error::InUse);
        }
        self.machine.irq_route(gsi, mode, self.here)?;
        self.irqs.set(gsi, Some(mode));
        let cpu = self.here;
        self.machine.note(Event::IrqIssued { gsi, cpu });
        let slot = Slot::original(Kind::IrqHandler, gsi as usize, 0);
        tree::insert_child(self, i.at, at, cnode.base.address(), slot);
        cnode::count_in(self, cnode.base.address());
        Ok(Completion::OK)
    }

    pub(crate) fn irq_bind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let source = self.slot_by(i.thread, i.a[0], Kind::Notification, Rights::WRITE)?;
        let gsi = i.object as u32;
        let binding = self.machine.irq_binding(gsi);
        // The binding is in no container that could be looked at; 0 says so.
        derive::bind(self, source, binding, 0)?;
        Ok(Completion::OK)
    }

    pub(crate) fn irq_ack(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        self.machine.irq_mask(i.object as u32, false);
        Ok(Completion::OK)
    }

    pub(crate) fn irq_unbind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let gsi = i.object as u32;
        let binding = self.machine.irq_binding(gsi);
        if self.slot(binding).is_empty() {
            return Err(Error::NotBound);
        }
        self.machine.irq_mask(gsi, true);
        // A binding has no children and is let go of in one step.
        delete(self, binding);
        Ok(Completion::OK)
    }
}
