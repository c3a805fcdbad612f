//! Time and processors.

use super::Thread;
use crate::Cap;
use pagurus_abi::Error;
use pagurus_abi::method::Method;

/// Time: a budget per period at a priority on one processor.
#[derive(Debug)]
pub enum SchedContext {}

/// A physical processor.
#[derive(Debug)]
pub enum Cpu {}

/// What [`Cap::<SchedContext>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedInfo {
    /// Nanoseconds used in all.
    pub used_ns: u64,
    /// Nanoseconds in every period.
    pub budget_ns: u64,
    /// Period in nanoseconds.
    pub period_ns: u64,
    /// Priority; 0 is the lowest.
    pub priority: u8,
    /// Processor.
    pub cpu: u8,
}

/// What [`Cap::<Cpu>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuInfo {
    /// Number of the processor.
    pub number: u32,
    /// Its local APIC identifier.
    pub apic_id: u32,
    /// Frequency of its time stamp counter in kHz.
    pub tsc_khz: u64,
    /// Whether it runs.
    pub running: bool,
}

impl Cap<SchedContext> {
    /// Sets processor, budget, period and priority (`SchedConfigure`).
    pub fn configure(
        self,
        cpu: Cap<Cpu>,
        budget_ns: u64,
        period_ns: u64,
        priority: u8,
    ) -> Result<(), Error> {
        let args = [cpu.index().into(), budget_ns, period_ns, 0];
        crate::syscall::invoke(self.index(), Method::SchedConfigure, priority.into(), args)
            .map(|_| ())
    }

    /// Gives this time to `thread` (`SchedBind`).
    pub fn bind(self, thread: Cap<Thread>) -> Result<(), Error> {
        let args = [thread.index().into(), 0, 0, 0];
        crate::syscall::invoke(self.index(), Method::SchedBind, 0, args).map(|_| ())
    }

    /// Takes the time away from its thread (`SchedUnbind`).
    pub fn unbind(self) -> Result<(), Error> {
        crate::syscall::invoke(self.index(), Method::SchedUnbind, 0, [0; 4]).map(|_| ())
    }

    /// Parameters and time used (`SchedInfo`).
    pub fn info(self) -> Result<SchedInfo, Error> {
        let r = crate::syscall::invoke(self.index(), Method::SchedInfo, 0, [0; 4])?;
        Ok(SchedInfo {
            used_ns: r[0],
            budget_ns: r[1],
            period_ns: r[2],
            priority: r[3] as u8,
            cpu: (r[3] >> 8) as u8,
        })
    }
}

impl Cap<Cpu> {
    /// Number, identifier and frequency (`CpuInfo`).
    pub fn info(self) -> Result<CpuInfo, Error> {
        let r = crate::syscall::invoke(self.index(), Method::CpuInfo, 0, [0; 4])?;
        Ok(CpuInfo {
            number: r[0] as u32,
            apic_id: r[1] as u32,
            tsc_khz: r[2],
            running: r[3] == 1,
        })
    }
}
