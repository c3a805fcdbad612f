//! Device models of a PC's chipset.
//!
//! Every model is plain data: no input or output of its own, no clock, no thread, no reference to another device.
//! Whoever composes a machine of them passes guest accesses in, carries interrupt lines and messages from one model
//! to the next, and acts on the [`Effect`]s that come back.
//!
//! - **Time** is `now`: nanoseconds of guest time, never going back. A model that acts by itself tells when it wants
//!   to be called next (`deadline`), and is told the time by `advance`; being late costs no accuracy. No deadline is
//!   closer than [`clock::SHORTEST_PERIOD`] to the one before it, so that no guest keeps its monitor busy.
//! - **Interrupt lines** are levels to be asked for (`irq`) after every access and every `advance`. Timers that are
//!   edge-triggered report how often the line rose.
//! - **Eight-bit devices** (all on ports but power management and debug exit) are read and written by the byte at
//!   absolute port numbers. A wider access to them is several accesses to consecutive ports, which may be different
//!   devices: [`bus`] splits it, as the ISA bus does.
//! - **Wrong accesses** do what hardware does: what nobody answers to reads as all ones, and writing it changes
//!   nothing. No guest behaviour panics, allocates or takes longer than a few hundred steps.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod bus;
pub mod clock;
pub mod debug_console;
pub mod debug_exit;
pub mod destination;
pub mod effect;
pub mod hpet;
pub mod i8042;
pub mod ioapic;
pub mod lapic;
pub mod message;
pub mod pic;
pub mod pit;
pub mod pm;
pub mod post;
pub mod reset;
pub mod rtc;

pub mod uart;

pub use clock::Clock;
pub use debug_console::DebugConsole;
pub use debug_exit::DebugExit;
pub use destination::{CpuSet, Identity, targets};
pub use effect::Effect;
pub use hpet::Hpet;
pub use i8042::I8042;
pub use ioapic::IoApic;
pub use lapic::Lapic;
pub use message::{DeliveryMode, Destination, Message, Trigger};
pub use pic::Pic;
pub use pit::Pit;
pub use pm::PowerManagement;
pub use post::PostCode;
pub use reset::{ResetControl, SystemControlA};
pub use rtc::Rtc;

pub use uart::Uart;
