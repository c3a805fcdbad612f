//! Interrupts from one processor to others (SDM vol. 3A, "Issuing Interprocessor Interrupts").

use super::{Lapic, Mode, Request, errors};
use crate::{DeliveryMode, Destination, Message, Trigger};

const MODE: u32 = 8;
const LOGICAL: u64 = 1 << 11;
const DELIVERY_STATUS: u64 = 1 << 12;
const ASSERT: u64 = 1 << 14;
const LEVEL: u64 = 1 << 15;
const SHORTHAND: u32 = 18;
const DEFINED: u64 = 0xff | 7 << MODE | LOGICAL | DELIVERY_STATUS | ASSERT | LEVEL | 3 << SHORTHAND;

/// Bits of the low half of the interrupt command register that must be zero in x2APIC mode. Delivery status is none of
/// them: processors ignore it.
pub(super) const RESERVED: u64 = !DEFINED & 0xffff_ffff;

impl Lapic {
    /// Writes the whole interrupt command register; the destination is in the high half as the mode has it.
    pub(super) fn command(&mut self, value: u64) -> Option<Request> {
        // Messages leave at once: delivery status is always idle.
        self.command = value & !RESERVED & !DELIVERY_STATUS;
        let mode = match DeliveryMode::from_bits((value >> MODE) as u32) {
            None | Some(DeliveryMode::ExtInt) => return None,
            Some(mode) => mode,
        };
        // INIT level de-assert set arbitration IDs once; processors since the Pentium 4 ignore it.
        if mode == DeliveryMode::Init && value & (LEVEL | ASSERT) == LEVEL {
            return None;
        }
        let vector = value as u8;
        if mode.is_vectored() && vector < 16 {
            self.error(errors::SEND_ILLEGAL_VECTOR);
            return None;
        }
        let logical = value & LOGICAL != 0;
        let destination = match value >> SHORTHAND & 3 {
            0 if self.mode() == Mode::X2Apic => {
                Destination::from_x2apic((value >> 32) as u32, logical)
            }
            0 => Destination::from_xapic((value >> 56) as u8, logical),
            1 => Destination::Sender,
            2 => Destination::All,
            _ => Destination::AllButSender,
        };
        if destination == Destination::Sender && mode.is_vectored() {
            self.send_to_self(vector);
            return None;
        }
        Some(Request::Send(Message {
            destination,
            mode,
            vector,
            // Only INIT level de-assert was ever anything else.
            trigger: Trigger::Edge,
        }))
    }

    /// An interrupt to this processor only.
    pub(super) fn send_to_self(&mut self, vector: u8) {
        self.accept(&Message {
            destination: Destination::Sender,
            mode: DeliveryMode::Fixed,
            vector,
            trigger: Trigger::Edge,
        });
    }
}
