//! Local vector table (SDM vol. 3A, "Local Vector Table").

use super::timer::Mode;
use crate::DeliveryMode;

/// Sources of interrupts that the table routes, in the order of their registers from 0x320 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    Timer,
    Thermal,
    Performance,
    Lint0,
    Lint1,
    Error,
}

const MODE: u32 = 8;
const POLARITY: u32 = 1 << 13;
const REMOTE_IRR: u32 = 1 << 14;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;
const TIMER_MODE: u32 = 17;
const TSC_DEADLINE: u32 = 2 << TIMER_MODE;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    pub const fn bits(self) -> u32 {
        self.0
    }

    pub const fn vector(self) -> u8 {
        self.0 as u8
    }

    pub const fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }

    /// `None` for the reserved mode.
    pub const fn mode(self) -> Option<DeliveryMode> {
        DeliveryMode::from_bits(self.0 >> MODE)
    }

    pub const fn is_level(self) -> bool {
        self.0 & LEVEL != 0
    }

    /// Whether the end of a level-triggered interrupt is waited for (LINT0).
    pub const fn is_served(self) -> bool {
        self.0 & REMOTE_IRR != 0
    }

    pub const fn timer_mode(self) -> Mode {
        match self.0 >> TIMER_MODE & 3 {
            1 => Mode::Periodic,
            2 => Mode::TscDeadline,
            // 3 is reserved.
            _ => Mode::OneShot,
        }
    }
}

/// The six entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table([Entry; 6]);

impl Table {
    /// After reset, and as long as the APIC is disabled by software, all are masked.
    pub const RESET: Table = Table([Entry(MASKED); 6]);

    pub const fn get(&self, local: Local) -> Entry {
        self.0[local as usize]
    }

    /// Writable bits of an entry; the timer has a deadline mode only if `tsc_deadline`.
    pub const fn writable(local: Local, tsc_deadline: bool) -> u32 {
        let special = match local {
            Local::Timer if tsc_deadline => 3 << TIMER_MODE,
            Local::Timer => 1 << TIMER_MODE,
            Local::Thermal | Local::Performance => 7 << MODE,
            Local::Lint0 | Local::Lint1 => 7 << MODE | POLARITY | LEVEL,
            Local::Error => 0,
        };
        0xff | MASKED | special
    }

    /// Writes an entry; `value` has no bits but writable ones. It stays masked unless the APIC is `enabled`.
    pub const fn set(&mut self, local: Local, value: u32, enabled: bool) {
        let masked = if enabled { 0 } else { MASKED };
        let entry = &mut self.0[local as usize];
        // Remote IRR means something only while the entry is a level-triggered one with a vector.
        let level = value & (LEVEL | 7 << MODE) == LEVEL;
        let served = if level { entry.0 & REMOTE_IRR } else { 0 };
        *entry = Entry(value | masked | served);
    }

    pub const fn mask(&mut self, local: Local) {
        self.0[local as usize].0 |= MASKED;
    }

    pub const fn mask_all(&mut self) {
        let mut at = 0;
        while at < self.0.len() {
            self.0[at].0 |= MASKED;
            at += 1;
        }
    }

    pub const fn set_served(&mut self, local: Local, served: bool) {
        let entry = &mut self.0[local as usize];
        entry.0 = if served {
            entry.0 | REMOTE_IRR
        } else {
            entry.0 & !REMOTE_IRR
        };
    }

    pub const fn set_virtual_wire(&mut self) {
        self.0[Local::Lint0 as usize] = Entry(DeliveryMode::ExtInt.bits() << MODE);
        self.0[Local::Lint1 as usize] = Entry(DeliveryMode::Nmi.bits() << MODE);
    }

    /// Whether a change from one value to another switches deadline mode on or off, which disarms the timer.
    pub const fn changes_deadline_mode(&self, value: u32) -> bool {
        let before = matches!(self.get(Local::Timer).timer_mode(), Mode::TscDeadline);
        let after = matches!(Entry(value).timer_mode(), Mode::TscDeadline);
        before != after
    }
}

const _: () = assert!(Table::writable(Local::Timer, false) & TSC_DEADLINE == 0);
