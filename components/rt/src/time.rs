//! The time stamp counter.
// `rdtsc`.
#![allow(unsafe_code)]

/// Ticks of the time stamp counter; `tsc_khz` of the start page or boot information tells their length.
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has RDTSC, and the kernel lets components use it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Nanoseconds that `ticks` take at `tsc_khz`; 0 if the frequency is unknown.
pub fn nanoseconds(ticks: u64, tsc_khz: u64) -> u64 {
    if tsc_khz == 0 {
        return 0;
    }
    let ns = u128::from(ticks) * 1_000_000 / u128::from(tsc_khz);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Ticks in `ns` nanoseconds at `tsc_khz`, rounded up: how far ahead a deadline lies.
pub fn ticks_in(ns: u64, tsc_khz: u64) -> u64 {
    let ticks = (u128::from(ns) * u128::from(tsc_khz)).div_ceil(1_000_000);
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds() {
        assert_eq!(nanoseconds(3_000, 1_000_000), 3_000);
        assert_eq!(nanoseconds(3_000, 3_000_000), 1_000);
        assert_eq!(nanoseconds(u64::MAX, 1), u64::MAX);
        assert_eq!(nanoseconds(5, 0), 0);
    }

    #[test]
    fn nanoseconds_become_ticks() {
        assert_eq!(ticks_in(3_000, 1_000_000), 3_000);
        assert_eq!(ticks_in(1, 2_500_000), 3);
        assert_eq!(ticks_in(u64::MAX, 3_000_000), u64::MAX);
        assert_eq!(nanoseconds(ticks_in(12_345, 2_345_678), 2_345_678), 12_345);
    }
}
