//! Methods: what they do, and every reason for which each is refused.

mod capabilities;
mod common;
mod control;
mod devices;
mod mapping;
mod sched;
mod threads;
mod timers;
mod untyped;
mod vcpu;
