//! Which addresses lead to the bus at all.

/// Addresses from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressWindow {
    /// First address.
    pub start: u64,
    /// First address behind.
    pub end: u64,
}

impl AddressWindow {
    /// A window without addresses.
    pub const EMPTY: AddressWindow = AddressWindow { start: 0, end: 0 };

    /// Whether all of the `size` addresses from `start` lie inside.
    pub fn contains(&self, start: u64, size: u64) -> bool {
        start >= self.start
            && start
                .checked_add(size)
                .is_some_and(|behind| behind <= self.end)
    }
}

/// The windows of the host bridge; firmware tables tell the guest the same ones.
///
/// A base address register counts only where it lies in a window as a whole. So nothing that a guest programs can cover
/// its memory or another device of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Memory below 4 GiB.
    pub memory: AddressWindow,
    /// Memory above 4 GiB, for 64-bit registers; may be empty.
    pub memory_high: AddressWindow,
    /// Ports, below 0x10000.
    pub io: AddressWindow,
}
