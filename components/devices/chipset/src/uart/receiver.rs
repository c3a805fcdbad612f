//! Receiving half of the serial port.

use super::{FIFO, line_status};
use heapless::Deque;

/// How a byte arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Good,
    /// Not a byte, but the line held low.
    Break,
}

/// Receive FIFO, or the receiver buffer register as its only place, and what the line status register tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receiver {
    bytes: Deque<(u8, Condition), FIFO>,
    /// Bytes from which on the received-data interrupt is raised.
    trigger: u8,
    overrun: bool,
    /// The guest has been told of the break that stands at the head of the FIFO.
    break_told: bool,
}

impl Receiver {
    pub const fn new() -> Self {
        Receiver {
            bytes: Deque::new(),
            trigger: 1,
            overrun: false,
            break_told: false,
        }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a byte. If `capacity` bytes are there already: with one place the newer byte replaces the older, with a
    /// FIFO the newer one is lost, and either is an overrun (section 8.3).
    pub fn put(&mut self, byte: u8, condition: Condition, capacity: usize) {
        if self.bytes.len() >= capacity {
            self.overrun = true;
            if capacity > 1 {
                return;
            }
            self.bytes.clear();
            self.break_told = false;
        }
        let _ = self.bytes.push_back((byte, condition));
    }

    /// Takes the oldest byte; 0 if there is none.
    pub fn take(&mut self) -> u8 {
        self.break_told = false;
        self.bytes.pop_front().map_or(0, |(byte, _)| byte)
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.break_told = false;
    }

    /// Sets the trigger level from the two highest bits of the FIFO control register.
    pub fn set_trigger(&mut self, level: u8) {
        self.trigger = match level & 3 {
            0 => 1,
            1 => 4,
            2 => 8,
            _ => 14,
        };
    }

    pub fn reached_trigger(&self) -> bool {
        self.bytes.len() >= usize::from(self.trigger)
    }

    /// Whether the line status register holds an error that the guest has not read.
    pub fn has_error(&self) -> bool {
        self.overrun || self.break_at_head()
    }

    /// The receiver's bits of the line status register; reading it ends the errors that it tells.
    pub fn take_status(&mut self) -> u8 {
        let mut status = 0;
        if !self.bytes.is_empty() {
            status |= line_status::DATA_READY;
        }
        if self.overrun {
            status |= line_status::OVERRUN;
        }
        if self.break_at_head() {
            status |= line_status::BREAK;
        }
        let mut later = self.bytes.iter().skip(self.break_told.into());
        if later.any(|(_, condition)| *condition == Condition::Break) {
            status |= line_status::ERROR_IN_FIFO;
        }
        self.overrun = false;
        self.break_told |= self.break_at_head();
        status
    }

    /// A break is told when its byte reaches the head of the FIFO.
    fn break_at_head(&self) -> bool {
        !self.break_told
            && self
                .bytes
                .front()
                .is_some_and(|head| head.1 == Condition::Break)
    }
}
