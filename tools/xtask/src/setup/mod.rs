//! Brings what a command needs and is not there yet.

pub mod archive;
mod packages;
mod target;

use crate::toolchain::Toolchain;
use anyhow::Result;

pub use packages::Need;

/// Makes sure that these parts of the set-up are there, and says which tool chain builds for the machine.
///
/// What is there is found by looking for files, so that a second call costs milliseconds.
pub fn ensure(needs: &[Need]) -> Result<Toolchain> {
    packages::ensure(needs)?;
    let toolchain = target::ensure()?;
    if needs.contains(&Need::Checks) {
        packages::ensure_checkers(&toolchain)?;
    }
    Ok(toolchain)
}
