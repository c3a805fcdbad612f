//! Feature bits (VIRTIO 1.2, 2.2 and 6).

use bitflags::bitflags;

bitflags! {
    /// Feature bits of a device. Named here are those that are not specific to a device type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Features: u64 {
        /// Chains may continue in a table of descriptors elsewhere.
        const INDIRECT_DESC = 1 << 28;
        /// Both sides say at which index they want to be told.
        const EVENT_IDX = 1 << 29;
        /// Not a legacy device. Must be accepted.
        const VERSION_1 = 1 << 32;

        // Every other bit has a meaning by device type.
        const _ = !0;
    }
}

impl Features {
    /// What every device here offers.
    pub const COMMON: Features = Features::INDIRECT_DESC
        .union(Features::EVENT_IDX)
        .union(Features::VERSION_1);
}
