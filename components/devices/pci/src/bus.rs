//! The host bridge: configuration mechanisms, decoding, interrupts.

use alloc::vec;
use alloc::vec::Vec;

use crate::access::{BarAccess, ConfigRead, ConfigWrite, ones};
use crate::bar::{BARS, BarKind};
use crate::build::BuildError;
use crate::config::{CONFIG_SPACE, Identity};
use crate::function::Function;
use crate::msix::Message;
use crate::slot::{SLOTS, Slot};
use crate::window::Windows;

/// Interrupt lines that the INTx pins of all slots share.
pub const INTX_LINES: u8 = 4;

/// Port of CONFIG_ADDRESS (PCI 3.2.2.3.2).
const ADDRESS_PORT: u16 = 0xcf8;
/// First port of CONFIG_DATA.
const DATA_PORT: u16 = 0xcfc;
/// CONFIG_ADDRESS: accesses to CONFIG_DATA are configuration accesses.
const ENABLE: u32 = 1 << 31;
/// CONFIG_ADDRESS: the bits that are not reserved.
const ADDRESS_BITS: u32 = 0x80ff_fffc;

/// The bridge with its bus and all functions on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus {
    /// CONFIG_ADDRESS.
    address: u32,
    windows: Windows,
    functions: Vec<Option<Function>>,
}

impl Bus {
    /// A bus with nothing on it but the host bridge, which is `identity`, usually [`Identity::HOST_BRIDGE`].
    pub fn new(identity: Identity, windows: Windows) -> Bus {
        let mut functions = vec![None; SLOTS];
        functions[Slot::HOST_BRIDGE.index()] = Some(Function::new(identity));
        Bus {
            address: 0,
            windows,
            functions,
        }
    }

    /// Puts a function into a free slot.
    pub fn insert(&mut self, slot: Slot, function: Function) -> Result<(), BuildError> {
        let place = &mut self.functions[slot.index()];
        if place.is_some() {
            return Err(BuildError::SlotTaken {
                slot: slot.number(),
            });
        }
        *place = Some(function);
        Ok(())
    }

    /// The windows given at the start.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// The function in `slot`.
    pub fn function(&self, slot: Slot) -> Option<&Function> {
        self.functions[slot.index()].as_ref()
    }

    /// The function in `slot`, to be changed.
    pub fn function_mut(&mut self, slot: Slot) -> Option<&mut Function> {
        self.functions[slot.index()].as_mut()
    }

    /// All functions, in order of their slots.
    pub fn functions(&self) -> impl Iterator<Item = (Slot, &Function)> {
        Slot::all().filter_map(|slot| Some((slot, self.function(slot)?)))
    }

    /// State after power-on or reset. Firmware's part ([`Bus::assign`], interrupt lines) is to be done again.
    pub fn reset(&mut self) {
        self.address = 0;
        for function in self.functions.iter_mut().flatten() {
            function.reset();
        }
    }

    /// Reads `size` bytes from `port`, 0xcf8 to 0xcff.
    pub fn read_port(&self, port: u16, size: u8) -> ConfigRead {
        match (port, size) {
            // Only doubleword accesses reach CONFIG_ADDRESS (PCI 3.2.2.3.2).
            (ADDRESS_PORT, 4) => ConfigRead::Value(self.address),
            _ => match self.data_register(port) {
                Some((slot, at)) => self.read_config(slot, at, size),
                None => ConfigRead::Value(ones(size)),
            },
        }
    }

    /// Writes `size` bytes to `port`, 0xcf8 to 0xcff.
    pub fn write_port(&mut self, port: u16, size: u8, value: u32) -> ConfigWrite {
        match (port, size) {
            (ADDRESS_PORT, 4) => {
                self.address = value & ADDRESS_BITS;
                ConfigWrite::Done
            }
            _ => match self.data_register(port) {
                Some((slot, at)) => self.write_config(slot, at, size, value),
                None => ConfigWrite::Done,
            },
        }
    }

    /// Reads `size` bytes at `offset` from the start of the ECAM area (PCIe 7.2.2). The bus has the first MiB of it.
    pub fn read_ecam(&self, offset: u64, size: u8) -> ConfigRead {
        match ecam_register(offset) {
            Some((slot, at)) => self.read_config(slot, at, size),
            None => ConfigRead::Value(ones(size)),
        }
    }

    /// Writes `size` bytes at `offset` from the start of the ECAM area.
    pub fn write_ecam(&mut self, offset: u64, size: u8, value: u32) -> ConfigWrite {
        match ecam_register(offset) {
            Some((slot, at)) => self.write_config(slot, at, size, value),
            None => ConfigWrite::Done,
        }
    }

    fn data_register(&self, port: u16) -> Option<(Slot, u8)> {
        let byte = port
            .checked_sub(DATA_PORT)
            .filter(|byte| *byte < 4)
            .map(|byte| byte as u8)?;
        let (bus, function) = (self.address >> 16 & 0xff, self.address >> 8 & 7);
        if self.address & ENABLE == 0 || bus != 0 || function != 0 {
            return None;
        }
        let slot = Slot::new((self.address >> 11 & 0x1f) as u8)?;
        Some((slot, (self.address & 0xfc) as u8 + byte))
    }

    fn read_config(&self, slot: Slot, at: u8, size: u8) -> ConfigRead {
        match self.function(slot) {
            Some(function) if fits(at, size) => function.read(slot, at, size),
            _ => ConfigRead::Value(ones(size)),
        }
    }

    fn write_config(&mut self, slot: Slot, at: u8, size: u8, value: u32) -> ConfigWrite {
        match self.function_mut(slot) {
            Some(function) if fits(at, size) => function.write(slot, at, size, value),
            _ => ConfigWrite::Done,
        }
    }

    /// Where register `bar` of `slot` is decoded now: not if decoding is off or it lies outside the windows.
    pub fn bar_address(&self, slot: Slot, bar: u8) -> Option<u64> {
        self.decoded(self.function(slot)?, bar)
    }

    fn decoded(&self, function: &Function, index: u8) -> Option<u64> {
        let bar = function.bar(index)?;
        if !function.decodes(bar.kind) {
            return None;
        }
        let address = function.bar_address(index)?;
        let windows = &self.windows;
        let inside = match bar.kind {
            BarKind::Io => windows.io.contains(address, bar.size),
            BarKind::Memory32 => windows.memory.contains(address, bar.size),
            BarKind::Memory64 => {
                windows.memory.contains(address, bar.size)
                    || windows.memory_high.contains(address, bar.size)
            }
        };
        inside.then_some(address)
    }

    /// Who answers an access of `size` bytes at this guest-physical address. Where the guest made ranges overlap, the
    /// lowest slot and register does.
    pub fn find_memory(&self, address: u64, size: u8) -> Option<BarAccess> {
        self.find(address, size, true)
    }

    /// Who answers an access of `size` bytes at this port.
    pub fn find_port(&self, port: u16, size: u8) -> Option<BarAccess> {
        self.find(u64::from(port), size, false)
    }

    fn find(&self, address: u64, size: u8, memory: bool) -> Option<BarAccess> {
        self.functions().find_map(|(slot, function)| {
            (0..BARS as u8).find_map(|index| {
                let bar = function.bar(index)?;
                if bar.kind.is_memory() != memory {
                    return None;
                }
                let offset = address.checked_sub(self.decoded(function, index)?)?;
                // `offset` is below the size before anything is added to it.
                (offset < bar.size && offset + u64::from(size) <= bar.size).then_some(BarAccess {
                    slot,
                    bar: index,
                    offset,
                    size,
                })
            })
        })
    }

    /// The answer to a read if it is for an MSI-X table or its pending bits.
    pub fn read_msix(&self, access: BarAccess) -> Option<u64> {
        let function = self.function(access.slot)?;
        if !function.msix_claims(access.bar, access.offset) {
            return None;
        }
        Some(function.msix.as_ref()?.read(access.offset, access.size))
    }

    /// Does a write if it is for an MSI-X table or its pending bits, and says so. It may release messages:
    /// [`Bus::next_message`].
    pub fn write_msix(&mut self, access: BarAccess, value: u64) -> bool {
        let Some(function) = self.function_mut(access.slot) else {
            return false;
        };
        if !function.msix_claims(access.bar, access.offset) {
            return false;
        }
        if let Some(msix) = &mut function.msix {
            msix.write(access.offset, access.size, value);
        }
        true
    }

    /// [`Function::raise`] of the function in `slot`.
    #[must_use]
    pub fn raise(&mut self, slot: Slot, vector: u16) -> Option<Message> {
        self.function_mut(slot)?.raise(vector)
    }

    /// [`Function::next_message`] of the function in `slot`.
    #[must_use]
    pub fn next_message(&mut self, slot: Slot) -> Option<Message> {
        self.function_mut(slot)?.next_message()
    }

    /// [`Function::set_intx`] of the function in `slot`.
    pub fn set_intx(&mut self, slot: Slot, level: bool) {
        if let Some(function) = self.function_mut(slot) {
            function.set_intx(level);
        }
    }

    /// The line, 0 to 3, that pin `pin` (1 to 4) of `slot` is wired to: the usual rotation, so that neighbours do not
    /// share one (PCI 2.2.6). Firmware tables must tell the same.
    pub const fn intx_line(slot: Slot, pin: u8) -> u8 {
        (slot.number() + pin.wrapping_sub(1) % INTX_LINES) % INTX_LINES
    }

    /// The level of `line`, 0 to 3: whether any function asserts it.
    pub fn intx(&self, line: u8) -> bool {
        self.functions().any(|(slot, function)| {
            function.intx() && Bus::intx_line(slot, function.interrupt_pin()) == line
        })
    }
}

/// Which register of which slot an offset in the ECAM area is, if the bus has it.
fn ecam_register(offset: u64) -> Option<(Slot, u8)> {
    let register = offset & 0xfff;
    // Bus 0 and function 0 only.
    if offset >> 20 != 0 || offset >> 12 & 7 != 0 || register >= CONFIG_SPACE as u64 {
        return None;
    }
    Some((Slot::new((offset >> 15 & 0x1f) as u8)?, register as u8))
}

/// Whether an access is one that a configuration cycle can do: 1, 2 or 4 bytes within a doubleword.
fn fits(at: u8, size: u8) -> bool {
    matches!(size, 1 | 2 | 4) && at % 4 + size <= 4
}
