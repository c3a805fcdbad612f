//! Methods of threads.

use super::Invocation;
use crate::dispatch::Completion;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::layout::{PAGE_SIZE, USER_END};
use pagurus_abi::method::{Registers, THREAD_FPU, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::cnode::CNode;
use pagurus_cap::{SlotId, Slots, delete, derive};
use pagurus_ipc::{Env, NotificationId, ThreadId, cancel, notification, time};
use pagurus_vcpu::VcpuId;

fn subject(i: &Invocation<'_>) -> Result<ThreadId, Error> {
    ThreadId::new(i.object).ok_or(Error::EmptySlot)
}

impl<M: Machine> Kernel<M> {
    pub(crate) fn thread_bind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [place, cap, offset, _] = *i.a;
        let t = subject(i)?;
        let place = ThreadBinding::from_u64(place).ok_or(Error::InvalidArgument)?;
        let (kind, rights) = match place {
            ThreadBinding::CSpace => (Kind::CNode, Rights::RW),
            ThreadBinding::AddressSpace => (Kind::AddressSpace, Rights::WRITE),
            ThreadBinding::FaultEndpoint => (Kind::Endpoint, Rights::WRITE),
            ThreadBinding::IpcBuffer => (Kind::Frame, Rights::RW),
            ThreadBinding::Notification => (Kind::Notification, Rights::READ),
            ThreadBinding::Vcpu => (Kind::Vcpu, Rights::WRITE),
        };
        let source = self.slot_by(i.thread, cap, kind, rights)?;
        self.bind_place(t, place, source, offset)?;
        Ok(Completion::OK)
    }

    /// Binds the capability in `source`, of the kind that suits `place`, to a thread.
    pub(crate) fn bind_place(
        &mut self,
        t: ThreadId,
        place: ThreadBinding,
        source: SlotId,
        offset: u64,
    ) -> Result<(), Error> {
        let slot = *self.slot(source);
        let binding = t.binding(place as usize);
        let bind = |k: &mut Self| derive::bind(k, source, binding, t.address());
        match place {
            ThreadBinding::CSpace => {
                let cnode = CNode::of(&slot).ok_or(Error::WrongKind)?;
                bind(self)?;
                let thread = self.thread_mut(t);
                thread.cspace = Some(cnode.base);
                thread.cspace_slots = cnode.slots() as u64;
            }
            ThreadBinding::AddressSpace => {
                let asid = slot.word as u16;
                let root = self.asids.get(asid).ok_or(Error::TableFull)?.root;
                bind(self)?;
                let thread = self.thread_mut(t);
                thread.asid = asid;
                thread.cr3 = root;
            }
            ThreadBinding::FaultEndpoint => bind(self)?,
            ThreadBinding::IpcBuffer => {
                if slot.is_device() {
                    return Err(Error::DeviceMemory);
                }
                if !offset.is_multiple_of(PAGE_SIZE as u64) {
                    return Err(Error::Misaligned);
                }
                let bytes = slot.bytes();
                let physical = slot.object as u64;
                if offset >= bytes || !self.machine.reaches(physical + bytes) {
                    return Err(Error::InvalidArgument);
                }
                bind(self)?;
                self.thread_mut(t).buffer = self.machine.address(physical + offset);
            }
            ThreadBinding::Notification => {
                let n = NotificationId::new(slot.object).ok_or(Error::EmptySlot)?;
                if self.notification(n).bound.is_some() {
                    return Err(Error::AlreadyBound);
                }
                bind(self)?;
                notification::bind(self, n, t);
                if self.thread(t).vcpu != 0 {
                    self.evict(t);
                }
            }
            ThreadBinding::Vcpu => {
                let v = VcpuId::new(slot.object).ok_or(Error::EmptySlot)?;
                let runner = self.machine.vcpu(v).thread;
                if runner != 0 && runner != t.address() {
                    return Err(Error::InUse);
                }
                bind(self)?;
                self.machine.vcpu_mut(v).thread = t.address();
                let thread = self.thread_mut(t);
                thread.vcpu = v.address();
                thread.special = true;
                self.evict(t);
            }
        }
        Ok(())
    }

    pub(crate) fn thread_unbind(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let t = subject(i)?;
        let place = ThreadBinding::from_u64(i.a[0]).ok_or(Error::InvalidArgument)?;
        let binding = t.binding(place as usize);
        if self.slot(binding).is_empty() {
            return Err(Error::NotBound);
        }
        // A binding has no children and is let go of in one step.
        delete(self, binding);
        Ok(Completion::OK)
    }

    /// The subject, if it is not doing anything.
    fn inactive(&self, i: &Invocation<'_>) -> Result<ThreadId, Error> {
        let t = subject(i)?;
        if self.thread(t).state == ThreadState::Inactive {
            Ok(t)
        } else {
            Err(Error::InUse)
        }
    }

    pub(crate) fn thread_start(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [rip, rsp, rdi, rsi] = *i.a;
        let t = self.inactive(i)?;
        if rip >= USER_END || rsp >= USER_END {
            return Err(Error::InvalidArgument);
        }
        if self.thread(t).cr3 == 0 {
            return Err(Error::MissingBinding);
        }
        self.thread_mut(t).frame.start(rip, rsp, rdi, rsi);
        time::resume(self, t);
        Ok(Completion::OK)
    }

    pub(crate) fn thread_suspend(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let t = subject(i)?;
        if t == i.thread {
            // Its own registers are complete once it has its answer.
            self.thread_mut(t).frame.complete(0);
        }
        self.stop(t);
        Ok(if t == i.thread {
            Completion::Elsewhere
        } else {
            Completion::OK
        })
    }

    /// Stops a thread wherever it is; what it waited for ends with `Canceled`.
    pub(crate) fn stop(&mut self, t: ThreadId) {
        match self.thread(t).state {
            ThreadState::Inactive => return,
            ThreadState::Ready => self.evict(t),
            ThreadState::Sending
            | ThreadState::Receiving
            | ThreadState::Calling
            | ThreadState::Waiting => {
                cancel::withdraw(self, t);
                let thread = self.thread_mut(t);
                if !core::mem::take(&mut thread.faulted) {
                    thread.frame.fail(Error::Canceled);
                }
            }
        }
        self.thread_mut(t).state = ThreadState::Inactive;
        time::detach(self, t);
    }

    pub(crate) fn thread_resume(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let t = self.inactive(i)?;
        if self.thread(t).cr3 == 0 {
            return Err(Error::MissingBinding);
        }
        time::resume(self, t);
        Ok(Completion::OK)
    }

    pub(crate) fn thread_read_registers(
        &mut self,
        i: &Invocation<'_>,
    ) -> Result<Completion, Error> {
        let t = subject(i)?;
        let buffer = self.buffer_of(i.thread)?;
        let thread = self.thread(t);
        // What waits in a system call has not all its registers in memory.
        if thread.state != ThreadState::Inactive && !thread.faulted {
            return Err(Error::InUse);
        }
        let registers = thread.frame.registers();
        for (n, value) in registers.to_words().into_iter().enumerate() {
            self.machine.set_word(buffer, n, value);
        }
        Ok(Completion::OK)
    }

    pub(crate) fn thread_write_registers(
        &mut self,
        i: &Invocation<'_>,
    ) -> Result<Completion, Error> {
        let t = self.inactive(i)?;
        let buffer = self.buffer_of(i.thread)?;
        let words = core::array::from_fn(|n| self.machine.word(buffer, n));
        let registers = Registers::from_words(words);
        if registers.rip >= USER_END {
            return Err(Error::InvalidArgument);
        }
        self.thread_mut(t).frame.set_registers(&registers);
        Ok(Completion::OK)
    }

    pub(crate) fn thread_set_flags(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let [flags, fs_base, _, _] = *i.a;
        let t = self.inactive(i)?;
        if flags & !THREAD_FPU != 0 || fs_base >= USER_END {
            return Err(Error::InvalidArgument);
        }
        let thread = self.thread_mut(t);
        thread.fpu = flags & THREAD_FPU != 0;
        thread.fs_base = fs_base;
        thread.special = thread.fpu || fs_base != 0 || thread.vcpu != 0;
        Ok(Completion::OK)
    }

    pub(crate) fn thread_info(&mut self, i: &Invocation<'_>) -> Result<Completion, Error> {
        let t = subject(i)?;
        let thread = *self.thread(t);
        let (used, cpu) = match thread.home {
            Some(sc) => (self.used_ns(sc), self.machine.sc(sc).cpu as u64),
            None => (0, 0),
        };
        let rip = thread.frame.registers().rip;
        Ok(Completion::Results([thread.state as u64, rip, used, cpu]))
    }
}
