//! A buffer as the driver described it: pieces of guest memory.

use alloc::vec::Vec;

use crate::memory::{GuestMemory, OutsideMemory};

/// A contiguous piece of guest memory. When it was taken from a queue, all of it was memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes.
    pub length: u32,
}

/// Pieces that belong together, in order. What lies in which piece means nothing (VIRTIO 1.2, 2.7.4.1), so positions are
/// offsets in all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    list: Vec<Piece>,
    bytes: u64,
}

impl Pieces {
    /// Bytes of all pieces together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All pieces.
    pub fn as_slice(&self) -> &[Piece] {
        &self.list
    }

    pub(crate) fn push(&mut self, piece: Piece) {
        self.bytes += u64::from(piece.length);
        self.list.push(piece);
    }

    fn clear(&mut self) {
        self.list.clear();
        self.bytes = 0;
    }

    /// Drops all but the first `length` bytes.
    pub(crate) fn truncate(&mut self, length: u64) {
        while self.bytes > length
            && let Some(last) = self.list.last_mut()
        {
            let excess = self.bytes - length;
            if excess >= u64::from(last.length) {
                self.bytes -= u64::from(last.length);
                self.list.pop();
            } else {
                last.length -= excess as u32;
                self.bytes = length;
            }
        }
    }

    /// The pieces of the `length` bytes from `offset`, as many of them as there are.
    pub fn range(&self, offset: u64, length: u64) -> impl Iterator<Item = Piece> + '_ {
        let end = offset.saturating_add(length);
        self.list
            .iter()
            .scan(0u64, |position, piece| {
                let start = *position;
                *position += u64::from(piece.length);
                Some((start, piece))
            })
            .filter_map(move |(start, piece)| {
                let from = start.max(offset);
                let to = (start + u64::from(piece.length)).min(end);
                // Both lie within the piece, so that sum and length fit.
                (from < to).then(|| Piece {
                    address: piece.address + (from - start),
                    length: (to - from) as u32,
                })
            })
    }

    /// Copies from `offset` on to `bytes`; gives how many bytes there were.
    pub fn read<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        offset: u64,
        bytes: &mut [u8],
    ) -> Result<usize, OutsideMemory> {
        let mut done = 0;
        for piece in self.range(offset, bytes.len() as u64) {
            let length = piece.length as usize;
            memory.read(piece.address, &mut bytes[done..done + length])?;
            done += length;
        }
        Ok(done)
    }

    /// Copies `bytes` to `offset` and behind; gives how many bytes there was room for.
    pub fn write<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        offset: u64,
        bytes: &[u8],
    ) -> Result<usize, OutsideMemory> {
        let mut done = 0;
        for piece in self.range(offset, bytes.len() as u64) {
            let length = piece.length as usize;
            memory.write(piece.address, &bytes[done..done + length])?;
            done += length;
        }
        Ok(done)
    }
}

/// One buffer of a queue: what the device reads, then what it writes.
///
/// The descriptors were read once; what the guest does to them later changes nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    pub(crate) id: u16,
    pub(crate) readable: Pieces,
    pub(crate) writable: Pieces,
}

impl Chain {
    /// What the ring calls this buffer, below the queue's size. Unique among the buffers that the device has.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// What the driver wrote for the device.
    pub fn readable(&self) -> &Pieces {
        &self.readable
    }

    /// Where the device writes.
    pub fn writable(&self) -> &Pieces {
        &self.writable
    }

    /// Makes it empty; keeps its memory for the next buffer.
    pub(crate) fn clear(&mut self, id: u16) {
        self.id = id;
        self.readable.clear();
        self.writable.clear();
    }
}
