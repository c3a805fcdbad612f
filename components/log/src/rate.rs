//! How fast one sender may append: the generic cell rate algorithm (ITU-T I.371, annex A).

/// A limit: a sustained rate and a burst on top of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Ticks from one line to the next at the sustained rate.
    pub interval: u64,
    /// Lines that may come at once after silence.
    pub burst: u64,
}

/// How much of a [`RateLimit`] one sender has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateState {
    /// When the next line would come if they came at the sustained rate.
    expected: u64,
}

impl RateLimit {
    /// Whether a line at time `now` conforms; one that does not leaves the state as it was.
    pub fn admit(self, state: &mut RateState, now: u64) -> bool {
        let tolerance = self.interval.saturating_mul(self.burst.saturating_sub(1));
        if state.expected > now.saturating_add(tolerance) {
            return false;
        }
        state.expected = state.expected.max(now).saturating_add(self.interval);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: RateLimit = RateLimit {
        interval: 100,
        burst: 5,
    };

    fn admitted(times: impl IntoIterator<Item = u64>) -> usize {
        let mut state = RateState::default();
        let times = times.into_iter();
        times.filter(|t| LIMIT.admit(&mut state, *t)).count()
    }

    #[test]
    fn a_burst_then_the_sustained_rate() {
        assert_eq!(admitted(std::iter::repeat_n(1_000, 50)), 5);
        // Ten intervals later: ten more, at most the burst at once.
        assert_eq!(admitted((1_000..=2_000).step_by(10)), 5 + 10);
        assert_eq!(admitted((0..100).map(|i| i * 100)), 100);
    }

    #[test]
    fn the_end_of_time_does_no_harm() {
        let mut state = RateState::default();
        assert!(LIMIT.admit(&mut state, u64::MAX));
        assert!(LIMIT.admit(&mut state, u64::MAX));
        let endless = RateLimit {
            interval: u64::MAX,
            burst: u64::MAX,
        };
        assert!(endless.admit(&mut RateState::default(), 0));
    }

    proptest! {
        /// In no window do more lines get through than the burst and what the sustained rate allows.
        #[test]
        fn no_window_has_more(mut times in prop::collection::vec(0u64..5_000, 1..200)) {
            times.sort_unstable();
            let mut state = RateState::default();
            times.retain(|t| LIMIT.admit(&mut state, *t));
            for (i, start) in times.iter().enumerate() {
                for (j, end) in times.iter().enumerate().skip(i) {
                    let allowed = 5 + (end - start) / 100;
                    prop_assert!((j - i + 1) as u64 <= allowed);
                }
            }
        }
    }
}
