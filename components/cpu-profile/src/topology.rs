//! How the processors of a VM are arranged.

use crate::error::ProfileError;

/// Packages of cores of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Topology {
    /// Packages.
    pub packages: u8,
    /// Cores of a package.
    pub cores: u8,
    /// Threads of a core.
    pub threads: u8,
}

impl Topology {
    /// One package with so many cores.
    pub const fn cores(cores: u8) -> Topology {
        Topology {
            packages: 1,
            cores,
            threads: 1,
        }
    }

    /// Processors of a package.
    pub const fn per_package(self) -> u32 {
        self.cores as u32 * self.threads as u32
    }

    /// Processors in all.
    pub const fn processors(self) -> u32 {
        self.packages as u32 * self.per_package()
    }

    /// Bits of an APIC ID that number threads within a core.
    pub(crate) const fn thread_bits(self) -> u32 {
        bits(self.threads as u32)
    }

    /// Bits of an APIC ID that number processors within a package.
    pub(crate) const fn package_shift(self) -> u32 {
        self.thread_bits() + bits(self.cores as u32)
    }

    /// The APIC ID of a processor, which are counted thread by thread, core by core, package by package.
    pub const fn apic_id(self, processor: u32) -> u32 {
        let thread = processor % self.threads as u32;
        let core = processor / self.threads as u32 % self.cores as u32;
        let package = processor / self.per_package();
        package << self.package_shift() | core << self.thread_bits() | thread
    }

    pub(crate) fn check(self) -> Result<(), ProfileError> {
        if (1..=255).contains(&self.processors()) {
            Ok(())
        } else {
            Err(ProfileError::Topology)
        }
    }
}

/// Bits that number so many things.
const fn bits(count: u32) -> u32 {
    count.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apic_ids_leave_gaps_where_numbers_are_odd() {
        let topology = Topology {
            packages: 2,
            cores: 3,
            threads: 2,
        };
        let ids: Vec<u32> = (0..12).map(|n| topology.apic_id(n)).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]);
        assert_eq!((topology.thread_bits(), topology.package_shift()), (1, 3));
        let plain = Topology::cores(5);
        assert_eq!(
            (0..5).map(|n| plain.apic_id(n)).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(Topology::cores(0).check(), Err(ProfileError::Topology));
        assert_eq!(Topology::cores(255).check(), Ok(()));
        let large = Topology {
            packages: 2,
            cores: 128,
            threads: 1,
        };
        assert_eq!(large.check(), Err(ProfileError::Topology));
    }
}
