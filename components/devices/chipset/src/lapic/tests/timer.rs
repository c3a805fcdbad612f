//! The timer.

use super::*;
use proptest::prelude::*;

const PERIODIC: u64 = 1 << 17;
const DEADLINE: u64 = 2 << 17;
const DIVIDE_BY_1: u64 = 0xb;
const VECTOR: u64 = 0xe0;

/// An enabled local APIC with the timer in this mode, undivided.
fn timer(mode: u64) -> Lapic {
    let mut apic = enabled();
    apic.set(LVT_TIMER, mode | VECTOR);
    apic.set(DIVIDE, DIVIDE_BY_1);
    apic
}

/// Takes and ends the timer's interrupt, if there is one at `now`.
fn fired(apic: &mut Lapic, now: u64) -> bool {
    apic.advance(now, CLOCK);
    let fired = apic.take() == Some(VECTOR as u8);
    if fired {
        apic.set(EOI, 0);
    }
    fired
}

fn current(apic: &mut Lapic, now: u64) -> u64 {
    apic.read_mmio(CURRENT, 4, now)
}

#[test]
fn one_shot() {
    let mut apic = timer(0);
    assert_eq!(apic.deadline(0, CLOCK), None);
    apic.write_mmio(INITIAL, 4, 1000, 50, CLOCK);
    assert_eq!(apic.deadline(50, CLOCK), Some(1050));
    assert_eq!(current(&mut apic, 50), 1000);
    assert_eq!(current(&mut apic, 1049), 1);
    assert!(!fired(&mut apic, 1049));
    assert!(fired(&mut apic, 1050));
    assert_eq!(current(&mut apic, 1051), 0);
    assert_eq!(apic.deadline(1051, CLOCK), None);
    assert!(!fired(&mut apic, 1_000_000));
    assert_eq!(apic.get(INITIAL), 1000);
}

#[test]
fn divisors() {
    let divisors = [2, 4, 8, 16, 32, 64, 128, 1];
    for (setting, divisor) in [0, 1, 2, 3, 8, 9, 10, 11].into_iter().zip(divisors) {
        let mut apic = timer(0);
        apic.set(DIVIDE, setting);
        apic.set(INITIAL, 100);
        assert_eq!(apic.deadline(0, CLOCK), Some(100 * divisor));
        assert_eq!(current(&mut apic, 10 * divisor), 90);
        assert_eq!(current(&mut apic, 10 * divisor + divisor / 2), 90);
    }
}

#[test]
fn periodic_does_not_drift() {
    let mut apic = timer(PERIODIC);
    apic.set(INITIAL, 1_000_000);
    for late in [0, 7, 900_000, 300_000] {
        let due = apic.deadline(0, CLOCK).unwrap();
        assert_eq!(due % 1_000_000, 0);
        assert!(!fired(&mut apic, due - 1));
        assert!(fired(&mut apic, due + late));
    }
    assert_eq!(apic.deadline(0, CLOCK), Some(5_000_000));
    assert!(fired(&mut apic, 7_500_000), "two periods become one");
    assert!(!fired(&mut apic, 7_999_999));
    assert_eq!(current(&mut apic, 7_999_990), 10);
}

#[test]
fn count_starts_anew_before_anybody_looks() {
    let mut apic = timer(PERIODIC);
    apic.set(INITIAL, 1000);
    assert_eq!(current(&mut apic, 1000), 1000);
    assert_eq!(current(&mut apic, 5300), 700);
}

#[test]
fn short_periods_do_not_flood() {
    let mut apic = timer(PERIODIC);
    apic.set(INITIAL, 1);
    assert_eq!(apic.deadline(0, CLOCK), Some(1));
    let mut now = 0;
    for _ in 0..100 {
        let due = apic.deadline(now, CLOCK).unwrap();
        assert!(now == 0 || due >= now + crate::clock::SHORTEST_PERIOD);
        now = due;
        assert!(fired(&mut apic, now));
    }
}

#[test]
fn zero_stops() {
    let mut apic = timer(PERIODIC);
    apic.set(INITIAL, 1000);
    apic.set(INITIAL, 0);
    assert_eq!(apic.deadline(0, CLOCK), None);
    assert!(!fired(&mut apic, 10_000));
    assert_eq!(current(&mut apic, 10_000), 0);
}

#[test]
fn masked_timer_counts_in_silence() {
    let mut apic = timer(PERIODIC | MASKED);
    apic.set(INITIAL, 1000);
    assert_eq!(apic.deadline(0, CLOCK), None);
    assert_eq!(current(&mut apic, 400), 600);
    let unmasked = PERIODIC | VECTOR;
    apic.write_mmio(LVT_TIMER, 4, unmasked, 2500, CLOCK);
    assert_eq!(apic.take(), None, "what expired under the mask is lost");
    assert_eq!(apic.deadline(2500, CLOCK), Some(22_500));
    assert!(!fired(&mut apic, 2999));
    assert!(fired(&mut apic, 3000), "asked earlier, it tells earlier");
}

#[test]
fn a_change_of_divisor_keeps_the_count() {
    let mut apic = timer(0);
    apic.set(INITIAL, 1000);
    apic.write_mmio(DIVIDE, 4, 0, 400, CLOCK);
    assert_eq!(current(&mut apic, 400), 600);
    assert_eq!(apic.deadline(400, CLOCK), Some(1600));
}

#[test]
fn one_shot_and_periodic_change_while_counting() {
    let mut apic = timer(0);
    apic.set(INITIAL, 100_000);
    apic.write_mmio(LVT_TIMER, 4, PERIODIC | VECTOR, 10, CLOCK);
    assert!(fired(&mut apic, 100_000));
    assert_eq!(apic.deadline(100_000, CLOCK), Some(200_000));
    apic.write_mmio(LVT_TIMER, 4, VECTOR, 150_000, CLOCK);
    assert!(fired(&mut apic, 200_000));
    assert_eq!(apic.deadline(200_000, CLOCK), None);
}

#[test]
fn deadline_mode() {
    let mut apic = timer(DEADLINE);
    let msr = |apic: &mut Lapic, now| apic.read_msr(TSC_DEADLINE, now, CLOCK).unwrap();
    apic.write_msr(TSC_DEADLINE, 3001, 100, CLOCK).unwrap();
    assert_eq!(msr(&mut apic, 100), 3001);
    assert_eq!(apic.deadline(100, CLOCK), Some(1501));
    assert!(!fired(&mut apic, 1500));
    assert!(fired(&mut apic, 1501));
    assert_eq!(msr(&mut apic, 1501), 0);
    assert_eq!(apic.deadline(1501, CLOCK), None);

    apic.write_msr(TSC_DEADLINE, 1, 5000, CLOCK).unwrap();
    assert_eq!(apic.deadline(5000, CLOCK), Some(5000), "long ago is now");
    apic.write_msr(TSC_DEADLINE, 0, 5000, CLOCK).unwrap();
    assert_eq!(apic.deadline(5000, CLOCK), None);
}

#[test]
fn a_deadline_that_passed_unnoticed_is_served() {
    let mut apic = timer(DEADLINE);
    apic.write_msr(TSC_DEADLINE, 2000, 0, CLOCK).unwrap();
    apic.write_msr(TSC_DEADLINE, 9000, 1000, CLOCK).unwrap();
    assert_eq!(apic.take(), Some(VECTOR as u8));
    assert_eq!(apic.deadline(1000, CLOCK), Some(4500));
}

#[test]
fn deadline_follows_the_guests_counter() {
    let mut apic = timer(DEADLINE);
    apic.write_msr(TSC_DEADLINE, 10_000, 0, CLOCK).unwrap();
    let set_forward = Clock {
        tsc_offset: 4000,
        ..CLOCK
    };
    assert_eq!(apic.deadline(0, CLOCK), Some(5000));
    assert_eq!(apic.deadline(0, set_forward), Some(3000));
    apic.advance(3000, set_forward);
    assert_eq!(apic.take(), Some(VECTOR as u8));
}

#[test]
fn modes_do_not_mix() {
    let mut apic = timer(DEADLINE);
    apic.set(INITIAL, 1000);
    assert_eq!(apic.deadline(0, CLOCK), None, "counts are ignored");
    assert_eq!(apic.get(INITIAL), 0);
    apic.write_msr(TSC_DEADLINE, 5000, 0, CLOCK).unwrap();
    apic.set(LVT_TIMER, VECTOR);
    assert_eq!(apic.deadline(0, CLOCK), None, "disarmed");
    apic.write_msr(TSC_DEADLINE, 5000, 0, CLOCK).unwrap();
    assert_eq!(apic.read_msr(TSC_DEADLINE, 0, CLOCK), Ok(0), "ignored");
    apic.set(INITIAL, 1000);
    apic.set(LVT_TIMER, DEADLINE | VECTOR);
    assert_eq!(apic.deadline(0, CLOCK), None);
    assert_eq!(current(&mut apic, 100), 0);
}

#[test]
fn end_of_time() {
    let mut apic = timer(PERIODIC);
    let end = u64::MAX - 10;
    apic.write_mmio(INITIAL, 4, 1000, end, CLOCK);
    assert_eq!(apic.deadline(end, CLOCK), None);
    apic.write_mmio(INITIAL, 4, 5, end, CLOCK);
    assert!(fired(&mut apic, u64::MAX));
    assert_eq!(apic.deadline(u64::MAX, CLOCK), None);
}

proptest! {
    /// However late and irregularly it is asked, a periodic timer fires in every period in which it is.
    #[test]
    fn periods_are_counted_from_the_start(
        initial in 1..2_000_000u32,
        divide in prop::sample::select(vec![0u64, 3, 10, 11]),
        steps in prop::collection::vec(1..5_000_000u64, 1..50),
    ) {
        let mut apic = timer(PERIODIC);
        apic.set(DIVIDE, divide);
        apic.set(INITIAL, initial.into());
        let period = apic.deadline(0, CLOCK).unwrap();
        let mut now = 0;
        for step in steps {
            let before = now / period;
            now += step;
            prop_assert_eq!(fired(&mut apic, now), now / period > before);
            prop_assert!(current(&mut apic, now) <= initial.into());
            prop_assert!(current(&mut apic, now) > 0);
        }
    }
}
