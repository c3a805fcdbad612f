//! The soft-off state, out of the AML of a DSDT without running it.
//!
//! The state is a package of constants by name (ACPI 6.5, 7.4.2.5 and 20.2): `Name (_S5, Package () { a, b, ...
//! })`. Its bytes are looked for; a package that is computed is not found.

const NAME_OP: u8 = 0x08;
const ROOT_PREFIX: u8 = b'\\';
const PACKAGE_OP: u8 = 0x12;
/// Sleep types have three bits.
const MAX_SLEEP_TYPE: u8 = 7;

/// The sleep types of the soft-off state for the two event blocks.
pub fn find_s5(aml: &[u8]) -> Option<(u8, u8)> {
    const NAME: &[u8] = b"_S5_";
    let places = aml.windows(NAME.len()).enumerate();
    places
        .filter(|(_, window)| *window == NAME)
        .find_map(|(at, _)| {
            let before = &aml[..at];
            let before = before.strip_suffix(&[ROOT_PREFIX]).unwrap_or(before);
            if before.last() != Some(&NAME_OP) {
                return None;
            }
            package(&aml[at + NAME.len()..])
        })
}

/// The first two elements of the package at the start of `aml`; one alone counts for both blocks.
fn package(aml: &[u8]) -> Option<(u8, u8)> {
    let (operator, rest) = aml.split_first()?;
    if *operator != PACKAGE_OP {
        return None;
    }
    let contents = package_contents(rest)?;
    let (count, elements) = contents.split_first()?;
    let (first, rest) = constant(elements)?;
    let second = match count {
        0 => return None,
        1 => first,
        _ => constant(rest)?.0,
    };
    (first <= MAX_SLEEP_TYPE && second <= MAX_SLEEP_TYPE).then_some((first, second))
}

/// What a package length (ACPI 6.5, 20.2.4) at the start of `aml` encloses. The length counts itself.
fn package_contents(aml: &[u8]) -> Option<&[u8]> {
    let lead = *aml.first()?;
    let more = usize::from(lead >> 6);
    let mut length = usize::from(if more == 0 { lead & 0x3f } else { lead & 0x0f });
    for (i, byte) in aml.get(1..1 + more)?.iter().enumerate() {
        length |= usize::from(*byte) << (4 + 8 * i);
    }
    aml.get(1 + more..length)
}

/// A constant integer that fits a byte, and what follows it.
fn constant(aml: &[u8]) -> Option<(u8, &[u8])> {
    let (operator, rest) = aml.split_first()?;
    let bytes = match operator {
        0x00 | 0x01 => return Some((*operator, rest)),
        0x0a => 1,
        0x0b => 2,
        0x0c => 4,
        0x0e => 8,
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(bytes)?;
    let (low, high) = value.split_first()?;
    high.iter().all(|byte| *byte == 0).then_some((*low, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// As iasl writes it for QEMU's q35: `Name (\_S5, Package (0x04) { Zero, Zero, Zero, Zero })`.
    const QEMU: &[u8] = &[0x08, b'_', b'S', b'5', b'_', 0x12, 0x06, 0x04, 0, 0, 0, 0];
    /// As Bochs has it, with byte constants.
    const BOCHS: &[u8] = &[
        0x08, b'\\', b'_', b'S', b'5', b'_', 0x12, 0x0a, 0x04, 0x0a, 5, 0x0a, 6, 0x0a, 0, 0x0a, 0,
    ];

    #[test]
    fn packages_of_known_firmware_are_found_anywhere() {
        for before in [&b""[..], b"\x10\x20_S5_", b"some _S5_ and \x08_S4_"] {
            let aml = |package: &[u8]| [before, package, b"more"].concat();
            assert_eq!(find_s5(&aml(QEMU)), Some((0, 0)));
            assert_eq!(find_s5(&aml(BOCHS)), Some((5, 6)));
        }
    }

    #[test]
    fn other_uses_of_the_name_are_passed_over() {
        let mention = [b"\x5b_S5_\x12\x06\x04\0\0\0\0", BOCHS].concat();
        assert_eq!(find_s5(&mention), Some((5, 6)));
        assert_eq!(find_s5(b"\x08_S5_\x0a\x05"), None);
        assert_eq!(find_s5(b"_S5_\x12\x06\x04\0\0\0\0"), None);
    }

    #[test]
    fn one_element_counts_for_both_and_none_for_nothing() {
        assert_eq!(find_s5(b"\x08_S5_\x12\x04\x01\x0a\x05"), Some((5, 5)));
        assert_eq!(find_s5(b"\x08_S5_\x12\x02\x00"), None);
    }

    #[test]
    fn long_lengths_and_wide_constants_are_read() {
        let mut aml = Vec::from(*b"\x08_S5_\x12\x47\x00\x02\x0b\x05\x00");
        assert_eq!(find_s5(&aml), None);
        aml.truncate(5);
        aml.extend_from_slice(&[0x12, 0x40 | 0x0b, 0x00, 0x02, 0x0b, 5, 0, 0x0c, 6, 0, 0, 0]);
        assert_eq!(find_s5(&aml), Some((5, 6)));
    }

    #[test]
    fn sleep_types_of_more_than_three_bits_are_nonsense() {
        assert_eq!(find_s5(b"\x08_S5_\x12\x06\x02\x0a\x08\x0a\x00"), None);
        assert_eq!(find_s5(b"\x08_S5_\x12\x07\x02\x0b\x05\x01\x00"), None);
    }

    #[test]
    fn every_cut_ends_without_a_result() {
        for end in 0..BOCHS.len() {
            assert_eq!(find_s5(&BOCHS[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut aml = Vec::from(*b"\x08_S5_\x12");
            aml.extend_from_slice(&tail);
            if let Some((first, second)) = find_s5(&aml) {
                prop_assert!(first <= 7 && second <= 7);
            }
        }
    }
}
