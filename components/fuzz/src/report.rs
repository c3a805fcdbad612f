//! What the harness reads.

use crate::KERNEL;
use core::fmt::{self, Write};
use pagurus_rt::abi::Error;

/// Why a test failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The kernel refused what it should have done.
    Refused(&'static str, Error),
    /// What should hold does not: a text and two figures.
    Broken(&'static str, u64, u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(what, error) => write!(f, "{what}: the kernel refused: {error}"),
            Failure::Broken(what, a, b) => write!(f, "{what} ({a:#x}, {b:#x})"),
        }
    }
}

/// Outcome of a test.
pub type Outcome = Result<(), Failure>;

/// Says what was being done when the kernel refused.
pub trait Doing<T> {
    /// `what` was being done.
    fn doing(self, what: &'static str) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Refused(what, error))
    }
}

/// Fails unless `a` equals `b`.
pub fn equal(what: &'static str, a: u64, b: u64) -> Outcome {
    if a == b {
        Ok(())
    } else {
        Err(Failure::Broken(what, a, b))
    }
}

/// The kernel's console.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        KERNEL.write(text).map_err(|_| fmt::Error)
    }
}

/// Prints a line. Nobody could be told if that failed; the harness misses the line.
macro_rules! say {
    ($($what:tt)*) => {{
        use core::fmt::Write;
        let _ = writeln!($crate::report::Console, $($what)*);
    }};
}
pub(crate) use say;

/// Prints the outcome of a test.
pub fn outcome(name: &str, seed: u64, outcome: &Outcome) {
    match outcome {
        Ok(()) => say!("TEST {name} ... ok"),
        Err(failure) => say!("TEST {name} ... FAILED seed={seed}: {failure}"),
    }
}
