//! One entry of the redirection table (82093AA data sheet, section 3.2.4).

use crate::{DeliveryMode, Destination, Message, Trigger};

const MODE: u32 = 8;
const LOGICAL: u64 = 1 << 11;
const DELIVERY_STATUS: u64 = 1 << 12;
const POLARITY: u64 = 1 << 13;
const REMOTE_IRR: u64 = 1 << 14;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;
const DESTINATION: u32 = 56;

/// What the guest can write.
const WRITABLE: u64 = 0xff | 7 << MODE | LOGICAL | POLARITY | LEVEL | MASKED | 0xff << DESTINATION;

/// Where an input's interrupts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    /// An entry after reset: masked.
    pub const RESET: Entry = Entry(MASKED);

    /// Low (`false`) or high half.
    pub const fn half(self, high: bool) -> u32 {
        (if high { self.0 >> 32 } else { self.0 }) as u32
    }

    /// Writes the low or the high half.
    pub const fn set_half(&mut self, high: bool, value: u32) {
        let writable = WRITABLE & if high { !0 << 32 } else { 0xffff_ffff };
        let value = if high {
            (value as u64) << 32
        } else {
            value as u64
        };
        self.0 = self.0 & !writable | value & writable;
        // An entry that is made edge-triggered waits for no end of interrupt any more. Guests that know no EOI
        // register end interrupts so: they make the entry edge-triggered and level-triggered again.
        if self.0 & LEVEL == 0 {
            self.0 &= !REMOTE_IRR;
        }
    }

    pub const fn vector(self) -> u8 {
        self.0 as u8
    }

    pub const fn is_masked(self) -> bool {
        self.0 & MASKED != 0
    }

    /// Whether the entry waits for the end of an interrupt that it has sent.
    pub const fn is_served(self) -> bool {
        self.0 & REMOTE_IRR != 0
    }

    /// Whether the input's level counts. Only for modes with a vector: all others have to be programmed as
    /// edge-triggered, as nobody tells their end.
    pub const fn is_level(self) -> bool {
        match DeliveryMode::from_bits((self.0 >> MODE) as u32) {
            Some(mode) => mode.is_vectored() && self.0 & LEVEL != 0,
            None => false,
        }
    }

    pub const fn end(&mut self) {
        self.0 &= !REMOTE_IRR;
    }

    /// What goes out when the input asks for it; `None` for the reserved delivery modes.
    pub const fn send(&mut self) -> Option<Message> {
        let mode = match DeliveryMode::from_bits((self.0 >> MODE) as u32) {
            None | Some(DeliveryMode::Startup) => return None,
            Some(mode) => mode,
        };
        let trigger = if self.is_level() {
            self.0 |= REMOTE_IRR;
            Trigger::Level
        } else {
            Trigger::Edge
        };
        Some(Message {
            destination: Destination::from_xapic(
                (self.0 >> DESTINATION) as u8,
                self.0 & LOGICAL != 0,
            ),
            mode,
            vector: self.vector(),
            trigger,
        })
    }
}

// Messages are delivered at once, so that the delivery status bit is never set.
const _: () = assert!(WRITABLE & (DELIVERY_STATUS | REMOTE_IRR) == 0);
