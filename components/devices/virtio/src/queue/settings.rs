//! What the driver sets up before a queue is used.

use super::MAX_QUEUE_SIZE;
use super::layout::Area;
use crate::error::QueueError;
use crate::memory::OutsideMemory;

/// Size and addresses of a queue, as written to the common configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Greatest size, and the size after reset.
    pub max_size: u16,
    /// Entries.
    pub size: u16,
    /// Guest-physical address of the descriptor table.
    pub descriptor: u64,
    /// Guest-physical address of the available ring.
    pub driver: u64,
    /// Guest-physical address of the used ring.
    pub device: u64,
}

impl QueueSettings {
    /// Settings after reset.
    pub const fn new(max_size: u16) -> QueueSettings {
        QueueSettings {
            max_size,
            size: max_size,
            descriptor: 0,
            driver: 0,
            device: 0,
        }
    }

    /// Whether a queue can be set up like this, apart from whether its parts lie in memory: every access tells.
    pub fn check(&self) -> Result<(), QueueError> {
        let max = self.max_size.min(MAX_QUEUE_SIZE);
        if !self.size.is_power_of_two() || self.size > max {
            return Err(QueueError::Size {
                size: self.size,
                max,
            });
        }
        for (area, address) in [
            (Area::Descriptor, self.descriptor),
            (Area::Driver, self.driver),
            (Area::Device, self.device),
        ] {
            if !address.is_multiple_of(area.alignment()) {
                return Err(QueueError::Alignment { area, address });
            }
            let length = area.length(self.size);
            if address.checked_add(length).is_none() {
                return Err(QueueError::Memory(OutsideMemory { address, length }));
            }
        }
        Ok(())
    }
}
