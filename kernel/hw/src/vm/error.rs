//! Why the kernel could not map something for itself.

use core::fmt;

/// Why the kernel could not map something for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The kernel has no page tables of its own yet.
    NotReady,
    /// Boot is over: pages belong to capabilities now.
    Finished,
    /// No free memory is left.
    OutOfMemory,
    /// The range is empty, wraps around or lies beyond the physical addresses that the kernel can map.
    BadRange {
        /// Physical address.
        phys: u64,
        /// Bytes.
        length: u64,
    },
    /// This is RAM, which is in the direct map already.
    IsRam {
        /// Physical address.
        phys: u64,
    },
    /// The window of virtual addresses is used up.
    WindowFull,
    /// There is no RAM below 640 KiB.
    NoTrampoline,
    /// The kernel's image is larger than its place.
    ImageTooLarge,
    /// The page tables refused.
    Tables(pagurus_paging::MapError),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::NotReady => f.write_str("the kernel's page tables are not built yet"),
            MapError::Finished => f.write_str("the kernel takes no memory after boot"),
            MapError::OutOfMemory => f.write_str("no free memory left; the machine needs more RAM"),
            MapError::BadRange { phys, length } => {
                write!(
                    f,
                    "{length:#x} bytes at physical {phys:#x} cannot be mapped"
                )
            }
            MapError::IsRam { phys } => {
                write!(
                    f,
                    "physical {phys:#x} is RAM, not a device; the firmware's tables are wrong"
                )
            }
            MapError::WindowFull => f.write_str("the window of kernel addresses is used up"),
            MapError::NoTrampoline => {
                f.write_str("no RAM below 640 KiB, so no other processor can be started")
            }
            MapError::ImageTooLarge => f.write_str("the kernel's image is too large"),
            MapError::Tables(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MapError {}

impl From<pagurus_paging::MapError> for MapError {
    fn from(error: pagurus_paging::MapError) -> Self {
        MapError::Tables(error)
    }
}
