//! One counter of the 8254 (Intel 231164 data sheet, "Mode Definitions").
//!
//! Time is in ticks of the counter's clock. What the counter does between two accesses follows from when it was loaded
//! and with what, so nothing has to happen at every tick.

/// Counter mode. Programming 6 and 7 gives 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// 0: output rises when the count is through.
    TerminalCount,
    /// 1: output is low for the count after each trigger.
    OneShot,
    /// 2: output is low for the last tick of each count.
    Rate,
    /// 3: output is high for the first half of each count.
    Square,
    /// 4: output is low for one tick after the count.
    SoftwareStrobe,
    /// 5: the same after each trigger.
    HardwareStrobe,
}

/// What the counting element does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The control word was written, the count was not (or half of it in mode 0).
    Idle,
    /// It counts.
    Counting {
        /// Tick at which it was or will be loaded with `count`.
        start: i64,
        count: u32,
        /// Level of the output until then.
        before: bool,
        /// Tick at which it will be loaded with another count (modes 2 and 3).
        next: Option<(i64, u32)>,
    },
    /// Its gate is closed (modes 0 and 4).
    Held {
        /// Tick at which it was or will be loaded with `count`.
        load: i64,
        elapsed: i64,
        count: u32,
    },
    /// It waits for the gate to open (modes 1, 2, 3 and 5).
    Stopped {
        /// What it stands at.
        value: u16,
    },
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    /// Low six bits of the control word: access, mode, BCD.
    control: u8,
    gate: bool,
    state: State,
    /// The count that was written last: what is loaded next.
    count: u32,
    /// It has not been loaded yet (modes that wait for the gate).
    waits: bool,
    /// First byte of a count of two bytes.
    low_byte: Option<u8>,
    /// The next read without latch is of the high byte.
    read_high: bool,
    count_latch: Option<u16>,
    /// The next read of the latch is of its high byte.
    latch_high: bool,
    status_latch: Option<u8>,
}

const ACCESS_LOW: u8 = 1;
const ACCESS_HIGH: u8 = 2;
const BCD: u8 = 1;

impl Channel {
    /// A counter that nobody has programmed.
    pub const fn new(gate: bool) -> Self {
        Channel {
            // Mode 3, as firmware leaves it; its output is high as long as there is no count.
            control: 0x36,
            gate,
            state: State::Idle,
            count: 0,
            waits: false,
            low_byte: None,
            read_high: false,
            count_latch: None,
            latch_high: false,
            status_latch: None,
        }
    }

    const fn mode(&self) -> Mode {
        match self.control >> 1 & 7 {
            0 => Mode::TerminalCount,
            1 => Mode::OneShot,
            2 | 6 => Mode::Rate,
            3 | 7 => Mode::Square,
            4 => Mode::SoftwareStrobe,
            _ => Mode::HardwareStrobe,
        }
    }

    /// Counts that the counting element has.
    const fn modulus(&self) -> i64 {
        if self.control & BCD == 0 {
            0x1_0000
        } else {
            10_000
        }
    }

    /// Whether the output rises again and again without anybody doing anything.
    pub const fn is_periodic(&self) -> bool {
        matches!(self.mode(), Mode::Rate | Mode::Square)
    }

    /// Writes the control word (its low six bits).
    pub const fn set_control(&mut self, control: u8) {
        *self = Channel {
            control,
            ..Channel::new(self.gate)
        };
    }

    /// Writes a byte of the count.
    pub fn write(&mut self, value: u8, tick: i64) {
        self.settle(tick);
        let count = match (self.control >> 4, self.low_byte.take()) {
            (ACCESS_LOW, _) => value.into(),
            (ACCESS_HIGH, _) => u16::from(value) << 8,
            (_, Some(low)) => u16::from(value) << 8 | u16::from(low),
            (_, None) => {
                self.low_byte = Some(value);
                if self.mode() == Mode::TerminalCount {
                    // "Writing the first byte disables counting. OUT is set low immediately."
                    self.state = State::Idle;
                }
                return;
            }
        };
        let count = if self.control & BCD == 0 {
            count.into()
        } else {
            // Digits above 9 are not allowed; they count as what they are.
            (0..4).rev().fold(0, |sum, digit| {
                sum * 10 + u32::from(count >> (4 * digit) & 0xf)
            })
        };
        self.load(
            if count == 0 {
                self.modulus() as u32
            } else {
                count
            },
            tick,
        );
    }

    /// Takes a new count: it is loaded with the next tick, with the next trigger or when the present one is through.
    fn load(&mut self, count: u32, tick: i64) {
        // A count of 1 is illegal in modes 2 and 3.
        self.count = if self.is_periodic() {
            count.max(2)
        } else {
            count
        };
        let before = self.output(tick);
        let fresh = State::Counting {
            start: tick + 1,
            count: self.count,
            before,
            next: None,
        };
        match (self.mode(), &mut self.state) {
            (Mode::TerminalCount | Mode::SoftwareStrobe, state) => {
                *state = if self.gate {
                    fresh
                } else {
                    State::Held {
                        load: tick + 1,
                        elapsed: 0,
                        count: self.count,
                    }
                };
            }
            // Not loaded yet: the newer count is.
            (_, State::Counting { start, count, .. }) if tick < *start => {
                *count = self.count;
            }
            (
                Mode::Rate,
                State::Counting {
                    start, count, next, ..
                },
            ) => {
                let into = (tick - *start) % i64::from(*count);
                *next = Some((tick - into + i64::from(*count), self.count));
            }
            (
                Mode::Square,
                State::Counting {
                    start, count, next, ..
                },
            ) => {
                let into = (tick - *start) % i64::from(*count);
                let half = high_half(*count);
                let end = if into < half { half } else { i64::from(*count) };
                *next = Some((tick - into + end, self.count));
            }
            (Mode::Rate | Mode::Square, state @ State::Idle) if self.gate => *state = fresh,
            (_, state) => {
                if *state == State::Idle {
                    *state = State::Stopped { value: 0 };
                }
                self.waits = true;
            }
        }
    }

    /// Opens or closes the gate.
    pub fn set_gate(&mut self, gate: bool, tick: i64) {
        self.settle(tick);
        if gate == self.gate {
            return;
        }
        self.gate = gate;
        let before = self.output(tick);
        let value = self.value(tick);
        let periodic = self.is_periodic();
        match (self.mode(), self.state) {
            (_, State::Idle) => {}
            (Mode::TerminalCount | Mode::SoftwareStrobe, State::Counting { start, count, .. })
                if !gate =>
            {
                self.state = State::Held {
                    load: start,
                    elapsed: (tick - start).max(0),
                    count,
                };
            }
            (
                _,
                State::Held {
                    load,
                    elapsed,
                    count,
                },
            ) => {
                self.state = State::Counting {
                    start: load.max(tick) - elapsed,
                    count,
                    before,
                    next: None,
                };
            }
            (Mode::TerminalCount | Mode::SoftwareStrobe, _) => {}
            _ if gate => {
                self.waits = false;
                self.state = State::Counting {
                    start: tick + 1,
                    count: self.count,
                    before,
                    next: None,
                };
            }
            // "If GATE goes low, OUT is set high immediately."
            _ if periodic => self.state = State::Stopped { value },
            _ => {}
        }
    }

    /// Level of the output.
    pub fn output(&self, tick: i64) -> bool {
        match self.state {
            State::Idle => self.mode() != Mode::TerminalCount,
            State::Stopped { .. } => true,
            State::Held { elapsed, count, .. } => {
                self.mode() != Mode::TerminalCount || elapsed >= count.into()
            }
            State::Counting { start, before, .. } if tick < start => before,
            State::Counting { .. } => {
                let (start, count) = self.cycle(tick);
                let elapsed = tick - start;
                match self.mode() {
                    Mode::TerminalCount | Mode::OneShot => elapsed >= count,
                    Mode::SoftwareStrobe | Mode::HardwareStrobe => elapsed != count,
                    Mode::Rate => elapsed % count != count - 1,
                    Mode::Square => elapsed % count < high_half(count as u32),
                }
            }
        }
    }

    /// Times that the output rises after tick `after` and until tick `until`, if nobody does anything.
    pub fn rises(&self, after: i64, until: i64) -> u64 {
        let State::Counting {
            start, count, next, ..
        } = self.state
        else {
            return 0;
        };
        if !self.is_periodic() {
            let moments = self.single_rises().into_iter().flatten();
            return moments
                .filter(|moment| after < *moment && *moment <= until)
                .count() as u64;
        }
        match next {
            Some((change, _)) if change < until => {
                let (new_start, new_count) = self.cycle(change);
                cycles(start, count.into(), after, change)
                    + cycles(new_start, new_count, after.max(change), until)
            }
            _ => cycles(start, count.into(), after, until),
        }
    }

    /// First tick after `after` at which the output rises, if nobody does anything.
    pub fn next_rise(&self, after: i64) -> Option<i64> {
        let State::Counting {
            start, count, next, ..
        } = self.state
        else {
            return None;
        };
        if !self.is_periodic() {
            let mut moments = self.single_rises().into_iter().flatten();
            return moments.find(|moment| *moment > after);
        }
        let end = end_of_cycle(start, count.into(), after);
        match next {
            Some((change, _)) if end > change => {
                let (start, count) = self.cycle(change);
                Some(end_of_cycle(start, count, after.max(change)))
            }
            _ => Some(end),
        }
    }

    /// Ticks at which the output rises in a mode that does not repeat, in rising order.
    fn single_rises(&self) -> [Option<i64>; 2] {
        let State::Counting {
            start,
            count,
            before,
            ..
        } = self.state
        else {
            return [None; 2];
        };
        let end = start + i64::from(count);
        match self.mode() {
            Mode::TerminalCount | Mode::OneShot => [Some(end), None],
            // A new count may find the output low from the one before.
            _ => [(!before).then_some(start), Some(end + 1)],
        }
    }

    /// Start and length of the count in progress at `tick`, which is not before the first one.
    fn cycle(&self, tick: i64) -> (i64, i64) {
        let State::Counting {
            start, count, next, ..
        } = self.state
        else {
            return (tick, self.modulus());
        };
        match next {
            Some((change, new)) if tick >= change => {
                // In mode 3 the change may come in the middle: the new count then begins with its second half.
                let middle = (change - start) % i64::from(count) != 0;
                let skipped = if middle { high_half(new) } else { 0 };
                (change - skipped, new.into())
            }
            _ => (start, count.into()),
        }
    }

    /// Forgets a count that has been replaced by `tick`.
    pub fn settle(&mut self, tick: i64) {
        if let State::Counting {
            next: Some((change, new)),
            ..
        } = self.state
            && tick >= change
        {
            let (start, _) = self.cycle(tick);
            self.state = State::Counting {
                start,
                count: new,
                before: true,
                next: None,
            };
        }
    }

    /// What the counting element shows.
    fn value(&self, tick: i64) -> u16 {
        let left = match self.state {
            State::Idle => 0,
            State::Stopped { value } => return value,
            State::Held { elapsed, count, .. } => i64::from(count) - elapsed,
            State::Counting { start, count, .. } if tick < start => count.into(),
            State::Counting { .. } => {
                let (start, count) = self.cycle(tick);
                let elapsed = tick - start;
                match self.mode() {
                    Mode::Rate => count - elapsed % count,
                    Mode::Square => {
                        // It counts an even number down by two, in each half.
                        let half = high_half(count as u32);
                        let into = elapsed % count;
                        (count & !1) - 2 * if into < half { into } else { into - half }
                    }
                    _ => count - elapsed,
                }
            }
        };
        let left = left.rem_euclid(self.modulus()) as u16;
        if self.control & BCD == 0 {
            left
        } else {
            (0..4).fold(0, |value, digit| {
                value | (left / 10u16.pow(digit) % 10) << (4 * digit)
            })
        }
    }

    /// Latches the count, unless one is latched already.
    pub fn latch_count(&mut self, tick: i64) {
        if self.count_latch.is_none() {
            self.count_latch = Some(self.value(tick));
            self.latch_high = false;
        }
    }

    /// Latches the status, unless one is latched already.
    pub fn latch_status(&mut self, tick: i64) {
        if self.status_latch.is_none() {
            let output = u8::from(self.output(tick)) << 7;
            let null = u8::from(self.is_null(tick)) << 6;
            self.status_latch = Some(output | null | self.control);
        }
    }

    /// Reads status, latch or count, in this order.
    pub fn read(&mut self, tick: i64) -> u8 {
        self.settle(tick);
        if let Some(status) = self.status_latch.take() {
            return status;
        }
        let (value, high) = match self.count_latch {
            Some(value) => (value, &mut self.latch_high),
            None => (self.value(tick), &mut self.read_high),
        };
        let (byte, through) = match self.control >> 4 {
            ACCESS_LOW => (value as u8, true),
            ACCESS_HIGH => ((value >> 8) as u8, true),
            _ => {
                *high = !*high;
                let shift = if *high { 0 } else { 8 };
                ((value >> shift) as u8, !*high)
            }
        };
        if through {
            self.count_latch = None;
        }
        byte
    }

    /// Whether the last count that was written has not been loaded yet.
    fn is_null(&self, tick: i64) -> bool {
        let pending = match self.state {
            State::Idle => true,
            State::Stopped { .. } => false,
            State::Held { load, .. } => tick < load,
            State::Counting { start, next, .. } => {
                tick < start || next.is_some_and(|(change, _)| tick < change)
            }
        };
        pending || self.waits
    }
}

/// Ticks for which the output is high in mode 3.
fn high_half(count: u32) -> i64 {
    count.div_ceil(2).into()
}

/// Cycles of `count` ticks from `start` on that end after `after` and until `until`.
fn cycles(start: i64, count: i64, after: i64, until: i64) -> u64 {
    let ended = |tick: i64| ((tick - start).max(0) / count) as u64;
    ended(until).saturating_sub(ended(after))
}

/// First tick after `after` at which a cycle of `count` ticks from `start` on ends.
fn end_of_cycle(start: i64, count: i64, after: i64) -> i64 {
    start + ((after - start).max(0) / count + 1) * count
}
