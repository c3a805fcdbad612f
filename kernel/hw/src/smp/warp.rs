//! Whether the time stamp counters of two processors agree.

use crate::time;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// How often each of the two looks at its counter.
const ROUNDS: u64 = 5_000;
/// How often one looks whether the other is there before it goes on alone.
const PATIENCE: u64 = 50_000_000;

/// The meeting of this kernel's processors.
pub static WARP: Warp = Warp::new();

/// Two processors compare their counters: each in turn writes the highest value seen by anybody, and who
/// sees a higher value than its own counter shows has seen time run backwards.
#[derive(Debug, Default)]
pub struct Warp {
    highest: AtomicU64,
    worst: AtomicU64,
    /// Counts arrivals: even while nobody waits.
    arrived: AtomicU64,
    finished: AtomicU64,
}

impl Warp {
    /// A meeting that nobody came to yet.
    pub const fn new() -> Warp {
        Warp {
            highest: AtomicU64::new(0),
            worst: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }

    /// One side: returns by how many ticks time ran backwards at worst.
    pub fn measure(&self) -> u64 {
        self.meet(time::now_tsc);
        self.worst.swap(0, Ordering::Relaxed)
    }

    /// The other side.
    pub fn answer(&self) {
        self.meet(time::now_tsc);
    }

    fn meet(&self, mut now: impl FnMut() -> u64) {
        let pair = self.arrived.fetch_add(1, Ordering::AcqRel) / 2;
        self.until(&self.arrived, 2 * (pair + 1));
        for _ in 0..ROUNDS {
            self.observe(&mut now);
        }
        self.finished.fetch_add(1, Ordering::AcqRel);
        self.until(&self.finished, 2 * (pair + 1));
    }

    fn until(&self, counter: &AtomicU64, value: u64) {
        let mut patience = PATIENCE;
        while counter.load(Ordering::Acquire) < value && patience > 0 {
            core::hint::spin_loop();
            patience -= 1;
        }
    }

    fn observe(&self, now: &mut impl FnMut() -> u64) {
        let seen = self.highest.load(Ordering::Acquire);
        // The counter must be read after the load, which RDTSC alone does not promise.
        fence(Ordering::SeqCst);
        lfence();
        let mine = now();
        if mine < seen {
            self.worst.fetch_max(seen - mine, Ordering::Relaxed);
        }
        self.highest.fetch_max(mine, Ordering::AcqRel);
    }
}

fn lfence() {
    x86::fence::lfence();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64 as Clock;
    use std::thread;

    fn run(offset: u64) -> u64 {
        let warp = Warp::new();
        let clock = Clock::new(1_000_000);
        let tick = || clock.fetch_add(1, Ordering::SeqCst);
        thread::scope(|scope| {
            scope.spawn(|| warp.meet(tick));
            warp.meet(|| tick() + offset);
        });
        warp.worst.load(Ordering::Relaxed)
    }

    #[test]
    fn one_clock_never_runs_backwards() {
        assert_eq!(run(0), 0);
    }

    #[test]
    fn a_clock_that_is_behind_is_noticed() {
        let warp = Warp::new();
        for (now, worst) in [
            (100, 0),
            (90, 10),
            (120, 10),
            (119, 10),
            (40, 80),
            (130, 80),
        ] {
            warp.observe(&mut || now);
            assert_eq!(warp.worst.load(Ordering::Relaxed), worst, "at {now}");
        }
    }

    #[test]
    fn who_meets_nobody_goes_on() {
        let warp = Warp::new();
        warp.meet(|| 1);
        assert_eq!(warp.arrived.load(Ordering::Relaxed), 1);
    }
}
