//! The network device with one pair of queues (VIRTIO 1.2, 5.1).
//!
//! No offloads: every frame is complete and no longer than the MTU allows.

use alloc::vec::Vec;

use zerocopy::little_endian::U16;
use zerocopy::{Immutable, IntoBytes};

use crate::device::{Device, DeviceConfig, DeviceType, config_of};
use crate::error::BufferError;
use crate::feature::Features;
use crate::memory::{GuestMemory, OutsideMemory};
use crate::queue::{Chain, Piece, Used};
use crate::transport::VirtioPci;

/// Queue of buffers for frames to the guest.
pub const RECEIVE: u16 = 0;
/// Queue of frames from the guest.
pub const TRANSMIT: u16 = 1;

/// The MTU is in the configuration.
pub const FEATURE_MTU: Features = Features::from_bits_retain(1 << 3);
/// The address is in the configuration.
pub const FEATURE_MAC: Features = Features::from_bits_retain(1 << 5);
/// A frame to the guest may take several buffers.
pub const FEATURE_MERGE_RECEIVE_BUFFERS: Features = Features::from_bits_retain(1 << 15);
/// Whether the link is up is in the configuration.
pub const FEATURE_STATUS: Features = Features::from_bits_retain(1 << 16);

/// Bytes of a frame besides what the MTU counts: addresses, type and one VLAN tag.
pub const FRAME_OVERHEAD: u16 = 18;

const QUEUE_SIZES: [u16; 2] = [256, 256];
const LINK_UP: u16 = 1;

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Config {
    mac: [u8; 6],
    status: U16,
    max_pairs: U16,
    mtu: U16,
}

/// What comes before every frame (5.1.6). Without offloads all of it is zero but the number of buffers.
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    flags: u8,
    segmentation: u8,
    header_length: U16,
    segment_size: U16,
    checksum_start: U16,
    checksum_offset: U16,
    buffers: U16,
}

const HEADER: u64 = size_of::<Header>() as u64;

/// Frames that went one way or the other, or did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames from the guest.
    pub transmitted: u64,
    /// Frames from the guest that were longer than the MTU allows, and dropped.
    pub transmit_dropped: u64,
    /// Frames to the guest.
    pub received: u64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    mac: [u8; 6],
    mtu: u16,
    link_up: bool,
    counters: Counters,
    /// Frames that [`VirtioPci::next_frame`] gave and that are not back.
    outstanding: usize,
    /// Buffers of one received frame, and what goes back of them; empty between calls.
    gathered: Vec<Chain>,
    used: Vec<Used>,
}

impl Net {
    /// An interface with this address, link up. The MTU is at least 1280, which IPv6 needs (5.1.4.1).
    pub fn new(mac: [u8; 6], mtu: u16) -> Net {
        Net {
            mac,
            mtu: mtu.max(1280),
            link_up: true,
            counters: Counters::default(),
            outstanding: 0,
            gathered: Vec::new(),
            used: Vec::new(),
        }
    }

    /// Its address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Bytes of a frame at most.
    pub fn max_frame(&self) -> usize {
        usize::from(self.mtu) + usize::from(FRAME_OVERHEAD)
    }

    /// Frames so far, since the device was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl Device for Net {
    const TYPE: DeviceType = DeviceType {
        id: 1,
        // Ethernet controller.
        class: 0x02_0000,
    };

    fn features(&self) -> Features {
        FEATURE_MTU | FEATURE_MAC | FEATURE_MERGE_RECEIVE_BUFFERS | FEATURE_STATUS
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn config(&self) -> DeviceConfig {
        config_of(&Config {
            mac: self.mac,
            status: if self.link_up { LINK_UP } else { 0 }.into(),
            max_pairs: 1.into(),
            mtu: self.mtu.into(),
        })
    }

    fn write_config(&mut self, _offset: usize, _bytes: &[u8]) {}

    fn outstanding(&self) -> usize {
        self.outstanding
    }

    fn reset(&mut self) {
        self.outstanding = 0;
    }
}

/// A frame from the guest, still in its memory. To be given back by [`VirtioPci::sent`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Frame {
    chain: Chain,
    epoch: u32,
}

impl Frame {
    /// Bytes of the frame.
    pub fn len(&self) -> usize {
        (self.chain.readable().bytes() - HEADER) as usize
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it lies.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        self.chain.readable().range(HEADER, self.len() as u64)
    }

    /// Copies it, as far as `bytes` goes; gives how many bytes that were.
    pub fn copy_to<M: GuestMemory + ?Sized>(
        &self,
        memory: &M,
        bytes: &mut [u8],
    ) -> Result<usize, OutsideMemory> {
        self.chain.readable().read(memory, HEADER, bytes)
    }
}

/// Why a frame was not given to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The device does not work now, or its link is down.
    NotRunning,
    /// The guest has no buffers now. It notifies the device when it has.
    NoBuffers,
    /// It is longer than the MTU allows, or than the guest's buffer where it may not take several.
    TooLong,
}

impl core::fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            ReceiveError::NotRunning => "the guest's network device is not in use",
            ReceiveError::NoBuffers => "the guest has no buffers for a frame",
            ReceiveError::TooLong => "the frame is too long for the guest",
        })
    }
}

impl core::error::Error for ReceiveError {}

impl VirtioPci<Net> {
    /// The guest's next frame, which is in the guest's memory until [`VirtioPci::sent`]. `None`: there is none. An empty
    /// one is a frame that was dropped; it is to be given back like any other.
    pub fn next_frame<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Option<Frame> {
        let mut chain = self.core.pop(memory, TRANSMIT)?;
        let bytes = chain.readable().bytes();
        let Some(length) = bytes.checked_sub(HEADER) else {
            self.core
                .fail(TRANSMIT, BufferError::HeaderMissing { bytes });
            return None;
        };
        if length > self.device.max_frame() as u64 {
            self.device.counters.transmit_dropped += 1;
            chain.readable.truncate(HEADER);
        } else {
            self.device.counters.transmitted += 1;
        }
        self.device.outstanding += 1;
        Some(Frame {
            chain,
            epoch: self.core.epoch(),
        })
    }

    /// Gives back a frame: the guest can use its memory again.
    pub fn sent<M: GuestMemory + ?Sized>(&mut self, memory: &M, frame: Frame) {
        if frame.epoch != self.core.epoch() {
            return;
        }
        self.device.outstanding = self.device.outstanding.saturating_sub(1);
        self.core.finish(memory, TRANSMIT, frame.chain, 0);
        self.returned();
    }

    /// Copies the guest's next frame to `buffer`, gives it back, and gives its length; 0 if it was dropped, for it was
    /// longer than `buffer` or the MTU allows. `None`: there is none.
    pub fn transmit<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let frame = self.next_frame(memory)?;
        let length = if frame.len() > buffer.len() {
            self.device.counters.transmitted -= 1;
            self.device.counters.transmit_dropped += 1;
            Ok(0)
        } else {
            frame.copy_to(memory, buffer)
        };
        self.sent(memory, frame);
        match length {
            Ok(length) => Some(length),
            Err(error) => {
                self.core.fail(TRANSMIT, error);
                None
            }
        }
    }

    /// Gives a frame to the guest.
    pub fn receive<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        frame: &[u8],
    ) -> Result<(), ReceiveError> {
        if !self.is_running() || !self.device.link_up {
            return Err(ReceiveError::NotRunning);
        }
        if frame.len() > self.device.max_frame() {
            return Err(ReceiveError::TooLong);
        }
        let mut buffers = core::mem::take(&mut self.device.gathered);
        let result = self.gather(memory, HEADER + frame.len() as u64, &mut buffers);
        if result.is_ok() {
            self.scatter(memory, frame, &buffers);
            for chain in buffers.drain(..) {
                self.core.recycle(chain);
            }
            if self.is_running() {
                self.device.counters.received += 1;
            }
        } else {
            for chain in buffers.drain(..).rev() {
                self.core.undo_pop(RECEIVE, chain);
            }
        }
        self.device.gathered = buffers;
        match result {
            Ok(()) if !self.is_running() => Err(ReceiveError::NotRunning),
            result => result,
        }
    }

    /// Takes buffers for `needed` bytes from the driver.
    fn gather<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        needed: u64,
        buffers: &mut Vec<Chain>,
    ) -> Result<(), ReceiveError> {
        let merge = self.core.has(FEATURE_MERGE_RECEIVE_BUFFERS);
        let mut room = 0;
        while room < needed {
            if !merge && !buffers.is_empty() {
                return Err(ReceiveError::TooLong);
            }
            let Some(chain) = self.core.pop(memory, RECEIVE) else {
                // More buffers than the queue has entries will never come.
                let all = buffers.len() == usize::from(self.core.queue_size(RECEIVE));
                return Err(match (self.is_running(), all) {
                    (false, _) => ReceiveError::NotRunning,
                    (true, true) => ReceiveError::TooLong,
                    (true, false) => ReceiveError::NoBuffers,
                });
            };
            let bytes = chain.writable().bytes();
            buffers.push(chain);
            // Every buffer has room for the header (5.1.6.3.1), so that a frame takes no more than some hundred.
            if bytes < HEADER {
                self.core.fail(RECEIVE, BufferError::NoRoom { bytes });
                return Err(ReceiveError::NotRunning);
            }
            room += bytes;
        }
        Ok(())
    }

    /// Writes header and frame to the buffers, each but the last one to its end, and gives all back together (5.1.6.4).
    fn scatter<M: GuestMemory + ?Sized>(&mut self, memory: &M, frame: &[u8], buffers: &[Chain]) {
        let header = Header {
            buffers: (buffers.len() as u16).into(),
            ..Header::default()
        };
        let mut used = core::mem::take(&mut self.device.used);
        let mut rest = frame;
        for (index, chain) in buffers.iter().enumerate() {
            let start = if index == 0 { HEADER } else { 0 };
            let result = match index {
                0 => chain.writable().write(memory, 0, header.as_bytes()),
                _ => Ok(0),
            };
            match result.and_then(|_| chain.writable().write(memory, start, rest)) {
                Ok(count) => {
                    rest = &rest[count..];
                    used.push(Used {
                        id: chain.id(),
                        written: start as u32 + count as u32,
                    });
                }
                Err(error) => self.core.fail(RECEIVE, error),
            }
        }
        // Does nothing after a failure.
        self.core.push(memory, RECEIVE, &used);
        used.clear();
        self.device.used = used;
    }

    /// Says whether the link is up. While it is not, no frames are given to the guest.
    pub fn set_link(&mut self, up: bool) {
        if self.device.link_up != up {
            self.device.link_up = up;
            self.core.config_has_changed();
        }
    }
}
