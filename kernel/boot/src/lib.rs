//! What the firmware and the loader left: memory map, modules, ACPI root pointer, screen.
//!
//! The loader's multiboot2 information ([`multiboot2`]) becomes a [`Platform`]: the RAM, the part of it that
//! is free, the modules. From its free memory come the pages that the kernel needs while it boots
//! ([`BootPages`]); the rest is cut into untyped memory for root ([`untyped`]).
//!
//! Everything here reads what others wrote. Whatever they wrote, it does not panic, and memory that anybody
//! reserved is never handed out.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod multiboot2;
pub mod pages;
pub mod platform;
pub mod range;
pub mod untyped;

pub use pages::BootPages;
pub use platform::{MemorySet, Module, Platform, PlatformError, Rsdp};
pub use range::{PAGE, Range, RangeSet};
