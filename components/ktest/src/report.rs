//! What the harness reads.

use crate::KERNEL;
use core::fmt::{self, Write};
use pagurus_rt::abi::Error;

/// Why a test failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// The kernel refused what it should have done.
    Refused(Error),
    /// What should hold does not: a text and two figures.
    Broken(&'static str, u64, u64),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(error) => write!(f, "the kernel refused: {error}"),
            Failure::Broken(what, a, b) => write!(f, "{what} ({a:#x}, {b:#x})"),
        }
    }
}

/// Outcome of a test.
pub type Outcome = Result<(), Failure>;

/// Fails unless `a` equals `b`.
pub fn equal(what: &'static str, a: u64, b: u64) -> Outcome {
    if a == b {
        Ok(())
    } else {
        Err(Failure::Broken(what, a, b))
    }
}

/// Fails unless `condition` holds.
pub fn ensure(what: &'static str, condition: bool) -> Outcome {
    equal(what, condition.into(), 1)
}

/// Fails unless `result` is this error.
pub fn refused<T>(what: &'static str, result: Result<T, Error>, error: Error) -> Outcome {
    let code = result.err().map_or(0, |e| e as u64);
    equal(what, code, error as u64)
}

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        KERNEL.write(text).map_err(|_| fmt::Error)
    }
}

/// Prints the outcome of a test.
pub fn outcome(name: &str, outcome: &Outcome) {
    // Nobody else could be told if this failed; the harness misses the line.
    let _ = match outcome {
        Ok(()) => writeln!(Console, "TEST {name} ... ok"),
        Err(failure) => writeln!(Console, "TEST {name} ... FAILED {failure}"),
    };
}

/// Prints how many tests there were.
pub fn done(count: usize) {
    let _ = writeln!(Console, "DONE {count}");
}
