//! Static checks of a system's description.
#![forbid(unsafe_code)]

use pagurus_capdl_spec::{Diagnostics, Source, SystemSpec};

/// Checks `system`, which was read from `source`.
pub fn check(_source: &Source, _system: &SystemSpec) -> Result<(), Diagnostics> {
    Ok(())
}
