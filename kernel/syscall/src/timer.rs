//! Armed timers, and what happens when their time comes.
//!
//! A timer that is armed has a notification: whatever takes that away also disarms it. So it is in no queue any more when it
//! ends, and one that fires always has somebody to tell.

use crate::env::TimersOf;
use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_cap::{SlotId, Slots};
use pagurus_ipc::thread::BINDINGS_OFFSET;
use pagurus_ipc::{NotificationId, notification};
use pagurus_sched::{TimerId, Timers};

/// Timers that fire at one interrupt, at most. If more are due the processor is interrupted again at once, and in between
/// by whatever else waits: not even a component with very many timers keeps the processor in the kernel.
pub(crate) const FIRED_AT_ONCE: usize = 16;

/// Bytes from the start of a timer object to its binding. A thread has its bindings elsewhere, which tells the two apart.
const BINDING_OFFSET: usize = SlotId::SIZE;

const _: () = assert!(BINDING_OFFSET < BINDINGS_OFFSET);

/// The slot with the notification of a timer.
pub(crate) fn binding(timer: TimerId) -> SlotId {
    match SlotId::new(timer.address() + BINDING_OFFSET) {
        Some(slot) => slot,
        None => unreachable!("an address plus 64 is not 0"),
    }
}

/// The timer whose binding is in slot `id`, which is part of the object `home`.
pub(crate) fn bound_in(home: usize, id: SlotId) -> Option<TimerId> {
    TimerId::new(home).filter(|timer| binding(*timer) == id)
}

impl<M: Machine> Kernel<M> {
    /// Fires the timers of this processor whose time has come, or the first of them.
    pub(crate) fn fire_timers(&mut self) {
        let now = self.machine.now();
        for _ in 0..FIRED_AT_ONCE {
            let timers = &mut self.cpus[self.here].timers;
            match timers.expire(&mut TimersOf(&mut self.machine), now) {
                Some(timer) => self.ring(timer),
                None => return,
            }
        }
    }

    /// Signals the notification of a timer.
    fn ring(&mut self, timer: TimerId) {
        let slot = self.slot(binding(timer));
        let badge = slot.word;
        if let Some(n) = NotificationId::new(slot.object) {
            notification::signal(self, n, badge);
        }
    }

    /// Lets `timer`, which has a notification, fire at `deadline`, and not when it was to fire before.
    pub(crate) fn arm(&mut self, timer: TimerId, deadline: u64) {
        self.disarm(timer);
        if deadline <= self.machine.now() {
            return self.ring(timer);
        }
        let here = self.here;
        let queue = &mut self.cpus[here].timers;
        queue.arm(
            &mut TimersOf(&mut self.machine),
            timer,
            deadline,
            here as u8,
        );
        if queue.first() == Some(timer) {
            self.program_timer();
        }
    }

    /// Takes a timer out of the queue of whichever processor has it, if it is armed. That processor's own timer may ring
    /// for nothing then.
    #[inline(never)]
    pub(crate) fn disarm(&mut self, timer: TimerId) -> bool {
        let t = self.timer(timer);
        if !t.is_armed() {
            return false;
        }
        let queue = &mut self.cpus[t.cpu as usize].timers;
        queue.disarm(&mut TimersOf(&mut self.machine), timer);
        true
    }
}
