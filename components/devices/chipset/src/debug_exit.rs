//! Debug exit: QEMU's `isa-debug-exit`, with which a test guest ends its machine with a status.

use crate::Effect;

/// Port at which test guests expect it.
pub const PORT: u16 = 0xf4;
/// Ports that it takes (QEMU's `iosize=0x04`).
pub const PORTS: u16 = 4;

/// A debug exit device. It has no state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DebugExit;

impl DebugExit {
    /// Reads as zero, as in QEMU, and all ones beyond its ports.
    pub const fn read(self, offset: u16, size: u8) -> u32 {
        if self.covers(offset, size) {
            0
        } else {
            u32::MAX
        }
    }

    /// Ends the machine with status `value` · 2 + 1, of which a process's exit status keeps eight bits.
    pub const fn write(self, offset: u16, size: u8, value: u32) -> Option<Effect> {
        if !self.covers(offset, size) {
            return None;
        }
        let value = value & crate::bus::floating(size) as u32;
        Some(Effect::Exit(value << 1 | 1))
    }

    const fn covers(self, offset: u16, size: u8) -> bool {
        matches!(size, 1 | 2 | 4) && offset as u32 + size as u32 <= PORTS as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_shifted() {
        assert_eq!(DebugExit.write(0, 1, 0), Some(Effect::Exit(1)));
        assert_eq!(DebugExit.write(0, 4, 0x10), Some(Effect::Exit(0x21)));
        assert_eq!(DebugExit.write(0, 1, 0xaa10), Some(Effect::Exit(0x21)));
        assert_eq!(
            DebugExit.write(0, 4, u32::MAX),
            Some(Effect::Exit(u32::MAX))
        );
    }

    #[test]
    fn only_its_ports_answer() {
        assert_eq!(DebugExit.read(0, 4), 0);
        assert_eq!(DebugExit.read(3, 1), 0);
        assert_eq!(DebugExit.read(3, 2), u32::MAX);
        assert_eq!(DebugExit.write(1, 4, 0), None);
        assert_eq!(DebugExit.write(0, 3, 0), None);
        assert_eq!(DebugExit.write(u16::MAX, 4, 0), None);
    }
}
