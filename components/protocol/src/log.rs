//! The log collector: components append lines, the console reads them.
//!
//! The badge of the sender's endpoint tells the collector which component a line is from (bits 0..32);
//! [`BADGE_READER`] is set for those that may also read.

use crate::failure::{Failure, Reason};
use crate::wire::requests;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Badge bit of endpoints whose holders may read what all components said, and the kernel's records.
pub const BADGE_READER: u64 = 1 << 32;

requests! { 1 version 1 {
    1: Append => Appended;
    2: Read => Lines;
    3: DrainTrace => Drained;
} }

/// Levels of a line: the numbers of the `log` crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is odd.
    Warn = 2,
    /// What an operator wants to know.
    Info = 3,
    /// What a developer wants to know.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

impl Level {
    /// The level with this number.
    pub const fn from_u8(number: u8) -> Option<Level> {
        Some(match number {
            1 => Level::Error,
            2 => Level::Warn,
            3 => Level::Info,
            4 => Level::Debug,
            5 => Level::Trace,
            _ => return None,
        })
    }

    /// Five letters or fewer, upper case.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        }
    }
}

/// Appends text. The bytes after the body are the target (the module that speaks), then the text.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Append {
    /// A [`Level`].
    pub level: u8,
    /// Bytes of the target.
    pub target_bytes: u8,
    /// 1 if the line goes on in the sender's next message.
    pub continues: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

impl Append {
    /// Splits the bytes after the body into target and text.
    ///
    /// # Errors
    /// [`Reason::Malformed`] if the target is longer than all of it or one of them is not UTF-8.
    pub fn split(self, tail: &[u8]) -> Result<(&str, &str), Failure> {
        let (target, text) = tail
            .split_at_checked(self.target_bytes.into())
            .ok_or(Reason::Malformed)?;
        Ok((
            core::str::from_utf8(target).map_err(|_| Reason::Malformed)?,
            core::str::from_utf8(text).map_err(|_| Reason::Malformed)?,
        ))
    }
}

/// The answer to [`Append`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Appended {
    /// Number of the line.
    pub sequence: u64,
}

/// Reads lines. The answer has as many as fit; ask again from [`Lines::next`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Read {
    /// Number of the first line wanted; lines that were dropped are passed over.
    pub from: u64,
    /// Least important level wanted, a [`Level`].
    pub level: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// The answer to [`Read`]; after the body come `count` lines, see [`lines`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Lines {
    /// Where to go on reading. Equal to `end` if nothing is left.
    pub next: u64,
    /// Number that the next line appended will get.
    pub end: u64,
    /// Lines between `from` and `next` that are not kept any more: they were dropped for want of room.
    pub dropped: u64,
    /// Lines in this answer.
    pub count: u64,
}

/// The head of a line in the answer to [`Read`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct LineHead {
    /// Number of the line.
    pub sequence: u64,
    /// Time stamp counter when it was appended.
    pub ticks: u64,
    /// Badge of the sender.
    pub sender: u32,
    /// Bytes of the text after the target.
    pub text_bytes: u16,
    /// A [`Level`].
    pub level: u8,
    /// Bytes of the target after this head.
    pub target_bytes: u8,
}

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Number, time, sender and level.
    pub head: LineHead,
    /// The module that spoke.
    pub target: &'a str,
    /// What it said.
    pub text: &'a str,
}

/// Appends a line to the bytes of an answer; `None` if it does not fit, then nothing is written.
/// Returns the bytes written.
pub fn write_line(line: &Line<'_>, out: &mut [u8]) -> Option<usize> {
    let head = LineHead {
        target_bytes: u8::try_from(line.target.len()).ok()?,
        text_bytes: u16::try_from(line.text.len()).ok()?,
        ..line.head
    };
    let (target, text) = (line.target.as_bytes(), line.text.as_bytes());
    let length = size_of::<LineHead>() + target.len() + text.len();
    let place = out.get_mut(..length)?;
    let (first, rest) = place.split_at_mut(size_of::<LineHead>());
    first.copy_from_slice(head.as_bytes());
    rest[..target.len()].copy_from_slice(target);
    rest[target.len()..].copy_from_slice(text);
    Some(length)
}

/// The lines in the bytes of an answer. Ends at the first that is cut or not UTF-8.
pub fn lines(mut bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    core::iter::from_fn(move || {
        let (head, rest) = LineHead::read_from_prefix(bytes).ok()?;
        let (target, rest) = rest.split_at_checked(head.target_bytes.into())?;
        let (text, rest) = rest.split_at_checked(head.text_bytes.into())?;
        bytes = rest;
        Some(Line {
            head,
            target: core::str::from_utf8(target).ok()?,
            text: core::str::from_utf8(text).ok()?,
        })
    })
}

/// Fetches records of the kernel's trace ring of one processor. The bytes come after the answer's body.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct DrainTrace {
    /// Number of the processor.
    pub cpu: u32,
    /// Zero.
    pub reserved: u32,
}

/// The answer to [`DrainTrace`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Drained {
    /// Bytes lost so far for want of room in the ring.
    pub lost: u64,
    /// Bytes still in the ring.
    pub left: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line() -> impl Strategy<Value = (u64, u64, u32, u8, String, String)> {
        (
            any::<u64>(),
            any::<u64>(),
            any::<u32>(),
            1u8..6,
            ".{0,20}",
            ".{0,80}",
        )
    }

    proptest! {
        #[test]
        fn lines_round_trip(all in prop::collection::vec(line(), 0..12)) {
            let mut bytes = [0u8; 8192];
            let mut used = 0;
            for (sequence, ticks, sender, level, target, text) in &all {
                let head = LineHead { sequence: *sequence, ticks: *ticks, sender: *sender, level: *level, ..LineHead::default() };
                used += write_line(&Line { head, target, text }, &mut bytes[used..]).unwrap();
            }
            let back: Vec<_> = lines(&bytes[..used])
                .map(|l| (l.head.sequence, l.head.ticks, l.head.sender, l.head.level, l.target.to_string(), l.text.to_string()))
                .collect();
            prop_assert_eq!(back, all);
        }

        #[test]
        fn any_bytes_end_the_iteration(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(lines(&bytes).count() <= bytes.len() / size_of::<LineHead>());
        }

        #[test]
        fn a_line_is_written_whole_or_not_at_all(text in ".{0,80}", room in 0usize..200) {
            let mut bytes = vec![0u8; room];
            let written = write_line(&Line { head: LineHead::default(), target: "t", text: &text }, &mut bytes);
            match written {
                Some(n) => prop_assert_eq!(n, size_of::<LineHead>() + 1 + text.len()),
                None => prop_assert!(bytes.iter().all(|b| *b == 0)),
            }
        }

        #[test]
        fn split_gives_target_and_text(target in "[a-z:]{0,30}", text in ".{0,80}") {
            let append = Append { target_bytes: target.len() as u8, ..Append::default() };
            let tail = [target.as_bytes(), text.as_bytes()].concat();
            prop_assert_eq!(append.split(&tail), Ok((target.as_str(), text.as_str())));
        }
    }

    #[test]
    fn a_target_longer_than_the_message_is_malformed() {
        let append = Append {
            target_bytes: 9,
            ..Append::default()
        };
        assert_eq!(
            append.split(b"short").unwrap_err().reason,
            Reason::Malformed
        );
        let append = Append {
            target_bytes: 1,
            ..Append::default()
        };
        assert_eq!(
            append.split(&[0xff, b'x']).unwrap_err().reason,
            Reason::Malformed
        );
    }
}
