//! The component that faults on request: for tests, and to show what happens then.

use crate::wire::{Empty, requests};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

requests! { 5 version 1 {
    1: Crash => Empty;
} }

/// Asks for a fault. Answered only if there is no such fault (`InvalidArgument`); otherwise the call ends with what
/// the parent makes of the fault.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Crash {
    /// A [`FaultMode`].
    pub mode: u64,
}

macro_rules! modes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Ways to fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum FaultMode { $($(#[$doc])* $name = $number,)* }

        impl FaultMode {
            /// Every way, in numeric order.
            pub const ALL: &'static [FaultMode] = &[$(FaultMode::$name),*];

            /// The way with this number.
            pub const fn from_u64(number: u64) -> Option<FaultMode> {
                match number { $($number => Some(FaultMode::$name),)* _ => None }
            }

            /// Its name in descriptions of systems.
            pub const fn name(self) -> &'static str {
                match self { $(FaultMode::$name => $text,)* }
            }
        }
    };
}

modes! {
    /// Reads address 0.
    NullRead = 1, "null-read";
    /// Writes to its own code.
    TextWrite = 2, "text-write";
    /// Executes data.
    DataExecute = 3, "data-execute";
    /// An undefined instruction.
    Undefined = 4, "ud2";
    /// Runs into the guard page below its stack.
    StackOverflow = 5, "stack-overflow";
    /// An instruction for the kernel only.
    Privileged = 6, "privileged";
    /// An I/O port.
    PortAccess = 7, "port";
    /// Divides by zero.
    Divide = 8, "divide";
    /// A non-canonical address.
    NonCanonical = 9, "non-canonical";
    /// Reads the kernel's memory.
    KernelRead = 10, "kernel-read";
    /// A Rust panic.
    Panic = 11, "panic";
    /// Returns from `main`.
    Exit = 12, "exit";
    /// Never gives the processor up.
    Runaway = 13, "runaway";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_names_differ() {
        assert_eq!(FaultMode::from_u64(0), None);
        for (i, mode) in FaultMode::ALL.iter().enumerate() {
            assert_eq!(*mode as usize, i + 1);
            assert_eq!(FaultMode::from_u64(*mode as u64), Some(*mode));
            let same = FaultMode::ALL.iter().filter(|m| m.name() == mode.name());
            assert_eq!(same.count(), 1);
        }
        assert_eq!(FaultMode::from_u64(FaultMode::ALL.len() as u64 + 1), None);
    }
}
