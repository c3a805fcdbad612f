//! Putting a function together: what it is, what it decodes, what it can.

use crate::bar::{BARS, Bar, BarKind};
use crate::config::{CONFIG_SPACE, Command, Identity, Status, offset};
use crate::function::{Function, window};
use crate::msix::{MAX_VECTORS, Msix};

/// Why a function cannot be built or added like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// There is no such base address register, or it (or the upper half of a pair) is in use.
    BarTaken {
        /// The register.
        bar: u8,
    },
    /// The size is no power of two within the kind's limits.
    BarSize {
        /// The register.
        bar: u8,
        /// Bytes or ports asked for.
        size: u64,
    },
    /// The configuration space has no room for another capability.
    NoRoom {
        /// Capability ID.
        capability: u8,
    },
    /// MSI-X needs 1 to 64 vectors, and table and pending bits in one memory range, apart from each other.
    MsixLayout,
    /// MSI-X or a window is there already.
    Twice,
    /// The slot is in use.
    SlotTaken {
        /// Device number.
        slot: u8,
    },
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BuildError::BarTaken { bar } => {
                write!(f, "base address register {bar} is in use or not there")
            }
            BuildError::BarSize { bar, size } => write!(
                f,
                "size {size:#x} of base address register {bar} is no power of two within its limits"
            ),
            BuildError::NoRoom { capability } => write!(
                f,
                "no room in configuration space for capability {capability:#x}"
            ),
            BuildError::MsixLayout => f.write_str(
                "MSI-X needs 1 to 64 vectors, and table and pending bits apart from each other in one memory range",
            ),
            BuildError::Twice => f.write_str("the function has this capability already"),
            BuildError::SlotTaken { slot } => write!(f, "slot {slot} is in use"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Capability ID: specific to the vendor.
const VENDOR_SPECIFIC: u8 = 0x09;
/// Capability ID: MSI-X.
const MSIX: u8 = 0x11;

impl Function {
    /// A function without base address registers, capabilities and interrupt.
    pub fn new(identity: Identity) -> Function {
        let mut function = Function {
            bytes: [0; CONFIG_SPACE],
            writable: [0; CONFIG_SPACE],
            bars: [None; BARS],
            msix: None,
            window: None,
            free: u16::from(offset::HEADER_END),
            link: offset::CAPABILITIES,
        };
        function.set_word(offset::VENDOR, identity.vendor);
        function.set_word(offset::DEVICE, identity.device);
        function.bytes[usize::from(offset::REVISION)] = identity.revision;
        let class = identity.class.to_le_bytes();
        function.bytes[usize::from(offset::CLASS)..][..3].copy_from_slice(&class[..3]);
        function.set_word(offset::SUBSYSTEM_VENDOR, identity.subsystem_vendor);
        function.set_word(offset::SUBSYSTEM, identity.subsystem);
        function.allow(offset::CACHE_LINE, &[0xff]);
        function.allow(
            offset::COMMAND,
            &(Command::BUS_MASTER | Command::INTERRUPT_DISABLE)
                .bits()
                .to_le_bytes(),
        );
        function
    }

    /// Gives the function the interrupt pin INTA.
    pub fn add_interrupt_pin(&mut self) {
        self.bytes[usize::from(offset::INTERRUPT_PIN)] = 1;
        self.allow(offset::INTERRUPT_LINE, &[0xff]);
    }

    /// Adds base address register `index` for `size` bytes or ports.
    pub fn add_bar(&mut self, index: u8, kind: BarKind, size: u64) -> Result<(), BuildError> {
        let registers = match kind {
            BarKind::Memory64 => 2,
            BarKind::Memory32 | BarKind::Io => 1,
        };
        let taken = BuildError::BarTaken { bar: index };
        if usize::from(index) + registers > BARS {
            return Err(taken);
        }
        // The upper half of a pair has no entry of its own, but its writable bits give it away.
        for register in index..index + registers as u8 {
            let at = usize::from(offset::BAR0 + 4 * register);
            if self.writable[at..at + 4] != [0; 4] {
                return Err(taken);
            }
        }
        if !size.is_power_of_two() || size < kind.min_size() || size > kind.max_size() {
            return Err(BuildError::BarSize { bar: index, size });
        }
        self.bars[usize::from(index)] = Some(Bar { kind, size });
        let at = offset::BAR0 + 4 * index;
        self.set_dword(at, kind.flags());
        // Bits below the size stay zero: that is how software finds the size (PCI 6.2.5.1).
        let address_bits = !(size - 1);
        self.allow(at, &(address_bits as u32).to_le_bytes());
        if kind == BarKind::Memory64 {
            self.allow(at + 4, &((address_bits >> 32) as u32).to_le_bytes());
        }
        let decode = if kind.is_memory() {
            Command::MEMORY
        } else {
            Command::IO
        };
        self.allow(offset::COMMAND, &decode.bits().to_le_bytes());
        Ok(())
    }

    /// Adds a capability whose bytes behind ID and link are `body`, of which the guest can write the bits set in
    /// `writable` (missing bytes: none). Gives its offset.
    pub fn add_capability(
        &mut self,
        id: u8,
        body: &[u8],
        writable: &[u8],
    ) -> Result<u8, BuildError> {
        let start = usize::from(self.free);
        let end = start + 2 + body.len();
        if end > CONFIG_SPACE || writable.len() > body.len() {
            return Err(BuildError::NoRoom { capability: id });
        }
        self.bytes[start] = id;
        self.bytes[start + 2..end].copy_from_slice(body);
        self.writable[start + 2..start + 2 + writable.len()].copy_from_slice(writable);
        // `start` is below 256, and so fits.
        self.bytes[usize::from(self.link)] = start as u8;
        self.link = start as u8 + 1;
        self.free = end.next_multiple_of(4) as u16;
        let status = Status::from_bits_retain(self.word(offset::STATUS)) | Status::CAPABILITIES;
        self.set_word(offset::STATUS, status.bits());
        Ok(start as u8)
    }

    /// Adds a window through which the guest reaches what lies behind base address registers without decoding them:
    /// the PCI configuration access capability (VIRTIO 1.2, 4.1.4.9).
    pub fn add_window(&mut self, config_type: u8) -> Result<u8, BuildError> {
        if self.window.is_some() {
            return Err(BuildError::Twice);
        }
        let mut body = [0; window::END as usize - 2];
        body[0] = window::END;
        body[1] = config_type;
        let mut writable = [0xff; window::END as usize - 2];
        // Length of the capability, its type, and the bytes between BAR and offset are fixed.
        writable[..2].fill(0);
        writable[usize::from(window::BAR) - 1..usize::from(window::OFFSET) - 2].fill(0);
        let start = self.add_capability(VENDOR_SPECIFIC, &body, &writable)?;
        self.window = Some(start);
        Ok(start)
    }

    /// Adds MSI-X with `vectors` vectors; table and pending bits (8 bytes) lie behind `bar` at these offsets.
    pub fn add_msix(
        &mut self,
        vectors: u16,
        bar: u8,
        table: u32,
        pending: u32,
    ) -> Result<u8, BuildError> {
        if self.msix.is_some() {
            return Err(BuildError::Twice);
        }
        let table_end = u64::from(table) + Msix::table_size(vectors);
        let pending_end = u64::from(pending) + Msix::PENDING_SIZE;
        let fits = self.bar(bar).is_some_and(|range| {
            range.kind.is_memory() && table_end <= range.size && pending_end <= range.size
        });
        let apart = table_end <= u64::from(pending) || pending_end <= u64::from(table);
        let aligned = table.is_multiple_of(8) && pending.is_multiple_of(8);
        if !(1..=MAX_VECTORS).contains(&vectors) || !fits || !apart || !aligned {
            return Err(BuildError::MsixLayout);
        }
        let mut body = [0; 10];
        body[..2].copy_from_slice(&(vectors - 1).to_le_bytes());
        body[2..6].copy_from_slice(&(table | u32::from(bar)).to_le_bytes());
        body[6..].copy_from_slice(&(pending | u32::from(bar)).to_le_bytes());
        let writable = (Msix::ENABLE | Msix::FUNCTION_MASK).to_le_bytes();
        let start = self.add_capability(MSIX, &body, &writable)?;
        self.msix = Some(Msix::new(
            vectors,
            bar,
            u64::from(table),
            u64::from(pending),
            start,
        ));
        Ok(start)
    }

    fn allow(&mut self, at: u8, bits: &[u8]) {
        for (byte, bits) in self.writable[usize::from(at)..].iter_mut().zip(bits) {
            *byte |= bits;
        }
    }
}
