//! Timer of a local APIC (SDM vol. 3A, "APIC Timer").

use crate::Clock;
use crate::clock::{SECOND, SHORTEST_PERIOD};

/// Frequency that the timer counts at before it is divided: one tick is one nanosecond. What CPUID leaf 0x15 and
/// hypervisors' leaf 0x40000010 should tell as bus or crystal frequency.
pub const BUS_HZ: u64 = SECOND;

/// What the timer does, by bits 17 and 18 of its entry in the local vector table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    OneShot,
    Periodic,
    TscDeadline,
}

/// Counter and deadline. Which of them runs is told by the local vector table's entry, which is not kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    /// Initial-count register; 0: the timer is stopped.
    initial: u32,
    /// Divide configuration register.
    divide: u8,
    /// When the count reaches zero.
    expires: Option<u64>,
    /// When the next interrupt may be asked for.
    not_before: u64,
    /// `IA32_TSC_DEADLINE`; 0: disarmed.
    tsc_deadline: u64,
}

impl Timer {
    pub const fn new() -> Self {
        Timer {
            initial: 0,
            divide: 0,
            expires: None,
            not_before: 0,
            tsc_deadline: 0,
        }
    }

    pub const fn initial(&self) -> u32 {
        self.initial
    }

    pub const fn divide(&self) -> u32 {
        self.divide as u32
    }

    pub const fn tsc_deadline(&self) -> u64 {
        self.tsc_deadline
    }

    /// Nanoseconds that one count takes.
    const fn tick(&self) -> u64 {
        // Bits 0, 1 and 3 of the register count from 2, with 1 after 128.
        let setting = self.divide & 3 | self.divide >> 1 & 4;
        1 << ((setting + 1) & 7)
    }

    const fn period(&self) -> u64 {
        self.initial as u64 * self.tick()
    }

    /// Current-count register.
    pub const fn current(&self, now: u64, mode: Mode) -> u32 {
        let Some(expires) = self.expires else {
            return 0;
        };
        let left = match (mode, expires > now) {
            (Mode::TscDeadline, _) => return 0,
            (_, true) => expires - now,
            (Mode::OneShot, false) => return 0,
            // Nobody has told the timer yet that it has started anew.
            (Mode::Periodic, false) => self.period() - (now - expires) % self.period(),
        };
        left.div_ceil(self.tick()) as u32
    }

    /// Writes the initial-count register, which starts the timer.
    pub const fn start(&mut self, initial: u32, now: u64) {
        self.initial = initial;
        self.expires = if initial == 0 {
            None
        } else {
            now.checked_add(self.period())
        };
    }

    /// Writes the divide configuration register: what is left of a running count goes on at the new pace.
    pub const fn set_divide(&mut self, value: u32, now: u64, mode: Mode) {
        let left = self.current(now, mode) as u64;
        self.divide = value as u8 & 0x0b;
        if self.expires.is_some() {
            self.expires = now.checked_add(left * self.tick());
        }
    }

    /// Writes `IA32_TSC_DEADLINE` in deadline mode.
    pub const fn set_tsc_deadline(&mut self, value: u64) {
        self.tsc_deadline = value;
    }

    /// Stops the timer, as a change to or from deadline mode does.
    pub const fn disarm(&mut self) {
        self.expires = None;
        self.tsc_deadline = 0;
    }

    /// Lets time pass; tells whether the timer has expired since the last call.
    pub const fn advance(&mut self, now: u64, clock: Clock, mode: Mode) -> bool {
        match (mode, self.expires) {
            (Mode::TscDeadline, _) => {
                if self.tsc_deadline == 0 || clock.tsc(now) < self.tsc_deadline {
                    return false;
                }
                self.tsc_deadline = 0;
            }
            (Mode::OneShot, Some(expires)) if expires <= now => self.expires = None,
            (Mode::Periodic, Some(expires)) if expires <= now => {
                // From the moment that was due, not from now: the period does not drift.
                let into = (now - expires) % self.period();
                self.expires = now.checked_add(self.period() - into);
                self.not_before = now.saturating_add(SHORTEST_PERIOD);
            }
            _ => return false,
        }
        true
    }

    /// When [`Self::advance`] has something to tell.
    pub const fn deadline(&self, now: u64, clock: Clock, mode: Mode) -> Option<u64> {
        match (mode, self.expires) {
            (Mode::TscDeadline, _) if self.tsc_deadline == 0 => None,
            (Mode::TscDeadline, _) => clock.moment(self.tsc_deadline, now),
            (Mode::Periodic, Some(expires)) if expires < self.not_before => Some(self.not_before),
            (_, expires) => expires,
        }
    }
}
