//! The kernel's objects: every system call and every method, typed.
//!
//! Each function names the kernel's call or method behind it; what it does, its arguments, units and results
//! are described there ([`pagurus_abi::method::Method`], [`pagurus_abi::Syscall`]). All of them return the
//! kernel's [`Error`](pagurus_abi::Error) when it refuses; only what is particular to one stands at that one.

mod cnode;
mod device;
mod endpoint;
mod frame;
mod kernel;
mod sched;
mod thread;
mod timer;
mod untyped;
mod vcpu;

pub use cnode::{CNode, Mint, SlotDescription};
pub use device::{IoPort, IrqControl, IrqHandler, Trigger};
pub use endpoint::{Endpoint, Notification, Reply};
pub use frame::{AddressSpace, AddressSpaceInfo, Frame, FrameInfo, Mapping, Translation};
pub use kernel::{CheckResult, Described, Drained, KernelControl, KernelStats, TraceBuffer};
pub use sched::{Cpu, CpuInfo, SchedContext, SchedInfo};
pub use thread::{Thread, ThreadInfo};
pub use timer::{Timer, TimerInfo};
pub use untyped::{Untyped, UntypedInfo};
pub use vcpu::{GuestSpace, Vcpu, run};

use pagurus_abi::Kind;

/// A type of kernel object.
pub trait Object {
    /// Its number in the kernel's interface.
    const KIND: Kind;
}

macro_rules! objects {
    ($($name:ident),*) => { $(impl Object for $name { const KIND: Kind = Kind::$name; })* };
}

objects!(
    Untyped,
    CNode,
    Thread,
    SchedContext,
    Cpu,
    Endpoint,
    Notification,
    Reply,
    Frame,
    AddressSpace,
    IrqControl,
    IrqHandler,
    IoPort,
    TraceBuffer,
    KernelControl,
    GuestSpace,
    Vcpu,
    Timer
);

#[cfg(test)]
mod tests;
