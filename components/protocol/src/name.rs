//! Names of components and modules.

use core::fmt;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a [`Name`].
pub const NAME_BYTES: usize = 48;

/// A name of at most 48 bytes of UTF-8, padded with zeros.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Name(pub [u8; NAME_BYTES]);

impl Name {
    /// `text`, cut at the last character that fits.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(NAME_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; NAME_BYTES];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Name(bytes)
    }

    /// The text up to the first zero; empty if it is not UTF-8.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(NAME_BYTES);
        core::str::from_utf8(&self.0[..end]).unwrap_or("")
    }
}

impl Default for Name {
    fn default() -> Self {
        Name([0; NAME_BYTES])
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_name_is_a_prefix_of_its_text(text in "[^\0]{0,60}") {
            let name = Name::new(&text);
            prop_assert!(text.starts_with(name.as_str()));
            prop_assert!(text.len() > NAME_BYTES || name.as_str() == text);
        }

        #[test]
        fn any_bytes_give_some_text(bytes in proptest::array::uniform32(any::<u8>())) {
            let mut name = Name::default();
            name.0[..32].copy_from_slice(&bytes);
            prop_assert!(name.as_str().len() <= NAME_BYTES);
        }
    }
}
