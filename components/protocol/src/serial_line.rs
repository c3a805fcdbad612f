//! A virtual machine's serial line, between the machine's VMM and the operator's console: the memory that they share.
//!
//! Each signals the other when it has put something where nothing was ([`Pushed::wake`](crate::byte_ring::Pushed::wake)).

use crate::byte_ring::ByteRing;
use zerocopy::FromBytes;

/// Bytes of the guest's output that wait for the console.
pub const OUTPUT_BYTES: usize = 16 * 1024;
/// Bytes of the operator's input that wait for the guest.
pub const INPUT_BYTES: usize = 4 * 1024;

/// The line. Zeroed memory is one on which nothing was sent.
#[derive(Debug, FromBytes)]
#[repr(C)]
pub struct SerialLine {
    /// From the guest.
    pub output: ByteRing<OUTPUT_BYTES>,
    /// To the guest.
    pub input: ByteRing<INPUT_BYTES>,
}

impl SerialLine {
    /// A line on which nothing was sent.
    #[allow(clippy::new_without_default)] // lines lie in shared memory; only tests make them
    pub const fn new() -> Self {
        SerialLine {
            output: ByteRing::new(),
            input: ByteRing::new(),
        }
    }
}
