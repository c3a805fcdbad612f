//! What a device does to the whole machine.

/// Something that the composer of the machine has to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The machine is reset.
    Reset,
    /// The machine is switched off (ACPI S5).
    PowerOff,
    /// Address line 20 is let through (`true`) or held low.
    A20(bool),
    /// The machine ends with this status, as with QEMU's isa-debug-exit.
    Exit(u32),
    /// The guest printed a byte on the debug console.
    Output(u8),
}
