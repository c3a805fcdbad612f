//! What the firmware's ACPI tables say about the machine (ACPI specification 6.5, chapter 5).
//!
//! Firmware is not trusted: every length is checked against what holds it, every checksum against the
//! bytes, and a table that fails is left out with a [`Problem`], so that the system boots with what is
//! known. No AML is run; of the DSDT only the package of the soft-off state is looked for.
//!
//! The `acpi` crate is not used: its version 6 needs a nightly compiler even without its features, and
//! versions 5 and 6 both read as many bytes as a table claims to have, without a way for the mapping to fail.
#![forbid(unsafe_code)]

mod fadt;
mod hpet;
mod madt;
mod mcfg;
mod platform;
mod root;
mod s5;
mod srat;
mod table;

pub use fadt::{Power, Reset};
pub use madt::{IoApic, Override};
pub use mcfg::PciConfig;
pub use platform::{Cpu, MemoryNode, Platform, Problem};
pub use s5::find_s5;
pub use table::{PhysicalBytes, TableError};
