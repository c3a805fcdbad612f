//! ACPI tables of virtual machines.
//!
//! [`build`] makes of a [`Platform`] (which devices the machine has, and where) the tables that tell an
//! operating system about them, as bytes to be put at a given guest-physical address: RSDP, XSDT and RSDT,
//! FADT with FACS, MADT, HPET, MCFG and the DSDT.
//!
//! The machine is a PC that is always in ACPI mode and is not hardware-reduced: it has the fixed registers
//! (events, control, PM timer), I/O APIC beside 8259s, and one conventional PCI bus.
//!
//! References: ACPI Specification 6.5; PCI Firmware Specification 3.3; IA-PC HPET Specification 1.0a.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod dsdt;
mod error;
mod fixed;
mod layout;
mod madt;
mod platform;
mod tables;

pub use error::BuildError;
pub use layout::{Tables, build};
pub use platform::{
    Hpet, IoApic, LINES, Pci, Platform, PowerManagement, Range, Reset, SLOTS, Serial,
};
