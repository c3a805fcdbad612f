//! Root, the first component: builds the system that the capDL image describes, and keeps the leases.
//!
//! What it does, in order, and where:
//!
//! 1. [`modules`]: finds the image and the programs among the boot modules.
//! 2. [`program`], [`plan`], [`memory`], [`device`]: checks the programs and plans where everything goes. Pure.
//! 3. [`objects`]: makes the objects that the description names and that belong to no single component.
//! 4. [`builder`]: makes a component from its lease, fills its memory and its capability space, starts it.
//! 5. [`supervise`]: receives the faults of components and starts them again, from the same lease.
//! 6. [`journal`]: keeps what it has to say until the log collector takes it.
//! 7. [`control`]: answers the operator; [`audit`] compares what is with what was described.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

pub mod audit;
pub mod builder;
pub mod control;
pub mod device;
pub mod error;
pub mod fill;
pub mod journal;
pub mod layout;
pub mod memory;
pub mod modules;
pub mod objects;
pub mod own;
pub mod plan;
pub mod program;
pub mod run;
#[cfg(test)]
mod simulated;
pub mod supervise;
pub mod system;
pub mod window;
