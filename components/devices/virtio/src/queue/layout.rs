//! Split virtqueues in memory (VIRTIO 1.2, 2.7).

use bitflags::bitflags;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A part of a virtqueue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Descriptor table.
    Descriptor,
    /// Available ring, which the driver writes.
    Driver,
    /// Used ring, which the device writes.
    Device,
}

impl Area {
    /// Alignment of its address in bytes.
    pub(crate) const fn alignment(self) -> u64 {
        match self {
            Area::Descriptor => 16,
            Area::Driver => 2,
            Area::Device => 4,
        }
    }

    /// Bytes that it takes for a queue of `size` entries, event index included.
    pub(crate) const fn length(self, size: u16) -> u64 {
        match self {
            Area::Descriptor => DESCRIPTOR * size as u64,
            Area::Driver => 6 + 2 * size as u64,
            Area::Device => 6 + 8 * size as u64,
        }
    }
}

impl core::fmt::Display for Area {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Area::Descriptor => "descriptor table",
            Area::Driver => "available ring",
            Area::Device => "used ring",
        })
    }
}

/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR: u64 = 16;

/// A descriptor (2.7.5).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Descriptor {
    pub address: U64,
    pub length: U32,
    pub flags: U16,
    pub next: U16,
}

bitflags! {
    /// Flags of a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct DescriptorFlags: u16 {
        /// Another descriptor follows.
        const NEXT = 1;
        /// The device writes to the buffer, and does not read it.
        const WRITE = 2;
        /// The buffer is a table of descriptors.
        const INDIRECT = 4;
    }
}

/// An entry of the used ring (2.7.8).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct UsedElement {
    pub id: U32,
    pub length: U32,
}

/// Flag of the available ring: no interrupt, please. Flag of the used ring: no notification, please.
pub(crate) const SUPPRESS: u16 = 1;

/// Offset of the index in the available and the used ring; the flags are at 0.
pub(crate) const INDEX: u64 = 2;
/// Offset of the entries in both rings.
pub(crate) const ENTRIES: u64 = 4;
