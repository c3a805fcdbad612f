//! The end of a component.

use core::fmt::Display;

/// What `main` may return.
pub trait Outcome {
    /// Exit code (0 if all went well); says in the log what went wrong.
    fn report(self) -> u64;
}

impl Outcome for () {
    fn report(self) -> u64 {
        0
    }
}

impl Outcome for core::convert::Infallible {
    fn report(self) -> u64 {
        match self {}
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn report(self) -> u64 {
        match self {
            Ok(()) => 0,
            Err(error) => {
                log::error!("{error}");
                1
            }
        }
    }
}
