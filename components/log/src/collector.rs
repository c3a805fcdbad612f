//! Requests of the log protocol, answered from a [`LineStore`].

use crate::clean::{pieces, shown};
use crate::rate::{RateLimit, RateState};
use crate::store::{LineStore, StoredLine};
use core::fmt::Write;
use heapless::{String, Vec};
use pagurus_protocol::log::{Append, Appended, Level, Line, LineHead, Lines, Read, write_line};
use pagurus_protocol::{Failure, Reason};

/// Target of the lines that the collector adds about other senders.
const OWN_TARGET: &str = "log";

#[derive(Clone, Copy, Debug)]
struct Account {
    sender: u32,
    rate: RateState,
    /// Lines refused since the last one that was admitted.
    suppressed: u64,
}

/// The collector: `LINES` lines of `SENDERS` senders.
#[derive(Debug)]
pub struct Collector<const LINES: usize, const SENDERS: usize> {
    store: LineStore<LINES, SENDERS>,
    accounts: Vec<Account, SENDERS>,
    limit: RateLimit,
}

impl<const LINES: usize, const SENDERS: usize> Collector<LINES, SENDERS> {
    /// Without lines.
    pub const fn new(limit: RateLimit) -> Self {
        Collector {
            store: LineStore::new(),
            accounts: Vec::new(),
            limit,
        }
    }

    /// Changes the limit for all senders.
    pub fn set_limit(&mut self, limit: RateLimit) {
        self.limit = limit;
    }

    /// Appends what `sender` says at time `now`. The answer has the number of its last line.
    ///
    /// # Errors
    /// `InvalidArgument` for a level that is none, `Malformed` for text that is none, `Busy` if the sender appends too
    /// fast, `Unavailable` if there are too many senders.
    pub fn append(
        &mut self,
        now: u64,
        sender: u32,
        request: Append,
        tail: &[u8],
    ) -> Result<Appended, Failure> {
        let level = Level::from_u8(request.level).ok_or(Reason::InvalidArgument)?;
        let (target, text) = request.split(tail)?;
        let account = self.account(sender).ok_or(Reason::Unavailable)?;
        let mut last = None;
        for piece in pieces(text) {
            let account = &mut self.accounts[account];
            if !self.limit.admit(&mut account.rate, now) {
                account.suppressed += 1;
                continue;
            }
            let suppressed = core::mem::take(&mut account.suppressed);
            if suppressed > 0 {
                self.note_suppressed(now, sender, suppressed)?;
            }
            last = Some(self.store_line(now, sender, level, target, piece)?);
        }
        let sequence = last.ok_or(Reason::Busy)?;
        Ok(Appended { sequence })
    }

    /// Reads lines into `out`, as many as fit; returns the answer and the bytes used.
    ///
    /// # Errors
    /// `InvalidArgument` for a level that is none.
    pub fn read(&self, request: Read, out: &mut [u8]) -> Result<(Lines, usize), Failure> {
        let least = Level::from_u8(request.level).ok_or(Reason::InvalidArgument)?;
        let end = self.store.end();
        let mut answer = Lines {
            next: end,
            end,
            ..Lines::default()
        };
        let mut used = 0;
        let mut passed = 0;
        for line in self.store.lines_from(request.from) {
            if line.level <= least as u8 {
                let Some(written) = write_line(&wire_line(line), &mut out[used..]) else {
                    answer.next = line.sequence;
                    break;
                };
                used += written;
                answer.count += 1;
            }
            passed += 1;
        }
        answer.dropped = answer.next.saturating_sub(request.from) - passed;
        Ok((answer, used))
    }

    fn account(&mut self, sender: u32) -> Option<usize> {
        if let Some(known) = self.accounts.iter().position(|a| a.sender == sender) {
            return Some(known);
        }
        let fresh = Account {
            sender,
            rate: RateState::default(),
            suppressed: 0,
        };
        self.accounts.push(fresh).ok()?;
        Some(self.accounts.len() - 1)
    }

    fn note_suppressed(&mut self, now: u64, sender: u32, count: u64) -> Result<(), Failure> {
        let mut text = String::<64>::new();
        // The text with the largest number has 46 bytes.
        let plural = if count == 1 { "" } else { "s" };
        let _ = write!(text, "({count} line{plural} left out: too fast)");
        self.store_line(now, sender, Level::Warn, OWN_TARGET, &text)
            .map(|_| ())
    }

    fn store_line(
        &mut self,
        ticks: u64,
        sender: u32,
        level: Level,
        target: &str,
        text: &str,
    ) -> Result<u64, Failure> {
        let mut line = StoredLine {
            ticks,
            sender,
            level: level as u8,
            ..StoredLine::default()
        };
        for c in shown(target) {
            if line.target.push(c).is_err() {
                break;
            }
        }
        for c in shown(text) {
            // A piece fits, and no character becomes longer by being cleaned.
            if line.text.push(c).is_err() {
                break;
            }
        }
        self.store
            .append(line)
            .ok_or_else(|| Reason::Unavailable.into())
    }
}

fn wire_line(line: &StoredLine) -> Line<'_> {
    Line {
        head: LineHead {
            sequence: line.sequence,
            ticks: line.ticks,
            sender: line.sender,
            level: line.level,
            ..LineHead::default()
        },
        target: &line.target,
        text: &line.text,
    }
}
