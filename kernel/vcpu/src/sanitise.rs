//! Values that would fault in the kernel, or take something from the host, if a guest got them as a VMM wrote them.

/// XCR0 bits (SDM volume 1, 13.3).
mod xcr0 {
    pub const X87: u64 = 1;
    pub const SSE: u64 = 2;
    pub const AVX: u64 = 4;
    pub const MPX: u64 = 0x18;
    pub const AVX512: u64 = 0xe0;
    pub const AMX: u64 = 0x6_0000;
}

/// `wanted` as a value of XCR0 on a machine that has `host` enabled; `None` if XSETBV would fault.
///
/// x87 is always there; AVX needs SSE, AVX-512 needs AVX, and AVX-512, MPX and AMX are all or nothing.
pub const fn xcr0(wanted: u64, host: u64) -> Option<u64> {
    if wanted & !host != 0 || wanted & xcr0::X87 == 0 {
        return None;
    }
    if wanted & xcr0::AVX != 0 && wanted & xcr0::SSE == 0 {
        return None;
    }
    if wanted & xcr0::AVX512 != 0
        && (wanted & xcr0::AVX512 != xcr0::AVX512 || wanted & xcr0::AVX == 0)
    {
        return None;
    }
    if wanted & xcr0::MPX != 0 && wanted & xcr0::MPX != xcr0::MPX {
        return None;
    }
    if wanted & xcr0::AMX != 0 && wanted & xcr0::AMX != xcr0::AMX {
        return None;
    }
    Some(wanted)
}

/// Whether every byte of `value` is a memory type of the page attribute table (APM volume 2, 7.8.1).
pub const fn is_pat(value: u64) -> bool {
    let mut rest = value;
    let mut n = 0;
    while n < 8 {
        if !matches!(rest as u8, 0 | 1 | 4 | 5 | 6 | 7) {
            return false;
        }
        rest >>= 8;
        n += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xcr0_keeps_the_rules_of_the_processor() {
        let host = 0x6_02ff;
        for good in [1, 3, 7, 0x1b, 0x1f, 0xe7, 0xff, 0x203, 0x6_0007] {
            assert_eq!(xcr0(good, host), Some(good), "{good:#x}");
        }
        for bad in [0, 2, 5, 0x27, 0xe3, 0xb, 0x2_0007, 1 << 63 | 1] {
            assert_eq!(xcr0(bad, host), None, "{bad:#x}");
        }
        assert_eq!(xcr0(7, 3), None, "the machine has no AVX");
    }

    #[test]
    fn memory_types() {
        assert!(is_pat(0x0007_0406_0007_0406));
        assert!(is_pat(0));
        assert!(!is_pat(0x0007_0406_0007_0402));
        assert!(!is_pat(8 << 56));
    }
}
