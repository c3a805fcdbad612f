//! The invariants of the kernel's state, checked on the live system.

use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::Kind;
use pagurus_cap::check::Violation;

/// Checks everything and returns the number of capabilities.
///
/// # Errors
/// The first violation found.
pub fn all<M: Machine>(k: &Kernel<M>) -> Result<u64, Violation> {
    let physical = |kind: Kind, object: usize| match kind {
        Kind::Untyped | Kind::Frame => object,
        _ => k.machine.physical(object) as usize,
    };
    pagurus_cap::check::tree(k, k.head, physical)
}
