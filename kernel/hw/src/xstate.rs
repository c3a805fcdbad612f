//! Which parts of the extended processor state threads may use, and how many bytes they take.
//!
//! XSAVE areas in the standard format have every component at a fixed offset (SDM volume 1, 13.4.3), so
//! the size is the largest end of the chosen components, gaps included.

/// Bytes for the XSAVE area in a thread object.
pub const LIMIT: usize = 3 * 1024;
/// Bytes of the legacy area (FXSAVE) and the XSAVE header: the least that an XSAVE area takes.
pub const MIN: usize = 576;
/// Bytes of an FXSAVE area, where there is no XSAVE.
pub const FXSAVE: usize = 512;

/// XCR0: x87 state, which cannot be off.
pub const X87: u64 = 1 << 0;
/// XCR0: SSE state.
pub const SSE: u64 = 1 << 1;
/// XCR0: AVX state.
pub const AVX: u64 = 1 << 2;
/// XCR0: the three AVX-512 components, which must be on together and only with AVX (SDM volume 1, 13.3).
pub const AVX512: u64 = 0b111 << 5;

/// A component of the extended state as CPUID leaf 0xd tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its bit in XCR0.
    pub bit: u32,
    /// Offset in the standard format, in bytes.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// XCR0.
    pub xcr0: u64,
    /// Bytes of the XSAVE area.
    pub bytes: usize,
}

/// Chooses x87, SSE, and those groups of vector state that the processor has whole and that fit in `limit`
/// bytes. State of other kinds (protection keys, tiles) stays off, so that components cannot use it and
/// nothing of it can leak from one to another.
pub fn choose(components: impl Iterator<Item = Component> + Clone, limit: usize) -> Choice {
    let mut choice = Choice {
        xcr0: X87 | SSE,
        bytes: MIN,
    };
    for group in [AVX, AVX512] {
        let Some(end) = end_of(components.clone(), group) else {
            break;
        };
        let bytes = choice.bytes.max(end);
        if bytes > limit {
            break;
        }
        choice = Choice {
            xcr0: choice.xcr0 | group,
            bytes,
        };
    }
    choice
}

/// The largest end of the components in `group`, or `None` if one is missing or ill-placed.
fn end_of(components: impl Iterator<Item = Component>, group: u64) -> Option<usize> {
    let mut missing = group;
    let mut end = 0;
    for component in components {
        let bit = 1u64.checked_shl(component.bit).unwrap_or(0);
        if bit & group == 0 {
            continue;
        }
        if (component.offset as usize) < MIN || component.size == 0 {
            return None;
        }
        missing &= !bit;
        end = end.max(component.offset as usize + component.size as usize);
    }
    (missing == 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn component(bit: u32, offset: u32, size: u32) -> Component {
        Component { bit, offset, size }
    }

    /// CPUID leaf 0xd of a Skylake server: AVX, MPX, AVX-512, protection keys.
    const SKYLAKE: [Component; 7] = [
        component(2, 576, 256),
        component(3, 960, 64),
        component(4, 1024, 64),
        component(5, 1088, 64),
        component(6, 1152, 512),
        component(7, 1664, 1024),
        component(9, 2688, 8),
    ];

    #[test]
    fn a_server_gets_avx512_and_no_mpx_or_protection_keys() {
        let choice = choose(SKYLAKE.into_iter(), LIMIT);
        assert_eq!(
            choice,
            Choice {
                xcr0: 0xe7,
                bytes: 2688
            }
        );
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(
            choose(SKYLAKE.into_iter(), 2687),
            Choice {
                xcr0: 7,
                bytes: 832
            }
        );
        assert_eq!(
            choose(SKYLAKE.into_iter(), 831),
            Choice {
                xcr0: 3,
                bytes: MIN
            }
        );
    }

    #[test]
    fn tiles_are_never_chosen() {
        let tiles = [
            component(2, 576, 256),
            component(17, 2752, 64),
            component(18, 2816, 8192),
        ];
        assert_eq!(choose(tiles.into_iter(), 1 << 20).xcr0, 7);
    }

    #[test]
    fn half_of_avx512_is_none() {
        let half = [
            component(2, 576, 256),
            component(5, 832, 64),
            component(6, 896, 512),
        ];
        assert_eq!(
            choose(half.into_iter(), LIMIT),
            Choice {
                xcr0: 7,
                bytes: 832
            }
        );
    }

    #[test]
    fn avx512_needs_avx() {
        let odd = [
            component(5, 832, 64),
            component(6, 896, 512),
            component(7, 1408, 1024),
        ];
        assert_eq!(
            choose(odd.into_iter(), LIMIT),
            Choice {
                xcr0: 3,
                bytes: MIN
            }
        );
    }

    #[test]
    fn nonsense_from_cpuid_is_not_believed() {
        let overlap = [component(2, 100, 256)];
        assert_eq!(
            choose(overlap.into_iter(), LIMIT),
            Choice {
                xcr0: 3,
                bytes: MIN
            }
        );
        let huge = [component(2, u32::MAX, u32::MAX)];
        assert_eq!(
            choose(huge.into_iter(), LIMIT),
            Choice {
                xcr0: 3,
                bytes: MIN
            }
        );
        let wild = [component(200, 576, 256)];
        assert_eq!(
            choose(wild.into_iter(), LIMIT),
            Choice {
                xcr0: 3,
                bytes: MIN
            }
        );
    }
}
