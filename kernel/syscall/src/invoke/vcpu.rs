//! Methods of virtual processors.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::vcpu;
use pagurus_abi::method::VcpuBinding;
use pagurus_abi::vcpu::Groups;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::{Slots, delete, derive};
use pagurus_vcpu::VcpuId;

fn subject(i: &Invocation<'_>) -> Result<VcpuId, Error> {
    VcpuId::new(i.object).ok_or(Error::EmptySlot)
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn vcpu_bind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [place, cap, _, _] = *i.a;
        let v = subject(i)?;
        let place = VcpuBinding::from_u64(place).ok_or(Error::InvalidArgument)?;
        let (kind, rights) = match place {
            VcpuBinding::Page => (Kind::Frame, Rights::RW),
            VcpuBinding::GuestSpace => (Kind::GuestSpace, Rights::WRITE),
        };
        let source = self.slot_by(i.thread, cap, kind, rights)?;
        let slot = *self.slot(source);
        let binding = vcpu::binding(v, place as usize);
        let owner = vcpu::owner(v);
        match place {
            VcpuBinding::Page => {
                if slot.is_device() {
                    return Err(Error::DeviceMemory);
                }
                let physical = slot.object as u64;
                if !self.machine.reaches(physical + slot.bytes()) {
                    return Err(Error::InvalidArgument);
                }
                derive::bind(self, source, binding, owner)?;
                self.machine.vcpu_mut(v).page = self.machine.address(physical);
            }
            VcpuBinding::GuestSpace => {
                let id = slot.word as u16;
                let root = self.asids.get(id).ok_or(Error::TableFull)?.root;
                derive::bind(self, source, binding, owner)?;
                let vcpu = self.machine.vcpu_mut(v);
                vcpu.space = id;
                vcpu.tables = root;
            }
        }
        self.renew(v);
        Ok(Completion::OK)
    }

    pub(crate) fn vcpu_unbind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let v = subject(i)?;
        let place = VcpuBinding::from_u64(i.a[0]).ok_or(Error::InvalidArgument)?;
        let binding = vcpu::binding(v, place as usize);
        if self.slot(binding).is_empty() {
            return Err(Error::NotBound);
        }
        // A binding has no children and is let go of in one step.
        delete(self, binding);
        Ok(Completion::OK)
    }

    pub(crate) fn vcpu_load(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let (v, groups) = self.stopped(i)?;
        self.machine.vcpu_load(v, groups);
        Ok(Completion::OK)
    }

    pub(crate) fn vcpu_store(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let (v, groups) = self.stopped(i)?;
        self.machine.vcpu_store(v, groups);
        Ok(Completion::OK)
    }

    /// The subject, with a page and on no processor, and the groups named.
    fn stopped(&mut self, i: &Invocation<'_>) -> Result<(VcpuId, Groups), Error> {
        let v = subject(i)?;
        let groups = u16::try_from(i.a[0]).map_err(|_| Error::InvalidArgument)?;
        let groups = Groups::from_bits(groups).ok_or(Error::InvalidArgument)?;
        if self.machine.vcpu(v).page == 0 {
            return Err(Error::MissingBinding);
        }
        // Also the caller's own: what it is entered with next is looked at when its thread is loaded.
        self.renew(v);
        Ok((v, groups))
    }
}
