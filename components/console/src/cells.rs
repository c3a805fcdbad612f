//! What stands in the cells of tables.

use crate::units::Bytes;
use core::fmt::{self, Write};
use pagurus_abi::method::{Invariant, SlotInfo};
use pagurus_abi::{Kind, Rights};
use pagurus_protocol::root::CapabilityRow;
use pagurus_protocol::slots;

/// What the fixed slots of every component are for.
pub fn slot_name(slot: u32) -> &'static str {
    match slot {
        slots::CNODE => "own cnode",
        slots::LOG => "log",
        slots::REPLY => "reply",
        slots::PARENT => "parent",
        slots::MEMORY => "memory",
        slots::NOTIFICATION => "notification",
        slots::ADDRESS_SPACE => "address space",
        slots::THREAD => "own thread",
        _ => "",
    }
}

/// One word for an invariant of the kernel.
pub fn invariant_name(number: u64) -> &'static str {
    const NAMES: [(Invariant, &str); 10] = [
        (Invariant::Links, "links"),
        (Invariant::Depth, "depth"),
        (Invariant::Derivation, "derivation"),
        (Invariant::Originals, "originals"),
        (Invariant::Overlap, "overlap"),
        (Invariant::Device, "device"),
        (Invariant::Containers, "containers"),
        (Invariant::Queues, "queues"),
        (Invariant::Scheduling, "scheduling"),
        (Invariant::Mappings, "mappings"),
    ];
    NAMES
        .iter()
        .find(|(invariant, _)| *invariant as u64 == number)
        .map_or("unknown", |(_, name)| name)
}

/// Rights as four letters, with a dash for each that is missing.
pub struct RightsText(pub Rights);

impl fmt::Display for RightsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (right, letter) in [
            (Rights::READ, 'r'),
            (Rights::WRITE, 'w'),
            (Rights::EXECUTE, 'x'),
            (Rights::GRANT, 'g'),
        ] {
            f.write_char(if self.0.contains(right) { letter } else { '-' })?;
        }
        Ok(())
    }
}

/// A badge, or what else stands in its place.
pub struct Badge<'a>(pub &'a CapabilityRow);

impl fmt::Display for Badge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let badge = self.0.badge;
        match SlotInfo(self.0.info).kind() {
            Some(Kind::IoPort) => {
                write!(f, "{:#x}-{:#x}", badge & 0xffff, badge >> 16 & 0xffff)
            }
            Some(Kind::Cpu | Kind::IrqHandler) => write!(f, "{badge}"),
            Some(Kind::Endpoint | Kind::Notification) if badge != 0 => write!(f, "{badge:#x}"),
            _ => Ok(()),
        }
    }
}

/// The size of an object that can have several.
pub struct Size(pub SlotInfo);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.size_bits();
        match self.0.kind() {
            Some(Kind::CNode) if bits < 64 => write!(f, "{} slots", 1u64 << bits),
            Some(_) if bits > 0 && bits < 64 => write!(f, "{}", Bytes(1 << bits)),
            _ => Ok(()),
        }
    }
}

/// An address; 0 is none.
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            address => write!(f, "{address:#x}"),
        }
    }
}

/// Bytes that honour the width of the format.
pub struct Padded(pub u64);

impl fmt::Display for Padded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = heapless::String::<16>::new();
        write!(text, "{}", Bytes(self.0))?;
        f.pad(&text)
    }
}

/// A component that has only a number.
pub struct Unnamed(pub bool, pub u64);

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 {
            write!(f, "badge {:#x}", self.1)?;
        }
        Ok(())
    }
}
