//! A PCI host bridge with one bus of 32 slots, as a guest sees it.
//!
//! [`Bus`] owns the configuration space of every function as plain data ([`Function`]) and answers all that is
//! generic: configuration by ports 0xcf8/0xcfc and by ECAM, decoding of addresses by the base address registers
//! that the guest programs, MSI-X tables with pending bits, INTx levels. What lies behind a base address register
//! is the device's business: [`Bus::find_memory`] and [`Bus::find_port`] say which device, which register
//! and what offset an access is for.
//!
//! # How a monitor drives it
//!
//! - Access to port 0xcf8 to 0xcff: [`Bus::read_port`], [`Bus::write_port`]. To the ECAM area: [`Bus::read_ecam`],
//!   [`Bus::write_ecam`]. A [`ConfigWrite::Changed`] may have moved a base address register or released messages:
//!   look again at [`Bus::bar_address`] if something depends on it (doorbells), and send what
//!   [`Bus::next_message`] gives.
//! - Access to the windows: [`Bus::find_memory`] or [`Bus::find_port`] gives a [`BarAccess`]; [`Bus::read_msix`] and
//!   [`Bus::write_msix`] answer it if it is for an MSI-X table, the device does otherwise. Nobody there: reads give
//!   all ones, writes vanish.
//! - Interrupt of a device: [`Bus::raise`] with MSI-X, else [`Bus::set_intx`] and then [`Bus::intx`] for the level of
//!   the shared lines.
//!
//! Section numbers are those of the PCI Local Bus Specification 3.0 ("PCI") and the PCI Express Base Specification 3.1
//! ("PCIe").
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
mod assign;
mod bar;
mod build;
mod bus;
mod config;
mod function;
mod msix;
mod slot;
mod window;

pub use access::{BarAccess, ConfigRead, ConfigWrite, WindowRead};
pub use assign::AssignError;
pub use bar::{Bar, BarKind};
pub use build::BuildError;
pub use bus::{Bus, INTX_LINES};
pub use config::{CONFIG_SPACE, Command, Identity, Status, offset};
pub use function::Function;
pub use msix::{MAX_VECTORS, Message};
pub use slot::{SLOTS, Slot};
pub use window::{AddressWindow, Windows};
