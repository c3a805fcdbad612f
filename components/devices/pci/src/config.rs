//! The predefined header of a type 0 function (PCI 6.1).

use bitflags::bitflags;

/// Bytes of configuration space. Conventional functions have no extended configuration space: ECAM reads beyond give
/// all ones, as from a function that does not exist.
pub const CONFIG_SPACE: usize = 256;

/// Register offsets of the header.
pub mod offset {
    /// Vendor ID, 2 bytes.
    pub const VENDOR: u8 = 0x00;
    /// Device ID, 2 bytes.
    pub const DEVICE: u8 = 0x02;
    /// Command, 2 bytes.
    pub const COMMAND: u8 = 0x04;
    /// Status, 2 bytes.
    pub const STATUS: u8 = 0x06;
    /// Revision ID, 1 byte.
    pub const REVISION: u8 = 0x08;
    /// Programming interface, subclass, class, 3 bytes.
    pub const CLASS: u8 = 0x09;
    /// Cache line size, 1 byte, for software only.
    pub const CACHE_LINE: u8 = 0x0c;
    /// Header type, 1 byte.
    pub const HEADER_TYPE: u8 = 0x0e;
    /// First of 6 base address registers, 4 bytes each.
    pub const BAR0: u8 = 0x10;
    /// Subsystem vendor ID, 2 bytes.
    pub const SUBSYSTEM_VENDOR: u8 = 0x2c;
    /// Subsystem ID, 2 bytes.
    pub const SUBSYSTEM: u8 = 0x2e;
    /// Offset of the first capability, 1 byte.
    pub const CAPABILITIES: u8 = 0x34;
    /// Interrupt line, 1 byte, for software only.
    pub const INTERRUPT_LINE: u8 = 0x3c;
    /// Interrupt pin, 1 byte: 0 none, 1 to 4 INTA to INTD.
    pub const INTERRUPT_PIN: u8 = 0x3d;
    /// First byte behind the header.
    pub const HEADER_END: u8 = 0x40;
}

bitflags! {
    /// The command register (PCI 6.2.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Command: u16 {
        /// Answers accesses to I/O space.
        const IO = 1 << 0;
        /// Answers accesses to memory space.
        const MEMORY = 1 << 1;
        /// May write to memory; messages of MSI-X are such writes.
        const BUS_MASTER = 1 << 2;
        /// Does not assert INTx.
        const INTERRUPT_DISABLE = 1 << 10;
    }

    /// The status register (PCI 6.2.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Status: u16 {
        /// The device wants INTx, whether or not the command register lets it.
        const INTERRUPT = 1 << 3;
        /// There is a list of capabilities.
        const CAPABILITIES = 1 << 4;
    }
}

/// What a function says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Revision ID.
    pub revision: u8,
    /// Class, subclass and programming interface: 0xccsspp.
    pub class: u32,
    /// Subsystem vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
}

impl Identity {
    /// A host bridge that no operating system has a driver or a special case for: the generic one of QEMU, from the range
    /// that Red Hat set aside for virtual devices.
    pub const HOST_BRIDGE: Identity = Identity {
        vendor: 0x1b36,
        device: 0x0008,
        revision: 0,
        class: 0x06_0000,
        subsystem_vendor: 0x1af4,
        subsystem: 0x1100,
    };
}
