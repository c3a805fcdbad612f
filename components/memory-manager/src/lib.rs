//! The memory manager: owns the untyped memory that nothing else in the system was built from, hands it out
//! by request and takes it back.
//!
//! The logic is here and pure; `main.rs` connects it to the kernel and to the clients.
//!
//! - [`buddy`] splits and joins untyped memory. Its effects on capabilities go through the trait
//!   [`UntypedPool`](buddy::UntypedPool), so that the same code runs over the kernel and over a model.
//! - [`accounts`] knows who holds what, keeps quotas and gives everything back when a client ends.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod accounts;
pub mod buddy;
