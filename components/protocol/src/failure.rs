//! Why a component refused a request.

use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Every reason for a refusal. 0 means success and is not here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Reason { $($(#[$doc])* $name = $number,)* }

        impl Reason {
            /// Every reason, in numeric order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];

            /// The reason with this number.
            pub const fn from_u16(number: u16) -> Option<Reason> {
                match number { $($number => Some(Reason::$name),)* _ => None }
            }

            /// One sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The server does not know this request.
    UnknownRequest = 1, "the server does not know this request";
    /// The server speaks another version of the protocol; the detail is its version.
    WrongVersion = 2, "the server speaks another version of the protocol";
    /// The message is not what its label says.
    Malformed = 3, "the message is malformed";
    /// The sender may not ask for this.
    Denied = 4, "not permitted";
    /// There is no such thing.
    NotFound = 5, "not found";
    /// The sender's quota does not allow it; the detail is what is left, in bytes.
    QuotaExceeded = 6, "the quota is used up";
    /// No memory is left.
    OutOfMemory = 7, "out of memory";
    /// Not now; try again.
    Busy = 8, "busy";
    /// A field has a value that the request does not take.
    InvalidArgument = 9, "invalid argument";
    /// The kernel refused; the detail is the number of the [`pagurus_abi::Error`].
    Kernel = 10, "the kernel refused";
    /// The answer would be longer than a message.
    TooLong = 11, "the answer is too long for a message";
    /// The server lacks what it needs for this.
    Unavailable = 12, "not available on this system";
}

/// A refusal: the reason and one number that says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What it means depends on the reason; 0 where nothing is said.
    pub detail: u64,
}

impl Failure {
    /// A refusal with a detail.
    pub const fn with(reason: Reason, detail: u64) -> Self {
        Failure { reason, detail }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Failure { reason, detail: 0 }
    }
}

impl From<pagurus_abi::Error> for Failure {
    fn from(error: pagurus_abi::Error) -> Self {
        Failure::with(Reason::Kernel, error as u64)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        match self.reason {
            Reason::Kernel => match u32::try_from(self.detail)
                .ok()
                .and_then(pagurus_abi::Error::from_u32)
            {
                Some(error) => write!(f, ": {error}"),
                None => write!(f, ": error {}", self.detail),
            },
            Reason::WrongVersion => write!(f, " ({})", self.detail),
            Reason::QuotaExceeded => write!(f, " ({} bytes left)", self.detail),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_zero_is_no_reason() {
        assert_eq!(Reason::from_u16(0), None);
        for r in Reason::ALL {
            assert_eq!(Reason::from_u16(*r as u16), Some(*r));
        }
        assert_eq!(Reason::from_u16(Reason::ALL.len() as u16 + 1), None);
    }

    #[test]
    fn the_text_names_the_kernel_error() {
        let text = Failure::from(pagurus_abi::Error::EmptySlot).to_string();
        assert!(
            text.contains(pagurus_abi::Error::EmptySlot.text()),
            "{text}"
        );
    }
}
