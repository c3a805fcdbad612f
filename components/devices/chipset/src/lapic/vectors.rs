//! A set of vectors, as the interrupt request, in-service and trigger mode registers are.

/// 256 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vectors([u64; 4]);

impl Vectors {
    pub const EMPTY: Vectors = Vectors([0; 4]);

    pub const fn insert(&mut self, vector: u8) {
        self.0[vector as usize / 64] |= 1 << (vector % 64);
    }

    pub const fn remove(&mut self, vector: u8) {
        self.0[vector as usize / 64] &= !(1 << (vector % 64));
    }

    pub const fn contains(&self, vector: u8) -> bool {
        self.0[vector as usize / 64] >> (vector % 64) & 1 != 0
    }

    /// The highest vector: that of highest priority.
    pub const fn highest(&self) -> Option<u8> {
        let mut word = self.0.len();
        while word > 0 {
            word -= 1;
            if self.0[word] != 0 {
                return Some((word * 64 + self.0[word].ilog2() as usize) as u8);
            }
        }
        None
    }

    /// The register that shows vectors 32 · `index` to 32 · `index` + 31.
    pub const fn register(&self, index: u32) -> u32 {
        (self.0[(index / 2 % 4) as usize] >> (32 * (index % 2))) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(steps in prop::collection::vec((any::<u8>(), any::<bool>()), 0..100)) {
            let mut vectors = Vectors::EMPTY;
            let mut model = BTreeSet::new();
            for (vector, insert) in steps {
                if insert {
                    vectors.insert(vector);
                    model.insert(vector);
                } else {
                    vectors.remove(vector);
                    model.remove(&vector);
                }
                prop_assert_eq!(vectors.highest(), model.last().copied());
            }
            for vector in 0..=255 {
                prop_assert_eq!(vectors.contains(vector), model.contains(&vector));
                let shown = vectors.register(u32::from(vector) / 32) >> (vector % 32) & 1 != 0;
                prop_assert_eq!(shown, model.contains(&vector));
            }
        }
    }
}
