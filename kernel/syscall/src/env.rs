//! The kernel as the pure parts see it.

use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::message::CapTransfer;
use pagurus_cap::{Slot, SlotId, Slots};
use pagurus_ipc::{
    Endpoint, EndpointId, Env, Notification, NotificationId, Reply, ReplyId, Thread, ThreadId,
};
use pagurus_sched::{ContextState, Contexts, ScId, SchedContext, Timer, TimerId, Timers};

impl<M: Machine> Slots for Kernel<M> {
    #[inline(always)]
    fn slot(&self, id: SlotId) -> &Slot {
        self.machine.slot(id)
    }

    #[inline(always)]
    fn slot_mut(&mut self, id: SlotId) -> &mut Slot {
        self.machine.slot_mut(id)
    }
}

impl<M: Machine> Contexts for Kernel<M> {
    #[inline(always)]
    fn sc(&self, id: ScId) -> &SchedContext {
        self.machine.sc(id)
    }

    #[inline(always)]
    fn sc_mut(&mut self, id: ScId) -> &mut SchedContext {
        self.machine.sc_mut(id)
    }
}

/// The machine's memory alone, where the processors' state is borrowed at the same time.
pub(crate) struct ContextsOf<'a, M>(pub &'a mut M);

impl<M: Machine> Contexts for ContextsOf<'_, M> {
    #[inline(always)]
    fn sc(&self, id: ScId) -> &SchedContext {
        self.0.sc(id)
    }

    #[inline(always)]
    fn sc_mut(&mut self, id: ScId) -> &mut SchedContext {
        self.0.sc_mut(id)
    }
}

impl<M: Machine> Timers for Kernel<M> {
    #[inline(always)]
    fn timer(&self, id: TimerId) -> &Timer {
        self.machine.timer(id)
    }

    #[inline(always)]
    fn timer_mut(&mut self, id: TimerId) -> &mut Timer {
        self.machine.timer_mut(id)
    }
}

/// The machine's timers alone, where the processors' state is borrowed at the same time.
pub(crate) struct TimersOf<'a, M>(pub &'a mut M);

impl<M: Machine> Timers for TimersOf<'_, M> {
    #[inline(always)]
    fn timer(&self, id: TimerId) -> &Timer {
        self.0.timer(id)
    }

    #[inline(always)]
    fn timer_mut(&mut self, id: TimerId) -> &mut Timer {
        self.0.timer_mut(id)
    }
}

impl<M: Machine> Kernel<M> {
    /// Processor `n` chooses anew what it runs before it leaves the kernel, or comes to do so.
    #[inline(always)]
    fn choose_soon(&mut self, n: usize) {
        let known = core::mem::replace(&mut self.cpus[n].resched, true);
        if n != self.here && !known {
            self.machine.kick(n);
        }
    }

    /// Puts a context that is out of budget into its processor's release queue; that one must set its timer.
    #[cold]
    fn wait_for_release(&mut self, id: ScId) {
        let n = self.machine.sc(id).cpu as usize;
        let queue = &mut self.cpus[n].scheduler.release;
        queue.insert(&mut ContextsOf(&mut self.machine), id);
        self.choose_soon(n);
    }
}

impl<M: Machine> Env for Kernel<M> {
    #[inline(always)]
    fn thread(&self, id: ThreadId) -> &Thread {
        self.machine.thread(id)
    }

    #[inline(always)]
    fn thread_mut(&mut self, id: ThreadId) -> &mut Thread {
        self.machine.thread_mut(id)
    }

    #[inline(always)]
    fn endpoint(&self, id: EndpointId) -> &Endpoint {
        self.machine.endpoint(id)
    }

    #[inline(always)]
    fn endpoint_mut(&mut self, id: EndpointId) -> &mut Endpoint {
        self.machine.endpoint_mut(id)
    }

    #[inline(always)]
    fn notification(&self, id: NotificationId) -> &Notification {
        self.machine.notification(id)
    }

    #[inline(always)]
    fn notification_mut(&mut self, id: NotificationId) -> &mut Notification {
        self.machine.notification_mut(id)
    }

    #[inline(always)]
    fn reply(&self, id: ReplyId) -> &Reply {
        self.machine.reply(id)
    }

    #[inline(always)]
    fn reply_mut(&mut self, id: ReplyId) -> &mut Reply {
        self.machine.reply_mut(id)
    }

    #[inline]
    fn wake_context(&mut self, id: ScId) {
        let sc = self.machine.sc(id);
        if sc.state != ContextState::Idle {
            return;
        }
        let n = sc.cpu as usize;
        let now = self.machine.now();
        let cpu = &mut self.cpus[n];
        let contexts = &mut ContextsOf(&mut self.machine);
        if !cpu.scheduler.wake_at_once(contexts, id, now) {
            self.wait_for_release(id);
        } else if cpu.scheduler.should_switch(contexts) {
            self.choose_soon(n);
        }
    }

    #[inline]
    fn sleep_context(&mut self, id: ScId) {
        let n = self.machine.sc(id).cpu as usize;
        let now = self.machine.now();
        let cpu = &mut self.cpus[n];
        let contexts = &mut ContextsOf(&mut self.machine);
        if cpu.scheduler.sleep(contexts, id, now) {
            self.choose_soon(n);
        }
    }

    #[inline]
    fn signalled(&mut self, id: ThreadId) {
        if self.thread(id).vcpu != 0 {
            self.interrupt_guest(id);
        }
    }

    fn evict(&mut self, id: ThreadId) {
        for n in self.online_cpus() {
            if self.cpus[n].loaded == Some(id) {
                if n != self.here {
                    self.machine.synchronise(1 << n);
                    self.cpus[n].asid = 0;
                    self.cpus[n].resched = true;
                }
                self.cpus[n].loaded = None;
                return;
            }
        }
    }

    #[inline]
    fn copy_words(&mut self, from: usize, to: usize, words: usize) {
        self.machine.copy_words(from, to, words);
    }

    fn write_word(&mut self, buffer: usize, index: usize, value: u64) {
        self.machine.set_word(buffer, index, value);
    }

    fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer {
        self.machine.cap_to_send(buffer, n)
    }

    fn receive_window(&self, buffer: usize) -> (u32, u32) {
        self.machine.receive_window(buffer)
    }
}
