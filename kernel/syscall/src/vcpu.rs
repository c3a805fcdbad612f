//! Virtual processors and the threads that run them.
//!
//! A guest runs in its VMM thread's time, as if the thread executed it. The way in and out takes no lock
//! (`kernel/hw`): it is open while the thread is loaded on a processor, and what it relies on (the virtual
//! processor's page, guest space and notification) changes only after the thread was evicted from there.

use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Error;
use pagurus_abi::vcpu::{ExitKind, Groups};
use pagurus_cap::{SlotId, Slots};
use pagurus_ipc::{Env, ThreadId, notification};
use pagurus_vcpu::VcpuId;
use pagurus_vcpu::object::BINDINGS_OFFSET;

/// Marks the owner of a binding as a virtual processor: threads, the other owners, are aligned.
const OWNER: usize = 1;

/// The slot for a binding of `v`.
pub(crate) fn binding(v: VcpuId, n: usize) -> SlotId {
    match SlotId::new(v.address() + BINDINGS_OFFSET) {
        Some(first) => first.nth(n),
        None => unreachable!("an address and some KiB are not 0"),
    }
}

/// What stands in bindings of `v` as their owner.
pub(crate) const fn owner(v: VcpuId) -> usize {
    v.address() | OWNER
}

/// The virtual processor whose binding has this owner.
pub(crate) fn of_owner(owner: usize) -> Option<VcpuId> {
    if owner & OWNER == 0 {
        return None;
    }
    VcpuId::new(owner & !OWNER)
}

impl<M: Machine> Kernel<M> {
    /// `Run` as far as it needs the kernel's lock: a signal ends it, and it is refused without what it needs. Otherwise the
    /// thread makes it again, and finds the way into the guest open once it is loaded.
    ///
    /// `groups` of state are loaded in any case: a VMM whose run ended before it began need not remember them.
    pub(crate) fn run(&mut self, t: ThreadId, groups: u64) -> Result<Completion, Error> {
        let v = VcpuId::new(self.thread(t).vcpu).ok_or(Error::MissingBinding)?;
        let vcpu = self.machine.vcpu(v);
        if vcpu.page == 0 || vcpu.tables == 0 {
            return Err(Error::MissingBinding);
        }
        if let Some(n) = self.thread(t).notification
            && let Some(word) = notification::poll(self, n)
        {
            self.machine
                .vcpu_load(v, Groups::from_bits_truncate(groups as u16));
            self.machine.vcpu_signalled(v, word);
            let frame = &mut self.thread_mut(t).frame;
            frame.complete(0);
            frame.rdi = ExitKind::Signal as u64;
            return Ok(Completion::Elsewhere);
        }
        Ok(Completion::Restart)
    }

    /// Thread `t` is about to run on this processor: its virtual processor learns of the state of its guest space.
    pub(crate) fn refresh_vcpu(&mut self, t: ThreadId) {
        let Some(v) = VcpuId::new(self.thread(t).vcpu) else {
            return;
        };
        let space = self.machine.vcpu(v).space;
        if let Some(version) = self.asids.get(space).map(|space| space.version) {
            self.machine.vcpu_mut(v).generation = version;
        }
    }

    /// Makes sure that no processor uses what it took from `v` when it loaded its thread.
    pub(crate) fn renew(&mut self, v: VcpuId) {
        if let Some(t) = ThreadId::new(self.machine.vcpu(v).thread) {
            self.evict(t);
        }
    }

    /// Every thread that runs a guest in guest space `id` is loaded anew, and none is in its guest, with translations that are
    /// not in force any more, when this returns.
    pub(crate) fn leave_guests(&mut self, id: u16) {
        for n in self.online_cpus() {
            if let Some(t) = self.cpus[n].loaded
                && let Some(v) = VcpuId::new(self.thread(t).vcpu)
                && self.machine.vcpu(v).space == id
            {
                self.evict(t);
            }
        }
    }

    /// A thread that does not wait got a signal by its bound notification: if it is in its guest elsewhere, it leaves.
    pub(crate) fn interrupt_guest(&mut self, t: ThreadId) {
        if self.thread(t).vcpu == 0 {
            return;
        }
        for n in self.online_cpus() {
            if n != self.here && self.cpus[n].loaded == Some(t) {
                self.machine.kick(n);
            }
        }
    }

    /// `t` does not run `v` any more.
    pub(crate) fn release_vcpu(&mut self, t: ThreadId) {
        self.evict(t);
        let thread = self.thread_mut(t);
        let v = core::mem::take(&mut thread.vcpu);
        thread.special = thread.fpu || thread.fs_base != 0;
        if let Some(v) = VcpuId::new(v) {
            self.machine.vcpu_mut(v).thread = 0;
        }
    }

    /// The binding in slot `id` of `v` goes.
    pub(crate) fn unbind_vcpu(&mut self, v: VcpuId, id: SlotId) {
        self.renew(v);
        let vcpu = self.machine.vcpu_mut(v);
        if id == binding(v, pagurus_vcpu::object::PAGE_BINDING) {
            vcpu.page = 0;
        } else {
            vcpu.space = 0;
            vcpu.tables = 0;
        }
    }

    /// Whether both bindings of `v` are gone, and else one that is not.
    pub(crate) fn vcpu_contents(&self, v: VcpuId) -> Option<SlotId> {
        (0..pagurus_vcpu::object::BINDINGS)
            .map(|n| binding(v, n))
            .find(|b| !self.slot(*b).is_empty())
    }
}
