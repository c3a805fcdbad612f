//! A simulated machine, for tests on the host.
//!
//! [`SimMachine`] implements the [`Machine`](crate::Machine) under the kernel without a line of unsafe code, and
//! [`System`] plays the entry code and the programs of a booted system on it. Both panic where a real machine
//! would go wrong in silence:
//!
//! - memory that is no live object's cannot be used, nor an object as one of another type ([`ram`]);
//! - registers of a thread that runs are in its processor, and those in memory are poisoned ([`processor`]);
//! - translations stay cached until they are flushed, and memory that a processor still reaches must not be zeroed.

mod cell;
mod entry;
mod live;
pub mod machine;
pub mod processor;
pub mod ram;
pub mod setup;
mod short;
pub mod system;
pub mod user;

pub use machine::{Halted, Preemption, SimMachine};
pub use processor::Mode;
pub use setup::Setup;
pub use short::ShortWay;
pub use system::{Event, System};
pub use user::{Answer, retype_info};

/// The next number of a small generator (splitmix64).
pub fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
