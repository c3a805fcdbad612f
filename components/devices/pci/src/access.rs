//! What an access turned out to be for.

use crate::slot::Slot;

/// An access to what lies behind a base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarAccess {
    /// The device.
    pub slot: Slot,
    /// Which base address register, 0 to 5; of a 64-bit pair the lower one.
    pub bar: u8,
    /// Offset in bytes from the start of its range.
    pub offset: u64,
    /// Bytes: 1, 2, 4 or 8. All of them lie in the range.
    pub size: u8,
}

/// Answer to a read of configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ConfigRead {
    /// The value, in the low `size` bytes; all ones where nobody answers.
    Value(u32),
    /// The register is a window: do its access, then ask it for the value.
    Window(WindowRead),
}

/// A read through a window in configuration space (VIRTIO 1.2, 4.1.4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowRead {
    /// The access to do.
    pub access: BarAccess,
    /// Byte of the data register at which the guest reads, 0 to 3.
    pub(crate) at: u8,
    /// Bytes that the guest reads.
    pub(crate) size: u8,
}

impl WindowRead {
    /// What the guest reads if the access gave `data`.
    pub fn value(self, data: u64) -> u32 {
        let data = data as u32 & ones(self.access.size);
        data.checked_shr(u32::from(self.at) * 8).unwrap_or(0) & ones(self.size)
    }
}

/// Consequence of a write to configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ConfigWrite {
    /// Nothing that anybody has to care about.
    Done,
    /// Decoding, bus mastering, INTx or MSI-X of this function may have changed.
    Changed(Slot),
    /// The register is a window: do this write.
    Window {
        /// The access to do.
        access: BarAccess,
        /// What to write.
        value: u32,
    },
}

/// All ones in the low `size` bytes.
pub(crate) const fn ones(size: u8) -> u32 {
    match size {
        0 => 0,
        1 => 0xff,
        2 => 0xffff,
        3 => 0xff_ffff,
        _ => u32::MAX,
    }
}
