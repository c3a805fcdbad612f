//! Untyped memory.

use super::Object;
use crate::{Cap, Slot};
use pagurus_abi::method::Method;
use pagurus_abi::{Error, Kind};

/// Physical memory from which objects are made.
#[derive(Debug)]
pub enum Untyped {}

/// What [`Cap::<Untyped>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntypedInfo {
    /// Physical address.
    pub address: u64,
    /// log2 of the bytes.
    pub size_bits: u8,
    /// Device memory.
    pub device: bool,
    /// Bytes still free.
    pub free: u64,
    /// Capabilities derived from it, counted up to 1,024.
    pub derived: u64,
}

impl Cap<Untyped> {
    /// Makes one object of type `T` (`UntypedRetype`).
    pub fn make<T: Object>(self, to: Slot, size_bits: u8) -> Result<(), Error> {
        self.retype(T::KIND, size_bits, to, 1)
    }

    /// Makes `count` objects of `kind` into the slots from `to` on (`UntypedRetype`).
    ///
    /// # Errors
    /// All or nothing.
    pub fn retype(self, kind: Kind, size_bits: u8, to: Slot, count: u32) -> Result<(), Error> {
        let parameter = kind as u64 | u64::from(size_bits) << 8;
        let args = [to.cnode.index().into(), to.index.into(), 0, count.into()];
        crate::syscall::invoke(self.index(), Method::UntypedRetype, parameter, args).map(|_| ())
    }

    /// Place, size and what is left (`UntypedInfo`).
    pub fn info(self) -> Result<UntypedInfo, Error> {
        let r = crate::syscall::invoke(self.index(), Method::UntypedInfo, 0, [0; 4])?;
        Ok(UntypedInfo {
            address: r[0],
            size_bits: r[1] as u8,
            device: r[1] & 1 << 8 != 0,
            free: r[2],
            derived: r[3],
        })
    }
}
