//! KVM's clock: pages in the guest's memory from which it computes the time.
//!
//! A guest writes the address of a page per processor to [`SYSTEM_TIME`] and reads the time as
//! `time + (((tsc - stamp) << shift) * multiplier >> 32)`. The VMM writes the page once (all processors see one
//! time stamp counter of constant frequency), and anew whenever it changes the counter's offset: first the
//! version, which is odd while the page is being written, then the rest, then the next even version.
//!
//! Reference: Linux `Documentation/virt/kvm/x86/msr.rst`, `arch/x86/include/asm/pvclock-abi.h`.

/// MSR_KVM_WALL_CLOCK_NEW: address of a [`wall_clock`], which is written once for each write.
pub const WALL_CLOCK: u32 = 0x4b56_4d00;
/// MSR_KVM_SYSTEM_TIME_NEW: address of a [`Scale::page`], a multiple of 4; bit 0 enables it.
pub const SYSTEM_TIME: u32 = 0x4b56_4d01;
/// Bytes of the page's structure.
pub const PAGE_BYTES: usize = 32;
/// Bytes of the wall clock's structure.
pub const WALL_CLOCK_BYTES: usize = 12;

/// Flag: time goes the same way on all processors.
const STABLE: u8 = 1 << 0;
const NANOSECONDS: u64 = 1_000_000_000;

/// How ticks of the time stamp counter become nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Multiplied, then divided by 2^32.
    pub multiplier: u32,
    /// Shifted left by so much before, or right if it is negative.
    pub shift: i8,
}

impl Scale {
    /// For a counter of this frequency in kHz, not 0: the multiplier has its topmost bit set, so that nothing
    /// of its precision is lost.
    pub const fn new(tsc_khz: u32) -> Scale {
        // Nanoseconds of a tick times 2^64, of which the topmost 32 bits that are not 0 are kept.
        let hertz = tsc_khz as u128 * 1000;
        let tick = ((NANOSECONDS as u128) << 64) / hertz;
        let top = 127 - tick.leading_zeros() as i32;
        Scale {
            multiplier: (tick >> (top - 31)) as u32,
            shift: (top - 63) as i8,
        }
    }

    /// Nanoseconds of so many ticks, as guests compute them.
    pub const fn nanoseconds(self, ticks: u64) -> u64 {
        let shifted = if self.shift < 0 {
            ticks >> -self.shift
        } else {
            ticks << self.shift
        };
        ((shifted as u128 * self.multiplier as u128) >> 32) as u64
    }

    /// The page's structure (`pvclock_vcpu_time_info`): at this count of the guest's time stamp counter it was
    /// so many nanoseconds since the VM began.
    pub fn page(self, version: u32, tsc: u64, nanoseconds: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[0..4].copy_from_slice(&version.to_le_bytes());
        page[8..16].copy_from_slice(&tsc.to_le_bytes());
        page[16..24].copy_from_slice(&nanoseconds.to_le_bytes());
        page[24..28].copy_from_slice(&self.multiplier.to_le_bytes());
        page[28] = self.shift as u8;
        page[29] = STABLE;
        page
    }
}

/// The wall clock's structure (`pvclock_wall_clock`): the time of day when the VM began, in nanoseconds since
/// 1970.
pub fn wall_clock(version: u32, began: u64) -> [u8; WALL_CLOCK_BYTES] {
    let mut clock = [0; WALL_CLOCK_BYTES];
    let seconds = (began / NANOSECONDS) as u32;
    let rest = (began % NANOSECONDS) as u32;
    for (place, word) in clock.chunks_exact_mut(4).zip([version, seconds, rest]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    clock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_as_fast_as_it_should() {
        for khz in [
            1,
            999,
            1_000_000,
            1_000_001,
            2_300_009,
            3_579_545,
            4_294_967_295,
        ] {
            let scale = Scale::new(khz);
            assert!(scale.multiplier >> 31 == 1, "{khz} {scale:?}");
            // An hour, but at most what fits.
            let seconds = 3600u64;
            let ticks = seconds * u64::from(khz) * 1000;
            let exact = seconds * NANOSECONDS;
            let error = scale.nanoseconds(ticks).abs_diff(exact);
            assert!(error <= exact >> 30, "{khz} kHz: {error} ns an hour");
        }
    }

    #[test]
    fn pages_are_as_linux_reads_them() {
        let page = Scale::new(1_000_000).page(2, 0x1122_3344, 55);
        assert_eq!(page[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(page[8..12], [0x44, 0x33, 0x22, 0x11]);
        assert_eq!(page[16], 55);
        // One nanosecond a tick: half of 2, and shifted left by one.
        assert_eq!(page[24..30], [0, 0, 0, 0x80, 1, 1]);
        let clock = wall_clock(4, 1_700_000_000_123_456_789);
        assert_eq!(clock[..4], [4, 0, 0, 0]);
        assert_eq!(clock[4..8], 1_700_000_000u32.to_le_bytes());
        assert_eq!(clock[8..], 123_456_789u32.to_le_bytes());
    }
}
