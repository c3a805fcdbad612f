//! The console device with one port (VIRTIO 1.2, 5.3).

use heapless::Deque;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes};

use crate::device::{Device, DeviceConfig, DeviceType, config_of};
use crate::error::BufferError;
use crate::feature::Features;
use crate::memory::GuestMemory;
use crate::queue::Chain;
use crate::transport::VirtioPci;

/// Queue of buffers for input of the guest.
pub const RECEIVE: u16 = 0;
/// Queue of the guest's output.
pub const TRANSMIT: u16 = 1;

/// Bytes of input that wait for the guest at most.
pub const INPUT_CAPACITY: usize = 4096;

/// The size of the console is in the configuration.
pub const FEATURE_SIZE: Features = Features::from_bits_retain(1 << 0);
/// Single bytes can be written to the configuration, before any queue works.
pub const FEATURE_EMERGENCY_WRITE: Features = Features::from_bits_retain(1 << 2);

const QUEUE_SIZES: [u16; 2] = [128, 128];
/// Where the configuration takes emergency writes.
const EMERGENCY: usize = 8;

#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Config {
    columns: U16,
    rows: U16,
    max_ports: U32,
    emergency_write: U32,
}

/// A console: input that waits for the guest, and how far its output was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    columns: u16,
    rows: u16,
    input: Deque<u8, INPUT_CAPACITY>,
    /// The output buffer that was not taken to its end, and how much of it was.
    output: Option<(Chain, u64)>,
    emergency: Option<u8>,
}

impl Console {
    /// A console of so many characters; 0 by 0 if nobody knows.
    pub fn new(columns: u16, rows: u16) -> Console {
        Console {
            columns,
            rows,
            ..Console::default()
        }
    }

    /// Bytes of input that wait for the guest.
    pub fn input_waiting(&self) -> usize {
        self.input.len()
    }
}

impl Device for Console {
    const TYPE: DeviceType = DeviceType {
        id: 3,
        // Simple communication controller, other.
        class: 0x07_8000,
    };

    fn features(&self) -> Features {
        FEATURE_SIZE | FEATURE_EMERGENCY_WRITE
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn config(&self) -> DeviceConfig {
        config_of(&Config {
            columns: self.columns.into(),
            rows: self.rows.into(),
            max_ports: 1.into(),
            emergency_write: 0.into(),
        })
    }

    fn write_config(&mut self, offset: usize, bytes: &[u8]) {
        if offset == EMERGENCY {
            self.emergency = bytes.first().copied();
        }
    }

    /// Input that waited is kept: whoever typed it meant the next driver as much.
    fn reset(&mut self) {
        self.output = None;
        self.emergency = None;
    }
}

impl VirtioPci<Console> {
    /// Takes output of the guest; gives how many bytes of `buffer` were filled. A buffer of the guest goes back when all
    /// of it was taken. Call until `None`: then there is no more. `Some(0)` is an empty buffer of the guest.
    pub fn output<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        buffer: &mut [u8],
    ) -> Option<usize> {
        if !self.is_running() {
            return None;
        }
        let (chain, offset) = match self.device.output.take() {
            Some(begun) => begun,
            None => (self.core.pop(memory, TRANSMIT)?, 0),
        };
        let count = match chain.readable().read(memory, offset, buffer) {
            Ok(count) => count,
            Err(error) => {
                self.core.fail(TRANSMIT, error);
                return None;
            }
        };
        let offset = offset + count as u64;
        if offset == chain.readable().bytes() {
            self.core.finish(memory, TRANSMIT, chain, 0);
        } else {
            self.device.output = Some((chain, offset));
        }
        Some(count)
    }

    /// Gives input to the guest; gives how many bytes were taken. The others did not fit: try again after
    /// [`VirtioPci::deliver_input`] made room.
    pub fn input<M: GuestMemory + ?Sized>(&mut self, memory: &M, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for byte in bytes {
            if self.device.input.is_full() {
                while self.deliver_input(memory).is_some() {}
            }
            if self.device.input.push_back(*byte).is_err() {
                break;
            }
            taken += 1;
        }
        while self.deliver_input(memory).is_some() {}
        taken
    }

    /// Puts waiting input into the guest's next buffer; gives how many bytes that were. `None`: nothing waits, or the
    /// guest has no buffer.
    pub fn deliver_input<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Option<usize> {
        if self.device.input.is_empty() {
            return None;
        }
        let chain = self.core.pop(memory, RECEIVE)?;
        let room = chain.writable().bytes();
        if room == 0 {
            self.core.fail(RECEIVE, BufferError::NoRoom { bytes: room });
            return None;
        }
        let mut written = 0usize;
        loop {
            let bytes = self.device.input.as_slices().0;
            let left = usize::try_from(room).map_or(usize::MAX, |room| room - written);
            let bytes = &bytes[..bytes.len().min(left)];
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len();
            if let Err(error) = chain.writable().write(memory, written as u64, bytes) {
                self.core.fail(RECEIVE, error);
                return None;
            }
            for _ in 0..count {
                self.device.input.pop_front();
            }
            written += count;
        }
        self.core.finish(memory, RECEIVE, chain, written as u32);
        Some(written)
    }

    /// The byte of the last emergency write, once. It came with [`crate::Effect::Configured`].
    pub fn take_emergency(&mut self) -> Option<u8> {
        self.device.emergency.take()
    }

    /// Changes the size that the guest sees.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        if (self.device.columns, self.device.rows) != (columns, rows) {
            (self.device.columns, self.device.rows) = (columns, rows);
            self.core.config_has_changed();
        }
    }
}
