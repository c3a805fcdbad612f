//! Methods of I/O ports.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Error;

/// The port and width, if the capability covers all of it.
fn checked(i: &Invocation<'_>) -> Result<(u16, u8), Error> {
    let width = match i.p {
        1 | 2 | 4 => i.p as u8,
        _ => return Err(Error::InvalidArgument),
    };
    let port = u16::try_from(i.a[0]).map_err(|_| Error::InvalidArgument)?;
    let (first, last) = (i.word & 0xffff, i.word >> 16);
    let end = port as u64 + width as u64 - 1;
    if (port as u64) < first || end > last {
        return Err(Error::MissingRights);
    }
    Ok((port, width))
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn port_in(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let (port, width) = checked(i)?;
        let value = self.machine.port_in(port, width);
        Ok(Completion::Results([value as u64, 0, 0, 0]))
    }

    pub(crate) fn port_out(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let (port, width) = checked(i)?;
        self.machine.port_out(port, width, i.a[1] as u32);
        Ok(Completion::OK)
    }
}
