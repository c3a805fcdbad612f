//! Extended state that XSAVE keeps: leaf 0xd (SDM volume 1, chapter 13).

use crate::cpu::{XCR0_AVX, XCR0_AVX512, XCR0_LEGACY};
use crate::feature::{Feature, FeatureSet};
use crate::machine::Machine;

/// Components that guests may have: x87 and SSE (0 and 1) and the ones up to AVX-512 (7).
const COMPONENTS: usize = 8;
/// Bytes of the legacy area and the header.
const LEGACY_BYTES: u32 = 576;
/// Leaf 0xd, ecx of a component: at a multiple of 64 bytes in the compacted format.
const ALIGNED: u32 = 1 << 1;

/// What leaf 0xd answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedState {
    xcr0: u64,
    /// Subleaf 1, eax.
    instructions: u32,
    /// Subleaves from 0 on; those of components that there are not stay 0.
    components: [[u32; 4]; COMPONENTS],
}

impl ExtendedState {
    /// For a processor with these features.
    pub fn new(features: FeatureSet, machine: &impl Machine) -> ExtendedState {
        let has = |feature, bits| {
            if features.contains(feature) { bits } else { 0 }
        };
        let xcr0 = has(Feature::Xsave, XCR0_LEGACY)
            | has(Feature::Avx, XCR0_AVX)
            | has(Feature::Avx512f, XCR0_AVX512);
        let mut components = [[0; 4]; COMPONENTS];
        for (number, place) in (0..).zip(&mut components) {
            if number >= 2 && xcr0 >> number & 1 != 0 {
                let [size, offset, flags, _] = machine.cpuid(0xd, number);
                *place = [size, offset, flags & ALIGNED, 0];
            }
        }
        let bit = |feature: Feature| {
            let (_, _, _, bit) = feature.bit();
            u32::from(features.contains(feature)) << bit
        };
        ExtendedState {
            xcr0,
            instructions: bit(Feature::Xsaveopt) | bit(Feature::Xsavec) | bit(Feature::Xgetbv1),
            components,
        }
    }

    /// Components that the guest may enable.
    pub const fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// The answer, with these components enabled.
    pub fn leaf(&self, subleaf: u32, enabled: u64) -> [u32; 4] {
        if self.xcr0 == 0 {
            return [0; 4];
        }
        match subleaf {
            0 => {
                let (now, most) = (self.size(enabled), self.size(self.xcr0));
                [self.xcr0 as u32, now, most, (self.xcr0 >> 32) as u32]
            }
            1 => [self.instructions, self.compacted_size(enabled), 0, 0],
            _ => {
                let components = self.components.get(subleaf as usize);
                components.copied().unwrap_or_default()
            }
        }
    }

    fn enabled(&self, enabled: u64) -> impl Iterator<Item = &[u32; 4]> {
        let numbered = (0..).zip(&self.components);
        let mine = numbered.filter(move |(number, _)| (enabled & self.xcr0) >> number & 1 != 0);
        mine.map(|(_, component)| component)
    }

    /// Bytes in the standard format, in which every component has its place.
    fn size(&self, enabled: u64) -> u32 {
        let ends = self
            .enabled(enabled)
            .map(|[size, offset, _, _]| offset.saturating_add(*size));
        ends.fold(LEGACY_BYTES, u32::max)
    }

    /// Bytes in the compacted format.
    fn compacted_size(&self, enabled: u64) -> u32 {
        if self.instructions >> 1 & 1 == 0 {
            return 0;
        }
        self.enabled(enabled)
            .fold(LEGACY_BYTES, |end, [size, _, flags, _]| {
                let start = if flags & ALIGNED != 0 {
                    end.checked_next_multiple_of(64).unwrap_or(end)
                } else {
                    end
                };
                start.saturating_add(*size)
            })
    }
}
