//! What a trace buffer looks like to those who map it.
//!
//! The buffer begins with a [`TraceHeader`]; behind it lies a ring of [`TraceHeader::capacity`] bytes. Byte
//! `n` of the stream is at offset `n % capacity` of the ring, for every `n` in `start..end`; it is a stream of
//! defmt frames (rzCOBS, each ended by a zero byte). Only the kernel writes here. Draining moves `start`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `TraceHeader::magic`: "PAGTRACE" in little endian.
pub const TRACE_MAGIC: u64 = u64::from_le_bytes(*b"PAGTRACE");

/// The head of a trace buffer.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct TraceHeader {
    /// [`TRACE_MAGIC`] while the buffer is attached to a processor, 0 before and after.
    pub magic: u64,
    /// Bytes of the ring.
    pub capacity: u64,
    /// Position of the oldest byte.
    pub start: u64,
    /// Position behind the newest byte.
    pub end: u64,
    /// Bytes of frames that were left out for want of room.
    pub lost: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

/// Bytes of the head.
pub const TRACE_HEADER_BYTES: usize = 64;

const _: () = assert!(core::mem::size_of::<TraceHeader>() == TRACE_HEADER_BYTES);
