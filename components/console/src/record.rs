//! What the answers to queries consist of.

use crate::machines::MachineInfo;
use pagurus_protocol::Failure;
use pagurus_protocol::log::Level;
use pagurus_protocol::memory::{ClientUsage, PoolUsage};
use pagurus_protocol::root::{
    AuditSummary, CapabilityRow, CheckResult, ComponentInfo, MemorySummary, SystemInfo,
};

/// A piece of a result.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// A component.
    Component(&'a ComponentInfo),
    /// A capability of the component asked about.
    Capability(&'a CapabilityRow),
    /// Root's view of memory.
    Memory(&'a MemorySummary),
    /// The memory manager's pool, or why it could not be asked.
    Pool(Result<&'a PoolUsage, Failure>),
    /// A client of the memory manager.
    PoolClient {
        /// Its name, if its badge is a component's.
        name: Option<&'a str>,
        /// What it may have and has.
        usage: &'a ClientUsage,
    },
    /// A line of the log.
    Line(LogLine<'a>),
    /// Lines that are no longer there.
    Dropped(u64),
    /// A difference between description and reality.
    Difference {
        /// Name of the component, if it has one.
        name: Option<&'a str>,
        /// Identifier of the component.
        component: u32,
        /// The slot, or 0.
        slot: u32,
        /// What differs.
        text: &'a str,
    },
    /// The result of an audit; comes after the differences.
    Audit(&'a AuditSummary),
    /// The result of the kernel's check.
    Check(&'a CheckResult),
    /// A processor.
    Processor {
        /// Its index.
        index: u32,
        /// Components on it.
        components: u32,
        /// Nanoseconds that they used.
        cpu_ns: u64,
        /// Their names, as many as fit.
        names: &'a str,
    },
    /// What is running.
    Version(&'a SystemInfo),
    /// Since when.
    Uptime(&'a SystemInfo),
    /// A virtual machine.
    Machine(&'a MachineInfo),
    /// A component was started anew.
    Restarted(&'a ComponentInfo),
    /// The console itself is started anew now: this is the last record of the answer, if all goes well.
    RestartingSelf,
    /// Somebody is here.
    Pong,
    /// The machine ends now: this is the last record of the answer, if all goes well.
    ShuttingDown,
}

/// A line of the log with its numbers made readable.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// Its number.
    pub sequence: u64,
    /// Nanoseconds since boot.
    pub time_ns: u64,
    /// Identifier of the sender.
    pub sender: u32,
    /// Name of the sender, if known.
    pub name: Option<&'a str>,
    /// How important it is; `None` if the sender gave no valid level.
    pub level: Option<Level>,
    /// The module that spoke.
    pub target: &'a str,
    /// What it said.
    pub text: &'a str,
}

/// Receives records.
pub trait Report {
    /// Takes the next record.
    fn record(&mut self, record: Record<'_>);
}
