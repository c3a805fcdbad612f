//! Requests in guest memory (VIRTIO 1.2, 5.2.6).

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::memory::{GuestMemory, OutsideMemory};
use crate::queue::Chain;

/// The first device-readable bytes of a request.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RequestHeader {
    pub kind: U32,
    reserved: U32,
    pub sector: U64,
}

/// Bytes of it.
pub(super) const HEADER: u64 = size_of::<RequestHeader>() as u64;

/// Request types.
pub(super) mod kind {
    pub const IN: u32 = 0;
    pub const OUT: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
    pub const WRITE_ZEROES: u32 = 13;
}

/// Answers.
pub(super) const STATUS_OK: u8 = 0;
pub(super) const STATUS_IO_ERROR: u8 = 1;
pub(super) const STATUS_UNSUPPORTED: u8 = 2;

/// What discard and write-zeroes requests have as data.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Segment {
    pub sector: U64,
    pub sectors: U32,
    pub flags: U32,
}

/// Flag of a segment: the sectors may be given up, provided that they then read as zeroes.
pub(super) const UNMAP: u32 = 1;

impl RequestHeader {
    /// Reads it from the start of a chain; false if the chain is too short for one.
    pub fn read<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        chain: &Chain,
    ) -> Result<bool, OutsideMemory> {
        let bytes = chain.readable().read(memory, 0, self.as_mut_bytes())?;
        Ok(bytes as u64 == HEADER)
    }
}
