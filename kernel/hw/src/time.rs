//! The time stamp counter as a clock.

use core::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds in a millisecond: a rate in kHz is ticks in as many nanoseconds.
const NS_PER_MS: u64 = 1_000_000;

/// Converts between two rates by one multiplication and a shift. Relative error below 2^-21 for rates of
/// 1 MHz to 20 GHz, 2^-29 around 1 GHz; results that do not fit saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u64);

impl Ratio {
    const SHIFT: u32 = 32;

    /// The ratio `numerator / denominator`, rounded to the nearest multiple of 2^-32. `None` if the
    /// denominator is 0, or the ratio is 0 or does not fit.
    pub const fn new(numerator: u64, denominator: u64) -> Option<Ratio> {
        if denominator == 0 {
            return None;
        }
        let half = denominator as u128 / 2;
        let factor = (((numerator as u128) << Self::SHIFT) + half) / denominator as u128;
        if factor == 0 || factor > u64::MAX as u128 {
            return None;
        }
        Some(Ratio(factor as u64))
    }

    /// `value` times the ratio, rounded down; `u64::MAX` if it does not fit.
    #[inline]
    pub const fn apply(self, value: u64) -> u64 {
        let product = (value as u128 * self.0 as u128) >> Self::SHIFT;
        if product > u64::MAX as u128 {
            u64::MAX
        } else {
            product as u64
        }
    }
}

/// The two ratios of a counter's rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Nanoseconds for each tick.
    pub to_ns: Ratio,
    /// Ticks for each nanosecond.
    pub to_ticks: Ratio,
}

impl Scale {
    /// The scale of a counter of `khz` kHz; `None` for 0.
    pub const fn new(khz: u64) -> Option<Scale> {
        match (Ratio::new(NS_PER_MS, khz), Ratio::new(khz, NS_PER_MS)) {
            (Some(to_ns), Some(to_ticks)) => Some(Scale { to_ns, to_ticks }),
            _ => None,
        }
    }
}

static KHZ: AtomicU64 = AtomicU64::new(0);
static TO_NS: AtomicU64 = AtomicU64::new(0);
static TO_TICKS: AtomicU64 = AtomicU64::new(0);
static BOOT: AtomicU64 = AtomicU64::new(0);

/// Sets the counter's rate in kHz, and this moment as time 0. A rate of 0 changes nothing.
pub fn init(khz: u64) {
    let Some(scale) = Scale::new(khz) else {
        return;
    };
    TO_NS.store(scale.to_ns.0, Ordering::Relaxed);
    TO_TICKS.store(scale.to_ticks.0, Ordering::Relaxed);
    BOOT.store(now_tsc(), Ordering::Relaxed);
    KHZ.store(khz, Ordering::Release);
}

/// The counter's rate in kHz; 0 before [`init`].
#[inline]
pub fn tsc_khz() -> u64 {
    KHZ.load(Ordering::Relaxed)
}

/// The time stamp counter. Not ordered with the instructions around it.
#[inline]
pub fn now_tsc() -> u64 {
    // SAFETY: reads a counter and nothing else; the kernel leaves CR4.TSD clear.
    #[allow(unsafe_code)]
    unsafe {
        x86::time::rdtsc()
    }
}

/// Ticks of the time stamp counter as nanoseconds; 0 before [`init`].
#[inline]
pub fn tsc_to_ns(ticks: u64) -> u64 {
    Ratio(TO_NS.load(Ordering::Relaxed)).apply(ticks)
}

/// Nanoseconds as ticks of the time stamp counter; 0 before [`init`].
#[inline]
pub fn ns_to_tsc(ns: u64) -> u64 {
    Ratio(TO_TICKS.load(Ordering::Relaxed)).apply(ns)
}

/// Nanoseconds since [`init`]; 0 before.
pub fn ns_since_boot() -> u64 {
    tsc_to_ns(now_tsc().wrapping_sub(BOOT.load(Ordering::Relaxed)))
}

/// Waits `ns` nanoseconds without letting anything else run: for hardware that wants pauses during boot.
/// Returns at once before [`init`].
pub fn spin_ns(ns: u64) {
    let start = now_tsc();
    let ticks = ns_to_tsc(ns);
    while now_tsc().wrapping_sub(start) < ticks {
        core::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_nanosecond_counter_is_the_identity() {
        let scale = Scale::new(1_000_000).unwrap();
        for value in [0, 1, 12_345_678_901, u64::MAX] {
            assert_eq!(scale.to_ns.apply(value), value);
            assert_eq!(scale.to_ticks.apply(value), value);
        }
    }

    #[test]
    fn results_that_do_not_fit_saturate() {
        let slow = Scale::new(1_000).unwrap();
        assert_eq!(slow.to_ns.apply(u64::MAX), u64::MAX);
        assert_eq!(Scale::new(0), None);
        assert_eq!(Ratio::new(1, u64::MAX), None);
        assert_eq!(Ratio::new(u64::MAX, 1), None);
    }

    proptest! {
        #[test]
        fn conversion_is_exact_to_the_rounding_of_the_ratio(khz in 1_000u64..20_000_000, ticks: u64) {
            let scale = Scale::new(khz).unwrap();
            let exact = ticks as u128 * NS_PER_MS as u128 / khz as u128;
            let got = scale.to_ns.apply(ticks) as u128;
            // The factor is at least 10^6 * 2^32 / (2 * 10^7) = 2^27.6 and off by at most a half.
            let bound = (exact >> 27) + 1;
            if exact > u64::MAX as u128 + bound {
                prop_assert_eq!(got, u64::MAX as u128);
            } else {
                prop_assert!(got.abs_diff(exact.min(u64::MAX as u128)) <= bound);
            }
        }

        #[test]
        fn there_and_back_is_close(khz in 1_000u64..20_000_000, ns in 0u64..1 << 59) {
            let scale = Scale::new(khz).unwrap();
            let back = scale.to_ns.apply(scale.to_ticks.apply(ns));
            // One tick of rounding, and both factors' errors.
            let bound = (ns >> 20) + NS_PER_MS.div_ceil(khz) + 1;
            prop_assert!(back.abs_diff(ns) <= bound, "{} {}", back, ns);
        }

        #[test]
        fn later_stays_later(khz in 1_000u64..20_000_000, a: u64, b: u64) {
            let scale = Scale::new(khz).unwrap();
            let (early, late) = (a.min(b), a.max(b));
            prop_assert!(scale.to_ns.apply(early) <= scale.to_ns.apply(late));
            prop_assert!(scale.to_ticks.apply(early) <= scale.to_ticks.apply(late));
        }
    }
}
