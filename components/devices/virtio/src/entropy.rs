//! The entropy device (VIRTIO 1.2, 5.4).

use crate::device::{Device, DeviceConfig, DeviceType};
use crate::error::BufferError;
use crate::feature::Features;
use crate::memory::GuestMemory;
use crate::transport::VirtioPci;

/// The one queue: buffers for random bytes.
pub const REQUEST: u16 = 0;

const QUEUE_SIZES: [u16; 1] = [64];

/// A source of random bytes. The bytes come from the monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entropy;

impl Device for Entropy {
    const TYPE: DeviceType = DeviceType {
        id: 4,
        // Unassigned.
        class: 0xff_0000,
    };

    fn features(&self) -> Features {
        Features::empty()
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn config(&self) -> DeviceConfig {
        DeviceConfig::new()
    }

    fn write_config(&mut self, _offset: usize, _bytes: &[u8]) {}

    fn reset(&mut self) {}
}

impl VirtioPci<Entropy> {
    /// Gives random bytes to the guest's next request; says how many it took, which are never to be used again. `None`:
    /// there is no request. Without `bytes` nothing happens.
    pub fn fill<M: GuestMemory + ?Sized>(&mut self, memory: &M, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let chain = self.core.pop(memory, REQUEST)?;
        let room = chain.writable().bytes();
        if room == 0 {
            // A request must have room for at least one byte (5.4.6.1).
            self.core.fail(REQUEST, BufferError::NoRoom { bytes: room });
            return None;
        }
        match chain.writable().write(memory, 0, bytes) {
            Ok(written) => {
                self.core.finish(memory, REQUEST, chain, written as u32);
                Some(written)
            }
            Err(error) => {
                self.core.fail(REQUEST, error);
                None
            }
        }
    }
}
