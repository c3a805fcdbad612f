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
}
