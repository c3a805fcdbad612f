//! High precision event timer (IA-PC HPET Specification 1.0a) with three timers and a counter of 64 bits.
//!
//! Interrupts by messages (FSB) are not offered.

#[cfg(test)]
mod tests;
mod timer;

use crate::bus::floating;
use timer::Timer;

/// Where PCs have it.
pub const BASE: u64 = 0xfed0_0000;
/// Bytes of its register block.
pub const SIZE: u64 = 0x400;
/// Timers.
pub const TIMERS: usize = 3;
/// Frequency of the counter.
pub const HZ: u64 = crate::clock::SECOND / TICK;
/// Lower half of the capabilities register, which the ACPI HPET table repeats as block ID: vendor Intel, legacy
/// replacement, 64-bit counter, three timers, revision 1.
pub const BLOCK_ID: u32 = 0x8086_0000 | 1 << 15 | 1 << 13 | (TIMERS as u32 - 1) << 8 | 1;

/// Nanoseconds of a tick of the counter.
const TICK: u64 = 10;
const FEMTOSECONDS: u64 = 1_000_000;

/// Registers (section 2.3.1), by offset.
mod register {
    pub const CAPABILITIES: u64 = 0x000;
    pub const CONFIGURATION: u64 = 0x010;
    pub const STATUS: u64 = 0x020;
    pub const COUNTER: u64 = 0x0f0;
    pub const TIMERS: u64 = 0x100;
    pub const TIMERS_END: u64 = TIMERS + 0x20 * super::TIMERS as u64;
    pub const TIMER_CONFIGURATION: u64 = 0x00;
    pub const TIMER_COMPARATOR: u64 = 0x08;
}

/// Bits of the general configuration register.
const ENABLED: u64 = 1 << 0;
const LEGACY: u64 = 1 << 1;

/// Interrupt lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Interrupt line 0 of the PC, in place of the interval timer (input 2 of the I/O APIC).
    pub line_0: bool,
    /// Interrupt line 8 of the PC, in place of the real-time clock (input 8 of the I/O APIC).
    pub line_8: bool,
    /// Inputs of the I/O APIC, which the 8259s do not have.
    pub inputs: u32,
}

impl Lines {
    const NONE: Lines = Lines {
        line_0: false,
        line_8: false,
        inputs: 0,
    };

    /// Whether there is no line among them.
    pub const fn is_empty(&self) -> bool {
        !self.line_0 && !self.line_8 && self.inputs == 0
    }

    const fn and(self, other: Lines) -> Lines {
        Lines {
            line_0: self.line_0 || other.line_0,
            line_8: self.line_8 || other.line_8,
            inputs: self.inputs | other.inputs,
        }
    }
}

/// A high precision event timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hpet {
    /// Inputs of the I/O APIC that timers can be routed to.
    routes: u32,
    configuration: u64,
    /// Bits of the level-triggered timers that have fired.
    status: u64,
    /// The counter at `since`, from where it has run if the device is enabled.
    counter: u64,
    since: u64,
    timers: [Timer; TIMERS],
    /// The counter until which matches have been looked for, and when that was.
    settled: u64,
    settled_at: u64,
    /// Edges that have not been told.
    edges: Lines,
}

impl Hpet {
    /// A device after reset. Timers can be routed to the inputs of the I/O APIC that are set in `routes`.
    pub const fn new(routes: u32) -> Self {
        Hpet {
            routes,
            configuration: 0,
            status: 0,
            counter: 0,
            since: 0,
            timers: [const { Timer::new() }; TIMERS],
            settled: 0,
            settled_at: 0,
            edges: Lines::NONE,
        }
    }

    /// Reads `size` bytes at `offset` in the register block: aligned accesses of 32 and 64 bits (section 2.4); all
    /// others read as all ones. What is reserved reads as zero.
    pub fn read(&self, offset: u64, size: u8, now: u64) -> u64 {
        if !is_access(offset, size) {
            return floating(size);
        }
        let value = match offset & !7 {
            register::CAPABILITIES => BLOCK_ID as u64 | (TICK * FEMTOSECONDS) << 32,
            register::CONFIGURATION => self.configuration,
            register::STATUS => self.status,
            register::COUNTER => self.counter(now),
            at => match timer_at(at) {
                Some((timer, register::TIMER_CONFIGURATION)) => {
                    self.timers[timer].config(self.routes)
                }
                Some((timer, register::TIMER_COMPARATOR)) => self.timers[timer].comparator(),
                _ => 0,
            },
        };
        value >> (8 * (offset & 7)) & floating(size)
    }

    /// Writes `size` bytes at `offset` in the register block, in aligned accesses of 32 and 64 bits.
    pub fn write(&mut self, offset: u64, size: u8, value: u64, now: u64) {
        if !is_access(offset, size) {
            return;
        }
        self.settle(now);
        // The bits of the register that are written, and what to.
        let shift = 8 * (offset & 7);
        let bits = floating(size) << shift;
        let value = value << shift & bits;
        let merge = |old: u64| old & !bits | value;
        match offset & !7 {
            register::CONFIGURATION => {
                self.counter = self.counter(now);
                self.since = now;
                self.configuration = merge(self.configuration) & (ENABLED | LEGACY);
            }
            // Writing ones clears.
            register::STATUS => self.status &= !value,
            register::COUNTER => {
                self.counter = merge(self.counter(now));
                self.since = now;
                self.settled = self.counter;
            }
            at => match timer_at(at) {
                Some((at, register::TIMER_CONFIGURATION)) => {
                    let timer = &mut self.timers[at];
                    timer.set_config(merge(timer.config(self.routes)), self.routes);
                }
                Some((at, register::TIMER_COMPARATOR)) => {
                    self.timers[at].set_comparator(value, bits);
                }
                _ => {}
            },
        }
    }

    /// Lets time pass up to `now`; returns the edge-triggered lines that have risen since the last call. Each is for
    /// the composer one pulse. To be called after every write as well.
    pub fn advance(&mut self, now: u64) -> Lines {
        self.settle(now);
        core::mem::take(&mut self.edges)
    }

    /// Lines that are high by level-triggered timers.
    pub fn levels(&self) -> Lines {
        let mut lines = Lines::NONE;
        if self.is_enabled() {
            for (at, timer) in self.timers.iter().enumerate() {
                let fired = self.status >> at & 1 != 0;
                if fired && timer.is_level() && timer.is_enabled() {
                    lines = lines.and(self.lines_of(at));
                }
            }
        }
        lines
    }

    /// When [`Self::advance`] or [`Self::levels`] may have something to tell.
    pub fn deadline(&self) -> Option<u64> {
        if !self.edges.is_empty() {
            return Some(self.settled_at);
        }
        if !self.is_enabled() {
            return None;
        }
        let run = self.settled.wrapping_sub(self.counter);
        let waiting = self.timers.iter().enumerate().filter(|(at, timer)| {
            let told = timer.is_level() && self.status >> at & 1 != 0;
            timer.is_enabled() && !told
        });
        let moments = waiting.filter_map(|(_, timer)| {
            let ticks = run.checked_add(timer.distance(self.settled)?)?;
            let moment = self.since.checked_add(ticks.checked_mul(TICK)?)?;
            Some(moment.max(timer.not_before()))
        });
        moments.min()
    }

    /// Whether timers 0 and 1 stand in for the interval timer and the real-time clock, whose own interrupts then go
    /// nowhere (section 2.3.5).
    pub const fn replaces_legacy(&self) -> bool {
        self.is_enabled() && self.configuration & LEGACY != 0
    }

    const fn is_enabled(&self) -> bool {
        self.configuration & ENABLED != 0
    }

    const fn counter(&self, now: u64) -> u64 {
        if self.is_enabled() {
            let run = now.saturating_sub(self.since) / TICK;
            self.counter.wrapping_add(run)
        } else {
            self.counter
        }
    }

    const fn lines_of(&self, timer: usize) -> Lines {
        match timer {
            0 if self.replaces_legacy() => Lines {
                line_0: true,
                ..Lines::NONE
            },
            1 if self.replaces_legacy() => Lines {
                line_8: true,
                ..Lines::NONE
            },
            _ => Lines {
                inputs: self.timers[timer].route(self.routes),
                ..Lines::NONE
            },
        }
    }

    fn settle(&mut self, now: u64) {
        let counter = self.counter(now);
        let elapsed = counter.wrapping_sub(self.settled);
        for at in 0..TIMERS {
            let timer = &mut self.timers[at];
            if !timer.advance(self.settled, elapsed, now) {
                continue;
            }
            if timer.is_level() {
                self.status |= 1 << at;
            } else if timer.is_enabled() {
                self.edges = self.edges.and(self.lines_of(at));
            }
        }
        self.settled = counter;
        self.settled_at = now;
    }
}

/// Whether this is an access that the device answers to.
const fn is_access(offset: u64, size: u8) -> bool {
    matches!(size, 4 | 8) && offset < SIZE && offset.is_multiple_of(size as u64)
}

/// Timer and register in it at an offset.
const fn timer_at(offset: u64) -> Option<(usize, u64)> {
    match offset {
        register::TIMERS..register::TIMERS_END => {
            let offset = offset - register::TIMERS;
            Some(((offset / 0x20) as usize, offset % 0x20))
        }
        _ => None,
    }
}
