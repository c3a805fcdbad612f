//! Virtio devices over PCI (VIRTIO 1.2, modern interface only), without any I/O of their own.
//!
//! [`VirtioPci`] is a device of some type `D` behind the PCI transport: common configuration, ISR, device configuration
//! and MSI-X table in a memory range, and one port for each queue's notifications in an I/O range, so that a kernel
//! can turn the guest's write into a signal without decoding an instruction ([`Notifications`]). What a driver does is taken from guest
//! memory by [`GuestMemory`] and handed to a back end as typed requests; nothing here waits, and nothing is
//! called back.
//!
//! # How a monitor drives a device
//!
//! 1. [`VirtioPci::function`] builds its configuration space, which goes into a slot of a [`pagurus_devices_pci::Bus`].
//! 2. An access that the bus finds to be this device's, in whatever range: [`VirtioPci::read`], [`VirtioPci::write`].
//!    The write's [`Effect`] says what to do next.
//! 3. A notification, by [`Effect::Notified`] or by a doorbell that the kernel watches: serve that queue with the
//!    methods of the device type ([`block`], [`console`], ...), until they give `None`. Serve all queues
//!    after [`Effect::Started`], and after a monitor took over from another.
//! 4. A back end is done with something: give it back ([`VirtioPci::complete`] of a block device, ...).
//! 5. After each of these: send the messages that [`VirtioPci::next_message`] gives until there is none, set the
//!    interrupt controller's inputs to [`pagurus_devices_pci::Bus::intx`], and log [`VirtioPci::take_fault`].
//!
//! A call handles one buffer at most, so a guest that adds buffers as fast as they are taken is held up by
//! whoever calls, with a bound of the caller's choice. Whatever a driver does, no call panics, hangs or
//! allocates without bound: a driver that breaks the rules finds its device asking to be reset
//! (DEVICE_NEEDS_RESET).
//!
//! Section numbers are those of VIRTIO 1.2.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod balloon;
pub mod block;
pub mod console;
mod device;
pub mod entropy;
mod error;
mod feature;
mod memory;
pub mod net;
pub mod queue;
mod status;
mod transport;

pub use device::{CONFIG_SIZE, Device, DeviceConfig, DeviceType};
pub use error::{BufferError, Cause, Fault, QueueError};
pub use feature::Features;
pub use memory::{GuestMemory, OutsideMemory};
pub use status::Status;
pub use transport::{
    CONFIG_BAR, Effect, NO_VECTOR, NOTIFY_BAR, NOTIFY_MULTIPLIER, NOTIFY_OFFSET, Notifications,
    VirtioPci,
};
