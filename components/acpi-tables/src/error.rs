//! Why there are no tables for a machine.

use core::fmt;

/// Why the tables cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// No processors, or too many.
    Processors(usize),
    /// More serial ports than a PC has names for.
    SerialPorts(usize),
    /// This window of the PCI bus is not one.
    Window(&'static str),
    /// The tables do not lie at a multiple of 64 bytes, or not wholly below 4 GiB.
    Address(u64),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Processors(count) => {
                write!(f, "a machine with {count} processors has no ACPI tables")
            }
            BuildError::SerialPorts(count) => {
                write!(
                    f,
                    "a machine with {count} serial ports; at most 4 have names"
                )
            }
            BuildError::Window(what) => write!(f, "the PCI window for {what} is not usable"),
            BuildError::Address(address) => write!(
                f,
                "ACPI tables cannot lie at {address:#x}: a multiple of 64 bytes below 4 GiB is needed"
            ),
        }
    }
}

impl core::error::Error for BuildError {}
