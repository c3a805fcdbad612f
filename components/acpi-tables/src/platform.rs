//! What a virtual machine consists of.

use crate::error::BuildError;
use alloc::vec::Vec;

/// Slots of the PCI bus.
pub const SLOTS: u8 = 32;
/// Interrupt lines of the PCI bus.
pub const LINES: usize = 4;
/// Processors that a machine may have: more would only make large tables.
const MAX_PROCESSORS: usize = 1024;
/// Serial ports that a machine may have: COM1 to COM4.
const MAX_SERIAL: usize = 4;

/// A virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Local APIC IDs of the processors, the boot processor's first.
    pub processors: Vec<u32>,
    /// Guest-physical address of the local APICs' registers.
    pub local_apic: u32,
    /// The I/O APIC.
    pub io_apic: IoApic,
    /// ACPI's own registers.
    pub power: PowerManagement,
    /// How the machine is reset by a write to a port.
    pub reset: Option<Reset>,
    /// High precision event timer.
    pub hpet: Option<Hpet>,
    /// PCI bus.
    pub pci: Option<Pci>,
    /// Serial ports (16550).
    pub serial: Vec<Serial>,
    /// True if there is a keyboard controller (ports 0x60 and 0x64): guests then look for keyboard and mouse.
    pub keyboard_controller: bool,
    /// True if there is a real-time clock (ports 0x70 and 0x71, interrupt 8).
    pub clock: bool,
    /// Index of the century in the real-time clock's memory; 0 for none.
    pub century: u8,
}

/// An I/O APIC whose inputs are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Its ID.
    pub id: u8,
    /// Guest-physical address of its registers.
    pub address: u32,
    /// The input to which the interval timer (interrupt 0) is wired: 2 on PCs.
    pub timer_input: u8,
}

/// The fixed registers of ACPI: four blocks of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerManagement {
    /// PM1 event block: first port and bytes.
    pub event: (u16, u8),
    /// PM1 control block: first port and bytes.
    pub control: (u16, u8),
    /// PM timer: first port and bytes.
    pub timer: (u16, u8),
    /// True if the timer has 32 bits, false for 24.
    pub timer_32: bool,
    /// General-purpose event block 0: first port and bytes; bytes 0 for none.
    pub gpe: (u16, u8),
    /// Sleep type of soft-off.
    pub sleep_type_off: u8,
    /// Interrupt line of the system control interrupt, level-triggered.
    pub interrupt: u8,
}

/// A port that resets the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The port.
    pub port: u16,
    /// What to write to it.
    pub value: u8,
}

/// High precision event timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hpet {
    /// Guest-physical address of its registers, of which there are 1024 bytes.
    pub address: u32,
    /// The lower half of its capabilities register.
    pub block_id: u32,
    /// The least number of ticks between two interrupts in periodic mode.
    pub minimum_tick: u16,
}

/// Addresses from `start` up to but not including `end`; empty if both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

/// A conventional PCI bus with number 0, configured by ports 0xcf8 to 0xcff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pci {
    /// Guest-physical address of its configuration space in memory (ECAM, 1 MiB per bus).
    pub ecam: Option<u64>,
    /// Window for memory below 4 GiB.
    pub memory: Range,
    /// Window for memory above 4 GiB; may be empty.
    pub memory_high: Range,
    /// Window for ports; may be empty, must not contain the configuration ports.
    pub io: Range,
    /// I/O APIC inputs of the four interrupt lines. Pin INTA# of slot n is wired to line n mod 4, the other
    /// pins to the following ones.
    pub inputs: [u32; LINES],
    /// Interrupts of the four lines at the 8259s, for guests that do not use the I/O APIC.
    pub interrupts: [u8; LINES],
}

/// A serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial {
    /// First of its eight ports.
    pub port: u16,
    /// Interrupt, edge-triggered.
    pub interrupt: u8,
}

impl Range {
    /// True if no address lies in it.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The last address of a range that is not empty.
    pub(crate) const fn last(&self) -> u64 {
        self.end - 1
    }

    const fn is_in(&self, end: u64) -> bool {
        self.start <= self.end && self.end <= end
    }
}

impl Platform {
    /// Refuses what the tables cannot say.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.processors.is_empty() || self.processors.len() > MAX_PROCESSORS {
            return Err(BuildError::Processors(self.processors.len()));
        }
        if self.serial.len() > MAX_SERIAL {
            return Err(BuildError::SerialPorts(self.serial.len()));
        }
        let Some(pci) = &self.pci else {
            return Ok(());
        };
        if !pci.memory.is_in(1 << 32) || pci.memory.is_empty() {
            return Err(BuildError::Window("memory below 4 GiB"));
        }
        let high = pci.memory_high;
        if !high.is_in(u64::MAX) || (!high.is_empty() && high.start < 1 << 32) {
            return Err(BuildError::Window("memory above 4 GiB"));
        }
        let (io, config) = (pci.io, 0xcf8..0xd00);
        let apart = io.end <= config.start || config.end <= io.start;
        if !io.is_in(1 << 16) || !(io.is_empty() || apart) {
            return Err(BuildError::Window("ports"));
        }
        match pci.ecam {
            Some(ecam) if !ecam.is_multiple_of(1 << 20) || ecam > u64::from(u32::MAX) => {
                Err(BuildError::Window("configuration space"))
            }
            _ => Ok(()),
        }
    }
}
