//! Scheduling of one processor: scheduling contexts, ready queue, budgets; and timers.
//!
//! What is scheduled is time, not threads: a [`SchedContext`] is a budget in every period at a priority on one
//! processor, and names the thread that runs on it at the moment. A call lends the caller's context to the server by
//! changing that name; no queue is touched.
//!
//! Time is counted in ticks of the time stamp counter. Pure logic over a storage trait.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod context;
mod cpu;
mod heap;
mod queue;
mod timer;

pub use context::{ContextState, Contexts, ScId, SchedContext};
pub use cpu::CpuScheduler;
pub use queue::{ReadyQueue, ReleaseQueue};
pub use timer::{Timer, TimerId, TimerQueue, Timers};
