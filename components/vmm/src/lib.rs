//! A virtual machine's monitor: everything of it that needs neither kernel nor hardware.
//!
//! [`Board`] is the machine around the processors: chipset, interrupt lines, ports and registers in memory.
//! [`Processor`] is what happens at an exit of one of them: it reads and writes the page that the kernel shares with us, asks
//! the board, and says how the guest goes on. Guest memory is behind [`GuestMemory`]; the program around all this ([`main`
//! of the component](../src/main.rs)) gives it the real one, tests a vector.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod board;
pub mod cpuid;
pub mod load;
pub mod memory;
pub mod processor;

pub use board::Board;
pub use memory::GuestMemory;
pub use processor::{Next, Processor, Stop};
