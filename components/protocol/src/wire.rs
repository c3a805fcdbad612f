//! Messages as words: the label, the fixed body and the bytes after it.
//!
//! Label of a request: bits 0..16 its number, 16..24 the protocol, 24..32 the version, 32..48 the bytes after
//! the body. Label of an answer: bits 0..16 0 or a [`Reason`], 32..48 the bytes after the body; the body of
//! a refusal is its detail, one word.

use crate::failure::{Failure, Reason};
use pagurus_abi::MessageInfo;
use pagurus_abi::message::MAX_WORDS;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of the longest message.
pub const MAX_BYTES: usize = MAX_WORDS * 8;

/// The words of a message, as many as the longest has.
pub type Words = [u64; MAX_WORDS];

/// The fixed part of a message: plain data, a whole number of words.
pub trait Body: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
    /// Its words. Does not compile for a size that is not a multiple of 8 bytes or too long.
    const WORDS: usize = {
        assert!(size_of::<Self>().is_multiple_of(8), "a body is whole words");
        assert!(size_of::<Self>() <= MAX_BYTES, "a body fits a message");
        size_of::<Self>() / 8
    };
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy> Body for T {}

/// Most bytes that fit after a body of type `B`.
pub const fn tail_room<B: Body>() -> usize {
    MAX_BYTES - B::WORDS * 8
}

/// A body without content.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Empty;

/// A request of a protocol and the answer to it.
pub trait Request: Body {
    /// Number of the protocol.
    const PROTOCOL: u8;
    /// Version of the protocol that this layout belongs to.
    const VERSION: u8;
    /// Number of the request within the protocol.
    const NUMBER: u16;
    /// What a server answers.
    type Answer: Body;
}

/// Declares the requests of a protocol: number, body, answer.
macro_rules! requests {
    ($protocol:literal version $version:literal { $($number:literal: $request:ty => $answer:ty;)* }) => {
        /// Number of this protocol.
        pub const PROTOCOL: u8 = $protocol;
        /// Version of this protocol; grows with every change that an older partner would misread.
        pub const VERSION: u8 = $version;
        $(impl $crate::wire::Request for $request {
            const PROTOCOL: u8 = PROTOCOL;
            const VERSION: u8 = VERSION;
            const NUMBER: u16 = $number;
            type Answer = $answer;
        })*
    };
}
pub(crate) use requests;

/// The 48-bit label of a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(pub u64);

impl Label {
    /// Label of request `R` with `tail` bytes after the body.
    pub const fn request<R: Request>(tail: usize) -> Self {
        Label(
            R::NUMBER as u64
                | (R::PROTOCOL as u64) << 16
                | (R::VERSION as u64) << 24
                | (tail as u64 & 0xffff) << 32,
        )
    }

    /// Label of a successful answer with `tail` bytes after the body.
    pub const fn answer(tail: usize) -> Self {
        Label((tail as u64 & 0xffff) << 32)
    }

    /// Label of a refusal.
    pub const fn refusal(reason: Reason) -> Self {
        Label(reason as u64)
    }

    /// Number of the request, or status of the answer.
    pub const fn number(self) -> u16 {
        self.0 as u16
    }

    /// Number of the protocol.
    pub const fn protocol(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Version of the protocol.
    pub const fn version(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Bytes after the body.
    pub const fn tail(self) -> usize {
        (self.0 >> 32 & 0xffff) as usize
    }
}

/// Writes a body and the bytes after it; returns the words used.
///
/// # Errors
/// [`Reason::TooLong`] if both do not fit one message.
pub fn write<B: Body>(body: &B, tail: &[u8], words: &mut Words) -> Result<usize, Failure> {
    if tail.len() > tail_room::<B>() {
        return Err(Reason::TooLong.into());
    }
    let used = B::WORDS + tail.len().div_ceil(8);
    // The last word may be filled in part only; what it held before must not leak to the receiver.
    if let Some(last) = words[B::WORDS..used].last_mut() {
        *last = 0;
    }
    let bytes = words.as_mut_bytes();
    let fixed = B::WORDS * 8;
    bytes[..fixed].copy_from_slice(body.as_bytes());
    bytes[fixed..fixed + tail.len()].copy_from_slice(tail);
    Ok(used)
}

/// Reads a body and the `tail` bytes after it from the words of a message.
///
/// # Errors
/// [`Reason::Malformed`] if the message is not exactly as long as both.
pub fn read<B: Body>(words: &[u64], tail: usize) -> Result<(B, &[u8]), Failure> {
    if words.len() != B::WORDS + tail.div_ceil(8) {
        return Err(Reason::Malformed.into());
    }
    let (body, rest) = B::read_from_prefix(words.as_bytes()).map_err(|_| Reason::Malformed)?;
    Ok((body, &rest[..tail]))
}

/// Writes a request; returns what describes it, with `caps` capabilities to send along.
///
/// # Errors
/// [`Reason::TooLong`] if it does not fit one message.
pub fn write_request<R: Request>(
    request: &R,
    tail: &[u8],
    caps: usize,
    words: &mut Words,
) -> Result<MessageInfo, Failure> {
    let used = write(request, tail, words)?;
    Ok(MessageInfo::new(
        Label::request::<R>(tail.len()).0,
        used,
        caps,
    ))
}

/// Reads request `R` from a message whose number was found to be `R::NUMBER`.
///
/// # Errors
/// [`Reason::UnknownRequest`] for another protocol or request, [`Reason::WrongVersion`] with the version
/// that is spoken here, [`Reason::Malformed`] if the length is wrong.
pub fn read_request<R: Request>(info: MessageInfo, words: &[u64]) -> Result<(R, &[u8]), Failure> {
    let label = Label(info.label());
    if label.protocol() != R::PROTOCOL || label.number() != R::NUMBER {
        return Err(Reason::UnknownRequest.into());
    }
    if label.version() != R::VERSION {
        return Err(Failure::with(Reason::WrongVersion, R::VERSION.into()));
    }
    read(words, label.tail())
}

/// Writes an answer, or the refusal; returns what describes it, with `caps` capabilities to send along.
/// An answer that does not fit becomes the refusal [`Reason::TooLong`].
pub fn write_answer<B: Body>(
    answer: Result<&B, Failure>,
    tail: &[u8],
    caps: usize,
    words: &mut Words,
) -> MessageInfo {
    let written = answer.and_then(|body| write(body, tail, words));
    match written {
        Ok(used) => MessageInfo::new(Label::answer(tail.len()).0, used, caps),
        Err(failure) => {
            words[0] = failure.detail;
            MessageInfo::new(Label::refusal(failure.reason).0, 1, 0)
        }
    }
}

/// Reads the answer to a request `R`.
///
/// # Errors
/// The server's refusal, or [`Reason::Malformed`] if the answer is not one.
pub fn read_answer<R: Request>(
    info: MessageInfo,
    words: &[u64],
) -> Result<(R::Answer, &[u8]), Failure> {
    let label = Label(info.label());
    match label.number() {
        0 => read(words, label.tail()),
        number => Err(Failure {
            reason: Reason::from_u16(number).unwrap_or(Reason::Malformed),
            detail: words.first().copied().unwrap_or(0),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::{Ping, Pong, Statistics};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn requests_round_trip(sequence: u64, payload: u64, tail in prop::collection::vec(any::<u8>(), 0..MAX_BYTES)) {
            let mut words = [u64::MAX; MAX_WORDS];
            let ping = Ping { sequence, payload };
            match write_request(&ping, &tail, 0, &mut words) {
                Ok(info) => {
                    prop_assert!(tail.len() <= tail_room::<Ping>());
                    let (back, rest) = read_request::<Ping>(info, &words[..info.words()]).unwrap();
                    prop_assert_eq!(back, ping);
                    prop_assert_eq!(rest, &tail[..]);
                }
                Err(failure) => {
                    prop_assert!(tail.len() > tail_room::<Ping>());
                    prop_assert_eq!(failure.reason, Reason::TooLong);
                }
            }
        }

        #[test]
        fn nothing_of_the_buffer_leaks_behind_the_tail(tail in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut words = [u64::MAX; MAX_WORDS];
            let used = write(&Empty, &tail, &mut words).unwrap();
            let bytes = words[..used].as_bytes();
            prop_assert!(bytes[tail.len()..].iter().all(|b| *b == 0));
        }

        #[test]
        fn any_message_is_decoded_or_refused(info: u64, words in prop::collection::vec(any::<u64>(), 0..MAX_WORDS)) {
            let info = MessageInfo(info);
            let expected = Label(info.label());
            match read_request::<Ping>(info, &words) {
                Ok((_, tail)) => {
                    prop_assert_eq!(expected.number(), Ping::NUMBER);
                    prop_assert_eq!(tail.len(), expected.tail());
                }
                Err(failure) => prop_assert!(matches!(
                    failure.reason,
                    Reason::UnknownRequest | Reason::WrongVersion | Reason::Malformed
                )),
            }
            let _ = read_answer::<Ping>(info, &words);
        }

        #[test]
        fn length_must_match_exactly(extra in 1usize..20, sequence: u64) {
            let mut words = [0; MAX_WORDS];
            let info = write_request(&Ping { sequence, payload: 0 }, &[], 0, &mut words).unwrap();
            let longer = read_request::<Ping>(info, &words[..info.words() + extra]);
            prop_assert_eq!(longer.unwrap_err().reason, Reason::Malformed);
            let shorter = read_request::<Ping>(info, &words[..info.words() - 1]);
            prop_assert_eq!(shorter.unwrap_err().reason, Reason::Malformed);
        }
    }

    #[test]
    fn refusals_arrive_as_they_were_sent() {
        for reason in Reason::ALL {
            let mut words = [0; MAX_WORDS];
            let failure = Failure::with(*reason, 77);
            let info = write_answer::<Pong>(Err(failure), b"ignored", 2, &mut words);
            assert_eq!(info.caps(), 0);
            assert_eq!(
                read_answer::<Ping>(info, &words[..info.words()]).unwrap_err(),
                failure
            );
        }
    }

    #[test]
    fn another_version_is_told_ours() {
        let mut words = [0; MAX_WORDS];
        let info = write_request(&Statistics, &[], 0, &mut words).unwrap();
        let newer = MessageInfo(info.0 + (1 << (16 + 24)));
        assert_eq!(
            read_request::<Statistics>(newer, &words[..newer.words()]).unwrap_err(),
            Failure::with(Reason::WrongVersion, Statistics::VERSION.into())
        );
    }

    #[test]
    fn an_answer_that_does_not_fit_is_refused() {
        let mut words = [0; MAX_WORDS];
        let info = write_answer(Ok(&Empty), &[1; MAX_BYTES + 1], 0, &mut words);
        assert_eq!(Label(info.label()).number(), Reason::TooLong as u16);
    }
}
