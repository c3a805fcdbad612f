//! The ports.

use super::*;
use proptest::prelude::*;

#[test]
fn system_control_b() {
    let mut pit = Pit::new();
    assert_eq!(pit.read(SYSTEM_CONTROL_B_PORT, 0), 0x20);
    pit.write(SYSTEM_CONTROL_B_PORT, 0xff, 0);
    assert_eq!(pit.read(SYSTEM_CONTROL_B_PORT, 0), 0x2f);
    assert!(pit.speaker());
    assert_eq!(pit.read(SYSTEM_CONTROL_B_PORT, at(18)), 0x3f, "refresh");
    assert_eq!(pit.read(SYSTEM_CONTROL_B_PORT, at(36)), 0x2f);
    pit.write(CONTROL_PORT, 0xb0, 0);
    assert_eq!(
        pit.read(SYSTEM_CONTROL_B_PORT, 0),
        0x0f,
        "output of counter 2"
    );
    pit.write(SYSTEM_CONTROL_B_PORT, 0x01, 0);
    assert!(!pit.speaker());
}

#[test]
fn other_ports_do_not_answer() {
    let mut pit = Pit::new();
    let before = pit.clone();
    assert_eq!(pit.read(CONTROL_PORT, 0), 0xff);
    assert_eq!(pit.read(0x44, 0), 0xff);
    pit.write(0x44, 0, 0);
    assert_eq!(pit, before);
    assert!(!pit.output(3, 0));
}

#[test]
fn bytes_of_a_count() {
    let mut pit = counter_2(0x34, 0x1234);
    assert_eq!(pit.read(0x42, at(1)), 0x34);
    assert_eq!(pit.read(0x42, at(1)), 0x12);
    assert_eq!(pit.read(0x42, at(1)), 0x34);

    // Only the low byte.
    let mut pit = Pit::new();
    pit.write(CONTROL_PORT, 0x54, 0);
    pit.write(0x41, 0x56, 0);
    assert_eq!(pit.read(0x41, at(1)), 0x56);
    assert_eq!(pit.read(0x41, at(1)), 0x56);

    // Only the high byte.
    pit.write(CONTROL_PORT, 0x64, 0);
    pit.write(0x41, 0x56, 0);
    assert_eq!(pit.read(0x41, at(1)), 0x56);
    assert_eq!(pit.read(0x41, at(2)), 0x55);
}

#[test]
fn latched_count_stays() {
    let mut pit = counter_2(0x34, 0x1000);
    pit.write(CONTROL_PORT, 0x80, at(1));
    pit.write(CONTROL_PORT, 0x80, at(500));
    assert_eq!(pit.read(0x42, at(600)), 0x00);
    assert_eq!(pit.read(0x42, at(700)), 0x10);
    assert_eq!(read_count(&mut pit, 2, at(0x801)), 0x800);
}

#[test]
fn read_back() {
    let mut pit = counter_2(0x36, 0x1000);
    pit.write(CONTROL_PORT, 0xe8, 0);
    assert_eq!(pit.read(0x42, 0), 0xf6, "high, not loaded yet");
    pit.write(CONTROL_PORT, 0xe8, at(1));
    pit.write(CONTROL_PORT, 0xe8, at(0x801));
    assert_eq!(
        pit.read(0x42, at(0x801)),
        0xb6,
        "the first that was latched"
    );
    pit.write(CONTROL_PORT, 0xc8, at(0x801));
    assert_eq!(pit.read(0x42, at(0x900)), 0x36, "status first");
    assert_eq!(pit.read(0x42, at(0x900)), 0x00);
    assert_eq!(pit.read(0x42, at(0x900)), 0x10);
    pit.write(CONTROL_PORT, 0xd8, at(0x801));
    assert_eq!(pit.read(0x42, at(0x900)), 0x00, "count only");

    // Several counters at once, and one that nobody has chosen.
    let mut pit = counter_0(0x34, 0x5566);
    pit.write(CONTROL_PORT, 0xea, at(1));
    assert_eq!(pit.read(0x40, at(1)), 0xb4);
    assert_eq!(pit.read(0x41, at(1)), 0x00);
    assert_eq!(pit.read(0x42, at(1)), 0xf6, "never programmed");
}

#[test]
fn null_count() {
    let null = |pit: &mut Pit, tick| {
        pit.write(CONTROL_PORT, 0xe8, at(tick));
        pit.read(0x42, at(tick)) & 0x40 != 0
    };
    let mut pit = counter_2(0x34, 10);
    assert!(!null(&mut pit, 1));
    pit.write(0x42, 5, at(2));
    pit.write(0x42, 0, at(2));
    assert!(null(&mut pit, 10));
    assert!(!null(&mut pit, 11));
    pit.write(CONTROL_PORT, 0xb2, at(20));
    assert!(null(&mut pit, 20));
    pit.write(0x42, 5, at(20));
    pit.write(0x42, 0, at(20));
    assert!(null(&mut pit, 40), "until it is triggered");
    pit.write(SYSTEM_CONTROL_B_PORT, 0, at(40));
    pit.write(SYSTEM_CONTROL_B_PORT, 1, at(40));
    assert!(null(&mut pit, 40));
    assert!(!null(&mut pit, 41));
}

#[test]
fn first_byte_stops_mode_0() {
    let mut pit = counter_2(0x30, 10);
    assert!(pit.output(2, at(20)));
    pit.write(0x42, 10, at(20));
    assert!(!pit.output(2, at(500)));
    pit.write(0x42, 0, at(500));
    assert!(!pit.output(2, at(510)));
    assert!(pit.output(2, at(511)));
}

/// What Linux does first to measure the time stamp counter: counter 2 in mode 0, its high byte read in a loop.
#[test]
fn quick_calibration_sees_the_count_fall() {
    let mut pit = Pit::new();
    let gate = pit.read(SYSTEM_CONTROL_B_PORT, 0) & !0x02 | 0x01;
    pit.write(SYSTEM_CONTROL_B_PORT, gate, 0);
    pit.write(CONTROL_PORT, 0xb0, 0);
    pit.write(0x42, 0xff, 0);
    pit.write(0x42, 0xff, 0);
    let mut high = Vec::new();
    for step in 0..2000 {
        let now = 1000 + 1500 * step;
        pit.read(0x42, now);
        high.push(pit.read(0x42, now));
    }
    assert_eq!(high[0], 0xff);
    high.dedup();
    assert!(high.is_sorted_by(|a, b| *a == b + 1), "one after the other");
    assert_eq!(
        u64::from(*high.last().unwrap()),
        (0x1_0000 - CLOCK.ticks(3_000_000)) >> 8
    );
}

proptest! {
    #[test]
    fn whatever_a_guest_does(
        accesses in prop::collection::vec(
            (prop::sample::select(vec![0x40u16, 0x41, 0x42, 0x43, 0x61, 0x99]),
             any::<Option<u8>>(), 0..1u64 << 36),
            0..200,
        ),
        start: u64,
    ) {
        let mut pit = Pit::new();
        let mut now = start;
        for (port, access, pass) in accesses {
            match access {
                None => {
                    pit.read(port, now);
                }
                Some(value) => pit.write(port, value, now),
            }
            if let Some(due) = pit.deadline() {
                let mut later = pit.clone();
                prop_assert!(later.advance(due.max(now)) > 0);
            }
            now = now.saturating_add(pass);
            let due = pit.deadline();
            // A timer whose next deadline was moved up to the shortest period may tell earlier when asked.
            if pit.advance(now) > 0 && !pit.counters[0].is_periodic() {
                prop_assert!(due.is_some_and(|due| due <= now));
            }
        }
    }
}
