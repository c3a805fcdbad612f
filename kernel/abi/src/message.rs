//! Messages and the IPC buffer.

use crate::rights::Rights;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Message words that travel in registers.
pub const REGISTER_WORDS: usize = 4;
/// Message words in all; the words after the first four are in the IPC buffer.
pub const MAX_WORDS: usize = 240;
/// Capabilities in one message.
pub const MAX_CAPS: usize = 4;

/// Describes a message: how many words and capabilities it has, and the sender's label.
///
/// Bits 0..8 words, 8..12 capabilities, bit 12 "this is a signal", bit 13 "this is a fault",
/// bits 16..64 label.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// Set by the kernel when a receive returns a signal of the bound notification.
    pub const SIGNAL: u64 = 1 << 12;
    /// Set by the kernel when the message is a fault report ([`crate::fault`]).
    pub const FAULT: u64 = 1 << 13;

    /// A message of `words` words and `caps` capabilities. Counts beyond the limits are cut to them.
    pub const fn new(label: u64, words: usize, caps: usize) -> Self {
        let words = if words > MAX_WORDS { MAX_WORDS } else { words };
        let caps = if caps > MAX_CAPS { MAX_CAPS } else { caps };
        MessageInfo(words as u64 | (caps as u64) << 8 | label << 16)
    }

    /// Words in the message, never more than [`MAX_WORDS`].
    pub const fn words(self) -> usize {
        let n = (self.0 & 0xff) as usize;
        if n > MAX_WORDS { MAX_WORDS } else { n }
    }

    /// Capabilities in the message, never more than [`MAX_CAPS`].
    pub const fn caps(self) -> usize {
        let n = (self.0 >> 8 & 0xf) as usize;
        if n > MAX_CAPS { MAX_CAPS } else { n }
    }

    /// The sender's 48-bit label.
    pub const fn label(self) -> u64 {
        self.0 >> 16
    }

    /// Whether this is a signal rather than a message.
    pub const fn is_signal(self) -> bool {
        self.0 & Self::SIGNAL != 0
    }

    /// Whether this is a fault report of the kernel.
    pub const fn is_fault(self) -> bool {
        self.0 & Self::FAULT != 0
    }

    /// Whether all of it fits in registers and nothing but words is transferred.
    ///
    /// One comparison on the fast path: no flag, no capability, at most four words.
    pub const fn is_short(self) -> bool {
        self.0 & 0xffff <= REGISTER_WORDS as u64
    }
}

/// How a capability is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TransferMode {
    /// The receiver gets a derived capability, which lives at most as long as the sender's.
    Derive = 0,
    /// The receiver gets the sender's capability itself; the sender has it no more.
    Move = 1,
}

/// One capability to send.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct CapTransfer {
    /// Index in the sender's capability space.
    pub index: u32,
    /// Rights to give (bits of [`Rights`]); those that the sender lacks are not given.
    pub rights: u8,
    /// A [`TransferMode`]; any other number counts as `Derive`.
    pub mode: u8,
    /// Zero.
    pub reserved: u16,
}

impl CapTransfer {
    /// Gives a derived capability with at most `rights`.
    pub const fn derive(index: u32, rights: Rights) -> Self {
        CapTransfer {
            index,
            rights: rights.bits(),
            mode: TransferMode::Derive as u8,
            reserved: 0,
        }
    }

    /// Hands the capability over with all its rights.
    pub const fn give(index: u32) -> Self {
        CapTransfer {
            index,
            rights: Rights::all().bits(),
            mode: TransferMode::Move as u8,
            reserved: 0,
        }
    }
}

/// The page that a thread shares with the kernel for messages longer than the registers.
///
/// The kernel reads and writes it through its own mapping of the frame that was bound to the thread;
/// words 0..4 are used by nobody, so that word `i` of a message is always `words[i]`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct IpcBuffer {
    /// Message words; the first four travel in registers.
    pub words: [u64; MAX_WORDS],
    /// The capabilities to send: as many as the `MessageInfo` says.
    pub send: [CapTransfer; MAX_CAPS],
    /// First index, in the own capability space, of the empty slots for received capabilities.
    pub receive_base: u32,
    /// How many slots from `receive_base` on may be filled; 0 refuses capabilities.
    pub receive_count: u32,
    /// Not used by the kernel.
    pub reserved: [u64; 267],
}

const _: () = {
    assert!(core::mem::size_of::<IpcBuffer>() == 4096);
    assert!(core::mem::offset_of!(IpcBuffer, send) == 1920);
    assert!(core::mem::offset_of!(IpcBuffer, receive_base) == 1952);
    assert!(core::mem::size_of::<CapTransfer>() == 8);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_cut_to_the_limits() {
        let info = MessageInfo(u64::MAX);
        assert_eq!(info.words(), MAX_WORDS);
        assert_eq!(info.caps(), MAX_CAPS);
        let info = MessageInfo::new(7, 1000, 9);
        assert_eq!(
            (info.words(), info.caps(), info.label()),
            (MAX_WORDS, MAX_CAPS, 7)
        );
    }

    #[test]
    fn short_means_registers_only() {
        assert!(MessageInfo::new(u64::MAX, 4, 0).is_short());
        assert!(!MessageInfo::new(0, 5, 0).is_short());
        assert!(!MessageInfo::new(0, 0, 1).is_short());
        assert!(!MessageInfo(MessageInfo::SIGNAL).is_short());
    }
}
