//! Why an operation on page tables was refused.

use core::fmt;
use pagurus_abi::Error;

/// Why an operation on page tables was refused or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapError {
    /// An address, length or `done` is not a multiple of the page size concerned.
    Misaligned,
    /// The range is empty, wraps around, is not canonical or leaves what the format may map, or `done`
    /// lies beyond its end.
    OutOfRange,
    /// The format has no page without `READ`.
    Unreadable,
    /// Pages of components are never writable and executable at once.
    WriteExecute,
    /// Something is mapped already in the page at `virt`.
    Occupied {
        /// Start of the page that was to be mapped.
        virt: u64,
    },
    /// The pool has too few tables left.
    OutOfTables,
    /// A page reaches over the edge of the range.
    Straddles {
        /// Start of that page.
        virt: u64,
    },
    /// Nothing is mapped there.
    NotMapped,
    /// The address is mapped, but not by one page of the size given (split), or not by smaller ones
    /// (merge), or there is no smaller or no such page size.
    WrongSize,
    /// Pages to be merged are missing or of different sizes, permissions or memory types, or their frames
    /// are not one piece aligned to the larger size.
    NotUniform {
        /// The first address that does not fit.
        virt: u64,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Misaligned => f.write_str("address or length is not page aligned"),
            MapError::OutOfRange => f.write_str("range is empty, wraps or cannot be mapped"),
            MapError::Unreadable => f.write_str("a page must be readable"),
            MapError::WriteExecute => f.write_str("a page cannot be writable and executable"),
            MapError::Occupied { virt } => write!(f, "already mapped at {virt:#x}"),
            MapError::OutOfTables => f.write_str("no page table left"),
            MapError::Straddles { virt } => {
                write!(f, "page at {virt:#x} reaches over the edge of the range")
            }
            MapError::NotMapped => f.write_str("not mapped"),
            MapError::WrongSize => f.write_str("not mapped by pages of this size"),
            MapError::NotUniform { virt } => {
                write!(f, "page at {virt:#x} differs from its neighbours")
            }
        }
    }
}

impl core::error::Error for MapError {}

impl From<MapError> for Error {
    fn from(error: MapError) -> Error {
        match error {
            MapError::Misaligned => Error::Misaligned,
            MapError::Occupied { .. } => Error::AlreadyMapped,
            MapError::OutOfTables => Error::OutOfTables,
            MapError::NotMapped => Error::NotMapped,
            MapError::OutOfRange
            | MapError::Unreadable
            | MapError::WriteExecute
            | MapError::Straddles { .. }
            | MapError::WrongSize
            | MapError::NotUniform { .. } => Error::InvalidArgument,
        }
    }
}
