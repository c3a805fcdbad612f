//! Communication between threads: endpoints, notifications, replies, and the time that travels with a call.
//!
//! Pure state machines over a storage trait ([`Env`]); the kernel gives them objects in physical memory.
//!
//! # Time
//!
//! A thread runs on at most one scheduling context ([`Thread::sc`]), and a context names at most one thread; the two
//! always agree. A thread's own context ([`Thread::home`]) is the one bound to it.
//!
//! - A call lends the caller's context to the receiver, if that one waits for messages: it serves the caller at the
//!   caller's priority and in the caller's time. The reply gives it back.
//! - A loan whose budget runs out goes back to the caller, who waits for the next period; the server goes on at home.
//! - A thread that waits for a message or a signal has no context; when it is woken without a loan it runs at home.
//! - Whoever is released from a wait by an error runs at home too, and takes its home back from whoever has it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod cancel;
pub mod endpoint;
pub mod env;
pub mod notification;
pub mod object;
pub mod queue;
pub mod reply;
pub mod thread;
pub mod time;
pub mod transfer;

pub use env::Env;
pub use object::{
    Endpoint, EndpointId, EndpointState, Notification, NotificationId, Reply, ReplyId, ReplyState,
};
pub use thread::{Thread, ThreadId, UserFrame};
