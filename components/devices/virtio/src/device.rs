//! What differs from device type to device type.

use zerocopy::{Immutable, IntoBytes};

use crate::feature::Features;

/// Greatest size of a device-specific configuration in bytes.
pub const CONFIG_SIZE: usize = 64;

/// A device-specific configuration as the driver reads it.
pub type DeviceConfig = heapless::Vec<u8, CONFIG_SIZE>;

/// A device type (VIRTIO 1.2, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceType {
    /// Virtio device ID; the PCI device ID is this and 0x1040 (4.1.2.1).
    pub id: u16,
    /// PCI class, subclass and programming interface: 0xccsspp.
    pub class: u32,
}

/// A device type's own part; the transport does the rest.
pub trait Device {
    /// What it is.
    const TYPE: DeviceType;

    /// Feature bits of its own that it offers.
    fn features(&self) -> Features;

    /// Greatest size of each queue: powers of two, up to [`crate::queue::MAX_QUEUE_SIZE`].
    fn queue_sizes(&self) -> &[u16];

    /// The device-specific configuration as it is now.
    fn config(&self) -> DeviceConfig;

    /// The driver wrote to the configuration, within its size. What cannot be written is ignored.
    fn write_config(&mut self, offset: usize, bytes: &[u8]);

    /// Buffers that somebody outside still works with: a reset is not done before they are back.
    fn outstanding(&self) -> usize {
        0
    }

    /// Forgets everything that a reset forgets.
    fn reset(&mut self);
}

/// The bytes of a configuration structure.
pub(crate) fn config_of<T: IntoBytes + Immutable>(layout: &T) -> DeviceConfig {
    const { assert!(size_of::<T>() <= CONFIG_SIZE) };
    // Cannot fail: the size was checked when this was compiled.
    DeviceConfig::from_slice(layout.as_bytes()).unwrap_or_default()
}
