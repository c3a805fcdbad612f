//! Pong's part of the demonstration: answers, and keeps ping honest.
//!
//! Before each call ping writes the numbers of the message to a page that both have mapped. Pong answers the message
//! and compares: message and page must say the same.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use pagurus_protocol::ping::{Answered, Ping, Pong};

/// Word of the shared page that holds the sequence number.
pub const BOARD_SEQUENCE: usize = 0;
/// Word of the shared page that holds the payload.
pub const BOARD_PAYLOAD: usize = 1;

/// What pong noticed about a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// All is as it should be.
    Fine,
    /// The first since pong or ping was started.
    First,
    /// The page says something else than the message.
    BoardDiffers,
    /// So many were skipped since the last one.
    Skipped(u64),
}

/// Counts what comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Referee {
    last: Option<u64>,
    answered: u64,
}

impl Referee {
    /// Before the first ping.
    pub const fn new() -> Self {
        Referee {
            last: None,
            answered: 0,
        }
    }

    /// The answer to a ping, and what is remarkable about it; `board` is what the shared page says.
    pub fn answer(&mut self, ping: Ping, board: (u64, u64)) -> (Pong, Remark) {
        let expected = self.last.map(|last| last.wrapping_add(1));
        let remark = if board != (ping.sequence, ping.payload) {
            Remark::BoardDiffers
        } else {
            match expected {
                None => Remark::First,
                Some(n) if n == ping.sequence => Remark::Fine,
                // Ping counts from 0 when it is started again.
                Some(_) if ping.sequence == 0 => Remark::First,
                Some(n) => Remark::Skipped(ping.sequence.wrapping_sub(n)),
            }
        };
        self.last = Some(ping.sequence);
        self.answered += 1;
        let pong = Pong {
            sequence: ping.sequence,
            payload: ping.payload,
        };
        (pong, remark)
    }

    /// How many were answered.
    pub const fn statistics(&self) -> Answered {
        Answered {
            count: self.answered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn remark(referee: &mut Referee, sequence: u64) -> Remark {
        let ping = Ping {
            sequence,
            payload: 9,
        };
        let (pong, remark) = referee.answer(ping, (sequence, 9));
        assert_eq!((pong.sequence, pong.payload), (sequence, 9));
        remark
    }

    #[test]
    fn gaps_and_restarts_are_noticed() {
        let mut referee = Referee::new();
        assert_eq!(remark(&mut referee, 7), Remark::First);
        assert_eq!(remark(&mut referee, 8), Remark::Fine);
        assert_eq!(remark(&mut referee, 11), Remark::Skipped(2));
        assert_eq!(remark(&mut referee, 0), Remark::First);
        assert_eq!(remark(&mut referee, 1), Remark::Fine);
        assert_eq!(referee.statistics().count, 5);
    }

    proptest! {
        #[test]
        fn the_board_must_say_the_same(sequence: u64, payload: u64, board: (u64, u64)) {
            let ping = Ping { sequence, payload };
            let (pong, remark) = Referee::new().answer(ping, board);
            prop_assert_eq!(remark == Remark::BoardDiffers, board != (sequence, payload));
            prop_assert_eq!((pong.sequence, pong.payload), (sequence, payload));
            let (_, remark) = Referee::new().answer(ping, (sequence, payload));
            prop_assert_eq!(remark, Remark::First);
        }
    }
}
