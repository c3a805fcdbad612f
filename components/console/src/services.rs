//! The system behind the console: root, the log collector and the memory manager, asked by messages.

use crate::attached::Machines;
use crate::slots;
use console::machines::MachineInfo;
use console::system::{Clock, System};
use pagurus_abi::message::MAX_WORDS;
use pagurus_protocol::log::{self, Level, Line, Lines};
use pagurus_protocol::memory::{Client, ClientUsage, Pool, PoolUsage};
use pagurus_protocol::root::{
    Audit, AuditLine, AuditSummary, AuditText, Capabilities, CapabilityPage, CapabilityRow, Check,
    CheckResult, Component, ComponentInfo, FindComponent, Memory, MemorySummary, Restart, Shutdown,
    SystemInfo, rows,
};
use pagurus_protocol::slots::MEMORY;
use pagurus_protocol::{Failure, root};
use pagurus_rt::Cap;
use pagurus_rt::client::{Call, call};
use pagurus_rt::object::Endpoint;
use pagurus_rt::syscall::yield_now;
use pagurus_rt::time::ticks;

/// Root, for questions and orders.
const ROOT: Cap<Endpoint> = Cap::new(slots::ORDERS);
/// The log collector, for reading.
const LOG: Cap<Endpoint> = Cap::new(slots::LOG_READER);
/// The memory manager.
const MANAGER: Cap<Endpoint> = Cap::new(MEMORY);

/// The running system.
#[derive(Debug)]
pub struct Services {
    pub machines: Machines,
    clock: Clock,
    own_id: u32,
}

impl Services {
    /// Learns from root what time it is. Without an answer there are no times, which is no reason to fail.
    pub fn new(tsc_khz: u64, own_id: u32) -> Self {
        let clock = call(ROOT, &root::System).map_or(Clock::default(), |info| {
            Clock::new(tsc_khz, info.uptime_ns, ticks())
        });
        Services {
            machines: Machines::new(),
            clock,
            own_id,
        }
    }
}

impl System for Services {
    fn info(&mut self) -> Result<SystemInfo, Failure> {
        call(ROOT, &root::System)
    }

    fn component(&mut self, index: u64) -> Result<ComponentInfo, Failure> {
        call(ROOT, &Component { index })
    }

    fn find(&mut self, name: &str) -> Result<ComponentInfo, Failure> {
        let mut words = [0; MAX_WORDS];
        let answer = Call::new(ROOT)
            .tail(name.as_bytes())
            .run(&FindComponent, &mut words)?;
        Ok(answer.body)
    }

    fn capabilities(
        &mut self,
        component: u32,
        first: u32,
        each: &mut dyn FnMut(&CapabilityRow),
    ) -> Result<CapabilityPage, Failure> {
        let mut words = [0; MAX_WORDS];
        let answer = Call::new(ROOT).run(&Capabilities { component, first }, &mut words)?;
        rows(answer.tail).for_each(|row| each(&row));
        Ok(answer.body)
    }

    fn memory(&mut self) -> Result<MemorySummary, Failure> {
        call(ROOT, &Memory)
    }

    fn pool(&mut self) -> Result<PoolUsage, Failure> {
        call(MANAGER, &Pool)
    }

    fn pool_client(&mut self, index: u64) -> Result<ClientUsage, Failure> {
        call(MANAGER, &Client { index })
    }

    fn log(
        &mut self,
        from: u64,
        level: Level,
        each: &mut dyn FnMut(&Line<'_>),
    ) -> Result<Lines, Failure> {
        let read = log::Read {
            from,
            level: level as u8,
            ..log::Read::default()
        };
        let mut words = [0; MAX_WORDS];
        let answer = Call::new(LOG).run(&read, &mut words)?;
        log::lines(answer.tail).for_each(|line| each(&line));
        Ok(answer.body)
    }

    fn audit(&mut self) -> Result<AuditSummary, Failure> {
        call(ROOT, &Audit)
    }

    fn audit_line(
        &mut self,
        index: u64,
        each: &mut dyn FnMut(&AuditText, &str),
    ) -> Result<(), Failure> {
        let mut words = [0; MAX_WORDS];
        let answer = Call::new(ROOT).run(&AuditLine { index }, &mut words)?;
        let text = core::str::from_utf8(answer.tail).unwrap_or("(a text that is none)");
        each(&answer.body, text);
        Ok(())
    }

    fn check(&mut self) -> Result<CheckResult, Failure> {
        call(ROOT, &Check)
    }

    fn restart(&mut self, component: u32) -> Result<(), Failure> {
        let component = component.into();
        call(ROOT, &Restart { component }).map(|_| ())
    }

    fn shutdown(&mut self, code: u64) -> Result<(), Failure> {
        // The last words may still be in a serial port: 16 bytes at 115,200 baud take 1.4 ms.
        let until = ticks() + 2 * self.clock.khz;
        while ticks() < until {
            yield_now();
        }
        call(ROOT, &Shutdown { code }).map(|_| ())
    }

    fn machine(&mut self, index: usize) -> Option<MachineInfo> {
        self.machines.info(index)
    }

    fn machine_output(&mut self, index: usize, buffer: &mut [u8]) -> usize {
        self.machines.read(index, buffer)
    }

    fn machine_lost(&mut self, index: usize) -> u64 {
        self.machines.take_lost(index)
    }

    fn machine_input(&mut self, index: usize, bytes: &[u8]) -> usize {
        self.machines.write(index, bytes)
    }

    fn clock(&mut self) -> Clock {
        self.clock
    }

    fn own_id(&self) -> u32 {
        self.own_id
    }
}
