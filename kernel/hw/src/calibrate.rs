//! Measuring one counter against another whose rate is known. Pure: the counters are closures.

use core::fmt;

/// Slowest time stamp counter that is believed, in kHz.
pub const MIN_KHZ: u64 = 1_000;
/// Fastest time stamp counter that is believed, in kHz.
pub const MAX_KHZ: u64 = 20_000_000;

/// A measurement takes at least this fraction of a second: 2 ms. Time in which the machine boots no further.
const WINDOWS_PER_SECOND: u64 = 500;
/// A measurement takes at least so many ticks of the reference, for an error below one in ten thousand.
const WINDOW_TICKS: u64 = 20_000;
/// Two measurements must agree to one part in this many.
const AGREEMENT: u64 = 2_000;
/// Measurements before giving up.
const ATTEMPTS: usize = 8;
/// Reads from which the quickest is taken, at either end of a measurement.
const SAMPLES: usize = 8;
/// Times that a measurement may take as long as it should, by the fastest believable counter.
const GIVE_UP_FACTOR: u64 = 10;
/// Reads of a reference that stands still, with a counter that stands still as well.
const GIVE_UP_READS: u32 = 100_000_000;

/// Why a counter's rate could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The reference or the counter does not count.
    Stopped,
    /// The measurements differ too much.
    Unstable,
    /// The rate, in kHz, is outside what is believed.
    Implausible(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Stopped => f.write_str("the reference timer does not count"),
            Error::Unstable => f.write_str("measurements of the time stamp counter disagree"),
            Error::Implausible(khz) => {
                write!(f, "a time stamp counter of {khz} kHz is not plausible")
            }
        }
    }
}

/// A counter whose rate is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its rate.
    pub hz: u64,
    /// Ones where it counts: 24 of them for a 24-bit counter. It must not wrap in less than twice
    /// the time of a measurement (2 ms, or 20,000 ticks if that is longer).
    pub mask: u64,
}

/// The rate of the counter that `tsc` reads, in kHz, measured against the counter that `read` reads.
///
/// # Errors
/// See [`Error`]. It returns in any case, also when one of the counters stands still.
pub fn measure(
    reference: Reference,
    mut read: impl FnMut() -> u64,
    mut tsc: impl FnMut() -> u64,
) -> Result<u64, Error> {
    let mut previous = None;
    for _ in 0..ATTEMPTS {
        let khz = window(reference, &mut read, &mut tsc)?;
        if let Some(previous) = previous
            && khz.abs_diff(previous) <= khz / AGREEMENT
        {
            let khz = (khz + previous) / 2;
            return if (MIN_KHZ..=MAX_KHZ).contains(&khz) {
                Ok(khz)
            } else {
                Err(Error::Implausible(khz))
            };
        }
        previous = Some(khz);
    }
    Err(Error::Unstable)
}

/// A stated rate if it agrees with the measured one to 1 %: the maker knows it more exactly. Emulators state
/// the rate of the processor that they imitate, not their own.
pub fn prefer_stated(measured: u64, stated: Option<u64>) -> u64 {
    match stated {
        Some(stated) if stated.abs_diff(measured) <= measured / 100 => stated,
        _ => measured,
    }
}

fn window(
    reference: Reference,
    read: &mut impl FnMut() -> u64,
    tsc: &mut impl FnMut() -> u64,
) -> Result<u64, Error> {
    let wanted = (reference.hz / WINDOWS_PER_SECOND).max(WINDOW_TICKS);
    let patience = give_up_ticks(reference.hz, wanted);
    let (start, start_tsc) = sample(read, tsc);
    let mut reads = 0;
    while (read().wrapping_sub(start) & reference.mask) < wanted {
        reads += 1;
        if reads > GIVE_UP_READS || tsc().wrapping_sub(start_tsc) > patience {
            return Err(Error::Stopped);
        }
    }
    let (end, end_tsc) = sample(read, tsc);
    let elapsed = end.wrapping_sub(start) & reference.mask;
    let ticks = end_tsc.wrapping_sub(start_tsc);
    if elapsed == 0 || ticks == 0 {
        return Err(Error::Stopped);
    }
    let khz = ticks as u128 * reference.hz as u128 / (elapsed as u128 * 1000);
    Ok(u64::try_from(khz).unwrap_or(u64::MAX))
}

/// Ticks of the fastest believable counter after which waiting for `wanted` ticks of a reference is useless.
fn give_up_ticks(hz: u64, wanted: u64) -> u64 {
    let ticks =
        u128::from(MAX_KHZ * 1000) * u128::from(wanted * GIVE_UP_FACTOR) / u128::from(hz.max(1));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Both counters at one moment: of several reads that which took the shortest, because an interruption
/// (by a hypervisor or system management mode) between the two reads would shift them.
fn sample(read: &mut impl FnMut() -> u64, tsc: &mut impl FnMut() -> u64) -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..SAMPLES {
        let before = tsc();
        let value = read();
        let took = tsc().wrapping_sub(before);
        if took < best.0 {
            best = (took, value, before.wrapping_add(took / 2));
        }
    }
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A world in which every read of a counter takes some picoseconds.
    struct World {
        now_ps: Cell<u128>,
        read_ps: u128,
        tsc_khz: u128,
        jump_every: u64,
        reads: Cell<u64>,
    }

    impl World {
        fn new(tsc_khz: u128) -> World {
            World {
                now_ps: Cell::new(77_777),
                read_ps: 900_000,
                tsc_khz,
                jump_every: 0,
                reads: Cell::new(0),
            }
        }

        fn tick(&self) -> u128 {
            self.reads.set(self.reads.get() + 1);
            let mut step = self.read_ps;
            if self.jump_every != 0 && self.reads.get().is_multiple_of(self.jump_every) {
                step += 400_000_000;
            }
            self.now_ps.set(self.now_ps.get() + step);
            self.now_ps.get()
        }

        fn tsc(&self) -> u64 {
            (self.tick() * self.tsc_khz / 1_000_000_000) as u64
        }

        fn counter(&self, reference: Reference) -> u64 {
            (self.tick() * reference.hz as u128 / 1_000_000_000_000) as u64 & reference.mask
        }
    }

    const PM_TIMER: Reference = Reference {
        hz: 3_579_545,
        mask: 0xff_ffff,
    };
    const PIT: Reference = Reference {
        hz: 1_193_182,
        mask: 0xffff,
    };
    const HPET: Reference = Reference {
        hz: 100_000_000,
        mask: 0xffff_ffff,
    };

    fn run(world: &World, reference: Reference) -> Result<u64, Error> {
        measure(reference, || world.counter(reference), || world.tsc())
    }

    #[test]
    fn rates_are_found_to_a_thousandth() {
        for reference in [PM_TIMER, PIT, HPET] {
            for khz in [50_000, 1_000_000, 2_893_000, 5_800_000] {
                let got = run(&World::new(khz), reference).unwrap();
                let error = got.abs_diff(khz as u64) * 1000 / khz as u64;
                assert_eq!(error, 0, "{khz} kHz measured as {got} by {reference:?}");
            }
        }
    }

    #[test]
    fn interruptions_do_not_shift_the_result() {
        let mut world = World::new(3_000_000);
        world.jump_every = 23;
        let got = run(&world, HPET).unwrap();
        assert!(got.abs_diff(3_000_000) < 6_000, "{got}");
    }

    #[test]
    fn counters_that_stand_still_end_the_measurement() {
        let world = World::new(1_000_000);
        assert_eq!(measure(PIT, || 42, || world.tsc()), Err(Error::Stopped));
        let world = World::new(1_000_000);
        assert_eq!(
            measure(PIT, || world.counter(PIT), || 42),
            Err(Error::Stopped)
        );
    }

    #[test]
    fn implausible_rates_are_refused() {
        assert!(matches!(
            run(&World::new(30_000_000), HPET),
            Err(Error::Implausible(_))
        ));
        assert!(matches!(
            run(&World::new(900), HPET),
            Err(Error::Implausible(_))
        ));
    }

    #[test]
    fn a_rate_that_changes_all_the_time_is_unstable() {
        let now = Cell::new(0u64);
        let factor = Cell::new(10u64);
        let tsc = Cell::new(0u64);
        let read = || {
            now.set(now.get() + 1);
            if now.get().is_multiple_of(20_000) {
                factor.set(factor.get() * 2);
            }
            tsc.set(tsc.get() + factor.get());
            now.get()
        };
        assert_eq!(measure(PIT, read, || tsc.get()), Err(Error::Unstable));
    }

    #[test]
    fn a_stated_rate_counts_only_if_it_is_near() {
        assert_eq!(prefer_stated(2_999_000, Some(3_000_000)), 3_000_000);
        assert_eq!(prefer_stated(50_000, Some(3_000_000)), 50_000);
        assert_eq!(prefer_stated(50_000, None), 50_000);
    }
}
