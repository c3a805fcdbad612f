//! Registers that both modes show. A register's number is its offset in the page divided by 16, and its MSR minus
//! 0x800 (SDM vol. 3A, tables "Local APIC Register Address Map" and "... Supported by x2APIC").

use super::lvt::{Local, Table};
use super::{Lapic, Mode, Request, VERSION, spurious};
use crate::Clock;

pub(super) const ID: u32 = 0x02;
pub(super) const VERSION_REGISTER: u32 = 0x03;
pub(super) const TASK_PRIORITY: u32 = 0x08;
pub(super) const ARBITRATION_PRIORITY: u32 = 0x09;
pub(super) const PROCESSOR_PRIORITY: u32 = 0x0a;
pub(super) const END_OF_INTERRUPT: u32 = 0x0b;
pub(super) const REMOTE_READ: u32 = 0x0c;
pub(super) const LOGICAL_DESTINATION: u32 = 0x0d;
pub(super) const DESTINATION_FORMAT: u32 = 0x0e;
pub(super) const SPURIOUS: u32 = 0x0f;
pub(super) const IN_SERVICE: u32 = 0x10;
pub(super) const IN_SERVICE_LAST: u32 = 0x17;
pub(super) const TRIGGER_MODE: u32 = 0x18;
pub(super) const TRIGGER_MODE_LAST: u32 = 0x1f;
pub(super) const REQUESTED: u32 = 0x20;
pub(super) const REQUESTED_LAST: u32 = 0x27;
pub(super) const ERROR_STATUS: u32 = 0x28;
pub(super) const COMMAND: u32 = 0x30;
pub(super) const COMMAND_HIGH: u32 = 0x31;
pub(super) const TIMER: u32 = 0x32;
pub(super) const ERROR: u32 = 0x37;
pub(super) const INITIAL_COUNT: u32 = 0x38;
pub(super) const CURRENT_COUNT: u32 = 0x39;
pub(super) const DIVIDE: u32 = 0x3e;
pub(super) const SELF_IPI: u32 = 0x3f;

/// The entry of the local vector table that a register is.
const fn local(register: u32) -> Option<Local> {
    Some(match register {
        TIMER => Local::Timer,
        0x33 => Local::Thermal,
        0x34 => Local::Performance,
        0x35 => Local::Lint0,
        0x36 => Local::Lint1,
        ERROR => Local::Error,
        _ => return None,
    })
}

impl Lapic {
    /// Bits of a register that can be written to be other than zero; `None` if the register cannot be written in both
    /// modes.
    pub(super) const fn writable(&self, register: u32) -> Option<u32> {
        Some(match register {
            TASK_PRIORITY => 0xff,
            END_OF_INTERRUPT | ERROR_STATUS => 0,
            SPURIOUS => 0xff | spurious::ENABLED | spurious::NO_EOI_BROADCAST,
            INITIAL_COUNT => u32::MAX,
            DIVIDE => 0x0b,
            _ => match local(register) {
                Some(local) => Table::writable(local, self.config.tsc_deadline),
                None => return None,
            },
        })
    }

    /// Reads a register; `None` if it cannot be read in both modes.
    pub(super) const fn read_register(&self, register: u32, now: u64) -> Option<u32> {
        Some(match register {
            VERSION_REGISTER => VERSION,
            TASK_PRIORITY => self.tpr as u32,
            PROCESSOR_PRIORITY => self.priority() as u32,
            SPURIOUS => self.spurious,
            IN_SERVICE..=IN_SERVICE_LAST => self.in_service.register(register - IN_SERVICE),
            TRIGGER_MODE..=TRIGGER_MODE_LAST => {
                self.level_triggered.register(register - TRIGGER_MODE)
            }
            REQUESTED..=REQUESTED_LAST => self.requested.register(register - REQUESTED),
            ERROR_STATUS => self.errors.shown(),
            INITIAL_COUNT => self.timer.initial(),
            CURRENT_COUNT => self
                .timer
                .current(now, self.table.get(Local::Timer).timer_mode()),
            DIVIDE => self.timer.divide(),
            _ => match local(register) {
                Some(local) => self.table.get(local).bits(),
                None => return None,
            },
        })
    }

    /// Writes a register. `value` has no bits but those that are [`Self::writable`].
    pub(super) fn write_register(
        &mut self,
        register: u32,
        value: u32,
        now: u64,
        clock: Clock,
    ) -> Option<Request> {
        match register {
            TASK_PRIORITY => self.tpr = value as u8,
            END_OF_INTERRUPT => return self.end_of_interrupt(),
            SPURIOUS => {
                self.advance(now, clock);
                self.spurious = value;
                if !self.is_software_enabled() {
                    self.table.mask_all();
                }
            }
            ERROR_STATUS => self.errors.update(),
            INITIAL_COUNT => {
                self.advance(now, clock);
                // Deadline mode ignores the register ("TSC-Deadline Mode").
                let mode = self.table.get(Local::Timer).timer_mode();
                if mode != super::timer::Mode::TscDeadline {
                    self.timer.start(value, now);
                }
            }
            DIVIDE => {
                self.advance(now, clock);
                let mode = self.table.get(Local::Timer).timer_mode();
                self.timer.set_divide(value, now, mode);
            }
            _ => {
                if let Some(local) = local(register) {
                    self.write_table(local, value, now, clock);
                }
            }
        }
        None
    }

    fn write_table(&mut self, local: Local, value: u32, now: u64, clock: Clock) {
        let enabled = self.is_software_enabled();
        if local == Local::Timer {
            // What expired before is the business of the entry as it was.
            self.advance(now, clock);
            if self.table.changes_deadline_mode(value) {
                self.timer.disarm();
            }
        }
        self.table.set(local, value, enabled);
        if local == Local::Lint0 {
            self.serve_lint0();
        }
    }

    /// The ID register.
    pub(super) const fn id_register(&self) -> u32 {
        match self.mode() {
            Mode::X2Apic => self.config.id,
            _ => self.config.id << 24,
        }
    }
}
