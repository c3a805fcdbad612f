//! Methods of frames.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::mapping::MapRequest;
use pagurus_abi::method::CacheMode;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{Finalised, Slots};
use pagurus_ipc::Env;

/// The rights that a mapping can have.
const MAPPABLE: Rights = Rights::RW.union(Rights::EXECUTE);
const PAGE_MASK: u64 = 0xfff;

impl<M: Machine> Kernel<M> {
    pub(crate) fn frame_map(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [space, virt, offset, length] = *i.a;
        let perms = u8::try_from(length & PAGE_MASK).map_err(|_| Error::InvalidArgument)?;
        let perms = Rights::from_bits(perms).ok_or(Error::InvalidArgument)?;
        let length = length & !PAGE_MASK;
        if !MAPPABLE.contains(perms) {
            return Err(Error::InvalidArgument);
        }
        if !i.rights.contains(perms) {
            return Err(Error::MissingRights);
        }
        let mut cache = CacheMode::from_u64(i.p).ok_or(Error::InvalidArgument)?;
        if i.is_device() {
            if perms.contains(Rights::EXECUTE) {
                return Err(Error::DeviceMemory);
            }
            if cache == CacheMode::Default {
                cache = CacheMode::Uncached;
            }
        }
        if (offset | virt) & PAGE_MASK != 0 {
            return Err(Error::Misaligned);
        }
        let size = 1u64 << i.size_bits;
        if length == 0 || offset > size || length > size - offset {
            return Err(Error::InvalidArgument);
        }
        let at = self.thread(i.thread).slot_at(space)?;
        let kind = match self.slot(at).kind {
            Kind::GuestSpace => Kind::GuestSpace,
            _ => Kind::AddressSpace,
        };
        let space = self.lookup(i.thread, space, kind, Rights::WRITE)?;
        let asid = space.word as u16;
        self.map(
            i.at,
            &MapRequest {
                asid,
                virt,
                offset,
                length,
                perms,
                cache,
            },
        )
    }

    pub(crate) fn frame_unmap(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        if self.slot(i.at).mapping().is_none() {
            return Err(Error::NotMapped);
        }
        loop {
            match self.unmap_step(i.at) {
                Finalised::Done => return Ok(Completion::OK),
                Finalised::Again if self.machine.interrupt_waits() => {
                    return Ok(Completion::Restart);
                }
                Finalised::Again => {}
            }
        }
    }

    pub(crate) fn frame_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let device = (self.slot(i.at).is_device() as u64) << 8;
        Ok(Completion::Results([
            i.object as u64,
            i.size_bits as u64 | device,
            0,
            0,
        ]))
    }
}
