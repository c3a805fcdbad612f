//! Real-time clock MC146818 with 114 bytes of CMOS memory, of which one holds the century.
//!
//! The interrupt line is high from a cause that the guest has enabled until the guest reads register C.

mod calendar;
#[cfg(test)]
mod tests;

use crate::clock::{Frequency, SECOND};
use calendar::{Alarm, Registers};

/// Port of the index.
pub const INDEX_PORT: u16 = 0x70;
/// Port of the data.
pub const DATA_PORT: u16 = 0x71;
/// Interrupt line on the PC's interrupt controllers.
pub const IRQ: u8 = 8;
/// Byte of memory that holds the century: for the ACPI FADT.
pub const CENTURY: u8 = 0x32;

/// Registers (MC146818A data sheet, "Address Map").
mod register {
    pub const SECOND: u8 = 0x00;
    pub const SECOND_ALARM: u8 = 0x01;
    pub const MINUTE: u8 = 0x02;
    pub const MINUTE_ALARM: u8 = 0x03;
    pub const HOUR: u8 = 0x04;
    pub const HOUR_ALARM: u8 = 0x05;
    pub const WEEKDAY: u8 = 0x06;
    pub const DAY: u8 = 0x07;
    pub const MONTH: u8 = 0x08;
    pub const YEAR: u8 = 0x09;
    pub const A: u8 = 0x0a;
    pub const B: u8 = 0x0b;
    pub const C: u8 = 0x0c;
    pub const D: u8 = 0x0d;
}

/// Bits of register B that tell how values are written.
mod format {
    pub const HOURS_24: u8 = 1 << 1;
    pub const BINARY: u8 = 1 << 2;
}

/// Register A: an update is in progress or about to begin.
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// Register A: the divider chain, and its setting for the crystal of a PC.
const DIVIDER: u8 = 0x70;
const DIVIDER_RUNS: u8 = 0x20;
const RATE: u8 = 0x0f;

/// Register B: the guest sets the time, no updates.
const SET: u8 = 1 << 7;
/// Register B: which causes interrupt; register C: which have come.
const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATED: u8 = 1 << 4;
/// Register C: the interrupt line is high.
const INTERRUPT: u8 = 1 << 7;
/// Register D: the battery is good.
const VALID: u8 = 1 << 7;

/// The crystal, from which periodic interrupts are divided.
const CRYSTAL: Frequency = Frequency::hz(32_768);
/// Nanoseconds before the end of an update at which its announcement begins: 244 µs and then the update's 1984 µs
/// ("Update Cycle").
const UPDATE: u64 = 244_000 + 1_984_000;
/// Nanoseconds from the start of the divider to the first update.
const FIRST_UPDATE: u64 = SECOND / 2;

/// A real-time clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtc {
    index: u8,
    /// Memory, alarm, registers A and B; while the clock stands, time and date too.
    ram: [u8; 128],
    /// Register C without the interrupt flag.
    flags: u8,
    /// Seconds since 1970 until `next`.
    seconds: i64,
    /// Days that the day of the week is ahead of the calendar's.
    turn: u8,
    /// When the next second begins.
    next: u64,
    /// Until when [`Self::flags`] is up to date.
    settled: u64,
}

impl Rtc {
    /// A clock that shows `unix_time` (seconds since 1970, UTC) at `now`, in BCD and 24-hour mode, as firmware leaves
    /// it.
    pub fn new(unix_time: i64, now: u64) -> Self {
        let mut ram = [0; 128];
        ram[usize::from(register::A)] = DIVIDER_RUNS | 0x06;
        ram[usize::from(register::B)] = format::HOURS_24;
        Rtc {
            index: register::D,
            ram,
            flags: 0,
            seconds: unix_time,
            turn: 0,
            next: now.saturating_add(SECOND),
            settled: now,
        }
    }

    /// Reads the data port; all ones elsewhere, the index port included, which is write-only.
    pub fn read(&mut self, port: u16, now: u64) -> u8 {
        if port != DATA_PORT {
            return 0xff;
        }
        self.advance(now);
        match self.index {
            register::A => {
                let update = !self.stands() && self.next.saturating_sub(now) <= UPDATE;
                let update = if update { UPDATE_IN_PROGRESS } else { 0 };
                self.byte(register::A) | update
            }
            register::C => {
                let line = if self.irq() { INTERRUPT } else { 0 };
                core::mem::take(&mut self.flags) | line
            }
            register::D => VALID,
            index if self.stands() => self.byte(index),
            index => {
                let shown = Registers::from_seconds(self.seconds, self.turn, self.format());
                match index {
                    register::SECOND => shown.second,
                    register::MINUTE => shown.minute,
                    register::HOUR => shown.hour,
                    register::WEEKDAY => shown.weekday,
                    register::DAY => shown.day,
                    register::MONTH => shown.month,
                    register::YEAR => shown.year,
                    CENTURY => shown.century,
                    _ => self.byte(index),
                }
            }
        }
    }

    /// Writes the index port (of which bit 7, the mask of NMIs, does not count here) or the data port; no effect
    /// elsewhere.
    pub fn write(&mut self, port: u16, value: u8, now: u64) {
        match port {
            INDEX_PORT => self.index = value & 0x7f,
            DATA_PORT => {
                self.advance(now);
                self.write_register(value, now);
            }
            _ => {}
        }
    }

    /// Level of interrupt line 8.
    pub const fn irq(&self) -> bool {
        self.flags & self.byte(register::B) != 0
    }

    /// When [`Self::advance`] may raise the line.
    pub fn deadline(&self) -> Option<u64> {
        let enabled = |cause| self.byte(register::B) & cause != 0;
        if self.irq() {
            return None;
        }
        let periodic = enabled(PERIODIC).then(|| self.next_period()).flatten();
        let updated = (enabled(UPDATED) && !self.stands()).then_some(self.next);
        let alarm = enabled(ALARM).then(|| self.next_alarm()).flatten();
        [periodic, updated, alarm].into_iter().flatten().min()
    }

    /// Lets time pass up to `now`.
    pub fn advance(&mut self, now: u64) {
        if now <= self.settled {
            return;
        }
        if let Some(periods) = self.periods_in_second()
            && self.period(self.settled, periods) != self.period(now, periods)
        {
            self.flags |= PERIODIC;
        }
        if self.divider_runs() && now >= self.next {
            let passed = (now - self.next) / SECOND + 1;
            if !self.stands() {
                self.flags |= UPDATED;
                if self
                    .alarm()
                    .is_some_and(|alarm| u64::from(alarm.after(self.seconds)) <= passed)
                {
                    self.flags |= ALARM;
                }
                self.seconds = self.seconds.saturating_add_unsigned(passed);
            }
            self.next = self.next.saturating_add(passed.saturating_mul(SECOND));
        }
        self.settled = now;
    }

    /// Seconds since 1970 that the clock shows at `now`.
    pub fn unix_time(&self, now: u64) -> i64 {
        if self.stands() {
            self.registers().to_seconds(self.format()).0
        } else if now < self.next {
            self.seconds
        } else {
            let passed = (now - self.next) / SECOND + 1;
            self.seconds.saturating_add_unsigned(passed)
        }
    }

    /// A byte of memory (0x0e to 0x7f but [`CENTURY`]); `None` for what is none.
    pub fn memory(&self, index: u8) -> Option<u8> {
        is_memory(index).then(|| self.byte(index))
    }

    /// Sets a byte of memory, as firmware does that leaves the machine's equipment there. What is no memory stays as
    /// it is.
    pub fn set_memory(&mut self, index: u8, value: u8) {
        if is_memory(index) {
            self.ram[usize::from(index)] = value;
        }
    }

    const fn byte(&self, index: u8) -> u8 {
        self.ram[(index & 0x7f) as usize]
    }

    const fn format(&self) -> u8 {
        self.byte(register::B)
    }

    const fn divider_runs(&self) -> bool {
        self.byte(register::A) & DIVIDER == DIVIDER_RUNS
    }

    /// Whether time and date stand still, so that the guest can set them.
    const fn stands(&self) -> bool {
        self.byte(register::B) & SET != 0 || !self.divider_runs()
    }

    fn write_register(&mut self, value: u8, now: u64) {
        let stood = self.stands();
        match self.index {
            register::A => {
                let ran = self.divider_runs();
                self.ram[usize::from(register::A)] = value & !UPDATE_IN_PROGRESS;
                if !ran && self.divider_runs() {
                    self.next = now.saturating_add(FIRST_UPDATE);
                }
            }
            // Setting the time switches the update interrupt off ("Register B").
            register::B if value & SET != 0 => {
                self.ram[usize::from(register::B)] = value & !UPDATED;
            }
            register::B => self.ram[usize::from(register::B)] = value,
            register::C | register::D => {}
            index if is_memory(index) || stood => self.ram[usize::from(index)] = value,
            register::SECOND_ALARM | register::MINUTE_ALARM | register::HOUR_ALARM => {
                self.ram[usize::from(self.index)] = value;
            }
            // The time is set without stopping it.
            index => {
                self.show();
                self.ram[usize::from(index)] = value;
                self.take();
            }
        }
        match (stood, self.stands()) {
            (false, true) => self.show(),
            (true, false) => self.take(),
            _ => {}
        }
    }

    /// Puts the time into the registers.
    fn show(&mut self) {
        let shown = Registers::from_seconds(self.seconds, self.turn, self.format());
        for (index, value) in [
            (register::SECOND, shown.second),
            (register::MINUTE, shown.minute),
            (register::HOUR, shown.hour),
            (register::WEEKDAY, shown.weekday),
            (register::DAY, shown.day),
            (register::MONTH, shown.month),
            (register::YEAR, shown.year),
            (CENTURY, shown.century),
        ] {
            self.ram[usize::from(index)] = value;
        }
    }

    /// Takes the time from the registers.
    fn take(&mut self) {
        (self.seconds, self.turn) = self.registers().to_seconds(self.format());
    }

    const fn registers(&self) -> Registers {
        Registers {
            second: self.byte(register::SECOND),
            minute: self.byte(register::MINUTE),
            hour: self.byte(register::HOUR),
            weekday: self.byte(register::WEEKDAY),
            day: self.byte(register::DAY),
            month: self.byte(register::MONTH),
            year: self.byte(register::YEAR),
            century: self.byte(CENTURY),
        }
    }

    fn alarm(&self) -> Option<Alarm> {
        Alarm::from_registers(&self.ram, self.format())
    }

    fn next_alarm(&self) -> Option<u64> {
        if self.stands() {
            return None;
        }
        let seconds = u64::from(self.alarm()?.after(self.seconds));
        self.next.checked_add((seconds - 1) * SECOND)
    }

    /// Periodic interrupts in a second, if there are any ("Periodic Interrupt Rate and Square Wave Output Frequency").
    const fn periods_in_second(&self) -> Option<u64> {
        if !self.divider_runs() {
            return None;
        }
        match self.byte(register::A) & RATE {
            0 => None,
            1 => Some(256),
            2 => Some(128),
            rate => Some(32_768 >> (rate - 1)),
        }
    }

    /// Number of the period that `at` is in, from the beginning of the second before [`Self::next`].
    const fn period(&self, at: u64, periods: u64) -> u64 {
        let (second, into) = if at < self.next {
            (0, SECOND.saturating_sub(self.next - at))
        } else {
            ((at - self.next) / SECOND + 1, (at - self.next) % SECOND)
        };
        let ticks = CRYSTAL.ticks(into);
        second * periods + ticks * periods / 32_768
    }

    /// When the period after the present one begins.
    fn next_period(&self) -> Option<u64> {
        let periods = self.periods_in_second()?;
        let number = self.period(self.settled, periods) + 1;
        let into = CRYSTAL.moment(number % periods * (32_768 / periods))?;
        let begin = self.next.checked_add(number / periods * SECOND)?;
        Some((begin + into).saturating_sub(SECOND))
    }
}

/// Whether a byte is memory and nothing else.
const fn is_memory(index: u8) -> bool {
    index > register::D && index < 128 && index != CENTURY
}
