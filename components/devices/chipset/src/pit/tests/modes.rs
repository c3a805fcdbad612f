//! What the counters do by themselves.

use super::*;
use crate::clock::SECOND;
use proptest::prelude::*;

#[test]
fn mode_0() {
    let mut pit = counter_2(0x30, 1000);
    assert!(!pit.output(2, at(1000)));
    assert!(pit.output(2, at(1001)), "N + 1 ticks after the write");
    assert_eq!(read_count(&mut pit, 2, at(1)), 1000);
    assert_eq!(read_count(&mut pit, 2, at(1001)), 0);
    assert_eq!(read_count(&mut pit, 2, at(1002)), 0xffff, "it counts on");
}

#[test]
fn mode_0_stops_with_its_gate() {
    let mut pit = counter_2(0x30, 1000);
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(101));
    assert_eq!(read_count(&mut pit, 2, at(500)), 900);
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(600));
    assert_eq!(read_count(&mut pit, 2, at(600)), 900);
    assert!(!pit.output(2, at(1499)));
    assert!(pit.output(2, at(1500)));
}

#[test]
fn mode_1() {
    let mut pit = counter_2(0x32, 10);
    assert!(pit.output(2, at(50)), "not triggered");
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(50));
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(50));
    assert!(pit.output(2, at(50)));
    assert!(!pit.output(2, at(51)));
    assert!(!pit.output(2, at(60)));
    assert!(pit.output(2, at(61)));
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(70));
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(70));
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(75));
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(75));
    assert!(!pit.output(2, at(75)), "low all along");
    assert!(!pit.output(2, at(85)));
    assert!(pit.output(2, at(86)), "triggered anew");
}

#[test]
fn mode_2() {
    let pit = counter_2(0x34, 10);
    let low: Vec<_> = (0..35).filter(|tick| !pit.output(2, at(*tick))).collect();
    assert_eq!(low, [10, 20, 30]);
}

#[test]
fn mode_3() {
    let even = counter_2(0x36, 6);
    let low: Vec<_> = (0..14).filter(|tick| !even.output(2, at(*tick))).collect();
    assert_eq!(low, [4, 5, 6, 10, 11, 12]);
    let mut odd = counter_2(0x36, 5);
    let low: Vec<_> = (0..12).filter(|tick| !odd.output(2, at(*tick))).collect();
    assert_eq!(low, [4, 5, 9, 10]);
    let counts: Vec<_> = (1..7)
        .map(|tick| read_count(&mut odd, 2, at(tick)))
        .collect();
    assert_eq!(counts, [4, 2, 0, 4, 2, 4]);
}

#[test]
fn modes_4_and_5() {
    let pit = counter_2(0x38, 10);
    let low: Vec<_> = (0..100).filter(|tick| !pit.output(2, at(*tick))).collect();
    assert_eq!(low, [11]);
    let mut pit = counter_2(0x3a, 10);
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(5));
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(5));
    let low: Vec<_> = (5..100).filter(|tick| !pit.output(2, at(*tick))).collect();
    assert_eq!(low, [16]);
}

#[test]
fn greatest_counts() {
    let mut pit = counter_2(0x34, 0);
    assert_eq!(read_count(&mut pit, 2, at(1)), 0);
    assert_eq!(read_count(&mut pit, 2, at(2)), 0xffff);
    assert!(!pit.output(2, at(0x1_0000)));
    let mut pit = counter_2(0x35, 0);
    assert_eq!(read_count(&mut pit, 2, at(1)), 0);
    assert_eq!(read_count(&mut pit, 2, at(2)), 0x9999, "BCD");
    assert!(!pit.output(2, at(10_000)));
}

#[test]
fn bcd() {
    let mut pit = counter_2(0x31, 0x1000);
    assert_eq!(read_count(&mut pit, 2, at(1)), 0x1000);
    assert_eq!(read_count(&mut pit, 2, at(2)), 0x0999);
    assert!(!pit.output(2, at(1000)));
    assert!(pit.output(2, at(1001)));
    let pit = counter_2(0x31, 0xffff);
    assert!(pit.output(2, at(16_666)), "digits that are none");
}

#[test]
fn a_new_count_waits_for_the_end_of_the_old_one() {
    let mut pit = counter_2(0x34, 10);
    pit.write(0x42, 4, at(5));
    pit.write(0x42, 0, at(5));
    let low: Vec<_> = (0..24).filter(|tick| !pit.output(2, at(*tick))).collect();
    assert_eq!(low, [10, 14, 18, 22]);
}

#[test]
fn the_tick_comes_a_hundred_times_a_second() {
    // Linux with HZ=100: mode 2, latch 11932.
    let mut pit = counter_0(0x34, 11_932);
    assert_eq!(pit.advance(0), 0, "it was high before");
    let mut rises = 0;
    let mut now = 0;
    while now < SECOND {
        now = pit.deadline().unwrap();
        assert_eq!(pit.advance(now - 1), 0);
        assert_eq!(pit.advance(now), 1);
        rises += 1;
    }
    assert_eq!(rises, 100);
    assert_eq!(
        pit.advance(3600 * SECOND),
        3600 * HZ / 11_932 - 100,
        "none is lost"
    );
}

#[test]
fn one_shot_tick() {
    // Linux' one-shot mode: mode 4.
    let mut pit = counter_0(0x38, 100);
    pit.advance(0);
    assert_eq!(pit.deadline(), Some(at(102)));
    assert_eq!(pit.advance(at(101)), 0);
    assert_eq!(pit.advance(at(102)), 1);
    assert_eq!(pit.deadline(), None);
    assert_eq!(pit.advance(at(1_000_000)), 0);
    pit.write(0x40, 50, at(1_000_000));
    pit.write(0x40, 0, at(1_000_000));
    assert_eq!(pit.deadline(), Some(at(1_000_052)));
}

#[test]
fn programming_raises_the_line() {
    let mut pit = counter_0(0x30, 100);
    assert_eq!(pit.advance(0), 0);
    assert_eq!(pit.deadline(), Some(at(101)));
    pit.write(CONTROL_PORT, 0x34, at(50));
    assert_eq!(pit.deadline(), Some(at(50)));
    assert_eq!(
        pit.advance(at(50)),
        1,
        "from low in mode 0 to high in mode 2"
    );
    assert_eq!(pit.deadline(), None, "no count");
}

#[test]
fn short_periods_do_not_flood() {
    let mut pit = counter_0(0x34, 1);
    let mut told = 0;
    let mut now = 0;
    for _ in 0..50 {
        let due = pit.deadline().unwrap();
        assert!(now == 0 || due >= now + SHORTEST_PERIOD);
        now = due;
        told += pit.advance(now);
    }
    assert_eq!(told, (CLOCK.ticks(now) - 1) / 2, "every rise is counted");
}

#[test]
fn gates_of_counters_0_and_1_are_open() {
    let mut pit = counter_0(0x32, 10);
    pit.advance(0);
    assert_eq!(pit.deadline(), None, "no trigger ever");
    assert_eq!(pit.advance(at(1000)), 0);
}

#[test]
fn end_of_time() {
    let mut pit = counter_0(0x34, 0);
    pit.advance(u64::MAX);
    assert_eq!(pit.deadline(), None);
}

proptest! {
    /// However irregularly the timer is asked, it counts every period of a mode that repeats.
    #[test]
    fn rises_are_counted_from_the_start(
        square: bool, count in 2..=u16::MAX, steps in prop::collection::vec(0..1u64 << 32, 1..50),
    ) {
        let mut pit = counter_0(if square { 0x36 } else { 0x34 }, count);
        pit.advance(0);
        let mut now = 0;
        let mut rises = 0;
        for step in steps {
            now += step;
            rises += pit.advance(now);
            prop_assert_eq!(rises, CLOCK.ticks(now).saturating_sub(1) / u64::from(count));
        }
    }
}
