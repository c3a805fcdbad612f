//! A guest: memory, a machine with one device, and a driver that behaves like Linux's.
#![allow(dead_code, unused_imports, reason = "every test file uses a part")]

pub mod driver;
pub mod machine;
pub mod memory;
pub mod random;

pub use driver::{Descriptor, DriverQueue};
pub use machine::Machine;
pub use memory::TestMemory;
pub use random::Random;
