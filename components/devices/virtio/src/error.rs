//! What can be wrong with what a driver does.
//!
//! All of it ends the same way: the device asks to be reset and does nothing until then. The first fault is kept for
//! the log.

use crate::memory::OutsideMemory;
use crate::queue::Area;

/// Why a virtqueue cannot be used or used any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The size is no power of two or greater than the device's (VIRTIO 1.2, 2.7).
    Size {
        /// Size that the driver chose.
        size: u16,
        /// Greatest size.
        max: u16,
    },
    /// A part of the queue is not aligned as it must be (2.7).
    Alignment {
        /// Which part.
        area: Area,
        /// Its guest-physical address.
        address: u64,
    },
    /// A part of the queue, a descriptor table or a buffer is not in the guest's memory.
    Memory(OutsideMemory),
    /// The available index moved by more than the queue holds, or backwards (2.7.6.1).
    AvailableIndex {
        /// What the driver wrote.
        index: u16,
        /// How far the device has come.
        expected: u16,
    },
    /// A head or a next field points behind its table.
    DescriptorIndex {
        /// The index.
        index: u16,
        /// Entries of the table.
        entries: u32,
    },
    /// A buffer was made available that the device has not given back (2.7.13.1).
    InFlight {
        /// Head of its chain.
        id: u16,
    },
    /// A chain has more descriptors than the device takes, which a loop has too (2.7.5.3.1).
    ChainTooLong {
        /// Descriptors at most.
        limit: u16,
    },
    /// A chain has more than 2^32 bytes (2.7.5.2).
    TooManyBytes,
    /// A device-readable descriptor follows a device-writable one (2.7.4.2).
    Order,
    /// An indirect table without the feature, within another, or followed by a next descriptor (2.7.5.3.1).
    IndirectFlag,
    /// The length of an indirect table is no multiple of a descriptor's, or zero.
    IndirectLength {
        /// Bytes.
        length: u32,
    },
    /// The monitor gave back a buffer that it did not have: a fault of ours, not of the guest.
    NotInFlight {
        /// What it gave back.
        id: u16,
    },
}

impl core::fmt::Display for QueueError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            QueueError::Size { size, max } => {
                write!(f, "queue size {size} is no power of two up to {max}")
            }
            QueueError::Alignment { area, address } => {
                write!(f, "{area} at {address:#x} is not aligned")
            }
            QueueError::Memory(outside) => outside.fmt(f),
            QueueError::AvailableIndex { index, expected } => {
                write!(f, "available index jumped from {expected} to {index}")
            }
            QueueError::DescriptorIndex { index, entries } => {
                write!(f, "descriptor {index} of a table of {entries}")
            }
            QueueError::InFlight { id } => {
                write!(f, "buffer {id} was made available while in use")
            }
            QueueError::ChainTooLong { limit } => {
                write!(f, "chain of more than {limit} descriptors, or a loop")
            }
            QueueError::TooManyBytes => f.write_str("chain of more than 2^32 bytes"),
            QueueError::Order => f.write_str("readable descriptor behind a writable one"),
            QueueError::IndirectFlag => f.write_str("indirect descriptor where none may be"),
            QueueError::IndirectLength { length } => {
                write!(f, "indirect table of {length} bytes")
            }
            QueueError::NotInFlight { id } => {
                write!(
                    f,
                    "the monitor gave back buffer {id}, which it did not have"
                )
            }
        }
    }
}

impl From<OutsideMemory> for QueueError {
    fn from(outside: OutsideMemory) -> QueueError {
        QueueError::Memory(outside)
    }
}

impl core::error::Error for QueueError {}

/// Why a buffer makes no sense to its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferError {
    /// It has fewer device-readable bytes than the header needs.
    HeaderMissing {
        /// Bytes that are there.
        bytes: u64,
    },
    /// It has fewer device-writable bytes than the device must write.
    NoRoom {
        /// Bytes that are there.
        bytes: u64,
    },
    /// A page number is not one of the guest's memory.
    PageNumber {
        /// The number, in units of 4 KiB.
        number: u32,
    },
}

impl core::fmt::Display for BufferError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BufferError::HeaderMissing { bytes } => {
                write!(f, "buffer with {bytes} readable bytes has no header")
            }
            BufferError::NoRoom { bytes } => {
                write!(f, "buffer with {bytes} writable bytes is too short")
            }
            BufferError::PageNumber { number } => {
                write!(f, "page {number:#x} is not in the guest's memory")
            }
        }
    }
}

impl core::error::Error for BufferError {}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The virtqueue itself.
    Queue(QueueError),
    /// What a buffer holds.
    Buffer(BufferError),
}

impl From<QueueError> for Cause {
    fn from(error: QueueError) -> Cause {
        Cause::Queue(error)
    }
}

impl From<OutsideMemory> for Cause {
    fn from(outside: OutsideMemory) -> Cause {
        Cause::Queue(QueueError::Memory(outside))
    }
}

impl From<BufferError> for Cause {
    fn from(error: BufferError) -> Cause {
        Cause::Buffer(error)
    }
}

/// Why a device asked to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The queue.
    pub queue: u16,
    /// What was wrong with it.
    pub cause: Cause,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "queue {}: ", self.queue)?;
        match self.cause {
            Cause::Queue(error) => error.fmt(f),
            Cause::Buffer(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Fault {}
