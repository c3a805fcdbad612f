//! The result: what goes where, and how the guest starts.

use crate::error::ImageError;
use crate::image::Kind;
use crate::space::{GIB4, LOW_END, Space};
use crate::state::InitialState;
use alloc::vec::Vec;

/// How an image is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it was taken for.
    pub kind: Kind,
    /// What goes into guest memory: in ascending order, in RAM, without overlap.
    pub pieces: Vec<Piece>,
    /// How the first vCPU starts. The others wait for a start-up interrupt.
    pub state: InitialState,
}

/// A piece of guest memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes, at least 1.
    pub length: u64,
    /// Where the contents come from.
    pub source: Source,
}

/// Where the contents of a piece come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the image, from this offset on.
    Image {
        /// Offset in the image; the piece lies wholly in it.
        offset: u64,
    },
    /// The whole of the module with this number.
    Module(usize),
    /// These bytes, as many as the piece is long.
    Bytes(Vec<u8>),
    /// Zeros. Memory that was never used may be left alone.
    Zero,
}

/// A plan in the making: every piece takes its memory from free RAM, so that they lie in RAM and cannot
/// overlap.
pub struct Builder {
    /// RAM that is still free.
    pub space: Space,
    /// What guests read once they run lies below this address.
    pub small_below: u64,
    pieces: Vec<Piece>,
}

impl Builder {
    /// Nothing placed yet.
    pub fn new(space: Space) -> Builder {
        Builder {
            space,
            small_below: GIB4,
            pieces: Vec::new(),
        }
    }

    /// Adds a piece in memory that was taken before.
    pub fn put(&mut self, address: u64, length: u64, source: Source) {
        if length != 0 {
            self.pieces.push(Piece {
                address,
                length,
                source,
            });
        }
    }

    /// Adds bytes in memory that was taken before.
    pub fn put_bytes(&mut self, address: u64, bytes: Vec<u8>) {
        self.put(address, bytes.len() as u64, Source::Bytes(bytes));
    }

    /// Takes memory for something that a guest reads once it runs: as high as possible in conventional
    /// memory, where guests look for room last, or else anywhere below [`Builder::small_below`].
    pub fn take_small(
        &mut self,
        what: &'static str,
        length: u64,
        align: u64,
    ) -> Result<u64, ImageError> {
        let low = self.small_below.min(LOW_END);
        self.space
            .take_high(what, length, align, low)
            .or_else(|_| self.space.take_high(what, length, align, self.small_below))
    }

    /// The same for bytes, which are placed there.
    pub fn place_bytes(
        &mut self,
        what: &'static str,
        bytes: Vec<u8>,
        align: u64,
    ) -> Result<u64, ImageError> {
        let address = self.take_small(what, bytes.len() as u64, align)?;
        self.put_bytes(address, bytes);
        Ok(address)
    }

    /// The lowest address of what was placed so far.
    pub fn lowest(&self) -> u64 {
        let addresses = self.pieces.iter().map(|piece| piece.address);
        addresses.min().unwrap_or(0)
    }

    /// The finished plan.
    pub fn finish(mut self, kind: Kind, state: InitialState) -> Plan {
        self.pieces.sort_unstable_by_key(|piece| piece.address);
        Plan {
            kind,
            pieces: self.pieces,
            state,
        }
    }
}
