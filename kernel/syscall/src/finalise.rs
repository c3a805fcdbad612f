//! What happens when a capability goes.

use crate::event::Event;
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::timer;
use crate::vcpu;
use pagurus_abi::Kind;
use pagurus_abi::method::ThreadBinding;
use pagurus_cap::{Contents, Finalised, Flags, Objects, SlotId, Slots};
use pagurus_ipc::thread::{BINDINGS, SCHED_BINDING};
use pagurus_ipc::{EndpointId, Env, NotificationId, ReplyId, ThreadId, cancel};
use pagurus_sched::{Contexts, ScId, TimerId};
use pagurus_vcpu::VcpuId;

impl<M: Machine> Objects for Kernel<M> {
    fn finalise(&mut self, id: SlotId) -> Finalised {
        let slot = *self.slot(id);
        if slot.flags.has(Flags::MAPPED) && self.unmap_step(id) == Finalised::Again {
            return Finalised::Again;
        }
        if slot.flags.has(Flags::BINDING) {
            if let Some(v) = vcpu::of_owner(slot.home) {
                self.unbind_vcpu(v, id);
            } else if let Some(timer) = timer::bound_in(slot.home, id) {
                self.disarm(timer);
            } else if let Some(t) = ThreadId::new(slot.home) {
                self.unbind(t, id);
            }
            return Finalised::Done;
        }
        if !slot.is_original() {
            return Finalised::Done;
        }
        self.end_object(slot.kind, slot.object, slot.word)
    }

    fn bindings(&mut self, id: SlotId) -> Contents {
        let slot = *self.slot(id);
        match slot.kind {
            Kind::Thread => {
                let Some(t) = ThreadId::new(slot.object) else {
                    return Contents::Empty;
                };
                (0..BINDINGS)
                    .map(|n| t.binding(n))
                    .find(|b| !self.slot(*b).is_empty())
                    .map_or(Contents::Empty, Contents::Used)
            }
            Kind::Vcpu => VcpuId::new(slot.object)
                .and_then(|v| self.vcpu_contents(v))
                .map_or(Contents::Empty, Contents::Used),
            Kind::IrqHandler => {
                let binding = self.machine.irq_binding(slot.object as u32);
                if self.slot(binding).is_empty() {
                    Contents::Empty
                } else {
                    Contents::Used(binding)
                }
            }
            Kind::Timer => match TimerId::new(slot.object).map(timer::binding) {
                Some(binding) if !self.slot(binding).is_empty() => Contents::Used(binding),
                _ => Contents::Empty,
            },
            _ => Contents::Empty,
        }
    }

    fn preempted(&mut self) -> bool {
        self.machine.interrupt_waits()
    }
}

impl<M: Machine> Kernel<M> {
    /// The binding in slot `id` of thread `t` goes.
    fn unbind(&mut self, t: ThreadId, id: SlotId) {
        let n = id.index_from(t.binding(0));
        if n == SCHED_BINDING {
            if let Some(sc) = self.thread_mut(t).home.take() {
                self.sc_mut(sc).home = 0;
                self.clear_context(sc);
            }
            return;
        }
        match ThreadBinding::from_u64(n as u64) {
            Some(ThreadBinding::CSpace) => {
                let thread = self.thread_mut(t);
                thread.cspace = None;
                thread.cspace_slots = 0;
            }
            Some(ThreadBinding::AddressSpace) => {
                // Evicted, it is looked at before it runs again, and found without an address space.
                self.evict(t);
                let thread = self.thread_mut(t);
                thread.cr3 = 0;
                thread.asid = 0;
            }
            Some(ThreadBinding::IpcBuffer) => self.thread_mut(t).buffer = 0,
            Some(ThreadBinding::Vcpu) => self.release_vcpu(t),
            Some(ThreadBinding::Notification) => {
                if self.thread(t).vcpu != 0 {
                    self.evict(t);
                }
                if let Some(n) = self.thread_mut(t).notification.take() {
                    self.notification_mut(n).bound = None;
                }
            }
            Some(ThreadBinding::FaultEndpoint) | None => {}
        }
    }

    /// The original capability of an object goes, and the object with it. Nothing names it any more but queues and the
    /// processors.
    fn end_object(&mut self, kind: Kind, object: usize, word: u64) -> Finalised {
        match kind {
            Kind::Thread => {
                if let Some(t) = ThreadId::new(object) {
                    self.stop(t);
                    // Also when it is inactive: it may have stopped itself a moment ago.
                    self.evict(t);
                    if self.caller == Some(t) {
                        self.caller = None;
                    }
                }
            }
            Kind::SchedContext => {
                if let Some(sc) = ScId::new(object) {
                    self.clear_context(sc);
                }
            }
            Kind::Endpoint => {
                if let Some(ep) = EndpointId::new(object)
                    && cancel::empty_endpoint(self, ep)
                {
                    return Finalised::Again;
                }
            }
            Kind::Notification => {
                if let Some(n) = NotificationId::new(object)
                    && cancel::empty_notification(self, n)
                {
                    return Finalised::Again;
                }
            }
            Kind::Reply => {
                if let Some(r) = ReplyId::new(object) {
                    cancel::drop_reply(self, r);
                }
            }
            Kind::AddressSpace | Kind::GuestSpace => {
                self.abandon(word as u16);
                self.asids.release(word as u16);
                self.machine.note(Event::SpaceEnded { asid: word as u16 });
            }
            Kind::IrqHandler => {
                self.machine.irq_mask(object as u32, true);
                self.irqs.set(object as u32, None);
                self.machine.note(Event::IrqReturned { gsi: object as u32 });
            }
            Kind::TraceBuffer => {
                let buffer = self.machine.physical(object);
                self.trace_release(buffer);
            }
            // Its bindings are gone, and with the capabilities derived from this one the thread that ran it.
            Kind::Vcpu
            | Kind::Empty
            | Kind::Untyped
            | Kind::CNode
            | Kind::Cpu
            | Kind::Frame
            | Kind::IrqControl
            | Kind::IoPort
            | Kind::KernelControl => {}
            // Its binding went before, and disarmed it.
            Kind::Timer => {}
        }
        Finalised::Done
    }
}
