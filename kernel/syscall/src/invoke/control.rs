//! Methods of the kernel's own control.

use super::Invocation;
use super::cnode::describe;
use crate::check;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Error;
use pagurus_cap::{SlotId, Slots};

impl<M: Machine> Kernel<M> {
    pub(crate) fn kernel_check(&mut self) -> Result<Completion, Error> {
        Ok(Completion::Results(match check::all(self) {
            Ok(count) => [count, 0, 0, 0],
            Err(v) => [0, v.invariant as u64, v.slot.address() as u64, 0],
        }))
    }

    pub(crate) fn kernel_describe(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let mut at = self.head;
        for _ in 0..i.a[0] {
            let Some(id) = at else { break };
            at = self.slot(id).next;
        }
        let id = at.ok_or(Error::InvalidIndex)?;
        let slot = *self.slot(id);
        let (container, index) = match SlotId::new(slot.home) {
            Some(home) => (self.machine.physical(slot.home), id.index_from(home) as u64),
            None => (0, 0),
        };
        Ok(Completion::Results([
            describe(&slot).0,
            self.identity(&slot),
            container,
            index,
        ]))
    }

    pub(crate) fn kernel_halt(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        self.machine.halt(i.a[0] as u32)
    }

    pub(crate) fn kernel_write(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(*i.a) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let text = bytes.get(..i.p as usize).ok_or(Error::InvalidArgument)?;
        self.machine.console(text);
        Ok(Completion::OK)
    }

    pub(crate) fn kernel_stats(&mut self) -> Result<Completion, Error> {
        let now = self.machine.now();
        Ok(Completion::Results([
            self.machine.nanoseconds(now),
            self.machine.tsc_khz(),
            self.counters.syscalls,
            self.counters.interrupts,
        ]))
    }
}
