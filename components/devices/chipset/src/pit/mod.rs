//! Programmable interval timer 8254, and system control port B, through which the PC gates its counter 2.
//!
//! Counter 0 drives interrupt line 0. It is an edge-triggered line that rises by itself: [`Pit::advance`] tells how
//! often it has, and each time is for the composer one [`crate::Pic::pulse`] of line 0 and one
//! [`crate::IoApic::pulse`] of the input that line 0 is wired to. Counter 1 once refreshed memory; the bit that shows
//! it toggles by itself. Counter 2 drives the speaker.

mod channel;
#[cfg(test)]
mod tests;

use crate::clock::{Frequency, SHORTEST_PERIOD};
use channel::Channel;

/// Frequency of the counters: that of the colour burst divided by three.
pub const HZ: u64 = 1_193_182;
/// Ports of the counters 0, 1 and 2.
pub const COUNTER_PORTS: [u16; 3] = [0x40, 0x41, 0x42];
/// Port of the control word.
pub const CONTROL_PORT: u16 = 0x43;
/// System control port B.
pub const SYSTEM_CONTROL_B_PORT: u16 = 0x61;
/// Interrupt line of counter 0.
pub const IRQ: u8 = 0;

const CLOCK: Frequency = Frequency::hz(HZ);

/// Ticks between two refreshes of memory: 15 µs.
const REFRESH: i64 = 18;

/// Bits of system control port B (ICH9 data sheet, section 13.7.1).
mod system_control {
    pub const GATE_2: u8 = 1 << 0;
    pub const REFRESH: u8 = 1 << 4;
    pub const OUTPUT_2: u8 = 1 << 5;
    /// Gate of counter 2, speaker, and two masks of memory errors, which do not occur.
    pub const WRITABLE: u8 = 0x0f;
}

/// An interval timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pit {
    counters: [Channel; 3],
    system_control: u8,
    /// Tick until which rises of the output of counter 0 have been counted.
    counted: i64,
    /// Rises that have not been told.
    rises: u64,
    /// When the next interrupt may be asked for.
    not_before: u64,
}

impl Default for Pit {
    fn default() -> Self {
        Pit::new()
    }
}

impl Pit {
    /// A timer that nobody has programmed.
    pub const fn new() -> Self {
        Pit {
            counters: [Channel::new(true), Channel::new(true), Channel::new(false)],
            system_control: 0,
            counted: 0,
            rises: 0,
            not_before: 0,
        }
    }

    /// Reads a counter or system control port B; all ones elsewhere, the control word included.
    pub fn read(&mut self, port: u16, now: u64) -> u8 {
        let tick = tick(now);
        match port {
            0x40..=0x42 => self.counters[usize::from(port & 3)].read(tick),
            SYSTEM_CONTROL_B_PORT => {
                let mut value = self.system_control;
                if tick / REFRESH % 2 != 0 {
                    value |= system_control::REFRESH;
                }
                if self.counters[2].output(tick) {
                    value |= system_control::OUTPUT_2;
                }
                value
            }
            _ => 0xff,
        }
    }

    /// Writes a counter, the control word or system control port B; no effect elsewhere.
    pub fn write(&mut self, port: u16, value: u8, now: u64) {
        let tick = tick(now);
        match port {
            0x40 => self.change_counter_0(tick, |counter| counter.write(value, tick)),
            0x41 | 0x42 => self.counters[usize::from(port & 3)].write(value, tick),
            CONTROL_PORT => self.control(value, tick),
            SYSTEM_CONTROL_B_PORT => {
                self.system_control = value & system_control::WRITABLE;
                self.counters[2].set_gate(value & system_control::GATE_2 != 0, tick);
            }
            _ => {}
        }
    }

    /// Lets time pass up to `now`; returns how often interrupt line 0 has risen since the last call. To be called
    /// after every write as well.
    pub fn advance(&mut self, now: u64) -> u64 {
        self.count_rises(tick(now));
        let rises = core::mem::take(&mut self.rises);
        if rises > 0 && self.counters[0].is_periodic() {
            self.not_before = now.saturating_add(SHORTEST_PERIOD);
        }
        rises
    }

    /// When [`Self::advance`] has something to tell.
    pub fn deadline(&self) -> Option<u64> {
        let tick = if self.rises > 0 {
            self.counted
        } else {
            self.counters[0].next_rise(self.counted)?
        };
        let moment = CLOCK.moment(tick as u64)?;
        if self.counters[0].is_periodic() {
            Some(moment.max(self.not_before))
        } else {
            Some(moment)
        }
    }

    /// Level of a counter's output (0 to 2; others do not exist and are low).
    pub fn output(&self, counter: usize, now: u64) -> bool {
        let counter = self.counters.get(counter);
        counter.is_some_and(|counter| counter.output(tick(now)))
    }

    /// Whether the guest lets counter 2 through to the speaker (bit 1 of system control port B).
    pub const fn speaker(&self) -> bool {
        self.system_control & 2 != 0
    }

    /// Writes the control word ("Control Word Format", "Read-Back Command").
    fn control(&mut self, value: u8, tick: i64) {
        let selected = usize::from(value >> 6);
        let latch_only = value & 0x30 == 0;
        match selected {
            3 => {
                let chosen = |counter: usize| value >> (counter + 1) & 1 != 0;
                for at in (0..3).filter(|at| chosen(*at)) {
                    let counter = &mut self.counters[at];
                    counter.settle(tick);
                    if value & 0x20 == 0 {
                        counter.latch_count(tick);
                    }
                    if value & 0x10 == 0 {
                        counter.latch_status(tick);
                    }
                }
            }
            _ if latch_only => self.counters[selected].latch_count(tick),
            0 => self.change_counter_0(tick, |counter| counter.set_control(value & 0x3f)),
            _ => self.counters[selected].set_control(value & 0x3f),
        }
    }

    /// Does something to counter 0 that may raise its output.
    fn change_counter_0(&mut self, tick: i64, change: impl FnOnce(&mut Channel)) {
        self.count_rises(tick);
        let before = self.counters[0].output(tick);
        change(&mut self.counters[0]);
        if !before && self.counters[0].output(tick) {
            self.rises = self.rises.saturating_add(1);
        }
    }

    fn count_rises(&mut self, tick: i64) {
        let counter = &mut self.counters[0];
        if tick > self.counted {
            self.rises = self.rises.saturating_add(counter.rises(self.counted, tick));
            self.counted = tick;
        }
        counter.settle(tick);
    }
}

/// The timer's tick at `now`: well below the limit of the type.
const fn tick(now: u64) -> i64 {
    CLOCK.ticks(now) as i64
}
