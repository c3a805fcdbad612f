//! Interrupt messages: what I/O APIC, message-signalled devices and local APICs send to local APICs.

/// How the receiver treats a message (SDM vol. 3A, "Interrupt Command Register", field delivery mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The vector, at every processor that the destination names.
    Fixed,
    /// The vector, at the processor of lowest priority among those that the destination names.
    LowestPriority,
    /// System management interrupt.
    Smi,
    /// Non-maskable interrupt; the vector does not count.
    Nmi,
    /// The processor is reset and waits for a start-up message.
    Init,
    /// A waiting processor starts in real mode at the vector's page.
    Startup,
    /// The vector is to be fetched from the 8259s.
    ExtInt,
}

impl DeliveryMode {
    /// From the three bits that stand for it everywhere; 3 is reserved.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits & 7 {
            0 => DeliveryMode::Fixed,
            1 => DeliveryMode::LowestPriority,
            2 => DeliveryMode::Smi,
            4 => DeliveryMode::Nmi,
            5 => DeliveryMode::Init,
            6 => DeliveryMode::Startup,
            7 => DeliveryMode::ExtInt,
            _ => return None,
        })
    }

    /// The three bits.
    pub const fn bits(self) -> u32 {
        match self {
            DeliveryMode::Fixed => 0,
            DeliveryMode::LowestPriority => 1,
            DeliveryMode::Smi => 2,
            DeliveryMode::Nmi => 4,
            DeliveryMode::Init => 5,
            DeliveryMode::Startup => 6,
            DeliveryMode::ExtInt => 7,
        }
    }

    /// Whether the message carries a vector that goes through the interrupt request register.
    pub const fn is_vectored(self) -> bool {
        matches!(self, DeliveryMode::Fixed | DeliveryMode::LowestPriority)
    }
}

/// Whether the end of an interrupt has to be told to where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// No.
    Edge,
    /// Yes: the line may still be asserted, and is then served again.
    Level,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The processor with this APIC ID.
    Physical(u32),
    /// Processors by logical ID: in the format that each one's own APIC is set to.
    Logical(u32),
    /// The sender only.
    Sender,
    /// All processors.
    All,
    /// All processors but the sender.
    AllButSender,
}

impl Destination {
    /// From the eight bits of an xAPIC, I/O APIC or message-signalled interrupt, of which all ones mean everybody in
    /// both modes (SDM vol. 3A, "Determining IPI Destination").
    pub const fn from_xapic(id: u8, logical: bool) -> Self {
        match (id, logical) {
            (0xff, _) => Destination::All,
            (_, false) => Destination::Physical(id as u32),
            (_, true) => Destination::Logical(id as u32),
        }
    }

    /// From the 32 bits of an x2APIC (SDM vol. 3A, "Interrupt Command Register in x2APIC Mode").
    pub const fn from_x2apic(id: u32, logical: bool) -> Self {
        match (id, logical) {
            (u32::MAX, _) => Destination::All,
            (_, false) => Destination::Physical(id),
            (_, true) => Destination::Logical(id),
        }
    }
}

/// A message to local APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whom it is for.
    pub destination: Destination,
    /// What it does there.
    pub mode: DeliveryMode,
    /// Vector, if the mode has one; page number of the start address for [`DeliveryMode::Startup`].
    pub vector: u8,
    /// Whether the end is to be told.
    pub trigger: Trigger,
}

/// Bits 31 to 20 of an address that is an interrupt.
const MSI_BASE: u64 = 0xfee0_0000;
const MSI_DESTINATION: u32 = 12;
const MSI_REDIRECTION_HINT: u64 = 1 << 3;
const MSI_LOGICAL: u64 = 1 << 2;
const MSI_MODE: u32 = 8;
const MSI_ASSERT: u32 = 1 << 14;
const MSI_LEVEL: u32 = 1 << 15;

impl Message {
    /// What a device's write of `data` to `address` means (SDM vol. 3A, "Message Signalled Interrupts").
    ///
    /// `None` for an address that is no interrupt, for the reserved delivery modes 3 and 6, and for the level-triggered
    /// de-assert message, which processors ignore.
    pub const fn from_msi(address: u64, data: u32) -> Option<Self> {
        if address & !0xf_ffff != MSI_BASE {
            return None;
        }
        let mode = match DeliveryMode::from_bits(data >> MSI_MODE) {
            None | Some(DeliveryMode::Startup) => return None,
            // With the hint set, a fixed message goes to one processor of those that match.
            Some(DeliveryMode::Fixed) if address & MSI_REDIRECTION_HINT != 0 => {
                DeliveryMode::LowestPriority
            }
            Some(mode) => mode,
        };
        let trigger = if data & MSI_LEVEL == 0 {
            Trigger::Edge
        } else if data & MSI_ASSERT != 0 {
            Trigger::Level
        } else {
            return None;
        };
        let id = (address >> MSI_DESTINATION) as u8;
        Some(Message {
            destination: Destination::from_xapic(id, address & MSI_LOGICAL != 0),
            mode,
            vector: data as u8,
            trigger,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delivery_modes_are_their_bits() {
        for bits in 0..8 {
            let mode = DeliveryMode::from_bits(bits);
            assert_eq!(mode.is_none(), bits == 3);
            if let Some(mode) = mode {
                assert_eq!(mode.bits(), bits);
            }
        }
    }

    #[test]
    fn all_ones_are_everybody() {
        for logical in [false, true] {
            assert_eq!(Destination::from_xapic(0xff, logical), Destination::All);
            assert_eq!(
                Destination::from_x2apic(u32::MAX, logical),
                Destination::All
            );
        }
        assert_eq!(
            Destination::from_x2apic(0xff, false),
            Destination::Physical(0xff)
        );
    }

    #[test]
    fn msi_of_a_device() {
        let message = Message::from_msi(0xfee0_3000, 0x0041);
        assert_eq!(
            message,
            Some(Message {
                destination: Destination::Physical(3),
                mode: DeliveryMode::Fixed,
                vector: 0x41,
                trigger: Trigger::Edge,
            })
        );
        let message = Message::from_msi(0xfee0_500c, 0xc142).unwrap();
        assert_eq!(message.destination, Destination::Logical(5));
        assert_eq!(message.mode, DeliveryMode::LowestPriority);
        assert_eq!(message.trigger, Trigger::Level);
        let hinted = Message::from_msi(0xfee0_500c, 0x0042).unwrap();
        assert_eq!(hinted.mode, DeliveryMode::LowestPriority);
    }

    #[test]
    fn what_is_no_message() {
        assert_eq!(Message::from_msi(0xfed0_0000, 0x41), None);
        assert_eq!(Message::from_msi(0x1_fee0_0000, 0x41), None);
        assert_eq!(Message::from_msi(0xfee0_0000, 0x0341), None, "reserved");
        assert_eq!(Message::from_msi(0xfee0_0000, 0x0641), None, "reserved");
        assert_eq!(Message::from_msi(0xfee0_0000, 0x8041), None, "de-assert");
    }

    proptest! {
        #[test]
        fn msi_keeps_its_vector(address: u64, data: u32) {
            let address = 0xfee0_0000 | address & 0xf_ffff;
            if let Some(message) = Message::from_msi(address, data) {
                prop_assert_eq!(message.vector, data as u8);
            }
        }
    }
}
