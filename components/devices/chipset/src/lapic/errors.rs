//! Error status register (SDM vol. 3A, "Error Handling").

/// An interrupt with a vector below 16 was to be sent.
pub(super) const SEND_ILLEGAL_VECTOR: u8 = 1 << 5;
/// An interrupt with a vector below 16 was received, or came from the local vector table.
pub(super) const RECEIVE_ILLEGAL_VECTOR: u8 = 1 << 6;
/// A register that does not exist was accessed.
pub(super) const ILLEGAL_REGISTER: u8 = 1 << 7;

/// Errors that the guest can see and those that it will see after its next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errors {
    shown: u8,
    detected: u8,
}

impl Errors {
    pub const NONE: Errors = Errors {
        shown: 0,
        detected: 0,
    };

    /// The register.
    pub const fn shown(&self) -> u32 {
        self.shown as u32
    }

    /// Writes the register: shows what has been detected since the last write, and arms the error interrupt.
    pub const fn update(&mut self) {
        self.shown = self.detected;
        self.detected = 0;
    }

    /// Notes an error; tells whether it is to be interrupted for: only the first one since the last write is.
    pub const fn detect(&mut self, error: u8) -> bool {
        let armed = self.detected == 0;
        self.detected |= error;
        armed
    }
}
