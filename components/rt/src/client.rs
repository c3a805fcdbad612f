//! Asking a server: typed calls.

use crate::Cap;
use crate::ipc_buffer::Buffer;
use crate::object::Endpoint;
use pagurus_abi::message::{CapTransfer, MAX_CAPS, MAX_WORDS, REGISTER_WORDS};
use pagurus_abi::{Error, MessageInfo};
use pagurus_protocol::wire::{Request, Words, read_answer, write_request};
use pagurus_protocol::{Failure, Reason};

/// Empty slots for the capabilities of an answer, one after the other in the own capability space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveSlots {
    /// The first.
    pub first: u32,
    /// How many, at most [`MAX_CAPS`].
    pub count: u32,
}

/// An answer with all that came along.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a, T> {
    /// The fixed part.
    pub body: T,
    /// The bytes after it.
    pub tail: &'a [u8],
    /// Capabilities received; they are in the slots that the call offered, from the first on.
    pub caps: usize,
}

/// A call in preparation.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    endpoint: Cap<Endpoint>,
    tail: &'a [u8],
    caps: &'a [CapTransfer],
    receive: Option<ReceiveSlots>,
}

/// Calls `endpoint` with a request that is all fixed, and expects the same of the answer.
///
/// # Errors
/// The server's refusal; `Kernel` if the call itself failed; `Malformed` if the answer is not one.
pub fn call<R: Request>(endpoint: Cap<Endpoint>, request: &R) -> Result<R::Answer, Failure> {
    let mut words = [0; MAX_WORDS];
    let answer = Call::new(endpoint).run(request, &mut words)?;
    Ok(answer.body)
}

impl<'a> Call<'a> {
    /// A call of `endpoint`.
    pub const fn new(endpoint: Cap<Endpoint>) -> Self {
        Call {
            endpoint,
            tail: &[],
            caps: &[],
            receive: None,
        }
    }

    /// With these bytes after the request's body.
    #[must_use]
    pub const fn tail(mut self, tail: &'a [u8]) -> Self {
        self.tail = tail;
        self
    }

    /// With these capabilities, at most [`MAX_CAPS`].
    #[must_use]
    pub const fn caps(mut self, caps: &'a [CapTransfer]) -> Self {
        self.caps = caps;
        self
    }

    /// Capabilities of the answer go to `slots`; without this they are refused.
    #[must_use]
    pub const fn receive(mut self, slots: ReceiveSlots) -> Self {
        self.receive = Some(slots);
        self
    }

    /// Makes the call; `words` is overwritten and holds the answer's tail afterwards.
    ///
    /// # Errors
    /// As for [`call`]; `TooLong` if the request does not fit a message.
    pub fn run<'w, R: Request>(
        self,
        request: &R,
        words: &'w mut Words,
    ) -> Result<Answer<'w, R::Answer>, Failure> {
        if self.caps.len() > MAX_CAPS {
            return Err(Reason::TooLong.into());
        }
        let info = write_request(request, self.tail, self.caps.len(), words)?;
        let buffer = Buffer::current();
        if info.words() > REGISTER_WORDS || info.caps() > 0 || self.receive.is_some() {
            let buffer = buffer.ok_or(Error::MissingBinding)?;
            if info.words() > REGISTER_WORDS {
                buffer.write_words(REGISTER_WORDS, &words[REGISTER_WORDS..info.words()]);
            }
            buffer.set_send(self.caps);
            let slots = self.receive.unwrap_or(ReceiveSlots { first: 0, count: 0 });
            buffer.set_receive(slots.first, slots.count);
        }
        let received = self.endpoint.call(info, first_words(words));
        if self.receive.is_some()
            && let Some(buffer) = buffer
        {
            // Nobody else may fill these slots.
            buffer.set_receive(0, 0);
        }
        let received = received?;
        let used = store(received.info, received.words, buffer, words);
        let (body, tail) = read_answer::<R>(received.info, &words[..used])?;
        Ok(Answer {
            body,
            tail,
            caps: received.info.caps(),
        })
    }
}

/// The words that travel in registers.
pub(crate) fn first_words(words: &Words) -> [u64; REGISTER_WORDS] {
    [words[0], words[1], words[2], words[3]]
}

/// Puts a received message together: registers first, then what the IPC buffer holds. Returns its length.
pub(crate) fn store(
    info: MessageInfo,
    registers: [u64; REGISTER_WORDS],
    buffer: Option<Buffer>,
    words: &mut Words,
) -> usize {
    words[..REGISTER_WORDS].copy_from_slice(&registers);
    let used = info.words();
    match buffer {
        Some(buffer) if used > REGISTER_WORDS => {
            buffer.read_words(REGISTER_WORDS, &mut words[REGISTER_WORDS..used]);
            used
        }
        _ => used.min(REGISTER_WORDS),
    }
}
