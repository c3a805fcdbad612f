//! Conversions between nanoseconds of guest time and the ticks of a device.
//!
//! They are exact: the tick of a moment is computed from that moment alone, never by adding up rounded pieces, so that
//! nothing drifts however long a machine runs.

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds that at least pass between two deadlines of a periodic timer.
///
/// A guest can ask for an interrupt every nanosecond. Interrupts that come closer together than this are merged, as
/// they are when a processor is slow to take them; counters keep running exactly.
pub const SHORTEST_PERIOD: u64 = 20_000;

/// Frequency of a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequency(u64);

impl Frequency {
    /// A frequency of `hz`; at most 18 GHz, so that no product below overflows.
    pub const fn hz(hz: u64) -> Self {
        assert!(hz > 0 && hz <= 18 * SECOND);
        Frequency(hz)
    }

    /// Ticks from time 0 to `now`.
    pub const fn ticks(self, now: u64) -> u64 {
        // The parts of a second are at most 10⁹ times 18·10⁹, which is less than 2⁶⁴.
        let seconds = (now / SECOND).saturating_mul(self.0);
        seconds.saturating_add(now % SECOND * self.0 / SECOND)
    }

    /// The first moment at which [`Self::ticks`] reaches `ticks`; `None` if that is beyond the end of time.
    pub const fn moment(self, ticks: u64) -> Option<u64> {
        match (ticks / self.0).checked_mul(SECOND) {
            Some(seconds) => seconds.checked_add((ticks % self.0 * SECOND).div_ceil(self.0)),
            None => None,
        }
    }
}

/// The guest's time stamp counter as a function of guest time.
///
/// Passed in by value where it is needed, so that it may change (the guest writes its counter, the machine moves to
/// another host) without any device having to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Frequency of the time stamp counter in kHz; 0: the counter stands still.
    pub tsc_khz: u32,
    /// Value of the counter at time 0, modulo 2⁶⁴.
    pub tsc_offset: u64,
}

/// Nanoseconds in a millisecond: a frequency in kHz counts by these.
const MILLISECOND: u64 = 1_000_000;

impl Clock {
    /// The counter at `now`: it wraps around at 2⁶⁴, as the real one does.
    pub const fn tsc(self, now: u64) -> u64 {
        let khz = self.tsc_khz as u64;
        let milliseconds = (now / MILLISECOND).wrapping_mul(khz);
        let rest = now % MILLISECOND * khz / MILLISECOND;
        self.tsc_offset
            .wrapping_add(milliseconds)
            .wrapping_add(rest)
    }

    /// The first moment from `now` on at which the counter is `value` or more; `None` if it will not be within the
    /// 584 years that 64 bits of nanoseconds hold.
    pub const fn moment(self, value: u64, now: u64) -> Option<u64> {
        let counter = self.tsc(now);
        if counter >= value {
            return Some(now);
        }
        let khz = self.tsc_khz as u64;
        if khz == 0 {
            return None;
        }
        // The counter has this many millionths of a tick already that `tsc` does not show.
        let fraction = now % MILLISECOND * khz % MILLISECOND;
        let missing = value - counter;
        let Some(milliseconds) = (missing / khz).checked_mul(MILLISECOND) else {
            return None;
        };
        let millionths = missing % khz * MILLISECOND;
        let Some(wait) = milliseconds.checked_add(millionths.div_ceil(khz)) else {
            return None;
        };
        // What the counter has of its next tick shortens the wait, possibly by several nanoseconds.
        let surplus = (millionths.div_ceil(khz) * khz - millionths) + fraction;
        now.checked_add(wait - surplus / khz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(now: u64, hz: u64) -> u64 {
        (u128::from(now) * u128::from(hz) / u128::from(SECOND)) as u64
    }

    #[test]
    fn a_stopped_counter_reaches_nothing() {
        let clock = Clock {
            tsc_khz: 0,
            tsc_offset: 7,
        };
        assert_eq!(clock.tsc(u64::MAX), 7);
        assert_eq!(clock.moment(7, 5), Some(5));
        assert_eq!(clock.moment(8, 5), None);
    }

    #[test]
    fn a_counter_is_exact_after_a_century() {
        let century = 100 * 365 * 24 * 3600 * SECOND;
        let clock = Clock {
            tsc_khz: 3_000_001,
            tsc_offset: 0,
        };
        assert_eq!(clock.tsc(century), 100 * 365 * 24 * 3600 * 3_000_001_000);
        let next = clock.tsc(century) + 1;
        assert_eq!(clock.moment(next, century), Some(century + 1));
    }

    proptest! {
        #[test]
        fn ticks_are_exact(now: u64, hz in 1..=18 * SECOND) {
            let wanted = u128::from(now) * u128::from(hz) / u128::from(SECOND);
            let wanted = wanted.min(u128::from(u64::MAX)) as u64;
            prop_assert_eq!(Frequency::hz(hz).ticks(now), wanted);
        }

        #[test]
        fn a_moment_is_the_first_with_its_tick(now: u64, hz in 1..=200_000_000u64) {
            let frequency = Frequency::hz(hz);
            let ticks = frequency.ticks(now);
            let moment = frequency.moment(ticks).unwrap();
            prop_assert!(moment <= now);
            prop_assert_eq!(exact(moment, hz), ticks);
            if moment > 0 {
                prop_assert!(exact(moment - 1, hz) < ticks);
            }
        }

        #[test]
        fn counter_is_exact(now: u64, tsc_khz: u32, tsc_offset: u64) {
            let wanted = u128::from(now) * u128::from(tsc_khz) / u128::from(MILLISECOND);
            let clock = Clock { tsc_khz, tsc_offset };
            prop_assert_eq!(clock.tsc(now), tsc_offset.wrapping_add(wanted as u64));
        }

        #[test]
        fn a_value_is_reached_at_its_moment(
            now in 0..u64::MAX / 2,
            tsc_khz in 1..=20_000_000u32,
            tsc_offset in 0..1u64 << 40,
            ahead in 1..1u64 << 50,
        ) {
            let clock = Clock { tsc_khz, tsc_offset };
            let counter = clock.tsc(now);
            prop_assume!(counter < u64::MAX - ahead);
            // Slow counters may take longer than time lasts.
            let Some(moment) = clock.moment(counter + ahead, now) else {
                prop_assert!(ahead / u64::from(tsc_khz) > u64::MAX / 2 / MILLISECOND);
                return Ok(());
            };
            let ticks = |at: u64| u128::from(at) * u128::from(tsc_khz) / u128::from(MILLISECOND);
            prop_assert!(moment > now);
            prop_assert!(ticks(moment) - ticks(now) >= u128::from(ahead));
            prop_assert!(ticks(moment - 1) - ticks(now) < u128::from(ahead));
        }

        #[test]
        fn no_value_overflows(now: u64, tsc_khz: u32, tsc_offset: u64, value: u64) {
            let clock = Clock { tsc_khz, tsc_offset };
            if let Some(moment) = clock.moment(value, now) {
                prop_assert!(moment >= now);
            }
        }
    }
}
