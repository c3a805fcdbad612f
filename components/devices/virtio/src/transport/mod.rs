//! Virtio over PCI (VIRTIO 1.2, 4.1).

mod common;
mod core;
mod interrupt;
mod layout;

pub(crate) use core::Core;
pub use layout::{CONFIG_BAR, NOTIFY_BAR, NOTIFY_MULTIPLIER, NOTIFY_OFFSET, Notifications};

use pagurus_devices_pci::{BuildError, Function, Message};

use crate::device::Device;
use crate::error::Fault;
use crate::memory::GuestMemory;
use crate::status::Status;
use layout::Region;

/// A vector that is none: the event gives no interrupt (4.1.5.1.2).
pub const NO_VECTOR: u16 = 0xffff;

/// What a write made necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Nothing more.
    None,
    /// The driver notified the device of buffers in this queue: serve it.
    Notified(u16),
    /// The device works from now on: serve all queues, for notifications may have come before.
    Started,
    /// The driver wants a reset. It is done unless [`VirtioPci::is_resetting`]: then everything that is outstanding is to
    /// be given back soon.
    Reset,
    /// The driver wrote to the device-specific configuration.
    Configured,
}

/// A device of type `D` on the PCI bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtioPci<D> {
    pub(crate) core: Core,
    pub(crate) device: D,
}

impl<D: Device> VirtioPci<D> {
    /// The device, as after power-on.
    pub fn new(device: D) -> VirtioPci<D> {
        VirtioPci {
            core: Core::new(&device),
            device,
        }
    }

    /// What is specific to the device type.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Its configuration space, for the bus.
    pub fn function(&self, notifications: Notifications) -> Result<Function, BuildError> {
        layout::function(
            D::TYPE,
            self.core.queue_count(),
            self.device.config().len() as u32,
            notifications,
        )
    }

    /// How many queues it has.
    pub fn queue_count(&self) -> u16 {
        self.core.queue_count()
    }

    /// Offset in range [`NOTIFY_BAR`], and behind [`NOTIFY_OFFSET`] in range [`CONFIG_BAR`], of the two bytes that take
    /// notifications of `queue`. Any write to them notifies.
    pub const fn notify_offset(queue: u16) -> u16 {
        queue * NOTIFY_MULTIPLIER
    }

    /// Reads `size` bytes (1, 2, 4 or 8) at `offset` of range `bar`. All ones where there is no register.
    pub fn read(&mut self, bar: u8, offset: u64, size: u8) -> u64 {
        if size == 8 {
            return self.read(bar, offset, 4) | self.read(bar, offset.saturating_add(4), 4) << 32;
        }
        let value = match Region::at(bar, offset) {
            Some((Region::Common, at)) => self.core.read_common(at, size),
            Some((Region::Isr, 0)) => Some(u64::from(self.core.read_isr())),
            Some((Region::Device, at)) => self.read_config(at, size),
            _ => None,
        };
        value.unwrap_or(u64::MAX) & ones(size)
    }

    /// Writes `size` bytes (1, 2, 4 or 8) at `offset` of range `bar`.
    pub fn write(&mut self, bar: u8, offset: u64, size: u8, value: u64) -> Effect {
        let value = value & ones(size);
        let region = Region::at(bar, offset);
        if size == 8 && !matches!(region, Some((Region::Notify, _))) {
            // A 64-bit field is two fields of 32 bits (4.1.3).
            let low = self.write(bar, offset, 4, value & ones(4));
            let high = self.write(bar, offset.saturating_add(4), 4, value >> 32);
            return if high == Effect::None { low } else { high };
        }
        match region {
            Some((Region::Common, at)) => self.core.write_common(&mut self.device, at, size, value),
            Some((Region::Device, at)) => self.write_config(at, size, value),
            Some((Region::Notify, at)) => {
                // The value is the queue's index again; where it was written says enough.
                let queue = at / u32::from(NOTIFY_MULTIPLIER);
                match u16::try_from(queue) {
                    Ok(queue) if queue < self.core.queue_count() => Effect::Notified(queue),
                    _ => Effect::None,
                }
            }
            _ => Effect::None,
        }
    }

    fn read_config(&mut self, at: u32, size: u8) -> Option<u64> {
        let config = self.device.config();
        let at = at as usize;
        let bytes = config.get(at..at + usize::from(size))?;
        self.core.config_was_read();
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        Some(u64::from_le_bytes(value))
    }

    fn write_config(&mut self, at: u32, size: u8, value: u64) -> Effect {
        let (at, size) = (at as usize, usize::from(size));
        if at + size > self.device.config().len() {
            return Effect::None;
        }
        self.device.write_config(at, &value.to_le_bytes()[..size]);
        Effect::Configured
    }

    /// The status field as the driver sees it.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Whether the device takes buffers: the driver is ready, and nothing is wrong.
    pub fn is_running(&self) -> bool {
        self.core.is_running()
    }

    /// Resets the device as the driver can (2.4), for a reset of the machine. Done unless
    /// [`VirtioPci::is_resetting`].
    pub fn reset(&mut self) {
        self.core.begin_reset(&mut self.device);
    }

    /// Whether a reset waits for what is outstanding. Until that is back the driver sees the reset as not done (2.4.1):
    /// somebody may still write to its buffers.
    pub fn is_resetting(&self) -> bool {
        self.core.is_resetting()
    }

    /// Buffers that back ends have and are to give back.
    pub fn outstanding(&self) -> usize {
        self.device.outstanding()
    }

    /// Buffers of `queue` that were taken from the driver and not given back.
    pub fn in_flight(&self, queue: u16) -> u16 {
        self.core.in_flight(queue)
    }

    /// Ends a reset without what is outstanding: for back ends that are gone and can no longer reach the guest's memory.
    pub fn abandon(&mut self) {
        if self.core.is_resetting() {
            self.core.finish_reset(&mut self.device);
        }
    }

    /// The first thing that was wrong with what the driver did since the last reset; once.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.core.take_fault()
    }

    /// The next interrupt message to send, if any. Brings the level of INTx up to date as well. `function` is the one
    /// made by [`VirtioPci::function`].
    #[must_use]
    pub fn next_message<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        function: &mut Function,
    ) -> Option<Message> {
        self.core.next_message(memory, function)
    }

    /// Something came back from a back end: a reset may have waited for it.
    pub(crate) fn returned(&mut self) {
        if self.core.is_resetting() && self.device.outstanding() == 0 {
            self.core.finish_reset(&mut self.device);
        }
    }
}

/// All ones in the low `size` bytes.
const fn ones(size: u8) -> u64 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        4 => 0xffff_ffff,
        _ => u64::MAX,
    }
}
