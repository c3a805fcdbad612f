//! Ping's part of the demonstration: asks, checks the answer, and keeps figures.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use pagurus_protocol::ping::{Ping, Pong};

/// Rounds between two reports.
pub const ROUNDS_PER_REPORT: u64 = 1000;

/// Makes pings and checks pongs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Player {
    next: u64,
}

impl Player {
    /// Before the first ping.
    pub const fn new() -> Self {
        Player { next: 0 }
    }

    /// The next ping. Its payload follows from its number in a way that nobody computes by accident.
    pub fn ping(&mut self) -> Ping {
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        Ping {
            sequence,
            payload: payload(sequence),
        }
    }

    /// Whether this is the answer to this ping.
    pub fn is_answer(ping: Ping, pong: Pong) -> bool {
        (ping.sequence, ping.payload) == (pong.sequence, pong.payload)
    }

    /// Pings made.
    pub const fn rounds(&self) -> u64 {
        self.next
    }

    /// Whether a report is due.
    pub const fn report_is_due(&self) -> bool {
        self.next.is_multiple_of(ROUNDS_PER_REPORT)
    }
}

/// SplitMix64's output function: every number gets another.
fn payload(sequence: u64) -> u64 {
    let z = sequence.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a number of measurements have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The smallest.
    pub least: u64,
    /// The one in the middle.
    pub median: u64,
    /// The largest.
    pub most: u64,
}

/// Sums measurements up; `None` for none. Sorts them.
pub fn summarise(measurements: &mut [u64]) -> Option<Summary> {
    measurements.sort_unstable();
    Some(Summary {
        least: *measurements.first()?,
        median: measurements[measurements.len() / 2],
        most: *measurements.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn pings_count_up_and_differ() {
        let mut player = Player::new();
        let mut seen = HashSet::new();
        for i in 0..10_000 {
            let ping = player.ping();
            assert_eq!(ping.sequence, i);
            assert!(seen.insert(ping.payload));
            let pong = Pong {
                sequence: ping.sequence,
                payload: ping.payload,
            };
            assert!(Player::is_answer(ping, pong));
            let wrong = Pong {
                payload: !ping.payload,
                ..pong
            };
            assert!(!Player::is_answer(ping, wrong));
            assert_eq!(player.report_is_due(), (i + 1) % ROUNDS_PER_REPORT == 0);
        }
        assert_eq!(player.rounds(), 10_000);
    }

    #[test]
    fn summaries() {
        assert_eq!(summarise(&mut []), None);
        let mut all = [5, 1, 9, 7, 3];
        let summary = summarise(&mut all).unwrap();
        assert_eq!((summary.least, summary.median, summary.most), (1, 5, 9));
    }
}
