//! The features that guests may have.

use core::fmt;

/// A register that CPUID answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Their names are their meaning.
pub enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

macro_rules! features {
    ($($variant:ident $name:literal = $leaf:literal.$subleaf:literal $register:ident $bit:literal $(needs $needs:ident)?,)*) => {
        /// A feature of a processor that a guest may have if the machine has it.
        ///
        /// The variants are named as in the manuals, their names in descriptions as in Linux
        /// (`/proc/cpuinfo`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // The manuals say what they are.
        pub enum Feature { $($variant,)* }

        impl Feature {
            /// All of them.
            pub const ALL: &'static [Feature] = &[$(Feature::$variant,)*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Feature::$variant => $name,)* }
            }

            /// Where CPUID shows it: leaf, subleaf, register, bit.
            pub const fn bit(self) -> (u32, u32, Register, u32) {
                match self {
                    $(Feature::$variant => ($leaf, $subleaf, Register::$register, $bit),)*
                }
            }

            /// What it makes no sense without.
            pub const fn needs(self) -> Option<Feature> {
                match self {
                    $($(Feature::$variant => Some(Feature::$needs),)?)*
                    _ => None,
                }
            }
        }
    };
}

features! {
    Fpu "fpu" = 1 . 0 Edx 0,
    Vme "vme" = 1 . 0 Edx 1,
    De "de" = 1 . 0 Edx 2,
    Pse "pse" = 1 . 0 Edx 3,
    Tsc "tsc" = 1 . 0 Edx 4,
    Msr "msr" = 1 . 0 Edx 5,
    Pae "pae" = 1 . 0 Edx 6,
    Cx8 "cx8" = 1 . 0 Edx 8,
    Sep "sep" = 1 . 0 Edx 11,
    Pge "pge" = 1 . 0 Edx 13,
    Cmov "cmov" = 1 . 0 Edx 15,
    Pat "pat" = 1 . 0 Edx 16,
    Pse36 "pse36" = 1 . 0 Edx 17,
    Clflush "clflush" = 1 . 0 Edx 19,
    Mmx "mmx" = 1 . 0 Edx 23,
    Fxsr "fxsr" = 1 . 0 Edx 24,
    Sse "sse" = 1 . 0 Edx 25,
    Sse2 "sse2" = 1 . 0 Edx 26 needs Sse,
    Ss "ss" = 1 . 0 Edx 27,
    Sse3 "pni" = 1 . 0 Ecx 0 needs Sse2,
    Pclmulqdq "pclmulqdq" = 1 . 0 Ecx 1 needs Sse2,
    Ssse3 "ssse3" = 1 . 0 Ecx 9 needs Sse3,
    Fma "fma" = 1 . 0 Ecx 12 needs Avx,
    Cx16 "cx16" = 1 . 0 Ecx 13,
    Sse4_1 "sse4_1" = 1 . 0 Ecx 19 needs Ssse3,
    Sse4_2 "sse4_2" = 1 . 0 Ecx 20 needs Sse4_1,
    Movbe "movbe" = 1 . 0 Ecx 22,
    Popcnt "popcnt" = 1 . 0 Ecx 23,
    Aes "aes" = 1 . 0 Ecx 25 needs Sse2,
    Xsave "xsave" = 1 . 0 Ecx 26 needs Fxsr,
    Avx "avx" = 1 . 0 Ecx 28 needs Xsave,
    F16c "f16c" = 1 . 0 Ecx 29 needs Avx,
    Rdrand "rdrand" = 1 . 0 Ecx 30,
    Fsgsbase "fsgsbase" = 7 . 0 Ebx 0,
    Bmi1 "bmi1" = 7 . 0 Ebx 3,
    Avx2 "avx2" = 7 . 0 Ebx 5 needs Avx,
    Smep "smep" = 7 . 0 Ebx 7,
    Bmi2 "bmi2" = 7 . 0 Ebx 8,
    Erms "erms" = 7 . 0 Ebx 9,
    Avx512f "avx512f" = 7 . 0 Ebx 16 needs Avx2,
    Avx512dq "avx512dq" = 7 . 0 Ebx 17 needs Avx512f,
    Rdseed "rdseed" = 7 . 0 Ebx 18,
    Adx "adx" = 7 . 0 Ebx 19,
    Smap "smap" = 7 . 0 Ebx 20,
    Avx512ifma "avx512ifma" = 7 . 0 Ebx 21 needs Avx512f,
    Clflushopt "clflushopt" = 7 . 0 Ebx 23,
    Clwb "clwb" = 7 . 0 Ebx 24,
    Avx512cd "avx512cd" = 7 . 0 Ebx 28 needs Avx512f,
    Sha "sha_ni" = 7 . 0 Ebx 29 needs Sse2,
    Avx512bw "avx512bw" = 7 . 0 Ebx 30 needs Avx512f,
    Avx512vl "avx512vl" = 7 . 0 Ebx 31 needs Avx512f,
    Avx512vbmi "avx512vbmi" = 7 . 0 Ecx 1 needs Avx512f,
    Umip "umip" = 7 . 0 Ecx 2,
    Avx512vbmi2 "avx512_vbmi2" = 7 . 0 Ecx 6 needs Avx512f,
    Gfni "gfni" = 7 . 0 Ecx 8 needs Sse2,
    Vaes "vaes" = 7 . 0 Ecx 9 needs Avx,
    Vpclmulqdq "vpclmulqdq" = 7 . 0 Ecx 10 needs Avx,
    Avx512vnni "avx512_vnni" = 7 . 0 Ecx 11 needs Avx512f,
    Avx512bitalg "avx512_bitalg" = 7 . 0 Ecx 12 needs Avx512f,
    Avx512vpopcntdq "avx512_vpopcntdq" = 7 . 0 Ecx 14 needs Avx512f,
    Movdiri "movdiri" = 7 . 0 Ecx 27,
    Fsrm "fsrm" = 7 . 0 Edx 4,
    MdClear "md_clear" = 7 . 0 Edx 10,
    Serialize "serialize" = 7 . 0 Edx 14,
    Avx512fp16 "avx512_fp16" = 7 . 0 Edx 23 needs Avx512bw,
    AvxVnni "avx_vnni" = 7 . 1 Eax 4 needs Avx2,
    Avx512bf16 "avx512_bf16" = 7 . 1 Eax 5 needs Avx512f,
    Fzrm "fzrm" = 7 . 1 Eax 10,
    Fsrs "fsrs" = 7 . 1 Eax 11,
    Fsrc "fsrc" = 7 . 1 Eax 12,
    Xsaveopt "xsaveopt" = 0xd . 1 Eax 0 needs Xsave,
    Xsavec "xsavec" = 0xd . 1 Eax 1 needs Xsave,
    Xgetbv1 "xgetbv1" = 0xd . 1 Eax 2 needs Xsave,
    LahfLm "lahf_lm" = 0x8000_0001 . 0 Ecx 0,
    Abm "abm" = 0x8000_0001 . 0 Ecx 5,
    Sse4a "sse4a" = 0x8000_0001 . 0 Ecx 6 needs Sse3,
    Misalignsse "misalignsse" = 0x8000_0001 . 0 Ecx 7 needs Sse,
    Prefetchw "3dnowprefetch" = 0x8000_0001 . 0 Ecx 8,
    Xop "xop" = 0x8000_0001 . 0 Ecx 11 needs Avx,
    Fma4 "fma4" = 0x8000_0001 . 0 Ecx 16 needs Avx,
    Tbm "tbm" = 0x8000_0001 . 0 Ecx 21,
    Syscall "syscall" = 0x8000_0001 . 0 Edx 11,
    Nx "nx" = 0x8000_0001 . 0 Edx 20,
    Mmxext "mmxext" = 0x8000_0001 . 0 Edx 22 needs Mmx,
    FxsrOpt "fxsr_opt" = 0x8000_0001 . 0 Edx 25 needs Fxsr,
    Pdpe1gb "pdpe1gb" = 0x8000_0001 . 0 Edx 26,
    Rdtscp "rdtscp" = 0x8000_0001 . 0 Edx 27,
    Lm "lm" = 0x8000_0001 . 0 Edx 29,
    Clzero "clzero" = 0x8000_0008 . 0 Ebx 0,
    Xsaveerptr "xsaveerptr" = 0x8000_0008 . 0 Ebx 2 needs Xsave,
    LfenceRdtsc "lfence_rdtsc" = 0x8000_0021 . 0 Eax 2,
    NullSelClrBase "null_sel_clr_base" = 0x8000_0021 . 0 Eax 6,
}

impl Feature {
    /// The feature of this name.
    pub fn from_name(name: &str) -> Option<Feature> {
        let mut all = Feature::ALL.iter();
        all.find(|feature| feature.name() == name).copied()
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeatureSet(u128);

const _: () = assert!(Feature::ALL.len() <= 128);

impl FeatureSet {
    /// None.
    pub const EMPTY: FeatureSet = FeatureSet(0);

    /// All that there are.
    pub const ALL: FeatureSet = FeatureSet(u128::MAX >> (128 - Feature::ALL.len()));

    /// These.
    pub const fn of(features: &[Feature]) -> FeatureSet {
        let mut set = FeatureSet(0);
        let mut index = 0;
        while index < features.len() {
            set.0 |= 1 << features[index] as u8;
            index += 1;
        }
        set
    }

    /// Whether it is in the set.
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 >> feature as u8 & 1 != 0
    }

    /// What is in either.
    pub const fn union(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 | other.0)
    }

    /// What is in both.
    pub const fn intersection(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 & other.0)
    }

    /// What is in this one only.
    pub const fn difference(self, other: FeatureSet) -> FeatureSet {
        FeatureSet(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The features in it.
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        let all = Feature::ALL.iter().copied();
        all.filter(move |feature| self.contains(*feature))
    }

    /// Less what makes no sense without something that is not in it.
    pub(crate) fn closed(self) -> FeatureSet {
        let mut set = self;
        loop {
            let orphan = |feature: &Feature| {
                let needs = feature.needs();
                needs.is_some_and(|needed| !set.contains(needed))
            };
            match set.iter().find(orphan) {
                Some(feature) => set.0 &= !(1 << feature as u8),
                None => return set,
            }
        }
    }
}

impl FromIterator<Feature> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> FeatureSet {
        features
            .into_iter()
            .fold(FeatureSet::EMPTY, |set, feature| {
                FeatureSet(set.0 | 1 << feature as u8)
            })
    }
}

impl fmt::Display for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, feature) in self.iter().enumerate() {
            let gap = if number == 0 { "" } else { ", " };
            write!(f, "{gap}{}", feature.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_are_unique() {
        for (number, feature) in Feature::ALL.iter().enumerate() {
            assert_eq!(*feature as usize, number);
            assert_eq!(Feature::from_name(feature.name()), Some(*feature));
            let same = Feature::ALL
                .iter()
                .filter(|other| other.bit() == feature.bit());
            assert_eq!(same.count(), 1, "{}", feature.name());
        }
        assert_eq!(FeatureSet::ALL.iter().count(), Feature::ALL.len());
    }

    #[test]
    fn what_is_needed_goes_first() {
        let without_xsave = FeatureSet::ALL.difference(FeatureSet::of(&[Feature::Xsave]));
        let closed = without_xsave.closed();
        for gone in [
            Feature::Avx,
            Feature::Avx2,
            Feature::Avx512bf16,
            Feature::Xop,
        ] {
            assert!(!closed.contains(gone), "{}", gone.name());
        }
        assert!(closed.contains(Feature::Sse4_2));
        assert_eq!(FeatureSet::ALL.closed(), FeatureSet::ALL);
        assert_eq!(closed.closed(), closed);
    }

    #[test]
    fn sets_read_well() {
        let set = FeatureSet::of(&[Feature::Avx2, Feature::Nx]);
        assert_eq!(set.to_string(), "avx2, nx");
        assert_eq!(set.iter().collect::<FeatureSet>(), set);
    }
}
