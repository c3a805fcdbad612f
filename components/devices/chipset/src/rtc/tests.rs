use super::*;
use proptest::prelude::*;

/// 2026-02-28 23:59:57 UTC, a Saturday.
const TIME: i64 = 1_772_323_197;
const MS: u64 = 1_000_000;

impl Rtc {
    fn get(&mut self, index: u8, now: u64) -> u8 {
        self.write(INDEX_PORT, index, now);
        self.read(DATA_PORT, now)
    }

    fn set(&mut self, index: u8, value: u8, now: u64) {
        self.write(INDEX_PORT, index, now);
        self.write(DATA_PORT, value, now);
    }

    fn date(&mut self, now: u64) -> [u8; 8] {
        [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00].map(|index| self.get(index, now))
    }
}

#[test]
fn registers_after_reset() {
    let mut rtc = Rtc::new(TIME, 0);
    assert_eq!(rtc.get(0x0a, 0), 0x26);
    assert_eq!(rtc.get(0x0b, 0), 0x02);
    assert_eq!(rtc.get(0x0c, 0), 0x00);
    assert_eq!(rtc.get(0x0d, 0), 0x80);
    assert_eq!(rtc.read(INDEX_PORT, 0), 0xff);
    assert_eq!(rtc.read(0x72, 0), 0xff);
    assert!(!rtc.irq());
    assert_eq!(rtc.deadline(), None);
}

#[test]
fn time_runs_over_the_end_of_a_month() {
    let mut rtc = Rtc::new(TIME, 0);
    assert_eq!(rtc.date(0), [0x20, 0x26, 0x02, 0x28, 7, 0x23, 0x59, 0x57]);
    assert_eq!(rtc.date(3 * SECOND), [0x20, 0x26, 0x03, 0x01, 1, 0, 0, 0]);
    assert_eq!(rtc.unix_time(3 * SECOND), TIME + 3);
    assert_eq!(rtc.unix_time(100 * SECOND), TIME + 100);
}

#[test]
fn formats() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0b, 0x06, 0);
    assert_eq!(rtc.date(0), [20, 26, 2, 28, 7, 23, 59, 57]);
    rtc.set(0x0b, 0x00, 0);
    assert_eq!(rtc.get(0x04, 0), 0x91, "11 in the evening");
    rtc.set(0x0b, 0x04, 0);
    assert_eq!(rtc.get(0x04, 0), 0x8b);
    for (hour, bcd) in [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81)] {
        let mut rtc = Rtc::new(hour * 3600, 0);
        rtc.set(0x0b, 0x00, 0);
        assert_eq!(rtc.get(0x04, 0), bcd);
    }
}

#[test]
fn setting_the_time() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0b, 0x82, 100 * MS);
    for (index, value) in [(0x32, 0x19), (0x09, 0x99), (0x08, 0x12), (0x07, 0x31)] {
        rtc.set(index, value, 100 * MS);
    }
    for (index, value) in [(0x06, 0x03), (0x04, 0x23), (0x02, 0x59), (0x00, 0x58)] {
        rtc.set(index, value, 100 * MS);
    }
    let set = [0x19, 0x99, 0x12, 0x31, 3, 0x23, 0x59, 0x58];
    assert_eq!(rtc.date(10 * SECOND), set, "it stands");
    assert_eq!(rtc.unix_time(10 * SECOND), 946_684_798);
    rtc.set(0x0b, 0x02, 10_300 * MS);
    assert_eq!(rtc.date(10_999 * MS), set);
    assert_eq!(
        rtc.date(12 * SECOND),
        [0x20, 0x00, 0x01, 0x01, 4, 0, 0, 0],
        "the divider has run on, the weekday is what was set"
    );
}

#[test]
fn the_divider_starts_with_half_a_second() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0a, 0x76, 100 * MS);
    assert_eq!(rtc.get(0x00, 5 * SECOND), 0x57, "it stands");
    rtc.set(0x00, 0x30, 5 * SECOND);
    rtc.set(0x0a, 0x26, 5200 * MS);
    assert_eq!(rtc.get(0x00, 5699 * MS), 0x30);
    assert_eq!(rtc.get(0x00, 5700 * MS), 0x31);
}

#[test]
fn a_change_of_rate_does_not_disturb_the_seconds() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0a, 0x2f, 900 * MS);
    assert_eq!(rtc.get(0x00, SECOND - 1), 0x57);
    assert_eq!(rtc.get(0x00, SECOND), 0x58);
}

#[test]
fn setting_a_register_of_a_running_clock() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x04, 0x05, 200 * MS);
    assert_eq!(
        rtc.date(999 * MS),
        [0x20, 0x26, 0x02, 0x28, 7, 0x05, 0x59, 0x57]
    );
    assert_eq!(rtc.get(0x00, SECOND), 0x58);
}

#[test]
fn values_that_are_no_date() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0b, 0x82, 0);
    for index in [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00] {
        rtc.set(index, 0xff, 0);
        assert_eq!(rtc.get(index, 0), 0xff, "kept as written");
    }
    rtc.set(0x0b, 0x02, 0);
    let nearest = [0x99, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59];
    assert_eq!(rtc.date(0), nearest);
    assert_eq!(rtc.date(5 * SECOND), nearest, "the end of time");
    rtc.set(0x0b, 0x82, 6 * SECOND);
    for index in [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00] {
        rtc.set(index, 0, 6 * SECOND);
    }
    rtc.set(0x0b, 0x02, 6 * SECOND);
    assert_eq!(rtc.date(6 * SECOND), [0, 0, 1, 1, 7, 0, 0, 0]);
}

#[test]
fn update_is_announced() {
    let mut rtc = Rtc::new(TIME, 0);
    let begin = SECOND - 2_228_000;
    assert_eq!(rtc.get(0x0a, begin - 1), 0x26);
    assert_eq!(rtc.get(0x0a, begin), 0xa6);
    assert_eq!(rtc.get(0x0a, SECOND - 1), 0xa6);
    assert_eq!(rtc.get(0x00, SECOND - 1), 0x57);
    assert_eq!(rtc.get(0x0a, SECOND), 0x26);
    assert_eq!(rtc.get(0x00, SECOND), 0x58);
    rtc.set(0x0b, 0x82, SECOND);
    assert_eq!(rtc.get(0x0a, 2 * SECOND - 1), 0x26, "no update");
    rtc.set(0x0a, 0xff, SECOND);
    assert_eq!(rtc.get(0x0a, SECOND), 0x7f, "read-only");
}

#[test]
fn update_interrupt() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0b, 0x12, 100 * MS);
    assert_eq!(rtc.deadline(), Some(SECOND));
    rtc.advance(SECOND - 1);
    assert!(!rtc.irq());
    rtc.advance(SECOND);
    assert!(rtc.irq());
    assert_eq!(rtc.deadline(), None, "until it is acknowledged");
    assert_eq!(rtc.get(0x0c, SECOND) & 0x9f, 0x90);
    assert!(!rtc.irq());
    assert_eq!(rtc.get(0x0c, SECOND), 0x00, "reading cleared it");
    assert_eq!(rtc.deadline(), Some(2 * SECOND));
    rtc.set(0x0b, 0x92, SECOND);
    assert_eq!(rtc.get(0x0b, SECOND), 0x82, "setting switches it off");
    assert_eq!(rtc.deadline(), None);
}

#[test]
fn flags_come_without_their_interrupt() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.advance(SECOND);
    assert!(!rtc.irq());
    let mut enabled = rtc.clone();
    enabled.set(0x0b, 0x12, SECOND);
    assert!(enabled.irq(), "enabled afterwards");
    assert_eq!(
        rtc.get(0x0c, SECOND),
        0x50,
        "updated, and periods have passed"
    );
}

#[test]
fn periodic_rates() {
    for (rate, hz) in [(1, 256), (2, 128), (3, 8192), (6, 1024), (15, 2)] {
        let mut rtc = Rtc::new(TIME, 0);
        rtc.set(0x0a, 0x20 | rate, 0);
        rtc.set(0x0b, 0x42, 0);
        let mut count = 0;
        while let Some(due) = rtc.deadline().filter(|due| *due <= 10 * SECOND) {
            rtc.advance(due - 1);
            assert!(!rtc.irq(), "{hz} Hz at {due}");
            rtc.advance(due);
            assert_eq!(rtc.get(0x0c, due) & 0xc0, 0xc0);
            count += 1;
            assert_eq!(due, (count * SECOND).div_ceil(hz));
        }
        assert_eq!(count, 10 * hz);
    }
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set(0x0a, 0x20, 0);
    rtc.set(0x0b, 0x42, 0);
    assert_eq!(rtc.deadline(), None, "rate 0");
    rtc.set(0x0a, 0x66, 0);
    assert_eq!(rtc.deadline(), None, "no divider");
}

#[test]
fn alarm() {
    let mut rtc = Rtc::new(TIME, 0);
    for (index, value) in [(0x05, 0x00), (0x03, 0x01), (0x01, 0x30), (0x0b, 0x22)] {
        rtc.set(index, value, 0);
    }
    assert_eq!([1, 3, 5].map(|at| rtc.get(at, 0)), [0x30, 0x01, 0x00]);
    assert_eq!(rtc.deadline(), Some(93 * SECOND));
    rtc.advance(93 * SECOND - 1);
    assert!(!rtc.irq());
    rtc.advance(93 * SECOND);
    assert_eq!(rtc.get(0x0c, 93 * SECOND) & 0xa0, 0xa0);
    assert_eq!(rtc.deadline(), Some((93 + 86_400) * SECOND));
}

#[test]
fn alarm_at_any() {
    for (hour, minute, second, wait) in [
        (0xc0, 0xff, 0xc5, Some(1)),
        (0xff, 0xff, 0x00, Some(3)),
        (0xff, 0x05, 0xff, Some(303)),
        (0x23, 0xff, 0xff, Some(1)),
        (0x01, 0xff, 0xff, Some(3603)),
        (0x23, 0x59, 0x57, Some(86_400)),
        (0x23, 0x59, 0x58, Some(1)),
        (0x24, 0xff, 0xff, None),
        (0xff, 0x60, 0xff, None),
        (0xff, 0xff, 0x9f, None),
    ] {
        let mut rtc = Rtc::new(TIME, 0);
        for (index, value) in [(5, hour), (3, minute), (1, second), (0x0b, 0x22)] {
            rtc.set(index, value, 0);
        }
        let due = wait.map(|wait| wait * SECOND);
        assert_eq!(rtc.deadline(), due, "{hour:#x}:{minute:#x}:{second:#x}");
    }
}

#[test]
fn a_passed_alarm_is_noticed_late() {
    let mut rtc = Rtc::new(TIME, 0);
    for (index, value) in [(5, 0x12), (3, 0x00), (1, 0x00)] {
        rtc.set(index, value, 0);
    }
    rtc.advance(3600 * SECOND);
    assert_eq!(rtc.get(0x0c, 3600 * SECOND) & ALARM, 0);
    rtc.advance(1_000_000 * SECOND);
    assert_eq!(rtc.get(0x0c, 1_000_000 * SECOND) & ALARM, ALARM);
}

#[test]
fn memory() {
    let mut rtc = Rtc::new(TIME, 0);
    rtc.set_memory(0x15, 0x80);
    assert_eq!(rtc.get(0x15, 0), 0x80);
    rtc.set(0x7f, 0x5a, 0);
    assert_eq!(rtc.get(0xff, 0), 0x5a, "bit 7 of the index masks NMIs");
    assert_eq!(rtc.memory(0x7f), Some(0x5a));
    for index in [0x00, 0x0d, CENTURY, 0x80, 0xff] {
        assert_eq!(rtc.memory(index), None);
        let before = rtc.clone();
        rtc.set_memory(index, 1);
        assert_eq!(rtc, before);
    }
    rtc.set(0x0c, 0xff, 0);
    rtc.set(0x0d, 0x00, 0);
    assert_eq!((rtc.get(0x0c, 0), rtc.get(0x0d, 0)), (0x00, 0x80));
}

proptest! {
    #[test]
    fn every_time_is_read_back(
        time in -62_167_219_200i64..=253_402_300_799, mode in prop::sample::select(vec![0u8, 2, 4, 6]),
    ) {
        let mut rtc = Rtc::new(time, 0);
        rtc.set(0x0b, mode, 0);
        let date = rtc.date(0);
        let mut other = Rtc::new(0, 0);
        other.set(0x0b, 0x80 | mode, 0);
        for (index, value) in [0x32, 0x09, 0x08, 0x07, 0x06, 0x04, 0x02, 0x00].into_iter().zip(date) {
            other.set(index, value, 0);
        }
        other.set(0x0b, mode, 0);
        prop_assert_eq!(other.unix_time(0), time);
        prop_assert_eq!(other.turn, 0);
        prop_assert_eq!(other.date(0), date);
    }

    /// The alarm comes at the first second that is as it says, as found by trying them all.
    #[test]
    fn alarm_is_the_first_that_matches(
        hour in prop_oneof![Just(0xffu8), 0..24u8],
        minute in prop_oneof![Just(0xffu8), 0..60u8],
        second in prop_oneof![Just(0xffu8), 0..60u8],
        time in 0..86_400i64,
    ) {
        let mut rtc = Rtc::new(time, 0);
        for (index, value) in [(0x0b, 0x26), (5, hour), (3, minute), (1, second)] {
            rtc.set(index, value, 0);
        }
        let is = |part: u8, value: i64| part == 0xff || i64::from(part) == value;
        let first = (1..=86_400i64).find(|wait| {
            let at = (time + wait) % 86_400;
            is(hour, at / 3600) && is(minute, at / 60 % 60) && is(second, at % 60)
        });
        prop_assert_eq!(rtc.deadline(), first.map(|wait| wait as u64 * SECOND));
    }

    #[test]
    fn whatever_a_guest_does(
        start: i64, begin: u64,
        steps in prop::collection::vec((0..0x80u8, any::<Option<u8>>(), 0..1u64 << 34), 0..200),
    ) {
        let mut rtc = Rtc::new(start, begin);
        let mut now = begin;
        for (index, access, pass) in steps {
            // Mostly the registers that do something.
            let index = if index < 0x60 { index % 0x0e } else { index };
            match access {
                None => {
                    rtc.get(index, now);
                }
                Some(value) => rtc.set(index, value, now),
            }
            rtc.unix_time(now);
            if let Some(due) = rtc.deadline() {
                let mut later = rtc.clone();
                later.advance(due);
                prop_assert!(later.irq() || due == u64::MAX, "a deadline without interrupt");
                prop_assert!(due > now || now == u64::MAX);
            }
            let due = rtc.deadline();
            let line = rtc.irq();
            now = now.saturating_add(pass);
            rtc.advance(now);
            if !line && rtc.irq() {
                prop_assert!(due.is_some_and(|due| due <= now), "an interrupt without deadline");
            }
            // Reading register C always quiets the line.
            let mut quiet = rtc.clone();
            quiet.get(0x0c, now);
            prop_assert!(!quiet.irq());
        }
    }
}
