//! The state that every device has: status, features, queues.

use alloc::vec::Vec;

use super::{Effect, NO_VECTOR};
use crate::device::Device;
use crate::error::{Cause, Fault};
use crate::feature::Features;
use crate::memory::GuestMemory;
use crate::queue::{Chain, QueueSettings, Ring, SplitRing, Used};
use crate::status::Status;

/// A queue, set up or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub settings: QueueSettings,
    pub vector: u16,
    pub enabled: bool,
    /// The driver is to be interrupted.
    pub interrupt: bool,
    /// There from the moment on that the queue is enabled and the driver ready. A packed ring would make this an
    /// enumeration of rings.
    pub ring: Option<SplitRing>,
}

impl Queue {
    fn new(max_size: u16) -> Queue {
        Queue {
            settings: QueueSettings::new(max_size),
            vector: NO_VECTOR,
            enabled: false,
            interrupt: false,
            ring: None,
        }
    }
}

/// Everything about a device that its type does not matter for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    pub(super) offered: Features,
    /// What the driver wrote, right or wrong.
    pub(super) accepted: Features,
    /// The driver wrote to feature bits from 64 on, of which there are none.
    pub(super) accepted_unknown: bool,
    pub(super) device_feature_select: u32,
    pub(super) driver_feature_select: u32,
    pub(super) status: Status,
    pub(super) queue_select: u16,
    pub(super) queues: Vec<Queue>,
    pub(super) config_vector: u16,
    pub(super) generation: u8,
    /// The configuration changed and the driver has not read it since.
    pub(super) config_changed: bool,
    /// The driver is to be told of a change of the configuration.
    pub(super) config_interrupt: bool,
    pub(super) isr: u8,
    resetting: bool,
    /// Resets so far: what was taken before one is not given back after it.
    epoch: u32,
    fault: Option<Fault>,
    /// Chains that are not in use, to be used again with the memory that they have.
    spare: Vec<Chain>,
}

impl Core {
    pub fn new(device: &impl Device) -> Core {
        Core {
            offered: device.features() | Features::COMMON,
            accepted: Features::empty(),
            accepted_unknown: false,
            device_feature_select: 0,
            driver_feature_select: 0,
            status: Status::empty(),
            queue_select: 0,
            queues: device
                .queue_sizes()
                .iter()
                .map(|size| Queue::new(*size))
                .collect(),
            config_vector: NO_VECTOR,
            generation: 0,
            config_changed: false,
            config_interrupt: false,
            isr: 0,
            resetting: false,
            epoch: 0,
            fault: None,
            spare: Vec::new(),
        }
    }

    pub fn queue_count(&self) -> u16 {
        self.queues.len() as u16
    }

    /// Vectors of the MSI-X table: one for the configuration and one for each queue.
    pub(super) fn vectors(&self) -> u16 {
        self.queue_count() + 1
    }

    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether the driver accepted this feature.
    pub fn has(&self, feature: Features) -> bool {
        self.accepted.contains(feature)
    }

    pub fn is_running(&self) -> bool {
        let bits = Status::DRIVER_OK | Status::NEEDS_RESET | Status::FAILED;
        self.status & bits == Status::DRIVER_OK && !self.resetting
    }

    pub fn is_resetting(&self) -> bool {
        self.resetting
    }

    /// How often the device was reset.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Gives the device up until it is reset (2.1.2). The first fault is the one that is told.
    pub fn fail(&mut self, queue: u16, cause: impl Into<Cause>) {
        if self.status.contains(Status::NEEDS_RESET) {
            return;
        }
        self.status |= Status::NEEDS_RESET;
        self.fault = Some(Fault {
            queue,
            cause: cause.into(),
        });
        if self.status.contains(Status::DRIVER_OK) {
            self.config_interrupt = true;
        }
    }

    /// The ring of a queue that can be used now.
    fn ring(&mut self, queue: u16) -> Option<&mut SplitRing> {
        if !self.is_running() {
            return None;
        }
        self.queues.get_mut(usize::from(queue))?.ring.as_mut()
    }

    /// Takes the next buffer. None if there is none, or the device does not work.
    pub fn pop<M: GuestMemory + ?Sized>(&mut self, memory: &M, queue: u16) -> Option<Chain> {
        let mut chain = self.spare.pop().unwrap_or_default();
        let result = match self.ring(queue) {
            Some(ring) => ring.pop(memory, &mut chain),
            None => Ok(false),
        };
        if let Ok(true) = result {
            return Some(chain);
        }
        self.recycle(chain);
        if let Err(error) = result {
            self.fail(queue, error);
        }
        None
    }

    /// Puts back what was taken last.
    pub fn undo_pop(&mut self, queue: u16, chain: Chain) {
        if let Some(ring) = self.ring(queue)
            && let Err(error) = ring.undo_pop(&chain)
        {
            self.fail(queue, error);
        }
        self.recycle(chain);
    }

    /// Gives back a buffer of which `written` bytes were written.
    pub fn finish<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        queue: u16,
        chain: Chain,
        written: u32,
    ) {
        let used = Used {
            id: chain.id(),
            written,
        };
        self.recycle(chain);
        self.push(memory, queue, &[used]);
    }

    /// Gives back buffers together. Nothing happens if the device does not work.
    pub fn push<M: GuestMemory + ?Sized>(&mut self, memory: &M, queue: u16, used: &[Used]) {
        if let Some(ring) = self.ring(queue)
            && let Err(error) = ring.push(memory, used)
        {
            self.fail(queue, error);
        }
    }

    /// Keeps the memory of a chain for another.
    pub fn recycle(&mut self, chain: Chain) {
        // No more chains exist at a time than the queues have entries, and a few.
        let most: usize = self
            .queues
            .iter()
            .map(|queue| usize::from(queue.settings.max_size))
            .sum();
        if self.spare.len() < most {
            self.spare.push(chain);
        }
    }

    /// Entries of a queue.
    pub fn queue_size(&self, queue: u16) -> u16 {
        self.queues
            .get(usize::from(queue))
            .map_or(0, |queue| queue.settings.size)
    }

    /// Buffers of a queue that were taken and not given back.
    pub fn in_flight(&self, queue: u16) -> u16 {
        self.queues
            .get(usize::from(queue))
            .and_then(|queue| queue.ring.as_ref())
            .map_or(0, Ring::in_flight)
    }

    /// The configuration changed: the driver is told if it works with the device.
    pub fn config_has_changed(&mut self) {
        self.config_changed = true;
        if self.is_running() {
            self.config_interrupt = true;
        }
    }

    /// The driver read from the configuration. If it changed since the last time, the driver can see that what it
    /// has read may not fit together (4.1.4.3.1).
    pub fn config_was_read(&mut self) {
        if core::mem::take(&mut self.config_changed) {
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// The driver wrote the status field (2.1, 3.1.1).
    pub(super) fn write_status(&mut self, device: &mut impl Device, value: u8) -> Effect {
        if self.resetting {
            return Effect::None;
        }
        if value == 0 {
            self.begin_reset(device);
            return Effect::Reset;
        }
        // A driver cannot clear a bit but by reset (2.1.1), so writing less changes nothing.
        let new = (Status::from_bits_truncate(value) & Status::DRIVERS) - self.status;
        self.status |= new & (Status::ACKNOWLEDGE | Status::DRIVER | Status::FAILED);
        if new.contains(Status::FEATURES_OK) && self.features_fit() {
            self.status |= Status::FEATURES_OK;
        }
        if new.contains(Status::DRIVER_OK) && self.status.contains(Status::FEATURES_OK) {
            self.status |= Status::DRIVER_OK;
            for queue in 0..self.queue_count() {
                self.start_queue(queue);
            }
            return Effect::Started;
        }
        Effect::None
    }

    /// Whether the driver's features can be worked with (2.2.2): none that was not offered, and VERSION_1.
    fn features_fit(&self) -> bool {
        !self.accepted_unknown
            && self.offered.contains(self.accepted)
            && self.accepted.contains(Features::VERSION_1)
    }

    /// The driver enabled a queue. From here on its settings are fixed.
    pub(super) fn enable_queue(&mut self, index: u16) {
        let Some(queue) = self.queues.get_mut(usize::from(index)) else {
            return;
        };
        if queue.enabled {
            return;
        }
        queue.enabled = true;
        if let Err(error) = queue.settings.check() {
            self.fail(index, error);
        }
        if self.status.contains(Status::DRIVER_OK) {
            self.start_queue(index);
        }
    }

    /// Makes the ring of an enabled queue. Which layout it has is decided by the features, which are fixed by now.
    fn start_queue(&mut self, index: u16) {
        let features = self.accepted;
        let Some(queue) = self.queues.get_mut(usize::from(index)) else {
            return;
        };
        if !queue.enabled {
            return;
        }
        match SplitRing::new(queue.settings, features) {
            Ok(ring) => queue.ring = Some(ring),
            Err(error) => self.fail(index, error),
        }
    }

    /// Stops everything, and is done at once unless something is outstanding.
    pub fn begin_reset(&mut self, device: &mut impl Device) {
        self.resetting = true;
        for queue in &mut self.queues {
            queue.ring = None;
            queue.interrupt = false;
        }
        self.config_interrupt = false;
        if device.outstanding() == 0 {
            self.finish_reset(device);
        }
    }

    /// State after reset (2.4).
    pub fn finish_reset(&mut self, device: &mut impl Device) {
        device.reset();
        *self = Core {
            epoch: self.epoch.wrapping_add(1),
            spare: core::mem::take(&mut self.spare),
            ..Core::new(device)
        };
    }
}
