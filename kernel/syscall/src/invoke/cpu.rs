//! Methods of processors.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Error;

impl<M: Machine> Kernel<M> {
    pub(crate) fn cpu_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let n = i.object;
        let online = self.cpus.get(n).ok_or(Error::InvalidArgument)?.online;
        Ok(Completion::Results([
            n as u64,
            self.machine.apic_id(n) as u64,
            self.machine.tsc_khz(),
            online as u64,
        ]))
    }
}
