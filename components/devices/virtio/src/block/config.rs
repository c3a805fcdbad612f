//! What a disk is like, and how the driver is told (VIRTIO 1.2, 5.2.4).

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{Immutable, IntoBytes};

use super::{
    FEATURE_BLOCK_SIZE, FEATURE_DISCARD, FEATURE_FLUSH, FEATURE_MULTI_QUEUE, FEATURE_READ_ONLY,
    FEATURE_SEG_MAX, FEATURE_WRITE_ZEROES, MAX_QUEUES, SECTOR,
};
use crate::device::{DeviceConfig, config_of};
use crate::feature::Features;

/// Name of a disk that the guest can ask for: ASCII, padded with zeroes.
pub type Serial = [u8; 20];

/// A disk as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockOptions {
    /// Size in sectors of 512 bytes.
    pub sectors: u64,
    /// Bytes of a block, a power of two from 512 to 65,536: requests for other sizes or places fail.
    pub block_size: u32,
    /// Writes fail.
    pub read_only: bool,
    /// The back end can forget sectors and zero them.
    pub discard: bool,
    /// Name.
    pub serial: Serial,
    /// Request queues, 1 to [`MAX_QUEUES`].
    pub queues: u16,
}

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Config {
    capacity: U64,
    size_max: U32,
    seg_max: U32,
    geometry: [u8; 4],
    block_size: U32,
    topology: [u8; 8],
    writeback: u8,
    unused: u8,
    queues: U16,
    max_discard_sectors: U32,
    max_discard_segments: U32,
    discard_alignment: U32,
    max_zeroes_sectors: U32,
    max_zeroes_segments: U32,
    zeroes_may_unmap: u8,
    padding: [u8; 3],
}

impl BlockOptions {
    /// A disk of so many sectors of 512 bytes with everything else as usual.
    pub fn new(sectors: u64) -> BlockOptions {
        BlockOptions {
            sectors,
            block_size: SECTOR as u32,
            read_only: false,
            discard: false,
            serial: [0; 20],
            queues: 1,
        }
    }

    pub(super) fn within_limits(self) -> BlockOptions {
        BlockOptions {
            block_size: self
                .block_size
                .clamp(SECTOR as u32, 1 << 16)
                .next_power_of_two(),
            queues: self.queues.clamp(1, MAX_QUEUES),
            ..self
        }
    }

    pub(super) fn features(&self) -> Features {
        let mut features = FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE | FEATURE_FLUSH;
        if self.read_only {
            features |= FEATURE_READ_ONLY;
        }
        if self.discard {
            features |= FEATURE_DISCARD | FEATURE_WRITE_ZEROES;
        }
        if self.queues > 1 {
            features |= FEATURE_MULTI_QUEUE;
        }
        features
    }

    /// Sectors of one discard or write-zeroes request at most. Whole blocks.
    pub(super) const MAX_DISCARD: u32 = 1 << 22;

    pub(super) fn config(&self, segments: u16) -> DeviceConfig {
        config_of(&Config {
            capacity: self.sectors.into(),
            size_max: 0.into(),
            seg_max: u32::from(segments).into(),
            geometry: [0; 4],
            block_size: self.block_size.into(),
            topology: [0; 8],
            writeback: 0,
            unused: 0,
            queues: self.queues.into(),
            max_discard_sectors: Self::MAX_DISCARD.into(),
            max_discard_segments: 1.into(),
            discard_alignment: (self.block_size / SECTOR as u32).into(),
            max_zeroes_sectors: Self::MAX_DISCARD.into(),
            max_zeroes_segments: 1.into(),
            zeroes_may_unmap: 1,
            padding: [0; 3],
        })
    }
}
