//! Base address registers (PCI 6.2.5.1).

/// Base address registers of a type 0 function.
pub const BARS: usize = 6;

/// Which address space a base address register decodes, and with how many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// Memory below 4 GiB, not prefetchable.
    Memory32,
    /// Memory anywhere, not prefetchable; takes two registers.
    Memory64,
    /// I/O ports.
    Io,
}

impl BarKind {
    /// The read-only low bits.
    pub(crate) const fn flags(self) -> u32 {
        match self {
            BarKind::Memory32 => 0,
            BarKind::Memory64 => 0b100,
            BarKind::Io => 0b01,
        }
    }

    /// Which bits of the low register are not part of the address.
    pub(crate) const fn flag_mask(self) -> u32 {
        match self {
            BarKind::Memory32 | BarKind::Memory64 => 0xf,
            BarKind::Io => 0x3,
        }
    }

    /// Least size: 16 bytes of memory, 4 ports.
    pub(crate) const fn min_size(self) -> u64 {
        self.flag_mask() as u64 + 1
    }

    /// Greatest size: 256 ports (PCI 6.2.5.1), a quarter of 32-bit space, 2^40 bytes of 64-bit space.
    pub(crate) const fn max_size(self) -> u64 {
        match self {
            BarKind::Memory32 => 1 << 30,
            BarKind::Memory64 => 1 << 40,
            BarKind::Io => 256,
        }
    }

    /// Whether it decodes memory rather than ports.
    pub const fn is_memory(self) -> bool {
        !matches!(self, BarKind::Io)
    }
}

/// One implemented base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What it decodes.
    pub kind: BarKind,
    /// Bytes or ports, a power of two.
    pub size: u64,
}
