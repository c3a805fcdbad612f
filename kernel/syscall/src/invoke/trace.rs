//! Methods of trace buffers.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::message::MAX_WORDS;
use pagurus_abi::{Error, Kind, Rights};

impl<M: Machine> Kernel<M> {
    pub(crate) fn trace_attach(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let n = self
            .lookup(i.thread, i.a[0], Kind::Cpu, Rights::WRITE)?
            .object;
        let buffer = self.machine.physical(i.object);
        if *self.trace.get(n).ok_or(Error::InvalidArgument)? != 0 || self.trace.contains(&buffer) {
            return Err(Error::InUse);
        }
        self.trace[n] = buffer;
        self.machine
            .trace_attach(n, Some((buffer, 1 << i.size_bits)));
        Ok(Completion::OK)
    }

    pub(crate) fn trace_drain(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let buffer = self.buffer_of(i.thread)?;
        let object = self.machine.physical(i.object);
        let n = self
            .trace
            .iter()
            .position(|b| *b == object)
            .ok_or(Error::NotBound)?;
        let bytes = i.a[0].min(MAX_WORDS as u64 * 8) as usize;
        let (moved, lost, left) = self.machine.trace_drain(n, buffer, bytes);
        Ok(Completion::Results([moved as u64, lost, left as u64, 0]))
    }

    pub(crate) fn trace_map(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        if i.a[3] & 0xfff != Rights::READ.bits() as u64 {
            return Err(Error::InvalidArgument);
        }
        self.frame_map(i)
    }

    /// The buffer goes away: the kernel writes to its own again.
    pub(crate) fn trace_release(&mut self, buffer: u64) {
        if let Some(n) = self.trace.iter().position(|b| *b == buffer) {
            self.trace[n] = 0;
            self.machine.trace_attach(n, None);
        }
    }
}
