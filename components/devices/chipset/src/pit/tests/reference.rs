//! The counters against one that is simulated tick by tick, as the data sheet tells it.

use super::super::channel::Channel;
use proptest::prelude::*;

/// A counter as hardware, in binary.
struct Reference {
    mode: u8,
    gate: bool,
    output: bool,
    /// Count register.
    written: u32,
    /// Counting element.
    element: u32,
    /// What the element was loaded with.
    written_now: u32,
    /// The element takes the register at the next tick.
    load: bool,
    /// The element has been loaded since the mode was set.
    loaded: bool,
    /// The output has not changed yet for the present count (modes 0, 1, 4, 5).
    armed: bool,
}

impl Reference {
    fn new(mode: u8, gate: bool) -> Self {
        Reference {
            mode,
            gate,
            output: mode != 0,
            written: 0,
            element: 0,
            written_now: 0,
            load: false,
            loaded: false,
            armed: false,
        }
    }

    fn write(&mut self, count: u16) {
        let first = self.written == 0;
        self.written = if count == 0 { 0x1_0000 } else { count.into() };
        match self.mode {
            0 => {
                self.output = false;
                self.load = true;
            }
            4 => self.load = true,
            2 | 3 if first => self.load = true,
            _ => {}
        }
    }

    fn set_gate(&mut self, gate: bool) {
        let rises = gate && !self.gate;
        self.gate = gate;
        match self.mode {
            1 | 2 | 3 | 5 if rises && self.written != 0 => self.load = true,
            2 | 3 if !gate => self.output = true,
            _ => {}
        }
    }

    /// One pulse of the clock.
    fn tick(&mut self) {
        if matches!(self.mode, 4 | 5) {
            self.output = true;
        }
        if self.load {
            self.load = false;
            self.loaded = true;
            self.armed = true;
            match self.mode {
                1 => self.output = false,
                2 | 3 => self.output = true,
                _ => {}
            }
            self.reload();
            return;
        }
        let triggered = matches!(self.mode, 1 | 5);
        if !self.loaded || !self.gate && !triggered {
            return;
        }
        match self.mode {
            2 => {
                self.element -= 1;
                self.output = self.element != 1;
                if self.element == 0 {
                    self.reload();
                }
            }
            3 => {
                // An odd count has one more tick in its high half, at an element of zero.
                let odd = !self.written_now.is_multiple_of(2);
                if self.element == 0 || self.element == 2 && !(odd && self.output) {
                    self.output = !self.output;
                    self.reload();
                } else {
                    self.element -= 2;
                }
            }
            _ => {
                self.element = self.element.wrapping_sub(1) & 0xffff;
                if self.element == 0 && self.armed {
                    self.armed = false;
                    self.output = self.mode < 4;
                }
            }
        }
    }

    fn reload(&mut self) {
        self.written_now = self.written;
        self.element = match self.mode {
            3 => self.written & !1,
            2 => self.written,
            _ => self.written & 0xffff,
        };
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(u16),
    Gate(bool),
    Ticks(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let count = prop_oneof![8 => 2..40u16, 1 => Just(0), 1 => any::<u16>().prop_map(|n| n | 2)];
    let step = prop_oneof![
        1 => count.prop_map(Step::Write),
        1 => any::<bool>().prop_map(Step::Gate),
        4 => (1..60u8).prop_map(Step::Ticks),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn counts_like_hardware(mode in 0..6u8, gate: bool, steps in steps()) {
        let mut reference = Reference::new(mode, gate);
        let mut channel = Channel::new(gate);
        channel.set_control(0x30 | mode << 1);
        let mut now = 1000;
        for step in steps {
            match step {
                Step::Write(count) => {
                    reference.write(count);
                    channel.write(count as u8, now);
                    channel.write((count >> 8) as u8, now);
                }
                Step::Gate(gate) => {
                    reference.set_gate(gate);
                    channel.set_gate(gate, now);
                }
                Step::Ticks(ticks) => {
                    let told = channel.clone();
                    let mut next = told.next_rise(now);
                    for passed in 1..=i64::from(ticks) {
                        let before = told.output(now + passed - 1);
                        reference.tick();
                        let tick = now + passed;
                        prop_assert_eq!(told.output(tick), reference.output, "output at {}", tick);
                        let rises = !before && reference.output;
                        prop_assert_eq!(next == Some(tick), rises, "next rise");
                        prop_assert_eq!(told.rises(tick - 1, tick), u64::from(rises));
                        if rises {
                            next = told.next_rise(tick);
                        }
                        if reference.loaded && (reference.gate || !matches!(mode, 2 | 3)) {
                            let mut read = told.clone();
                            read.latch_count(tick);
                            let value = u16::from_le_bytes([read.read(tick), read.read(tick)]);
                            prop_assert_eq!(value, reference.element as u16, "count at {}", tick);
                        }
                    }
                    let all = (1..=i64::from(ticks)).map(|at| told.rises(now + at - 1, now + at)).sum();
                    now += i64::from(ticks);
                    prop_assert_eq!(told.rises(now - i64::from(ticks), now), all);
                    channel.settle(now);
                }
            }
        }
    }
}
