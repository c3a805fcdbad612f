//! The common configuration structure (VIRTIO 1.2, 4.1.4.3).

use super::core::{Core, Queue};
use super::layout::COMMON_SIZE;
use super::{Effect, NO_VECTOR};
use crate::device::Device;
use crate::feature::Features;
use crate::status::Status;

/// Offsets of the fields.
mod field {
    pub const DEVICE_FEATURE_SELECT: u32 = 0x00;
    pub const DEVICE_FEATURE: u32 = 0x04;
    pub const DRIVER_FEATURE_SELECT: u32 = 0x08;
    pub const DRIVER_FEATURE: u32 = 0x0c;
    pub const CONFIG_MSIX_VECTOR: u32 = 0x10;
    pub const NUM_QUEUES: u32 = 0x12;
    pub const DEVICE_STATUS: u32 = 0x14;
    pub const CONFIG_GENERATION: u32 = 0x15;
    pub const QUEUE_SELECT: u32 = 0x16;
    pub const QUEUE_SIZE: u32 = 0x18;
    pub const QUEUE_MSIX_VECTOR: u32 = 0x1a;
    pub const QUEUE_ENABLE: u32 = 0x1c;
    pub const QUEUE_NOTIFY_OFF: u32 = 0x1e;
    pub const QUEUE_DESC: u32 = 0x20;
    pub const QUEUE_DRIVER: u32 = 0x28;
    pub const QUEUE_DEVICE: u32 = 0x30;
    pub const END: u32 = 0x38;
}

/// The field at an offset: where it starts and how many bytes it has. 64-bit fields are two of 32 bits (4.1.3).
fn field_at(at: u32) -> (u32, u8) {
    match at {
        field::DEVICE_STATUS | field::CONFIG_GENERATION => (at, 1),
        field::CONFIG_MSIX_VECTOR..field::DEVICE_STATUS
        | field::QUEUE_SELECT..field::QUEUE_DESC => (at & !1, 2),
        _ => (at & !3, 4),
    }
}

impl Core {
    /// Reads within one field; a driver must not read across fields (4.1.3.1).
    pub(super) fn read_common(&self, at: u32, size: u8) -> Option<u64> {
        let (start, width) = field_at(at);
        let skip = at - start;
        if skip + u32::from(size) > u32::from(width) || at >= COMMON_SIZE {
            return None;
        }
        Some(u64::from(self.read_field(start) >> (8 * skip)))
    }

    fn read_field(&self, start: u32) -> u32 {
        let queue = self.queues.get(usize::from(self.queue_select));
        let address = |part: fn(&Queue) -> u64, high: bool| {
            let address = queue.map_or(0, part);
            (address >> if high { 32 } else { 0 }) as u32
        };
        match start {
            field::DEVICE_FEATURE_SELECT => self.device_feature_select,
            field::DEVICE_FEATURE => half(self.offered, self.device_feature_select),
            field::DRIVER_FEATURE_SELECT => self.driver_feature_select,
            field::DRIVER_FEATURE => half(self.accepted, self.driver_feature_select),
            field::CONFIG_MSIX_VECTOR => u32::from(self.config_vector),
            field::NUM_QUEUES => u32::from(self.queue_count()),
            field::DEVICE_STATUS => u32::from(self.status.bits()),
            field::CONFIG_GENERATION => u32::from(self.generation),
            field::QUEUE_SELECT => u32::from(self.queue_select),
            // Zero says that there is no such queue.
            field::QUEUE_SIZE => queue.map_or(0, |queue| u32::from(queue.settings.size)),
            field::QUEUE_MSIX_VECTOR => u32::from(queue.map_or(NO_VECTOR, |queue| queue.vector)),
            field::QUEUE_ENABLE => queue.map_or(0, |queue| u32::from(queue.enabled)),
            field::QUEUE_NOTIFY_OFF => queue.map_or(0, |_| u32::from(self.queue_select)),
            field::QUEUE_DESC..field::QUEUE_DRIVER => {
                address(|queue| queue.settings.descriptor, start & 4 != 0)
            }
            field::QUEUE_DRIVER..field::QUEUE_DEVICE => {
                address(|queue| queue.settings.driver, start & 4 != 0)
            }
            field::QUEUE_DEVICE..field::END => {
                address(|queue| queue.settings.device, start & 4 != 0)
            }
            _ => 0,
        }
    }

    /// Writes a whole field; a driver must not write otherwise (4.1.3.1).
    pub(super) fn write_common(
        &mut self,
        device: &mut impl Device,
        at: u32,
        size: u8,
        value: u64,
    ) -> Effect {
        if field_at(at) != (at, size) {
            return Effect::None;
        }
        let value = value as u32;
        match at {
            field::DEVICE_STATUS => return self.write_status(device, value as u8),
            // While a reset waits there is nothing to configure.
            _ if self.is_resetting() => {}
            field::DEVICE_FEATURE_SELECT => self.device_feature_select = value,
            field::DRIVER_FEATURE_SELECT => self.driver_feature_select = value,
            field::DRIVER_FEATURE => self.write_features(value),
            field::CONFIG_MSIX_VECTOR => self.config_vector = self.valid_vector(value as u16),
            field::QUEUE_SELECT => self.queue_select = value as u16,
            field::QUEUE_MSIX_VECTOR => {
                let vector = self.valid_vector(value as u16);
                if let Some(queue) = self.selected() {
                    queue.vector = vector;
                }
            }
            field::QUEUE_ENABLE if value == 1 => self.enable_queue(self.queue_select),
            field::QUEUE_SIZE | field::QUEUE_DESC..field::END => self.write_settings(at, value),
            _ => {}
        }
        Effect::None
    }

    fn selected(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    /// A vector that is not in the table reads back as none (4.1.5.1.2.1).
    fn valid_vector(&self, vector: u16) -> u16 {
        if vector < self.vectors() {
            vector
        } else {
            NO_VECTOR
        }
    }

    /// Features are fixed from FEATURES_OK on.
    fn write_features(&mut self, value: u32) {
        if self.status.contains(Status::FEATURES_OK) {
            return;
        }
        let bits = self.accepted.bits();
        let value = u64::from(value);
        self.accepted = Features::from_bits_retain(match self.driver_feature_select {
            0 => bits & !0xffff_ffff | value,
            1 => bits & 0xffff_ffff | value << 32,
            _ => {
                self.accepted_unknown |= value != 0;
                bits
            }
        });
    }

    /// Size and addresses are fixed once the queue is enabled.
    fn write_settings(&mut self, at: u32, value: u32) {
        let Some(queue) = self.selected().filter(|queue| !queue.enabled) else {
            return;
        };
        let settings = &mut queue.settings;
        let address = match at {
            field::QUEUE_SIZE => {
                // The field has 16 bits.
                settings.size = value as u16;
                return;
            }
            field::QUEUE_DESC..field::QUEUE_DRIVER => &mut settings.descriptor,
            field::QUEUE_DRIVER..field::QUEUE_DEVICE => &mut settings.driver,
            _ => &mut settings.device,
        };
        let value = u64::from(value);
        *address = if at & 4 != 0 {
            *address & 0xffff_ffff | value << 32
        } else {
            *address & !0xffff_ffff | value
        };
    }
}

/// The 32 feature bits that a select field names.
fn half(features: Features, select: u32) -> u32 {
    match select {
        0 => features.bits() as u32,
        1 => (features.bits() >> 32) as u32,
        _ => 0,
    }
}
