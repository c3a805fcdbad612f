use super::*;
use crate::clock::{SECOND, SHORTEST_PERIOD};
use proptest::prelude::*;

const CONFIGURATION: u64 = 0x010;
const STATUS: u64 = 0x020;
const COUNTER: u64 = 0x0f0;
const LEVEL: u64 = 1 << 1;
const ON: u64 = 1 << 2;
const PERIODIC: u64 = 1 << 3;
const VALUE_SET: u64 = 1 << 6;
const MODE_32: u64 = 1 << 8;
/// What the tests' I/O APIC offers: inputs 2 and 20 to 23.
const ROUTES: u32 = 0x00f0_0004;

const fn config(timer: u64) -> u64 {
    0x100 + 0x20 * timer
}

const fn comparator(timer: u64) -> u64 {
    0x108 + 0x20 * timer
}

const fn route(input: u64) -> u64 {
    input << 9
}

const fn input(input: u32) -> Lines {
    Lines {
        inputs: 1 << input,
        ..Lines::NONE
    }
}

impl Hpet {
    fn get(&self, offset: u64, now: u64) -> u64 {
        self.read(offset, 8, now)
    }

    fn set(&mut self, offset: u64, value: u64, now: u64) {
        self.write(offset, 8, value, now);
    }
}

fn running() -> Hpet {
    let mut hpet = Hpet::new(ROUTES);
    hpet.set(CONFIGURATION, 1, 0);
    hpet
}

#[test]
fn registers_after_reset() {
    let hpet = Hpet::new(ROUTES);
    assert_eq!(hpet.get(0x000, 0), 0x0098_9680_8086_a201);
    assert_eq!(hpet.get(0x000, 0) as u32, BLOCK_ID);
    assert_eq!(HZ, 100_000_000);
    assert_eq!(hpet.get(CONFIGURATION, 0), 0);
    assert_eq!(hpet.get(STATUS, 0), 0);
    assert_eq!(hpet.get(COUNTER, SECOND), 0);
    for timer in 0..3 {
        assert_eq!(hpet.get(config(timer), 0), 0x00f0_0004_0000_0030);
        assert_eq!(hpet.get(comparator(timer), 0), u64::MAX);
        assert_eq!(hpet.get(comparator(timer) + 8, 0), 0);
    }
    assert_eq!(hpet.get(config(3), 0), 0);
    assert!(!hpet.replaces_legacy());
}

#[test]
fn writable_bits() {
    let mut hpet = Hpet::new(ROUTES);
    hpet.set(0x000, u64::MAX, 0);
    hpet.set(CONFIGURATION, !1, 0);
    hpet.set(config(0), u64::MAX, 0);
    hpet.set(0x110, u64::MAX, 0);
    assert_eq!(hpet.get(0x000, 0), 0x0098_9680_8086_a201);
    assert_eq!(hpet.get(CONFIGURATION, 0), 2);
    assert_eq!(hpet.get(config(0), 0), 0x00f0_0004_0000_013e, "no input 31");
    assert_eq!(hpet.get(0x110, 0), 0);
    hpet.set(config(0), route(21), 0);
    assert_eq!(hpet.get(config(0), 0) & 0xffff, 0x30 | route(21));
    hpet.set(config(0), route(19), 0);
    assert_eq!(hpet.get(config(0), 0) & 0xffff, 0x30 | route(21), "kept");
}

#[test]
fn widths() {
    let mut hpet = Hpet::new(ROUTES);
    assert_eq!(hpet.read(0x000, 4, 0), 0x8086_a201);
    assert_eq!(hpet.read(0x004, 4, 0), 0x0098_9680);
    assert_eq!(hpet.read(0x000, 1, 0), 0xff);
    assert_eq!(hpet.read(0x004, 8, 0), u64::MAX);
    assert_eq!(hpet.read(0x002, 4, 0), 0xffff_ffff);
    assert_eq!(hpet.read(0x400, 4, 0), 0xffff_ffff);
    hpet.write(COUNTER, 4, 0x1234, 0);
    hpet.write(COUNTER + 4, 4, 0x5678, 0);
    hpet.write(COUNTER, 2, 0, 0);
    hpet.write(u64::MAX, 4, 0, 0);
    assert_eq!(hpet.get(COUNTER, 0), 0x5678_0000_1234);
    hpet.write(comparator(1), 4, 0x1111, 0);
    assert_eq!(hpet.get(comparator(1), 0), 0xffff_ffff_0000_1111);
    hpet.write(comparator(1) + 4, 4, 0x2222, 0);
    assert_eq!(hpet.get(comparator(1), 0), 0x2222_0000_1111);
}

#[test]
fn counter() {
    let mut hpet = Hpet::new(ROUTES);
    hpet.set(CONFIGURATION, 1, 105);
    assert_eq!(hpet.get(COUNTER, 105), 0);
    assert_eq!(hpet.get(COUNTER, 114), 0);
    assert_eq!(hpet.get(COUNTER, 115), 1);
    assert_eq!(hpet.get(COUNTER, 105 + SECOND), HZ);
    hpet.set(CONFIGURATION, 0, 105 + SECOND);
    assert_eq!(hpet.get(COUNTER, 9 * SECOND), HZ, "halted");
    hpet.set(COUNTER, 7, 9 * SECOND);
    hpet.set(CONFIGURATION, 1, 10 * SECOND);
    assert_eq!(hpet.get(COUNTER, 10 * SECOND + 100), 17);
    let year = 365 * 24 * 3600 * SECOND;
    assert_eq!(hpet.get(COUNTER, 10 * SECOND + 100 * year), 7 + 10 * year);
}

#[test]
fn one_shot_edge() {
    let mut hpet = running();
    hpet.set(config(2), ON | route(20), 0);
    hpet.set(comparator(2), 500, 0);
    assert_eq!(hpet.deadline(), Some(5000));
    assert_eq!(hpet.advance(4999), Lines::NONE);
    assert_eq!(hpet.advance(5000), input(20));
    assert_eq!(hpet.advance(5000), Lines::NONE);
    assert_eq!(hpet.deadline(), None);
    assert_eq!(hpet.get(STATUS, 5000), 0, "for levels only");
    assert_eq!(hpet.levels(), Lines::NONE);
    hpet.set(comparator(2), 400, 6000);
    assert_eq!(hpet.advance(10 * SECOND), Lines::NONE, "it is past");
}

#[test]
fn one_shot_level() {
    let mut hpet = running();
    hpet.set(config(2), ON | LEVEL | route(23), 0);
    hpet.set(comparator(2), 500, 0);
    assert_eq!(hpet.deadline(), Some(5000));
    assert_eq!(hpet.advance(7000), Lines::NONE);
    assert_eq!(hpet.levels(), input(23));
    assert_eq!(hpet.get(STATUS, 7000), 4);
    assert_eq!(hpet.deadline(), None);
    hpet.set(STATUS, 3, 7000);
    assert_eq!(hpet.levels(), input(23));
    hpet.set(config(2), LEVEL | route(23), 7000);
    assert_eq!(hpet.levels(), Lines::NONE, "disabled");
    hpet.set(config(2), ON | LEVEL | route(23), 7000);
    hpet.set(CONFIGURATION, 0, 7000);
    assert_eq!(hpet.levels(), Lines::NONE, "all disabled");
    hpet.set(CONFIGURATION, 1, 7000);
    assert_eq!(hpet.levels(), input(23));
    hpet.set(STATUS, 4, 7000);
    assert_eq!(hpet.levels(), Lines::NONE);
}

#[test]
fn an_old_status_does_not_hold_an_edge_back() {
    let mut hpet = running();
    hpet.set(config(2), ON | LEVEL | route(23), 0);
    hpet.set(comparator(2), 500, 0);
    hpet.advance(5000);
    hpet.set(config(2), ON | route(23), 5000);
    assert_eq!(hpet.levels(), Lines::NONE);
    hpet.set(comparator(2), 900, 5000);
    assert_eq!(hpet.deadline(), Some(9000));
    assert_eq!(hpet.advance(9000), input(23));
}

/// What Linux does for its tick: set the first match, then the period.
#[test]
fn periodic_as_linux_sets_it() {
    let mut hpet = running();
    hpet.set(CONFIGURATION, 3, 0);
    let start = 123_456_780;
    let first = hpet.get(COUNTER, start) + 100_000;
    let set = ON | PERIODIC | VALUE_SET | MODE_32;
    hpet.write(config(0), 4, set, start);
    hpet.write(comparator(0), 4, first, start);
    hpet.write(comparator(0), 4, 100_000, start);
    assert_eq!(hpet.get(comparator(0), start), first);
    assert_eq!(hpet.get(config(0), start) & VALUE_SET, 0);
    let line_0 = Lines {
        line_0: true,
        ..Lines::NONE
    };
    for tick in 1..2000 {
        let due = start + tick * 1_000_000;
        assert_eq!(hpet.deadline(), Some(due));
        assert_eq!(hpet.advance(due - 1), Lines::NONE);
        // A little late is on time.
        assert_eq!(hpet.advance(due + 300), line_0);
    }
    assert_eq!(
        hpet.advance(start + 2_500_500_000),
        line_0,
        "many become one"
    );
    assert_eq!(hpet.deadline(), Some(start + 2_501_000_000));
    assert!(hpet.get(comparator(0), 0) <= u64::from(u32::MAX));
}

#[test]
fn short_periods_do_not_flood() {
    let mut hpet = running();
    hpet.set(config(0), ON | PERIODIC | VALUE_SET | route(2), 0);
    hpet.set(comparator(0), 1, 0);
    let mut now = 0;
    for _ in 0..50 {
        let due = hpet.deadline().unwrap();
        assert!(now == 0 || due >= now + SHORTEST_PERIOD);
        now = due;
        assert_eq!(hpet.advance(now), input(2));
    }
}

#[test]
fn a_period_of_zero_fires_once() {
    let mut hpet = running();
    hpet.set(config(0), ON | PERIODIC | VALUE_SET | route(2), 0);
    hpet.set(comparator(0), 100, 0);
    hpet.set(comparator(0), 0, 0);
    assert_eq!(hpet.advance(5000), input(2));
    assert_eq!(hpet.deadline(), None);
    assert_eq!(hpet.advance(10 * SECOND), Lines::NONE);
}

#[test]
fn a_counter_of_32_bits_comes_round() {
    let mut hpet = running();
    hpet.set(config(1), ON | MODE_32 | route(21), 0);
    hpet.set(comparator(1), 0x7_0000_1000, 0);
    assert_eq!(hpet.get(comparator(1), 0), 0x1000);
    assert_eq!(hpet.advance(0x1000 * 10), input(21));
    let round = (1u64 << 32) * 10;
    assert_eq!(hpet.deadline(), Some(0x1000 * 10 + round));
    assert_eq!(hpet.advance(0x1000 * 10 + round), input(21));
}

#[test]
fn legacy_replacement() {
    let mut hpet = Hpet::new(ROUTES);
    hpet.set(CONFIGURATION, 3, 0);
    assert!(hpet.replaces_legacy());
    for timer in 0..3 {
        hpet.set(config(timer), ON | route(22), 0);
        hpet.set(comparator(timer), 100, 0);
    }
    let all = Lines {
        line_0: true,
        line_8: true,
        inputs: 1 << 22,
    };
    assert_eq!(hpet.advance(1000), all);
    hpet.set(config(1), ON | LEVEL, 1000);
    hpet.set(comparator(1), 200, 1000);
    assert_eq!(hpet.advance(2000), Lines::NONE);
    let line_8 = Lines {
        line_8: true,
        ..Lines::NONE
    };
    assert_eq!(hpet.levels(), line_8);
    hpet.set(CONFIGURATION, 2, 2000);
    assert!(!hpet.replaces_legacy(), "only when enabled");
}

#[test]
fn timers_without_interrupt() {
    let mut hpet = running();
    hpet.set(config(0), route(20), 0);
    hpet.set(config(1), LEVEL | route(21), 0);
    hpet.set(config(2), ON, 0);
    for timer in 0..3 {
        hpet.set(comparator(timer), 100, 0);
    }
    assert_eq!(hpet.deadline(), Some(1000), "timer 2, which leads nowhere");
    assert_eq!(hpet.advance(1000), Lines::NONE);
    assert_eq!(hpet.get(STATUS, 1000), 2, "the status shows it");
    assert_eq!(hpet.levels(), Lines::NONE);
}

#[test]
fn what_fires_before_a_write_is_told_after_it() {
    let mut hpet = running();
    hpet.set(config(2), ON | route(20), 0);
    hpet.set(comparator(2), 500, 0);
    hpet.set(comparator(2), 9000, 6000);
    assert_eq!(hpet.deadline(), Some(6000), "at once");
    assert_eq!(hpet.advance(6000), input(20));
    assert_eq!(hpet.deadline(), Some(90_000));
}

#[test]
fn a_written_counter_does_not_pass_what_lies_between() {
    let mut hpet = running();
    hpet.set(config(2), ON | route(20), 0);
    hpet.set(comparator(2), 500, 0);
    hpet.set(COUNTER, 1000, 100);
    assert_eq!(hpet.advance(SECOND), Lines::NONE);
    hpet.set(COUNTER, 490, SECOND);
    assert_eq!(hpet.deadline(), Some(SECOND + 100));
    assert_eq!(hpet.advance(SECOND + 100), input(20));
}

proptest! {
    /// However irregularly it is asked, a periodic timer fires in every period in which it is.
    #[test]
    fn periods_are_counted_from_the_start(
        period in 1..1u64 << 32, narrow: bool, steps in prop::collection::vec(1..1u64 << 36, 1..50),
    ) {
        let mut hpet = running();
        let mode = if narrow { MODE_32 } else { 0 };
        hpet.set(config(0), ON | PERIODIC | VALUE_SET | mode | route(2), 0);
        hpet.set(comparator(0), period, 0);
        let mut now = 0;
        for step in steps {
            let before = now / 10 / period;
            // Who asks less than once in a round of 32 bits cannot know how many there were.
            now += if narrow { step % (1 << 34) + 1 } else { step };
            let fires = now / 10 / period > before;
            prop_assert_eq!(hpet.advance(now), if fires { input(2) } else { Lines::NONE });
        }
    }

    #[test]
    fn whatever_a_guest_does(
        start: u64,
        steps in prop::collection::vec(
            ((0..0x34u64).prop_map(|at| at * 4), prop::sample::select(vec![1u8, 4, 4, 8, 8]),
             prop::option::of(prop_oneof![0..0x200u64, any::<u64>()]), 0..1u64 << 40),
            0..200,
        ),
    ) {
        let mut hpet = Hpet::new(ROUTES);
        let mut now = start;
        for (offset, size, access, pass) in steps {
            let offset = if offset < 0x40 { offset } else { offset + 0xb0 };
            match access {
                None => {
                    hpet.read(offset, size, now);
                }
                Some(value) => hpet.write(offset, size, value, now),
            }
            let due = hpet.deadline();
            let levels = hpet.levels();
            now = now.saturating_add(pass);
            let edges = hpet.advance(now);
            prop_assert_eq!(edges.inputs & !ROUTES, 0);
            if hpet.levels() != levels {
                prop_assert!(due.is_some_and(|due| due <= now));
            }
            if let Some(due) = hpet.deadline() {
                let mut later = hpet.clone();
                later.advance(due.max(now));
                let next = later.deadline();
                prop_assert!(next.is_none_or(|next| next > due.max(now)));
            }
        }
    }
}
