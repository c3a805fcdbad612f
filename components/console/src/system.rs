//! What the console needs of the rest of the system.
//!
//! The messages are those of `pagurus-protocol`; behind the trait is either the real system (`main.rs`) or the
//! invented one of the tests.

use crate::machines::MachineInfo;
use heapless::Vec;
use pagurus_protocol::log::{Level, Line, Lines};
use pagurus_protocol::memory::{ClientUsage, PoolUsage};
use pagurus_protocol::root::{
    AuditSummary, AuditText, CapabilityPage, CapabilityRow, CheckResult, ComponentInfo,
    MemorySummary, SystemInfo,
};
use pagurus_protocol::{Failure, Name, Reason};

/// The system as the console asks it. Every method may wait for another component's answer.
pub trait System {
    /// The machine and the kernel.
    fn info(&mut self) -> Result<SystemInfo, Failure>;
    /// The component at a position; `NotFound` past the last.
    fn component(&mut self, index: u64) -> Result<ComponentInfo, Failure>;
    /// The component of this name; `NotFound` if there is none.
    fn find(&mut self, name: &str) -> Result<ComponentInfo, Failure>;
    /// Capabilities of a component from slot `first` on, as many as one answer holds.
    fn capabilities(
        &mut self,
        component: u32,
        first: u32,
        each: &mut dyn FnMut(&CapabilityRow),
    ) -> Result<CapabilityPage, Failure>;
    /// Root's view of the memory.
    fn memory(&mut self) -> Result<MemorySummary, Failure>;
    /// The memory manager's pool.
    fn pool(&mut self) -> Result<PoolUsage, Failure>;
    /// The memory manager's client at a position; `NotFound` past the last.
    fn pool_client(&mut self, index: u64) -> Result<ClientUsage, Failure>;
    /// Log lines from number `from` on, as many as one answer holds.
    fn log(
        &mut self,
        from: u64,
        level: Level,
        each: &mut dyn FnMut(&Line<'_>),
    ) -> Result<Lines, Failure>;
    /// Compares the live capabilities with the description.
    fn audit(&mut self) -> Result<AuditSummary, Failure>;
    /// A difference that the last audit found; `NotFound` past the last.
    fn audit_line(
        &mut self,
        index: u64,
        each: &mut dyn FnMut(&AuditText, &str),
    ) -> Result<(), Failure>;
    /// Lets the kernel check its invariants.
    fn check(&mut self) -> Result<CheckResult, Failure>;
    /// Restarts a component.
    fn restart(&mut self, component: u32) -> Result<(), Failure>;
    /// Ends the machine with an exit code for an emulator; returns only if that was refused.
    fn shutdown(&mut self, code: u64) -> Result<(), Failure>;
    /// The virtual machine at a position; `None` past the last.
    fn machine(&mut self, index: usize) -> Option<MachineInfo>;
    /// Takes output of a machine that nobody has seen into `buffer`, and tells how many bytes that is.
    fn machine_output(&mut self, index: usize, buffer: &mut [u8]) -> usize;
    /// Bytes of a machine's output that were lost, once.
    fn machine_lost(&mut self, index: usize) -> u64;
    /// Sends input to a machine, and tells how many bytes there was room for.
    fn machine_input(&mut self, index: usize, bytes: &[u8]) -> usize;
    /// What time stamps mean.
    fn clock(&mut self) -> Clock;
    /// Identifier of the console itself.
    fn own_id(&self) -> u32;
}

/// Turns values of the time stamp counter into time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Frequency in kHz; 0 if unknown, then all times are 0.
    pub khz: u64,
    /// Value at boot.
    pub boot_ticks: u64,
}

impl Clock {
    /// The clock of a machine that was up for `uptime_ns` when the counter stood at `now_ticks`.
    pub fn new(khz: u64, uptime_ns: u64, now_ticks: u64) -> Self {
        let up = u128::from(uptime_ns) * u128::from(khz) / 1_000_000;
        Clock {
            khz,
            boot_ticks: now_ticks.saturating_sub(u64::try_from(up).unwrap_or(u64::MAX)),
        }
    }

    /// Nanoseconds from boot to a value of the counter.
    pub fn since_boot_ns(self, ticks: u64) -> u64 {
        let since = u128::from(ticks.saturating_sub(self.boot_ticks));
        let ns = since * 1_000_000 / u128::from(self.khz.max(1));
        match self.khz {
            0 => 0,
            _ => u64::try_from(ns).unwrap_or(u64::MAX),
        }
    }
}

/// Components that the console can tell apart by name.
pub const MAX_NAMES: usize = 64;

/// Names of the components by identifier, for log lines and clients, which carry only numbers.
#[derive(Debug, Default)]
pub struct Names {
    known: Vec<(u32, Name), MAX_NAMES>,
}

impl Names {
    /// Knowing nobody.
    pub const fn new() -> Self {
        Names { known: Vec::new() }
    }

    /// Asks the system for all names. What was known stays if the system does not answer.
    pub fn refresh(&mut self, system: &mut impl System) -> Result<(), Failure> {
        let mut known = Vec::new();
        for index in 0.. {
            match system.component(index) {
                Ok(info) if known.push((info.id, info.name)).is_ok() => {}
                Err(failure) if failure.reason != Reason::NotFound => return Err(failure),
                _ => break,
            }
        }
        self.known = known;
        Ok(())
    }

    /// The name of a component.
    pub fn get(&self, id: u32) -> Option<&str> {
        let (_, name) = self.known.iter().find(|(known, _)| *known == id)?;
        Some(name.as_str())
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_time_since_boot() {
        // Up for 5 s at 2 GHz; the counter began at 1,000.
        let clock = Clock::new(2_000_000, 5_000_000_000, 10_000_001_000);
        assert_eq!(clock.boot_ticks, 1_000);
        assert_eq!(clock.since_boot_ns(1_000), 0);
        assert_eq!(clock.since_boot_ns(2_000_001_000), 1_000_000_000);
        assert_eq!(clock.since_boot_ns(0), 0, "before boot");
        assert_eq!(Clock::default().since_boot_ns(u64::MAX), 0);
        assert_eq!(Clock::new(1, u64::MAX, 0).since_boot_ns(u64::MAX), u64::MAX);
    }
}
