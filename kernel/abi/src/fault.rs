//! What a fault endpoint is told when a thread faults.
//!
//! The kernel sends the message as if the thread had called its fault endpoint: the handler's receive
//! returns it with [`MessageInfo::FAULT`](crate::MessageInfo::FAULT), the [`FaultKind`] as label and the badge
//! of the fault endpoint's capability, and the handler's Reply decides what becomes of the thread.
//!
//! | word | meaning |
//! | --- | --- |
//! | 0 | exception vector |
//! | 1 | error code of the exception (SDM volume 3, chapter 6) |
//! | 2 | address for a page fault, else 0 |
//! | 3 | instruction pointer |
//! | 4 | stack pointer |
//! | 5 | flags |
//!
//! Words 4 and 5 reach only handlers with an IPC buffer. The label of the reply is a [`FaultReply`].

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultKind {
    /// A page fault.
    Page = 1,
    /// Any other exception.
    Exception = 2,
}

/// Words of a fault message.
pub const FAULT_WORDS: usize = 6;

/// What the handler wants done with the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultReply {
    /// Try the instruction again.
    Retry = 0,
    /// Go on at instruction pointer word 0 (and stack pointer word 1, unless 0).
    ResumeAt = 1,
    /// Leave the thread inactive. So does every label that is not listed here.
    Stop = 2,
}
