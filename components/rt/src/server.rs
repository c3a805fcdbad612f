//! Answering requests: the loop of a server.
//!
//! ```no_run
//! use pagurus_rt::protocol::ping::{Ping, Pong};
//! use pagurus_rt::protocol::wire::Request;
//! use pagurus_rt::server::{Event, Server, Words};
//! # use pagurus_rt::Cap;
//! # let (endpoint, reply) = (Cap::new(16), Cap::new(3));
//! let mut server = Server::new(endpoint, reply);
//! let mut words = Words::default();
//! while let Ok(event) = server.next(&mut words) {
//!     match event {
//!         Event::Request(request) if request.is::<Ping>() => {
//!             let pong = request.parse::<Ping>().map(|(ping, _)| Pong {
//!                 sequence: ping.sequence,
//!                 payload: ping.payload,
//!             });
//!             server.answer(pong);
//!         }
//!         other => server.refuse_unknown(&other),
//!     }
//! }
//! ```

use crate::Cap;
use crate::client::{ReceiveSlots, first_words, store};
use crate::ipc_buffer::Buffer;
use crate::object::{Endpoint, Reply};
use crate::syscall::Received;
use pagurus_abi::fault::{FAULT_WORDS, FaultKind, FaultReply};
use pagurus_abi::message::{CapTransfer, MAX_CAPS, MAX_WORDS, REGISTER_WORDS};
use pagurus_abi::{Error, MessageInfo};
use pagurus_protocol::wire::{self, Body, Label, Request, read_request, write_answer};
use pagurus_protocol::{Failure, Reason};

/// Room for a received message.
#[derive(Clone, Debug)]
pub struct Words(wire::Words);

impl Default for Words {
    fn default() -> Self {
        Words([0; MAX_WORDS])
    }
}

/// What a receive brought.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A request, to be answered if it was a call.
    Request(Incoming<'a>),
    /// Signals of the bound notification.
    Signal(u64),
    /// A thread faulted; its answer decides what becomes of it.
    Fault(Fault),
}

/// A received request.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Badge of the sender's endpoint capability.
    pub badge: u64,
    /// Capabilities received; they are in the slots that [`Server::receive`] offered, from the first on.
    pub caps: usize,
    info: MessageInfo,
    words: &'a [u64],
}

/// A fault report of the kernel; see [`pagurus_abi::fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Badge of the fault endpoint's capability.
    pub badge: u64,
    /// Page fault or not.
    pub page: bool,
    /// Exception vector.
    pub vector: u64,
    /// Error code of the exception.
    pub code: u64,
    /// Address for a page fault, else 0.
    pub address: u64,
    /// Instruction pointer.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Flags.
    pub rflags: u64,
}

impl<'a> Incoming<'a> {
    /// Whether this is request `R`, of whatever version.
    pub fn is<R: Request>(&self) -> bool {
        let label = Label(self.info.label());
        label.protocol() == R::PROTOCOL && label.number() == R::NUMBER
    }

    /// Number of the protocol and of the request in it, for a `match`.
    pub fn number(&self) -> (u8, u16) {
        let label = Label(self.info.label());
        (label.protocol(), label.number())
    }

    /// Decodes request `R` and the bytes after it.
    ///
    /// # Errors
    /// `UnknownRequest`, `WrongVersion` or `Malformed`.
    pub fn parse<R: Request>(&self) -> Result<(R, &'a [u8]), Failure> {
        read_request::<R>(self.info, self.words)
    }
}

/// A server: an endpoint, a Reply object, and the answer to be sent with the next receive.
#[derive(Debug)]
pub struct Server {
    endpoint: Cap<Endpoint>,
    reply: Cap<Reply>,
    /// What answers the caller; present from the answer to the next receive.
    answer: Option<MessageInfo>,
    /// Whether the last event has a caller who was not answered yet.
    open: bool,
    words: wire::Words,
    caps: [CapTransfer; MAX_CAPS],
    receive: ReceiveSlots,
}

impl Server {
    /// A server that receives from `endpoint` and answers by way of `reply`.
    pub const fn new(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> Self {
        Server {
            endpoint,
            reply,
            answer: None,
            open: false,
            words: [0; MAX_WORDS],
            caps: [CapTransfer {
                index: 0,
                rights: 0,
                mode: 0,
                reserved: 0,
            }; MAX_CAPS],
            receive: ReceiveSlots { first: 0, count: 0 },
        }
    }

    /// Offers empty slots for the capabilities of requests; a count of 0 refuses them.
    pub fn receive(&mut self, slots: ReceiveSlots) {
        self.receive = slots;
    }

    /// Sends the answer that is due, then waits for the next event. A request that was left without an
    /// answer is refused as unknown; a fault that was left without one stops the thread.
    ///
    /// # Errors
    /// If the endpoint or the Reply is unusable; a caller who went away is no error.
    pub fn next<'w>(&mut self, words: &'w mut Words) -> Result<Event<'w>, Error> {
        if self.open && self.answer.is_none() {
            self.refuse(Reason::UnknownRequest);
        }
        self.open = false;
        let buffer = Buffer::current();
        let received = match self.answer.take() {
            Some(info) => {
                self.prepare(info, buffer);
                match self
                    .endpoint
                    .reply_recv(self.reply, info, first_words(&self.words))
                {
                    Ok(received) => received,
                    Err(error) => self.recover(error, buffer)?,
                }
            }
            None => {
                self.offer(buffer);
                self.endpoint.recv(self.reply)?
            }
        };
        Ok(self.event(received, buffer, words))
    }

    /// The answer could not be sent: the caller is told so if it still waits, and the loop goes on.
    fn recover(&mut self, error: Error, buffer: Option<Buffer>) -> Result<Received, Error> {
        if error != Error::NoCaller {
            let refusal = Failure::from(error);
            let info = MessageInfo::new(Label::refusal(refusal.reason).0, 1, 0);
            // The caller may have gone; then there is nobody left to tell.
            let _ = self.reply.reply(info, [refusal.detail, 0, 0, 0]);
        }
        self.offer(buffer);
        self.endpoint.recv(self.reply)
    }

    fn prepare(&self, info: MessageInfo, buffer: Option<Buffer>) {
        let Some(buffer) = buffer else { return };
        if info.words() > REGISTER_WORDS {
            buffer.write_words(REGISTER_WORDS, &self.words[REGISTER_WORDS..info.words()]);
        }
        buffer.set_send(&self.caps[..info.caps()]);
        buffer.set_receive(self.receive.first, self.receive.count);
    }

    fn offer(&self, buffer: Option<Buffer>) {
        if let Some(buffer) = buffer {
            buffer.set_receive(self.receive.first, self.receive.count);
        }
    }

    fn event<'w>(
        &mut self,
        received: Received,
        buffer: Option<Buffer>,
        words: &'w mut Words,
    ) -> Event<'w> {
        let info = received.info;
        if info.is_signal() {
            return Event::Signal(received.badge);
        }
        self.open = true;
        let used = store(info, received.words, buffer, &mut words.0);
        if info.is_fault() {
            let mut w = [0; FAULT_WORDS];
            let used = used.min(FAULT_WORDS);
            w[..used].copy_from_slice(&words.0[..used]);
            return Event::Fault(Fault {
                badge: received.badge,
                page: info.label() == FaultKind::Page as u64,
                vector: w[0],
                code: w[1],
                address: w[2],
                rip: w[3],
                rsp: w[4],
                rflags: w[5],
            });
        }
        Event::Request(Incoming {
            badge: received.badge,
            caps: info.caps(),
            info,
            words: &words.0[..used],
        })
    }

    /// Answers the last request.
    pub fn answer<B: Body>(&mut self, answer: Result<B, Failure>) {
        self.answer_with(answer, &[], &[]);
    }

    /// Answers the last request with bytes after the body and capabilities. More than [`MAX_CAPS`]
    /// capabilities, or more bytes than fit, become the refusal `TooLong`.
    pub fn answer_with<B: Body>(
        &mut self,
        answer: Result<B, Failure>,
        tail: &[u8],
        caps: &[CapTransfer],
    ) {
        let answer = match (answer, self.caps.get_mut(..caps.len())) {
            (Ok(_), None) => Err(Reason::TooLong.into()),
            (Ok(body), Some(place)) => {
                place.copy_from_slice(caps);
                Ok(body)
            }
            (Err(failure), _) => Err(failure),
        };
        let info = write_answer(
            answer.as_ref().map_err(|failure| *failure),
            tail,
            caps.len(),
            &mut self.words,
        );
        self.answer = Some(info);
    }

    /// Refuses the last request.
    pub fn refuse(&mut self, failure: impl Into<Failure>) {
        self.answer_with::<wire::Empty>(Err(failure.into()), &[], &[]);
    }

    /// Refuses a request that is not known here and stops a thread whose fault is not handled here.
    pub fn refuse_unknown(&mut self, event: &Event<'_>) {
        match event {
            Event::Request(_) => self.refuse(Reason::UnknownRequest),
            Event::Fault(_) => self.answer_fault(FaultReply::Stop, [0; 2]),
            Event::Signal(_) => {}
        }
    }

    /// Decides what becomes of the thread that faulted; `words` are the new instruction and stack pointers for
    /// [`FaultReply::ResumeAt`].
    pub fn answer_fault(&mut self, reply: FaultReply, words: [u64; 2]) {
        self.words[..2].copy_from_slice(&words);
        let count = if reply == FaultReply::ResumeAt { 2 } else { 0 };
        self.answer = Some(MessageInfo::new(reply as u64, count, 0));
    }

    /// Leaves the last caller without an answer: it was stopped or does not exist any more. The Reply
    /// must be free when the next receive comes.
    pub fn forget_caller(&mut self) {
        self.open = false;
        self.answer = None;
    }
}

/// Receives for ever and lets `handle` answer; what it answers nothing to is refused as unknown.
///
/// # Errors
/// Returns only when the endpoint or the Reply is unusable.
pub fn serve(
    endpoint: Cap<Endpoint>,
    reply: Cap<Reply>,
    mut handle: impl FnMut(&mut Server, Event<'_>),
) -> Error {
    let mut server = Server::new(endpoint, reply);
    let mut words = Words::default();
    loop {
        match server.next(&mut words) {
            Ok(event) => handle(&mut server, event),
            Err(error) => return error,
        }
    }
}

#[cfg(test)]
mod tests;
