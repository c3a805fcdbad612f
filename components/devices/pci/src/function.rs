//! The configuration space of one function, as data.

use crate::access::{BarAccess, ConfigRead, ConfigWrite, WindowRead, ones};
use crate::bar::{BARS, Bar, BarKind};
use crate::config::{CONFIG_SPACE, Command, Status, offset};
use crate::msix::{Message, Msix};
use crate::slot::Slot;

/// One type 0 function.
///
/// Every bit of configuration space is either fixed or written by the guest; all of the latter are zero after reset.
/// What the guest's bits mean is looked up where it matters, so there is no second copy that could differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub(crate) bytes: [u8; CONFIG_SPACE],
    pub(crate) writable: [u8; CONFIG_SPACE],
    pub(crate) bars: [Option<Bar>; BARS],
    pub(crate) msix: Option<Msix>,
    /// Offset of a capability that is a window to what lies behind the base address registers.
    pub(crate) window: Option<u8>,
    /// First byte that no capability takes.
    pub(crate) free: u16,
    /// Offset of the byte that links to the next capability to be added.
    pub(crate) link: u8,
}

/// Layout of a window capability (VIRTIO 1.2, 4.1.4.9): offsets from its start.
pub(crate) mod window {
    pub const BAR: u8 = 4;
    pub const OFFSET: u8 = 8;
    pub const LENGTH: u8 = 12;
    pub const DATA: u8 = 16;
    pub const END: u8 = 20;
}

impl Function {
    /// State after power-on or a reset of the bus.
    pub fn reset(&mut self) {
        for (byte, writable) in self.bytes.iter_mut().zip(&self.writable) {
            *byte &= !writable;
        }
        self.set_intx(false);
        if let Some(msix) = &mut self.msix {
            msix.reset();
        }
    }

    /// What the guest lets the function do.
    pub fn command(&self) -> Command {
        Command::from_bits_retain(self.word(offset::COMMAND))
    }

    /// Whether the function may write to the guest's memory.
    pub fn is_bus_master(&self) -> bool {
        self.command().contains(Command::BUS_MASTER)
    }

    /// Sets what firmware sets: which devices answer.
    pub fn set_command(&mut self, command: Command) {
        let mask = u16::from_le_bytes([
            self.writable[usize::from(offset::COMMAND)],
            self.writable[usize::from(offset::COMMAND) + 1],
        ]);
        self.set_word(offset::COMMAND, command.bits() & mask);
    }

    /// Sets what software finds in the interrupt line register; firmware's part, reset clears it.
    pub fn set_interrupt_line(&mut self, line: u8) {
        self.bytes[usize::from(offset::INTERRUPT_LINE)] = line;
    }

    /// The interrupt pin: 0 none, 1 to 4 INTA to INTD.
    pub fn interrupt_pin(&self) -> u8 {
        self.bytes[usize::from(offset::INTERRUPT_PIN)]
    }

    /// The implemented register `index`, 0 to 5.
    pub fn bar(&self, index: u8) -> Option<Bar> {
        self.bars.get(usize::from(index)).copied().flatten()
    }

    /// The address in register `index`, whether or not it is decoded.
    pub fn bar_address(&self, index: u8) -> Option<u64> {
        let bar = self.bar(index)?;
        let at = offset::BAR0 + 4 * index;
        let low = u64::from(self.dword(at) & !bar.kind.flag_mask());
        Some(match bar.kind {
            BarKind::Memory64 => low | u64::from(self.dword(at + 4)) << 32,
            BarKind::Memory32 | BarKind::Io => low,
        })
    }

    /// Programs register `index` as firmware does; bits below its size are dropped.
    pub fn set_bar_address(&mut self, index: u8, address: u64) {
        let Some(bar) = self.bar(index) else { return };
        let at = offset::BAR0 + 4 * index;
        self.write_masked(at, 4, address as u32);
        if bar.kind == BarKind::Memory64 {
            self.write_masked(at + 4, 4, (address >> 32) as u32);
        }
    }

    /// Whether the command register lets the function answer to accesses of this kind.
    pub(crate) fn decodes(&self, kind: BarKind) -> bool {
        self.command().contains(if kind.is_memory() {
            Command::MEMORY
        } else {
            Command::IO
        })
    }

    /// Sets what the device wants of its INTx pin. Shown in the status register in any case (PCI 6.2.3).
    pub fn set_intx(&mut self, level: bool) {
        let mut status = Status::from_bits_retain(self.word(offset::STATUS));
        status.set(Status::INTERRUPT, level);
        self.set_word(offset::STATUS, status.bits());
    }

    /// The level at the pin: not while disabled by the command register, nor while MSI-X is in use (PCI 6.8.2).
    pub fn intx(&self) -> bool {
        Status::from_bits_retain(self.word(offset::STATUS)).contains(Status::INTERRUPT)
            && self.interrupt_pin() != 0
            && !self.command().contains(Command::INTERRUPT_DISABLE)
            && !self.msix_enabled()
    }

    /// Whether the guest uses MSI-X.
    pub fn msix_enabled(&self) -> bool {
        self.msix_control() & Msix::ENABLE != 0
    }

    /// Vectors in the MSI-X table, 0 without MSI-X.
    pub fn msix_vectors(&self) -> u16 {
        self.msix.as_ref().map_or(0, Msix::vectors)
    }

    /// The event of `vector` happened. Gives the message to send, or keeps it pending while vector or function are
    /// masked or the function may not write to memory. Nothing happens without MSI-X or such a vector.
    #[must_use]
    pub fn raise(&mut self, vector: u16) -> Option<Message> {
        if !self.msix_enabled() {
            return None;
        }
        let open = self.messages_open();
        self.msix.as_mut()?.raise(vector, open)
    }

    /// The next message that was pending and need not be any longer. Ask until there is none.
    #[must_use]
    pub fn next_message(&mut self) -> Option<Message> {
        if !self.messages_open() {
            return None;
        }
        self.msix.as_mut()?.release()
    }

    /// Whether the MSI-X structures are there.
    pub(crate) fn msix_claims(&self, bar: u8, offset: u64) -> bool {
        self.msix
            .as_ref()
            .is_some_and(|msix| msix.claims(bar, offset))
    }

    fn msix_control(&self) -> u16 {
        self.msix
            .as_ref()
            .map_or(0, |msix| self.word(msix.capability + Msix::CONTROL))
    }

    fn messages_open(&self) -> bool {
        self.msix_control() & (Msix::ENABLE | Msix::FUNCTION_MASK) == Msix::ENABLE
            && self.is_bus_master()
    }

    /// Reads `size` bytes (1, 2 or 4) that lie within one doubleword.
    pub(crate) fn read(&self, slot: Slot, at: u8, size: u8) -> ConfigRead {
        if let Some(offset) = self.window_data(at)
            && let Some(access) = self.window_access(slot)
        {
            return ConfigRead::Window(WindowRead {
                access,
                at: offset,
                size,
            });
        }
        let shift = u32::from(at % 4) * 8;
        ConfigRead::Value((self.dword(at & !3) >> shift) & ones(size))
    }

    /// Writes `size` bytes (1, 2 or 4) that lie within one doubleword.
    pub(crate) fn write(&mut self, slot: Slot, at: u8, size: u8, value: u32) -> ConfigWrite {
        self.write_masked(at, size, value);
        if self.window_data(at).is_some() {
            return match (self.window, self.window_access(slot)) {
                (Some(start), Some(access)) => ConfigWrite::Window {
                    access,
                    value: self.dword(start + window::DATA) & ones(access.size),
                },
                _ => ConfigWrite::Done,
            };
        }
        let header = at < offset::HEADER_END;
        let msix = self
            .msix
            .as_ref()
            .is_some_and(|msix| at & !3 == msix.capability);
        if header || msix {
            ConfigWrite::Changed(slot)
        } else {
            ConfigWrite::Done
        }
    }

    /// Which byte of a window's data register is at `at`.
    fn window_data(&self, at: u8) -> Option<u8> {
        let data = self.window? + window::DATA;
        at.checked_sub(data).filter(|offset| *offset < 4)
    }

    /// The access that the window is set to, if the device has such a place. The driver must keep to aligned accesses
    /// of 1, 2 or 4 bytes within a range; others give nothing.
    fn window_access(&self, slot: Slot) -> Option<BarAccess> {
        let start = self.window?;
        let bar = self.bytes[usize::from(start + window::BAR)];
        let offset = u64::from(self.dword(start + window::OFFSET));
        let size = self.dword(start + window::LENGTH);
        let range = self.bar(bar)?.size;
        let legal = matches!(size, 1 | 2 | 4)
            && offset.is_multiple_of(u64::from(size))
            && offset + u64::from(size) <= range;
        legal.then_some(BarAccess {
            slot,
            bar,
            offset,
            size: size as u8,
        })
    }

    fn write_masked(&mut self, at: u8, size: u8, value: u32) {
        let at = usize::from(at);
        for (index, new) in value
            .to_le_bytes()
            .into_iter()
            .take(usize::from(size))
            .enumerate()
        {
            let mask = self.writable[at + index];
            let byte = &mut self.bytes[at + index];
            *byte = *byte & !mask | new & mask;
        }
    }

    pub(crate) fn word(&self, at: u8) -> u16 {
        let at = usize::from(at);
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub(crate) fn set_word(&mut self, at: u8, value: u16) {
        let at = usize::from(at);
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn dword(&self, at: u8) -> u32 {
        let at = usize::from(at);
        u32::from_le_bytes([
            self.bytes[at],
            self.bytes[at + 1],
            self.bytes[at + 2],
            self.bytes[at + 3],
        ])
    }

    pub(crate) fn set_dword(&mut self, at: u8, value: u32) {
        let at = usize::from(at);
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}
