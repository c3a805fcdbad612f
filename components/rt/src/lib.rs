//! What every component links.
//!
//! - [`entry!`] makes `_start`; the component's `main` gets an [`Env`].
//! - [`Cap`] is a typed capability; every system call and every method of the kernel is a method of some
//!   `Cap<_>` (module [`object`]).
//! - [`client`] and [`server`] exchange the typed messages of `pagurus-protocol`.
//! - [`slots::SlotAllocator`] hands out empty slots, [`heap`] is the global allocator, [`logger`] sends
//!   what is logged with the `log` crate to the log collector.
//!
//! Built for the host, the crate has a replaceable kernel ([`host`]) instead of the `syscall` instruction, so
//! that what calls the kernel can be tested there.
//!
//! A component has one thread, as far as this crate is concerned: the IPC buffer it uses is the first
//! thread's.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod cap;
pub mod client;
#[cfg(target_os = "none")]
pub mod entry;
mod exit;
pub mod heap;
pub mod ipc_buffer;
pub mod logger;
pub mod memory;
pub mod object;
#[cfg(target_os = "none")]
mod panic;
pub mod server;
pub mod slots;
pub mod start;
pub mod syscall;
pub mod time;

#[cfg(not(target_os = "none"))]
pub mod host;

pub use cap::{Cap, Slot};
pub use exit::Outcome;
pub use pagurus_abi as abi;
pub use pagurus_protocol as protocol;
pub use start::Env;
