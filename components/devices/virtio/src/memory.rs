//! The guest's memory, as devices reach it.

use core::sync::atomic::{Ordering, fence};

/// An access, or part of it, lies outside the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideMemory {
    /// Guest-physical address at which the access starts.
    pub address: u64,
    /// Bytes.
    pub length: u64,
}

impl core::fmt::Display for OutsideMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{:#x} bytes at guest address {:#x} are not in the guest's memory",
            self.length, self.address
        )
    }
}

impl core::error::Error for OutsideMemory {}

/// Guest memory by guest-physical address.
///
/// The guest's processors use it at the same time, so every method takes `&self`, and no value read is ever taken to be
/// the same when read again. Devices' registers are not memory. An access that is not entirely inside changes
/// nothing and is an error.
pub trait GuestMemory {
    /// Whether all these bytes are memory. An empty range is, wherever it lies.
    fn contains(&self, address: u64, length: u64) -> bool;

    /// Copies guest memory to `bytes`.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory>;

    /// Copies `bytes` to guest memory.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory>;

    /// Loads a little-endian half-word at an even address as one access. No later access through this trait happens
    /// before it (acquire).
    fn load_u16(&self, address: u64) -> Result<u16, OutsideMemory>;

    /// Stores a little-endian half-word at an even address as one access. No earlier access through this trait happens
    /// after it (release).
    fn store_u16(&self, address: u64, value: u16) -> Result<(), OutsideMemory>;

    /// No load after it happens before a store ahead of it. Both sides of a virtqueue need this between what they
    /// announce and their look at whether the other side wants to be told (VIRTIO 1.2, 2.7.13.4).
    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
