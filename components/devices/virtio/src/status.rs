//! The device status field (VIRTIO 1.2, 2.1).

use bitflags::bitflags;

bitflags! {
    /// How far driver and device have come with each other.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u8 {
        /// The guest has noticed the device.
        const ACKNOWLEDGE = 1;
        /// The guest knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready; the device works.
        const DRIVER_OK = 4;
        /// Both sides agree on the features.
        const FEATURES_OK = 8;
        /// The device cannot go on until it is reset. Set by the device only.
        const NEEDS_RESET = 64;
        /// The guest has given up on the device.
        const FAILED = 128;
    }
}

impl Status {
    /// The bits that a driver sets.
    pub const DRIVERS: Status = Status::ACKNOWLEDGE
        .union(Status::DRIVER)
        .union(Status::DRIVER_OK)
        .union(Status::FEATURES_OK)
        .union(Status::FAILED);
}
