//! Declared processors.

use crate::error::ProfileError;
use crate::feature::{Feature, FeatureSet};

/// The processor that a VM may have.
///
/// In a description (TOML):
///
/// ```toml
/// level = "x86-64-v3"                  # machine (what is not said is this), x86-64-v2, -v3, -v4
/// hide = ["rdrand"]
/// require = ["aes"]
/// physical_bits = 40
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Profile {
    /// The features that it may have at most.
    pub level: Level,
    /// Features that it does not have, whatever the level.
    pub hide: FeatureSet,
    /// Features without which the VM does not start, beside those of the level.
    pub require: FeatureSet,
    /// Bits of physical addresses; what is not said is 40, or what the machine has if that is less.
    pub physical_bits: Option<u8>,
}

/// Which features there are at most.
///
/// The levels of the x86-64 psABI name sets of instructions that programs may rely on: a VM with a level can
/// move to any machine that has it. The VM does not start if the machine lacks any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Level {
    /// Whatever the machine has.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "machine"))]
    Machine,
    /// Up to SSE4.2.
    #[cfg_attr(feature = "serde", serde(rename = "x86-64-v2"))]
    V2,
    /// Up to AVX2.
    #[cfg_attr(feature = "serde", serde(rename = "x86-64-v3"))]
    V3,
    /// Up to AVX-512.
    #[cfg_attr(feature = "serde", serde(rename = "x86-64-v4"))]
    V4,
}

/// What every 64-bit processor has.
const V1: FeatureSet = FeatureSet::of(&[
    Feature::Fpu,
    Feature::De,
    Feature::Pse,
    Feature::Tsc,
    Feature::Msr,
    Feature::Pae,
    Feature::Cx8,
    Feature::Sep,
    Feature::Pge,
    Feature::Cmov,
    Feature::Pat,
    Feature::Pse36,
    Feature::Clflush,
    Feature::Mmx,
    Feature::Fxsr,
    Feature::Sse,
    Feature::Sse2,
    Feature::Syscall,
    Feature::Nx,
    Feature::Lm,
]);

const V2: FeatureSet = V1.union(FeatureSet::of(&[
    Feature::Cx16,
    Feature::LahfLm,
    Feature::Popcnt,
    Feature::Sse3,
    Feature::Ssse3,
    Feature::Sse4_1,
    Feature::Sse4_2,
]));

const V3: FeatureSet = V2.union(FeatureSet::of(&[
    Feature::Xsave,
    Feature::Avx,
    Feature::Avx2,
    Feature::Bmi1,
    Feature::Bmi2,
    Feature::F16c,
    Feature::Fma,
    Feature::Abm,
    Feature::Movbe,
]));

const V4: FeatureSet = V3.union(FeatureSet::of(&[
    Feature::Avx512f,
    Feature::Avx512bw,
    Feature::Avx512cd,
    Feature::Avx512dq,
    Feature::Avx512vl,
]));

impl Level {
    /// The features at most.
    pub const fn offered(self) -> FeatureSet {
        match self {
            Level::Machine => FeatureSet::ALL,
            level => level.required(),
        }
    }

    /// The features at least.
    pub const fn required(self) -> FeatureSet {
        match self {
            Level::Machine => V1,
            Level::V2 => V2,
            Level::V3 => V3,
            Level::V4 => V4,
        }
    }
}

impl Profile {
    /// The profile of this name: `default`, or that of a level.
    pub fn named(name: &str) -> Option<Profile> {
        let level = match name {
            "default" | "machine" => Level::Machine,
            "x86-64-v2" => Level::V2,
            "x86-64-v3" => Level::V3,
            "x86-64-v4" => Level::V4,
            _ => return None,
        };
        Some(Profile {
            level,
            ..Profile::default()
        })
    }

    /// The features that a guest gets on a machine with these.
    pub(crate) fn select(&self, machine: FeatureSet) -> Result<FeatureSet, ProfileError> {
        if let Some(feature) = self.require.intersection(self.hide).iter().next() {
            return Err(ProfileError::Contradiction(feature));
        }
        if !V1.difference(machine).is_empty() {
            return Err(ProfileError::TooOld);
        }
        let offered = self.level.offered().union(self.require);
        let features = offered.intersection(machine).difference(self.hide).closed();
        let required = self.level.required().difference(self.hide);
        let missing = required.union(self.require).difference(features);
        // What was hidden takes with it what needs it; that is not missing.
        let missing = missing.intersection(required.union(self.require).difference(self.hidden()));
        if missing.is_empty() {
            Ok(features)
        } else {
            Err(ProfileError::Missing(missing))
        }
    }

    /// What is hidden, and what needs it.
    fn hidden(&self) -> FeatureSet {
        let left = FeatureSet::ALL.difference(self.hide).closed();
        FeatureSet::ALL.difference(left)
    }
}

#[cfg(feature = "serde")]
mod names {
    //! Sets of features as lists of names.

    use crate::feature::{Feature, FeatureSet};
    use core::fmt;
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    impl Serialize for FeatureSet {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.iter().map(Feature::name))
        }
    }

    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = FeatureSet;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of CPU features as in /proc/cpuinfo")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FeatureSet, A::Error> {
            let mut set = FeatureSet::EMPTY;
            while let Some(Name(feature)) = list.next_element()? {
                set = set.union(FeatureSet::of(&[feature]));
            }
            Ok(set)
        }
    }

    struct Name(Feature);

    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
            struct One;

            impl Visitor<'_> for One {
                type Value = Name;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("the name of a CPU feature")
                }

                fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                    Feature::from_name(name).map(Name).ok_or_else(|| {
                        E::custom(format_args!(
                            "no CPU feature that guests may have: '{name}'"
                        ))
                    })
                }
            }

            deserializer.deserialize_str(One)
        }
    }

    impl<'de> Deserialize<'de> for FeatureSet {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FeatureSet, D::Error> {
            deserializer.deserialize_seq(Names)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_grow() {
        for (small, large) in [(Level::V2, Level::V3), (Level::V3, Level::V4)] {
            let rest = small.required().difference(large.required());
            assert!(rest.is_empty());
            assert_eq!(small.required().closed(), small.required());
        }
    }

    #[test]
    fn a_level_is_had_whole_or_not_at_all() {
        let v3 = Profile::named("x86-64-v3").expect("a profile");
        assert_eq!(v3.select(FeatureSet::ALL), Ok(V3));
        let without = FeatureSet::ALL.difference(FeatureSet::of(&[Feature::Movbe]));
        let missing = FeatureSet::of(&[Feature::Movbe]);
        assert_eq!(v3.select(without), Err(ProfileError::Missing(missing)));
        // Unless the VM can do without it.
        let hidden = Profile {
            hide: missing,
            ..v3
        };
        assert_eq!(hidden.select(without), Ok(V3.difference(missing)));
        // What needs something that is hidden goes too.
        let no_avx = Profile {
            hide: FeatureSet::of(&[Feature::Avx]),
            ..v3
        };
        let features = no_avx.select(FeatureSet::ALL).expect("features");
        assert!(!features.contains(Feature::Fma) && features.contains(Feature::Bmi2));
    }

    #[test]
    fn requirements() {
        let aes = FeatureSet::of(&[Feature::Aes]);
        let profile = Profile {
            level: Level::V2,
            require: aes,
            ..Profile::default()
        };
        assert_eq!(profile.select(FeatureSet::ALL), Ok(V2.union(aes)));
        let without = FeatureSet::ALL.difference(aes);
        assert_eq!(profile.select(without), Err(ProfileError::Missing(aes)));
        let both = Profile {
            hide: aes,
            ..profile
        };
        assert_eq!(
            both.select(without),
            Err(ProfileError::Contradiction(Feature::Aes))
        );
        assert_eq!(
            Profile::default().select(FeatureSet::EMPTY),
            Err(ProfileError::TooOld)
        );
        assert_eq!(Profile::named("pentium"), None);
    }
}
