//! The contract between the kernel and its components.
//!
//! Everything that both sides must agree on stands here and nowhere else: system call numbers and
//! registers ([`syscall`]), object kinds and their sizes ([`kind`]), the methods of each object
//! ([`method`]), rights ([`rights`]), messages ([`message`]), faults ([`fault`]), errors ([`error`]),
//! what the first component finds when it starts ([`boot`]) and fixed addresses ([`layout`]).
//!
//! The design in six sentences:
//!
//! 1. A component names a capability by its index in the one CNode that is its capability space;
//!    index 0 is never valid.
//! 2. A system call returns `Result<_, Error>`: every error is a number from [`error::Error`], and no
//!    argument can do more harm than to be refused.
//! 3. A capability that was derived from another never outlives it: deleting a capability deletes
//!    everything derived from it.
//! 4. An object lives exactly as long as its original capability, the one `retype` made; there are no
//!    reference counts.
//! 5. Whatever the kernel remembers about a capability (a thread's address space, an interrupt's
//!    notification) is itself a derived capability, so that revocation forgets it too.
//! 6. All kernel memory comes from untyped capabilities and goes back to them.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod boot;
pub mod error;
pub mod fault;
pub mod kind;
pub mod layout;
pub mod message;
pub mod method;
pub mod rights;
pub mod syscall;
pub mod trace;
pub mod vcpu;

pub use error::Error;
pub use kind::Kind;
pub use message::{IpcBuffer, MessageInfo};
pub use rights::Rights;
pub use syscall::Syscall;
