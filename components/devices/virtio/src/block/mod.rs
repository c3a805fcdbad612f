//! The block device (VIRTIO 1.2, 5.2).
//!
//! A driver's request becomes a [`Request`] with a [`Tag`], which a back end answers in its own time and order by
//! [`VirtioPci::complete`]. Until then the device keeps all that is needed to answer it, as plain data: requests
//! can be counted, listed and done again by another back end.

mod config;
mod header;
mod pending;
mod request;

use alloc::vec::Vec;

pub use config::{BlockOptions, Serial};
pub use request::{Event, Failure, Operation, Request, Tag, UnknownTag};

use crate::device::{Device, DeviceConfig, DeviceType};
use crate::error::BufferError;
use crate::feature::Features;
use crate::memory::GuestMemory;
use crate::queue::{Chain, Piece};
use crate::transport::VirtioPci;
use header::RequestHeader;
use pending::{Pending, PendingTable};

/// Bytes of a sector. Everything in the protocol is in units of it, whatever the block size.
pub const SECTOR: u64 = 512;

/// Greatest size of a queue.
const QUEUE_SIZE: u16 = 256;

/// Requests have at most this many segments of data: a queue's worth without header and status.
const SEGMENTS: u16 = QUEUE_SIZE - 2;

/// Queues at most.
pub const MAX_QUEUES: u16 = 8;

/// The maximum number of segments is in the configuration.
pub const FEATURE_SEG_MAX: Features = Features::from_bits_retain(1 << 2);
/// The device cannot be written to.
pub const FEATURE_READ_ONLY: Features = Features::from_bits_retain(1 << 5);
/// The block size is in the configuration.
pub const FEATURE_BLOCK_SIZE: Features = Features::from_bits_retain(1 << 6);
/// There is a cache to flush.
pub const FEATURE_FLUSH: Features = Features::from_bits_retain(1 << 9);
/// There are several queues.
pub const FEATURE_MULTI_QUEUE: Features = Features::from_bits_retain(1 << 12);
/// Sectors can be discarded.
pub const FEATURE_DISCARD: Features = Features::from_bits_retain(1 << 13);
/// Sectors can be zeroed without sending zeroes.
pub const FEATURE_WRITE_ZEROES: Features = Features::from_bits_retain(1 << 14);

/// A disk as the guest sees it, and the requests that are not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    options: BlockOptions,
    queue_sizes: Vec<u16>,
    pending: PendingTable,
    /// Requests so far.
    sequence: u32,
}

impl Block {
    /// A disk. What the options ask for beyond limits is brought within them.
    pub fn new(options: BlockOptions) -> Block {
        let options = options.within_limits();
        let queues = usize::from(options.queues);
        Block {
            options,
            queue_sizes: alloc::vec![QUEUE_SIZE; queues],
            pending: PendingTable::new(options.queues, QUEUE_SIZE),
            sequence: 0,
        }
    }

    /// What the guest sees.
    pub fn options(&self) -> &BlockOptions {
        &self.options
    }

    /// The requests that are not answered, by queue.
    pub fn requests(&self) -> impl Iterator<Item = Request> + '_ {
        self.pending.iter().map(|pending| pending.request)
    }

    /// Where in guest memory the data of a request lies, in order: read requests write there. All of it was memory when
    /// the request was taken. Nothing for requests without data and for tags that are not pending.
    pub fn data(&self, tag: Tag) -> impl Iterator<Item = Piece> + '_ {
        self.pending
            .get(tag)
            .into_iter()
            .flat_map(|pending| pending.data())
    }
}

impl Device for Block {
    const TYPE: DeviceType = DeviceType {
        id: 2,
        // Mass storage, other.
        class: 0x01_8000,
    };

    fn features(&self) -> Features {
        self.options.features()
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn config(&self) -> DeviceConfig {
        self.options.config(SEGMENTS)
    }

    fn write_config(&mut self, _offset: usize, _bytes: &[u8]) {}

    fn outstanding(&self) -> usize {
        self.pending.len()
    }

    fn reset(&mut self) {
        self.pending.clear();
    }
}

impl VirtioPci<Block> {
    /// Takes the next request of a queue. Call until `None`, or stop when the back end has enough: the driver is not
    /// asked to notify again before all was taken.
    pub fn next_request<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        queue: u16,
    ) -> Option<Event> {
        let chain = self.core.pop(memory, queue)?;
        let mut header = RequestHeader::default();
        let (readable, writable) = (chain.readable().bytes(), chain.writable().bytes());
        match header.read(memory, &chain) {
            Err(error) => {
                self.core.fail(queue, error);
                return None;
            }
            Ok(false) => {
                let cause = BufferError::HeaderMissing { bytes: readable };
                self.core.fail(queue, cause);
                return None;
            }
            Ok(true) if writable == 0 => {
                let cause = BufferError::NoRoom { bytes: writable };
                self.core.fail(queue, cause);
                return None;
            }
            Ok(true) => {}
        }
        let durable = !self.core.has(FEATURE_FLUSH);
        let outcome = match self
            .device
            .options
            .operation(memory, &header, &chain, durable)
        {
            Ok(outcome) => outcome,
            Err(error) => {
                self.core.fail(queue, error);
                return None;
            }
        };
        match outcome {
            request::Outcome::Ask(operation) => {
                let sequence = self.device.sequence.wrapping_add(1);
                self.device.sequence = sequence;
                let tag = Tag::new(sequence, queue, chain.id());
                let request = Request { tag, operation };
                self.device.pending.insert(Pending { request, chain });
                Some(Event::Request(request))
            }
            request::Outcome::Answer(result) => {
                self.answer(memory, queue, chain, result);
                Some(Event::Answered)
            }
        }
    }

    /// Answers a request. For a read, its data must be in guest memory by now.
    pub fn complete<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        tag: Tag,
        result: Result<(), Failure>,
    ) -> Result<(), UnknownTag> {
        let pending = self.device.pending.remove(tag).ok_or(UnknownTag(tag))?;
        let written = match pending.request.operation {
            Operation::Read { bytes, .. } => bytes as u32,
            _ => 0,
        };
        self.answer(memory, tag.queue(), pending.chain, result.map(|()| written));
        self.returned();
        Ok(())
    }

    /// Writes the status and gives the buffer back. `result` has the bytes of data written.
    fn answer<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        queue: u16,
        chain: Chain,
        result: Result<u32, Failure>,
    ) {
        if !self.core.is_running() {
            // Nothing of the guest's is touched once it may think that the device is reset.
            return self.core.recycle(chain);
        }
        let status = match result {
            Ok(_) => header::STATUS_OK,
            Err(Failure::Io) => header::STATUS_IO_ERROR,
            Err(Failure::Unsupported) => header::STATUS_UNSUPPORTED,
        };
        // The status is the last byte, wherever that is (5.2.6.4).
        let place = chain.writable().bytes() - 1;
        if let Err(error) = chain.writable().write(memory, place, &[status]) {
            return self.core.fail(queue, error);
        }
        // Bytes written without a gap from the start (2.7.8.2): with a hole before the status, not the status.
        let written = result.unwrap_or(0);
        let written = if u64::from(written) == place {
            written.saturating_add(1)
        } else {
            written
        };
        self.core.finish(memory, queue, chain, written);
    }

    /// Changes the size of the disk, and tells the driver.
    pub fn set_capacity(&mut self, sectors: u64) {
        if self.device.options.sectors != sectors {
            self.device.options.sectors = sectors;
            self.core.config_has_changed();
        }
    }
}
