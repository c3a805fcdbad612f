//! Methods of untyped memory.

use super::Invocation;
use crate::dispatch::Completion;
use crate::event::Event;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::untyped::{self, Request};
use pagurus_cap::{SlotId, Slots, tree};
use pagurus_vcpu::VcpuId;

/// Bytes zeroed from one preemption point to the next.
const ZERO_STEP: u64 = 64 * 1024;
/// Children counted by `UntypedInfo`.
const COUNT_LIMIT: u64 = 1024;

/// Whether the kernel itself reads or writes objects of this kind.
const fn kernel_uses(kind: Kind) -> bool {
    !matches!(kind, Kind::Untyped | Kind::Frame)
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn untyped_retype(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [dest, index, _, count] = *i.a;
        let kind = Kind::from_u8(i.p as u8).ok_or(Error::InvalidArgument)?;
        let request = Request {
            kind,
            size_bits: (i.p >> 8) as u8,
            dest: self.cnode_by(i.thread, dest, Rights::WRITE)?,
            index,
            count,
        };
        let plan = untyped::plan(self, i.at, &request)?;
        let base = i.object as u64;
        if !i.is_device() && !self.machine.reaches(base + plan.end) {
            return Err(Error::OutOfMemory);
        }
        if matches!(kind, Kind::GuestSpace | Kind::Vcpu) && self.machine.nested().is_none() {
            return Err(Error::Unsupported);
        }
        let space = matches!(kind, Kind::AddressSpace | Kind::GuestSpace);
        if space && self.asids.free() < count as usize {
            return Err(Error::TableFull);
        }
        while let Some((from, to)) = untyped::to_zero(self, i.at, &plan) {
            let end = to.min(from + ZERO_STEP);
            self.machine.zero(base + from, end - from);
            untyped::zeroed(self, i.at, &plan, end);
            if end < to && self.machine.interrupt_waits() {
                return Ok(Completion::Restart);
            }
        }
        let machine = &self.machine;
        let base_address = machine.address(0);
        let address = |kind: Kind, physical: usize| {
            if kernel_uses(kind) {
                base_address.wrapping_add(physical)
            } else {
                physical
            }
        };
        untyped::commit(self, i.at, &request, &plan, address);
        if space || matches!(kind, Kind::Thread | Kind::Vcpu) {
            for n in 0..count as usize {
                let at = request.dest.base.nth(index as usize + n);
                self.init_object(at);
            }
        }
        Ok(Completion::OK)
    }

    /// What fresh objects need beyond zeroes.
    pub(crate) fn init_object(&mut self, at: SlotId) {
        let slot = *self.slot(at);
        match slot.kind {
            Kind::AddressSpace | Kind::GuestSpace => {
                let root = self.machine.physical(slot.object);
                let nested = if slot.kind == Kind::GuestSpace {
                    self.machine.nested()
                } else {
                    self.machine.init_root_table(root);
                    None
                };
                // There are enough: the caller counted. Without one the object is only useless.
                let asid = self
                    .asids
                    .allocate(root, slot.size_bits, nested)
                    .unwrap_or(0);
                self.slot_mut(at).word = asid as u64;
                let left = self.asids.free();
                self.machine.note(Event::SpaceMade { asid, left });
            }
            Kind::Vcpu => {
                if let Some(v) = VcpuId::new(slot.object) {
                    self.machine.vcpu_reset(v);
                }
            }
            Kind::Thread => self
                .machine
                .init_fpu(slot.object + pagurus_ipc::thread::FPU_OFFSET),
            _ => {}
        }
    }

    pub(crate) fn untyped_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let used = untyped::watermark(self, i.at);
        let mut count = 0;
        let mut next = self.slot(i.at).next;
        while let Some(id) = next
            && self.slot(id).depth > i.depth
            && count < COUNT_LIMIT
        {
            count += 1;
            next = self.slot(id).next;
        }
        debug_assert!(count == 0 || tree::has_children(self, i.at));
        let device = (i.is_device() as u64) << 8;
        Ok(Completion::Results([
            i.object as u64,
            i.size_bits as u64 | device,
            (1 << i.size_bits) - used,
            count,
        ]))
    }
}
