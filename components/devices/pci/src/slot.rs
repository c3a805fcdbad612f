//! Device numbers.

/// Device numbers on a bus.
pub const SLOTS: usize = 32;

/// The device number of a function on bus 0, 0 to 31. All functions have function number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u8);

impl Slot {
    /// Where the host bridge itself is.
    pub const HOST_BRIDGE: Slot = Slot(0);

    /// The slot with this device number, if there is one.
    pub const fn new(number: u8) -> Option<Slot> {
        if number < SLOTS as u8 {
            Some(Slot(number))
        } else {
            None
        }
    }

    /// The device number, 0 to 31.
    pub const fn number(self) -> u8 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// All 32 slots.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS as u8).map(Slot)
    }
}

impl core::fmt::Display for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "00:{:02x}.0", self.0)
    }
}
