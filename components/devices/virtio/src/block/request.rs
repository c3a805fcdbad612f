//! What a driver asks of a disk, and whether that can be.

use zerocopy::IntoBytes;

use super::SECTOR;
use super::config::BlockOptions;
use super::header::{HEADER, RequestHeader, Segment, UNMAP, kind};
use crate::memory::{GuestMemory, OutsideMemory};
use crate::queue::Chain;

/// Names a request. It takes 2^32 requests until one is used again, so that an answer that comes twice or too late is not
/// taken for that of another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

impl Tag {
    pub(super) fn new(sequence: u32, queue: u16, id: u16) -> Tag {
        Tag(u64::from(sequence) << 32 | u64::from(queue) << 16 | u64::from(id))
    }

    /// As a number, to be sent to a back end.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The tag with this number. What a back end makes up is refused when it is used.
    pub fn from_number(number: u64) -> Tag {
        Tag(number)
    }

    /// The queue that the request came from.
    pub fn queue(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The buffer's name in its queue.
    pub(super) fn id(self) -> u16 {
        self.0 as u16
    }
}

/// What a driver wants. Places and sizes lie on the disk and are whole blocks. A read or write may be of 0 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Copy from disk to guest memory.
    Read {
        /// First sector of 512 bytes.
        sector: u64,
        /// Bytes, less than 2^32.
        bytes: u64,
    },
    /// Copy from guest memory to disk.
    Write {
        /// First sector of 512 bytes.
        sector: u64,
        /// Bytes, at most 2^32.
        bytes: u64,
        /// It must be on stable storage before it is answered: the driver will not flush (5.2.6.2).
        durable: bool,
    },
    /// Everything that was answered before this came must be on stable storage.
    Flush,
    /// The sectors' content is not needed any longer.
    Discard {
        /// First sector of 512 bytes.
        sector: u64,
        /// How many.
        sectors: u32,
    },
    /// The sectors must read as zeroes from now on.
    WriteZeroes {
        /// First sector of 512 bytes.
        sector: u64,
        /// How many.
        sectors: u32,
        /// Their storage may be given up.
        unmap: bool,
        /// It must be on stable storage before it is answered.
        durable: bool,
    },
}

/// A request for a back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub tag: Tag,
    /// What is to be done. [`super::Block::data`] says where the data is.
    pub operation: Operation,
}

/// What became of a driver's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is for the back end.
    Request(Request),
    /// The device answered it itself.
    Answered,
}

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not work.
    Io,
    /// The device does not do such things.
    Unsupported,
}

/// No request with this tag is pending: it was answered already, or was given up by a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTag(pub Tag);

impl core::fmt::Display for UnknownTag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "no request {:#x} is pending", self.0.0)
    }
}

impl core::error::Error for UnknownTag {}

/// Who does a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The back end.
    Ask(Operation),
    /// Nobody has to: the answer is this, with the bytes of data that were written.
    Answer(Result<u32, Failure>),
}

const REFUSED: Outcome = Outcome::Answer(Err(Failure::Io));
const UNSUPPORTED: Outcome = Outcome::Answer(Err(Failure::Unsupported));

impl BlockOptions {
    /// What a request comes to. The chain has a header and room for a status.
    pub(super) fn operation<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        header: &RequestHeader,
        chain: &Chain,
        durable: bool,
    ) -> Result<Outcome, OutsideMemory> {
        let sector = header.sector.get();
        Ok(match header.kind.get() {
            kind::IN => {
                // All but the status.
                let bytes = chain.writable().bytes() - 1;
                self.on_disk(sector, bytes, Operation::Read { sector, bytes })
            }
            kind::OUT if self.read_only => REFUSED,
            kind::OUT => {
                let bytes = chain.readable().bytes() - HEADER;
                let write = Operation::Write {
                    sector,
                    bytes,
                    durable,
                };
                self.on_disk(sector, bytes, write)
            }
            kind::FLUSH => Outcome::Ask(Operation::Flush),
            kind::GET_ID => {
                let room = chain.writable().bytes() - 1;
                let length = self
                    .serial
                    .len()
                    .min(usize::try_from(room).unwrap_or(usize::MAX));
                let written = chain.writable().write(memory, 0, &self.serial[..length])?;
                Outcome::Answer(Ok(written as u32))
            }
            kind::DISCARD | kind::WRITE_ZEROES if !self.discard => UNSUPPORTED,
            kind::DISCARD | kind::WRITE_ZEROES if self.read_only => REFUSED,
            kind::DISCARD => self.segment(memory, chain, |segment| {
                // Reserved flags, and unmap, which is for write-zeroes only (5.2.6.2).
                if segment.flags.get() != 0 {
                    return None;
                }
                Some(Operation::Discard {
                    sector: segment.sector.get(),
                    sectors: segment.sectors.get(),
                })
            })?,
            kind::WRITE_ZEROES => self.segment(memory, chain, |segment| {
                if segment.flags.get() & !UNMAP != 0 {
                    return None;
                }
                Some(Operation::WriteZeroes {
                    sector: segment.sector.get(),
                    sectors: segment.sectors.get(),
                    unmap: segment.flags.get() & UNMAP != 0,
                    durable,
                })
            })?,
            _ => UNSUPPORTED,
        })
    }

    /// `operation` if its range is on the disk and whole blocks.
    fn on_disk(&self, sector: u64, bytes: u64, operation: Operation) -> Outcome {
        let block = u64::from(self.block_size);
        let fits = sector
            .checked_add(bytes / SECTOR)
            .is_some_and(|end| end <= self.sectors);
        let whole = bytes.is_multiple_of(block) && sector.is_multiple_of(block / SECTOR);
        if fits && whole {
            Outcome::Ask(operation)
        } else {
            REFUSED
        }
    }

    /// A request whose data is one segment; more were not offered.
    fn segment<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        chain: &Chain,
        make: impl FnOnce(&Segment) -> Option<Operation>,
    ) -> Result<Outcome, OutsideMemory> {
        let mut segment = Segment::default();
        if chain.readable().bytes() != HEADER + size_of::<Segment>() as u64 {
            return Ok(REFUSED);
        }
        chain
            .readable()
            .read(memory, HEADER, segment.as_mut_bytes())?;
        let sectors = segment.sectors.get();
        if sectors > Self::MAX_DISCARD {
            return Ok(REFUSED);
        }
        let bytes = u64::from(sectors) * SECTOR;
        Ok(match make(&segment) {
            Some(operation) => self.on_disk(segment.sector.get(), bytes, operation),
            // An unknown flag must be answered so (5.2.6.2).
            None => UNSUPPORTED,
        })
    }
}
