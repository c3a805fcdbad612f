//! The machine: the only place for assembly and privileged registers.
//!
//! Everything that touches hardware is behind safe functions where they can be safe. What is plain logic
//! (choice of features, calibration, parsing of firmware tables, text cells, rings) stands in files of its
//! own without `unsafe` and is tested on the host.
#![cfg_attr(not(test), no_std)]

pub mod acpi;
pub mod apic;
pub mod calibrate;
pub mod console;
pub mod cpu;
pub mod early;
pub mod entry;
pub mod events;
pub mod fpu;
pub mod gdt;
pub mod idt;
pub mod ioapic;
pub mod machine;
pub mod mailbox;
pub mod pending;
pub mod percpu;
pub mod pic;
pub mod power;
pub mod ring;
pub mod short;
pub mod smp;
pub mod switch;
pub mod sync;
pub mod time;
pub mod trace;
pub mod tsc;
pub mod vectors;
pub mod virt;
pub mod vm;
pub mod xstate;
