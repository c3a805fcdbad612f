//! Firmware's part: addresses for all base address registers.

use alloc::vec::Vec;

use crate::bar::{BARS, BarKind};
use crate::bus::Bus;
use crate::config::Command;
use crate::slot::Slot;
use crate::window::AddressWindow;

/// A base address register for which the windows have no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignError {
    /// The function.
    pub slot: Slot,
    /// Its register.
    pub bar: u8,
    /// Bytes or ports needed.
    pub size: u64,
}

impl core::fmt::Display for AssignError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "no room for {:#x} bytes of {} register {}: make the bridge's window larger",
            self.size, self.slot, self.bar
        )
    }
}

impl core::error::Error for AssignError {}

impl Bus {
    /// Gives every base address register an address and turns decoding on. Greater ranges come first, so that
    /// alignment leaves no gaps. A register stays zero and undecoded if this fails.
    pub fn assign(&mut self) -> Result<(), AssignError> {
        let mut wanted: Vec<(Slot, u8, BarKind, u64)> = self
            .functions()
            .flat_map(|(slot, function)| {
                (0..BARS as u8).filter_map(move |index| {
                    let bar = function.bar(index)?;
                    Some((slot, index, bar.kind, bar.size))
                })
            })
            .collect();
        wanted.sort_by_key(|(slot, index, _, size)| (core::cmp::Reverse(*size), *slot, *index));
        let mut windows = *self.windows();
        for (slot, bar, kind, size) in wanted {
            let place = match kind {
                BarKind::Io => take(&mut windows.io, size),
                BarKind::Memory32 => take(&mut windows.memory, size),
                BarKind::Memory64 => {
                    take(&mut windows.memory_high, size).or_else(|| take(&mut windows.memory, size))
                }
            };
            let address = place.ok_or(AssignError { slot, bar, size })?;
            if let Some(function) = self.function_mut(slot) {
                function.set_bar_address(bar, address);
                let decode = if kind.is_memory() {
                    Command::MEMORY
                } else {
                    Command::IO
                };
                function.set_command(function.command() | decode);
            }
        }
        Ok(())
    }
}

/// Takes `size` aligned addresses off the start of a window.
fn take(window: &mut AddressWindow, size: u64) -> Option<u64> {
    let start = window.start.checked_next_multiple_of(size)?;
    if !window.contains(start, size) {
        return None;
    }
    window.start = start + size;
    Some(start)
}
