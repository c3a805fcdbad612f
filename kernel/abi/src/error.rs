//! Why a system call was refused.

use core::fmt;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Every reason for which the kernel refuses a system call. 0 means success and is not here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Error { $($(#[$doc])* $name = $number,)* }

        impl Error {
            /// Every error, in numeric order.
            pub const ALL: &'static [Error] = &[$(Error::$name),*];

            /// The error with this number.
            pub const fn from_u32(number: u32) -> Option<Error> {
                match number { $($number => Some(Error::$name),)* _ => None }
            }

            /// One sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Error::$name => $text,)* }
            }
        }
    };
}

errors! {
    /// There is no system call or method with this number.
    InvalidCall = 1, "no such system call or method";
    /// The index is outside the capability space.
    InvalidIndex = 2, "capability index out of range";
    /// The slot named is empty.
    EmptySlot = 3, "the slot is empty";
    /// The slot to be filled holds something.
    OccupiedSlot = 4, "the destination slot is occupied";
    /// The capability is of another kind than the call needs.
    WrongKind = 5, "the capability is of the wrong kind";
    /// The capability lacks a right that the call needs.
    MissingRights = 6, "the capability lacks a right";
    /// An argument is outside what the method takes.
    InvalidArgument = 7, "invalid argument";
    /// An address or size is not aligned as it must be.
    Misaligned = 8, "address or size is misaligned";
    /// The untyped memory has no room left for this.
    OutOfMemory = 9, "not enough untyped memory left";
    /// The address space object has no table left; make a larger one.
    OutOfTables = 10, "the address space has no page table left";
    /// The derivation or containment would be deeper than 255.
    TooDeep = 11, "derivation too deep";
    /// Capabilities of this kind can be moved, not copied.
    NotCopyable = 12, "capabilities of this kind cannot be copied";
    /// Device memory cannot become this kind of object.
    DeviceMemory = 13, "device memory cannot become this object";
    /// This capability or this place in the address space is mapped already.
    AlreadyMapped = 14, "already mapped";
    /// The capability is not mapped.
    NotMapped = 15, "not mapped";
    /// It is bound already; unbind first.
    AlreadyBound = 16, "already bound";
    /// Nothing is bound there.
    NotBound = 17, "not bound";
    /// The Reply still has a caller who waits.
    ReplyBusy = 18, "the reply object still has a caller";
    /// Nobody waits for this reply (any more).
    NoCaller = 19, "nobody waits for this reply";
    /// The receiver offered no Reply object, so a call cannot be answered.
    NoReply = 20, "the receiver offers no reply object";
    /// The other side or the object went away while the call waited.
    Canceled = 21, "canceled: the object or partner went away";
    /// A non-blocking call would have had to wait.
    WouldBlock = 22, "would block";
    /// The thread lacks something that the call needs (an IPC buffer, say).
    MissingBinding = 23, "the thread lacks a binding that this needs";
    /// The processor or device lacks the feature.
    Unsupported = 24, "not supported by this machine";
    /// Something else has this interrupt, port or processor.
    InUse = 25, "in use";
    /// A kernel table of fixed size is full (address space identifiers).
    TableFull = 26, "a kernel table is full";
    /// A capability space would come to lie inside what it holds; move it to an older one.
    Cycle = 27, "the capability would contain its own container";
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_zero_is_no_error() {
        assert_eq!(Error::from_u32(0), None);
        for e in Error::ALL {
            assert_eq!(Error::from_u32(*e as u32), Some(*e));
        }
        assert_eq!(Error::from_u32(Error::ALL.len() as u32 + 1), None);
    }
}
