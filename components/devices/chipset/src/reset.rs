//! The chipset's own ways to reset the machine, beside the keyboard controller's: ports 0xcf9 and 0x92.

use crate::Effect;

/// Port of the reset control register; it lies inside the ports of PCI configuration address.
pub const RESET_CONTROL_PORT: u16 = 0xcf9;
/// What to write to [`RESET_CONTROL_PORT`] to reset the machine: for the reset register of the ACPI FADT.
pub const RESET_VALUE: u8 = SYSTEM_RESET | RESET_CPU;
/// Port of system control A.
pub const SYSTEM_CONTROL_A_PORT: u16 = 0x92;

const SYSTEM_RESET: u8 = 1 << 1;
const RESET_CPU: u8 = 1 << 2;
const FULL_RESET: u8 = 1 << 3;

/// Reset control register (ICH9 data sheet, section 13.7.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetControl {
    value: u8,
}

impl ResetControl {
    /// The register after reset.
    pub const fn new() -> Self {
        ResetControl { value: 0 }
    }

    /// Its bits that have a meaning.
    pub const fn read(&self) -> u8 {
        self.value
    }

    /// Resets the machine when the reset bit rises. Whether a soft, a hard or a full reset was asked for makes no
    /// difference to a virtual machine.
    pub const fn write(&mut self, value: u8) -> Option<Effect> {
        let rises = value & !self.value & RESET_CPU != 0;
        self.value = value & (SYSTEM_RESET | RESET_CPU | FULL_RESET);
        if rises { Some(Effect::Reset) } else { None }
    }
}

const FAST_RESET: u8 = 1 << 0;
const A20_GATE: u8 = 1 << 1;

/// System control port A of the PS/2: fast reset and fast A20 gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemControlA {
    value: u8,
}

impl Default for SystemControlA {
    fn default() -> Self {
        SystemControlA::new()
    }
}

impl SystemControlA {
    /// The port as firmware leaves it: address line 20 is let through.
    pub const fn new() -> Self {
        SystemControlA { value: A20_GATE }
    }

    /// What was written last.
    pub const fn read(&self) -> u8 {
        self.value
    }

    /// Resets the machine when bit 0 rises, or switches address line 20 when bit 1 changes.
    pub const fn write(&mut self, value: u8) -> Option<Effect> {
        let changed = value ^ self.value;
        self.value = value & (FAST_RESET | A20_GATE);
        if changed & value & FAST_RESET != 0 {
            Some(Effect::Reset)
        } else if changed & A20_GATE != 0 {
            Some(Effect::A20(value & A20_GATE != 0))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_control_acts_on_the_rising_bit() {
        let mut reset = ResetControl::new();
        assert_eq!(reset.write(0x02), None);
        assert_eq!(reset.read(), 0x02);
        assert_eq!(reset.write(RESET_VALUE), Some(Effect::Reset));
        assert_eq!(reset.write(RESET_VALUE), None, "it is high already");
        assert_eq!(reset.write(!RESET_CPU), None);
        assert_eq!(reset.read(), 0x0a);
        assert_eq!(reset.write(0x0e), Some(Effect::Reset));
    }

    #[test]
    fn system_control_a() {
        let mut port = SystemControlA::new();
        assert_eq!(port.read(), 0x02);
        assert_eq!(port.write(0x02), None);
        assert_eq!(port.write(0xfc), Some(Effect::A20(false)));
        assert_eq!(port.read(), 0x00);
        assert_eq!(port.write(0x02), Some(Effect::A20(true)));
        assert_eq!(port.write(0x03), Some(Effect::Reset));
        assert_eq!(port.write(0x03), None);
    }
}
