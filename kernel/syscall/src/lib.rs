//! The kernel proper: system calls, interrupts and faults, carried out over the pure parts.
//!
//! [`Kernel`] has all state but the objects themselves, which lie in physical memory behind the [`Machine`] trait. The
//! kernel image implements that trait on the real machine; tests on a simulated one ([`sim`]). Nothing here knows
//! of an address, a register of the processor or an instruction.
//!
//! One processor at a time is in here (the kernel's big lock); [`Kernel::enter`] says which. What a system call does stands in
//! `invoke/*`, one file for each kind of object, each method a function that reads like the table in
//! [`pagurus_abi::method`].
//!
//! Long operations stop at preemption points by returning [`Completion::Restart`]: the thread's registers are left so
//! that the system call is made again, and the state of the operation is in the objects.
#![cfg_attr(not(any(test, feature = "sim")), no_std)]
#![forbid(unsafe_code)]

pub mod asid;
pub mod boot;
pub mod check;
mod dispatch;
mod env;
pub mod event;
pub mod fast;
mod fault;
mod finalise;
mod invoke;
mod ipc;
mod irq;
pub mod kernel;
pub mod machine;
mod mapping;
mod schedule;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod timer;
mod vcpu;

#[cfg(test)]
mod tests;

pub use dispatch::{Completion, SyscallArgs};
pub use event::Event;
pub use irq::IRQS;
pub use kernel::Kernel;
pub use machine::{IrqMode, Machine, Memory, Nested};
