//! Frames of device memory: cut out of the untyped device memory at the addresses that the description names.
//!
//! The kernel hands untyped memory out in ascending order, so what lies before a device is taken first, as
//! untyped memory that nobody gets.

use alloc::vec::Vec;
use pagurus_abi::boot::UntypedDesc;

/// A device that the description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its object in the image.
    pub object: u32,
    /// Physical address, a multiple of its size.
    pub address: u64,
    /// log2 of its bytes.
    pub size_bits: u8,
}

/// The next thing to make from the untyped device memory in slot `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Slot of the untyped capability.
    pub from: u32,
    /// log2 of the bytes.
    pub size_bits: u8,
    /// The object whose frame it is; `None` for what lies between.
    pub object: Option<u32>,
}

/// What to make, in order, so that every device gets its frame, and the objects of those that cannot have
/// one: no device memory there, or another device in the way.
pub fn plan(untyped: &[UntypedDesc], devices: &[Device]) -> (Vec<Step>, Vec<u32>) {
    let mut devices = devices.to_vec();
    devices.sort_unstable_by_key(|d| (d.address, d.size_bits));
    let (mut steps, mut missing) = (Vec::new(), Vec::new());
    // How far each piece is handed out.
    let mut ends: Vec<(u32, u64)> = Vec::new();
    for device in devices {
        let bytes = 1u64 << device.size_bits;
        let within = |u: &&UntypedDesc| {
            u.device == 1
                && u.address <= device.address
                && device.address - u.address < 1u64 << u.size_bits
                && bytes <= (1u64 << u.size_bits) - (device.address - u.address)
        };
        let Some(piece) = untyped.iter().find(within) else {
            missing.push(device.object);
            continue;
        };
        let known = ends.iter().position(|e| e.0 == piece.slot);
        let place = known.unwrap_or_else(|| {
            ends.push((piece.slot, piece.address));
            ends.len() - 1
        });
        let end = &mut ends[place].1;
        if *end > device.address {
            missing.push(device.object);
            continue;
        }
        while *end < device.address {
            let gap = (device.address - *end).ilog2();
            let size_bits = gap.min((*end - piece.address).trailing_zeros()) as u8;
            steps.push(Step {
                from: piece.slot,
                size_bits,
                object: None,
            });
            *end += 1 << size_bits;
        }
        steps.push(Step {
            from: piece.slot,
            size_bits: device.size_bits,
            object: Some(device.object),
        });
        *end += bytes;
    }
    (steps, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn piece(slot: u32, address: u64, size_bits: u8, device: u8) -> UntypedDesc {
        UntypedDesc {
            address,
            slot,
            size_bits,
            device,
            ..UntypedDesc::default()
        }
    }

    #[test]
    fn what_is_not_device_memory_is_missing() {
        let untyped = [piece(1, 0, 20, 0), piece(2, 1 << 20, 20, 1)];
        let at = |object, address| Device {
            object,
            address,
            size_bits: 12,
        };
        let (steps, missing) = plan(
            &untyped,
            &[
                at(7, 0x1000),
                at(8, 1 << 20),
                at(9, 1 << 20),
                at(10, 1 << 21),
            ],
        );
        assert_eq!(missing, [7, 9, 10]);
        let frame = Step {
            from: 2,
            size_bits: 12,
            object: Some(8),
        };
        assert_eq!(steps, [frame]);
    }

    proptest! {
        /// The kernel's rule (next aligned place) puts every frame where the device is.
        #[test]
        fn frames_lie_at_their_devices(places in prop::collection::vec((0u64..256, 12u8..16), 1..10)) {
            let base = 0xe000_0000;
            let untyped = [piece(3, base, 20, 1)];
            let devices: Vec<_> = places.iter().enumerate().map(|(i, (page, size_bits))| Device {
                object: i as u32,
                address: base + ((page << 12) & !((1 << size_bits) - 1)),
                size_bits: *size_bits,
            }).collect();
            let (steps, missing) = plan(&untyped, &devices);
            let mut used = 0u64;
            let mut found = missing.len();
            for step in steps {
                let start = used.next_multiple_of(1 << step.size_bits);
                prop_assert_eq!(start, used, "no gap is left to chance");
                used = start + (1 << step.size_bits);
                prop_assert!(used <= 1 << 20);
                if let Some(object) = step.object {
                    prop_assert_eq!(base + start, devices[object as usize].address);
                    found += 1;
                }
            }
            prop_assert_eq!(found, devices.len());
        }
    }
}
