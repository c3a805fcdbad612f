//! Lengths, and that nothing panics.

use crate::bytes::{code, likely, random};
use crate::view::iced;
use pagurus_decoder::{Cache, CodeSize, DecodeError, decode};
use proptest::prelude::*;

fn same_length(bytes: &[u8], code: CodeSize) -> Result<(), TestCaseError> {
    match (decode(bytes, code), iced(bytes, code)) {
        (Ok(ours), Some(theirs)) => {
            prop_assert_eq!(
                usize::from(ours.length),
                theirs.len(),
                "{:x?} {:?}",
                bytes,
                theirs
            );
        }
        // What is longer than 15 bytes is no instruction.
        (Err(DecodeError::TooLong), theirs) => prop_assert_eq!(theirs, None),
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn lengths_of_random_bytes_agree(bytes in random(), code in code()) {
        same_length(&bytes, code)?;
    }

    #[test]
    fn lengths_of_likely_bytes_agree(bytes in likely(), code in code()) {
        same_length(&bytes, code)?;
    }

    /// Bytes cut off within an instruction are told from bytes that are none.
    #[test]
    fn cut_off_is_incomplete(bytes in likely(), code in code()) {
        if let Ok(whole) = decode(&bytes, code) {
            for length in 0..usize::from(whole.length) {
                prop_assert_eq!(decode(&bytes[..length], code), Err(DecodeError::Incomplete));
            }
        }
    }

    /// A kept instruction is the one that would be decoded, even if the bytes at its address change.
    #[test]
    fn kept_instructions_are_right(
        inputs in prop::collection::vec((likely(), code()), 1..4),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0u64..4, 0usize..16), 1..20),
    ) {
        let mut cache = Cache::new();
        for (index, address, length) in order {
            let (bytes, code) = index.get(&inputs);
            let bytes = &bytes[..length.min(bytes.len())];
            prop_assert_eq!(cache.decode(address, bytes, *code), decode(bytes, *code));
        }
    }
}
