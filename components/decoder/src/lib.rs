//! Guest instructions that left to the VMM: decoded, and carried out on a copy of the guest's registers.
//!
//! A processor without decode assists and without a saved next instruction pointer (QEMU's SVM) tells the VMM
//! no more than where the guest stands. For an access to emulated registers (a nested page fault on memory
//! that is not RAM) the VMM then
//!
//! 1. fetches the instruction's bytes through the guest's own page tables ([`paging::fetch`]),
//! 2. decodes them ([`decode`], or [`Cache`] where the same instructions come again),
//! 3. asks where the instruction reads and writes ([`Access::places`]), translates each place
//!    ([`paging::translate`]) and finds out by its guest-physical address whether it is a device or RAM,
//! 4. reads what is to be read, and has the instruction carried out ([`Access::execute`]), which changes the
//!    registers and flags and returns the value to write.
//!
//! Nothing is changed before step 4, so a guest page fault found in step 3 can simply be injected. A repeated
//! string instruction makes one step at a time and moves the instruction pointer only when it is finished, as
//! processors do: the VMM may stop after any step, for an interrupt or because its budget is used up.
//!
//! For the other exits it is the length that counts: [`fixed::length`] for instructions without operands,
//! [`decode`] for the rest ([`Intercept`]).
//!
//! References: Intel 64 and IA-32 Architectures Software Developer's Manual (SDM), volumes 2 and 3A; AMD64
//! Architecture Programmer's Manual (APM), volumes 2 and 3.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod alu;
mod cache;
mod decode;
mod error;
mod execute;
pub mod fixed;
mod instruction;
mod intercept;
mod intercepted;
mod lift;
mod memory;
mod operation;
pub mod paging;
mod prefix;
mod register;
mod shape;
mod string;
mod width;

pub use cache::Cache;
pub use decode::decode;
pub use error::DecodeError;
pub use execute::{Executed, Place, Places};
pub use instruction::{
    Access, AccessKind, Combine, Compare, Condition, Extension, Instruction, Modify, Operation,
    Repeat, Source, StringOperation,
};
pub use intercept::{Intercept, Port, StringPort};
pub use memory::{Base, MemoryOperand};
pub use register::{Gpr, Register, Registers, Segment, SegmentBases};
pub use width::{CodeSize, Width};

/// The longest instruction, in bytes (SDM volume 2A, section 2.3.11).
pub const MAX_LENGTH: usize = 15;
