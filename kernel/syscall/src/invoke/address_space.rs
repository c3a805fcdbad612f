//! Methods of address spaces.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Error;

impl<M: Machine> Kernel<M> {
    pub(crate) fn address_space_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let space = self.asids.get(i.word as u16).ok_or(Error::TableFull)?;
        let pool = &space.pool;
        Ok(Completion::Results([
            pool.in_use() as u64,
            pool.total() as u64,
            0,
            0,
        ]))
    }

    pub(crate) fn address_space_query(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let space = self.asids.get(i.word as u16).ok_or(Error::TableFull)?;
        let found = self.translate(space, i.a[0]).ok_or(Error::NotMapped)?;
        Ok(Completion::Results([
            found.phys,
            found.perms.bits() as u64,
            found.size.bytes(),
            0,
        ]))
    }
}
