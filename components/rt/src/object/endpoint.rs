//! Endpoints, replies and notifications.
//!
//! These pass registers only. The words after the fourth and the capabilities of a message are in the IPC
//! buffer; [`client`](crate::client) and [`server`](crate::server) take care of it.

use crate::Cap;
use crate::syscall::{Received, message};
use pagurus_abi::{Error, MessageInfo, Syscall};

/// Where threads meet to exchange messages.
#[derive(Debug)]
pub enum Endpoint {}

/// A word of signals.
#[derive(Debug)]
pub enum Notification {}

/// The right to answer one caller, once.
#[derive(Debug)]
pub enum Reply {}

impl Cap<Endpoint> {
    /// Sends and waits for the answer (`Call`).
    #[inline(always)]
    pub fn call(self, info: MessageInfo, words: [u64; 4]) -> Result<Received, Error> {
        message(Syscall::Call, self.index(), 0, info, words)
    }

    /// Sends, waiting for a receiver (`Send`).
    #[inline(always)]
    pub fn send(self, info: MessageInfo, words: [u64; 4]) -> Result<(), Error> {
        message(Syscall::Send, self.index(), 0, info, words).map(|_| ())
    }

    /// Sends if a receiver waits (`TrySend`).
    ///
    /// # Errors
    /// `WouldBlock` if none does.
    #[inline(always)]
    pub fn try_send(self, info: MessageInfo, words: [u64; 4]) -> Result<(), Error> {
        message(Syscall::TrySend, self.index(), 0, info, words).map(|_| ())
    }

    /// Receives a message, or a signal of the bound notification; a caller can be answered through
    /// `reply` (`Recv`).
    #[inline(always)]
    pub fn recv(self, reply: Cap<Reply>) -> Result<Received, Error> {
        message(
            Syscall::Recv,
            self.index(),
            reply.index(),
            MessageInfo(0),
            [0; 4],
        )
    }

    /// Receives if a sender or a signal waits (`TryRecv`).
    ///
    /// # Errors
    /// `WouldBlock` if none does.
    #[inline(always)]
    pub fn try_recv(self, reply: Cap<Reply>) -> Result<Received, Error> {
        message(
            Syscall::TryRecv,
            self.index(),
            reply.index(),
            MessageInfo(0),
            [0; 4],
        )
    }

    /// Answers the caller of `reply`, then receives (`ReplyRecv`).
    #[inline(always)]
    pub fn reply_recv(
        self,
        reply: Cap<Reply>,
        info: MessageInfo,
        words: [u64; 4],
    ) -> Result<Received, Error> {
        message(Syscall::ReplyRecv, self.index(), reply.index(), info, words)
    }
}

impl Cap<Reply> {
    /// Answers the caller (`Reply`).
    ///
    /// # Errors
    /// `NoCaller`.
    #[inline(always)]
    pub fn reply(self, info: MessageInfo, words: [u64; 4]) -> Result<(), Error> {
        message(Syscall::Reply, self.index(), 0, info, words).map(|_| ())
    }
}

impl Cap<Notification> {
    /// Signals with the capability's badge (`Signal`).
    #[inline(always)]
    pub fn signal(self) -> Result<(), Error> {
        message(Syscall::Signal, self.index(), 0, MessageInfo(0), [0; 4]).map(|_| ())
    }

    /// Waits for signals, returns and clears them (`Wait`).
    #[inline(always)]
    pub fn wait(self) -> Result<u64, Error> {
        message(Syscall::Wait, self.index(), 0, MessageInfo(0), [0; 4]).map(|r| r.badge)
    }

    /// Returns and clears the signals (`Poll`).
    ///
    /// # Errors
    /// `WouldBlock` if there are none.
    #[inline(always)]
    pub fn poll(self) -> Result<u64, Error> {
        message(Syscall::Poll, self.index(), 0, MessageInfo(0), [0; 4]).map(|r| r.badge)
    }
}
