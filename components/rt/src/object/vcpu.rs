//! Virtual processors and the memory of guests.

use super::frame::{AddressSpaceInfo, Frame, Mapping, Translation};
use super::thread::Thread;
use crate::Cap;
use crate::syscall::{Registers, enter, invoke, result};
use pagurus_abi::method::{Method, ThreadBinding, VcpuBinding};
use pagurus_abi::vcpu::{ExitKind, Groups};
use pagurus_abi::{Error, Rights, Syscall};

/// A virtual processor.
#[derive(Debug)]
pub enum Vcpu {}

/// The memory of a virtual machine: a set of nested page tables.
#[derive(Debug)]
pub enum GuestSpace {}

/// `Run`: enters the guest of the virtual processor bound to the calling thread, after loading `groups` of its state from its
/// page, until its next exit.
///
/// # Errors
/// `MissingBinding` without a virtual processor, or if that has no page or no guest space.
#[inline(always)]
pub fn run(groups: Groups) -> Result<ExitKind, Error> {
    let out = enter(Registers {
        rax: Syscall::Run.rax(0),
        rdi: groups.bits().into(),
        ..Registers::default()
    });
    result(out.rax)?;
    // A number that this build does not know can come from a newer kernel only.
    Ok(ExitKind::from_u64(out.rdi).unwrap_or(ExitKind::Unknown))
}

impl Cap<Vcpu> {
    fn bind(self, place: VcpuBinding, cap: u32) -> Result<(), Error> {
        let args = [place as u64, cap.into(), 0, 0];
        invoke(self.index(), Method::VcpuBind, 0, args).map(|_| ())
    }

    /// Makes the first page of `frame` its [`VcpuPage`](pagurus_abi::vcpu::VcpuPage) (`VcpuBind`).
    pub fn bind_page(self, frame: Cap<Frame>) -> Result<(), Error> {
        self.bind(VcpuBinding::Page, frame.index())
    }

    /// Gives its guest a memory (`VcpuBind`).
    pub fn bind_space(self, space: Cap<GuestSpace>) -> Result<(), Error> {
        self.bind(VcpuBinding::GuestSpace, space.index())
    }

    /// Takes back what is bound at `place` (`VcpuUnbind`).
    pub fn unbind(self, place: VcpuBinding) -> Result<(), Error> {
        invoke(self.index(), Method::VcpuUnbind, 0, [place as u64, 0, 0, 0]).map(|_| ())
    }

    /// Loads groups of its state from its page (`VcpuLoad`).
    pub fn load(self, groups: Groups) -> Result<(), Error> {
        let args = [groups.bits().into(), 0, 0, 0];
        invoke(self.index(), Method::VcpuLoad, 0, args).map(|_| ())
    }

    /// Stores groups of its state into its page (`VcpuStore`).
    pub fn store(self, groups: Groups) -> Result<(), Error> {
        let args = [groups.bits().into(), 0, 0, 0];
        invoke(self.index(), Method::VcpuStore, 0, args).map(|_| ())
    }
}

impl Cap<Thread> {
    /// Lets the thread run `vcpu` (`ThreadBind`).
    pub fn bind_vcpu(self, vcpu: Cap<Vcpu>) -> Result<(), Error> {
        let args = [ThreadBinding::Vcpu as u64, vcpu.index().into(), 0, 0];
        invoke(self.index(), Method::ThreadBind, 0, args).map(|_| ())
    }
}

impl Cap<Frame> {
    /// Maps (a part of) the frame into a guest's memory, `mapping.address` being guest-physical (`FrameMap`).
    pub fn map_guest(self, space: Cap<GuestSpace>, mapping: Mapping) -> Result<(), Error> {
        super::frame::map(self.index(), Method::FrameMap, space.index(), mapping)
    }
}

impl Cap<GuestSpace> {
    /// Tables used and there (`GuestSpaceInfo`).
    pub fn info(self) -> Result<AddressSpaceInfo, Error> {
        let r = invoke(self.index(), Method::GuestSpaceInfo, 0, [0; 4])?;
        Ok(AddressSpaceInfo {
            used: r[0],
            tables: r[1],
        })
    }

    /// Translates a guest-physical address (`GuestSpaceQuery`).
    ///
    /// # Errors
    /// `NotMapped`.
    pub fn query(self, address: u64) -> Result<Translation, Error> {
        let r = invoke(self.index(), Method::GuestSpaceQuery, 0, [address, 0, 0, 0])?;
        Ok(Translation {
            physical: r[0],
            rights: Rights::from_bits_truncate(r[1] as u8),
            page_size: r[2],
        })
    }
}
