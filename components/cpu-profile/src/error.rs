//! Why there is no processor for a VM.

use crate::feature::{Feature, FeatureSet};
use core::fmt;

/// Why a profile cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileError {
    /// The machine, or what runs on it, lacks features that the profile requires.
    Missing(FeatureSet),
    /// The machine is no 64-bit processor with SSE2.
    TooOld,
    /// A feature is required and hidden at the same time.
    Contradiction(Feature),
    /// Processors cannot be arranged so: the number of threads, cores or packages is 0 or too large.
    Topology,
    /// A frequency of the clock is 0.
    Clock,
    /// Physical addresses of so many bits are not possible on this machine.
    PhysicalBits(u8),
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileError::Missing(features) => write!(
                f,
                "the CPU profile requires what this machine does not have: {features}"
            ),
            ProfileError::TooOld => {
                f.write_str("the machine is not a 64-bit processor with SSE2")
            }
            ProfileError::Contradiction(feature) => write!(
                f,
                "the CPU profile both requires and hides '{}'",
                feature.name()
            ),
            ProfileError::Topology => f.write_str(
                "processors cannot be arranged so; threads, cores and packages must be at least 1 and at most 255 in all",
            ),
            ProfileError::Clock => f.write_str("a clock frequency of 0"),
            ProfileError::PhysicalBits(bits) => write!(
                f,
                "physical addresses of {bits} bits are not possible on this machine"
            ),
        }
    }
}

impl core::error::Error for ProfileError {}
