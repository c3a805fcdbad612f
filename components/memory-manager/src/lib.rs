//! The memory manager: owns the untyped memory that nothing else in the system was built from, hands it out
//! by request and takes it back.
//!
//! - [`buddy`] splits and joins untyped memory. Its effects on capabilities go through the trait
//!   [`UntypedPool`](buddy::UntypedPool), so that the same code runs over the kernel and over a model.
//! - [`accounts`] knows who holds what, keeps quotas and takes back what nobody holds any more.
//! - [`pool`] is the trait over the kernel, [`service`] the requests.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod accounts;
pub mod buddy;
pub mod pool;
pub mod service;
