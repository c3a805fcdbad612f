//! Sizes, times and rights as they are written in a description.

use pagurus_abi::Rights;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// Bytes: a number, or a text such as `"64K"`, `"4M"`, `"1G"` (powers of 1,024).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub u64);

/// Nanoseconds, written as `"10ms"`, `"500us"`, `"2s"` or `"20000ns"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanoseconds(pub u64);

/// Rights, written as letters: `r` read or receive, `w` write or send, `x` execute, `g` grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RightsText(pub Rights);

/// Splits `"64K"` into 64 and `K`; underscores separate digits as in TOML numbers.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let digits: String = text[..end].chars().filter(|c| *c != '_').collect();
    Some((digits.parse().ok()?, text[end..].trim()))
}

impl Bytes {
    /// Reads `"64K"`.
    pub fn parse(text: &str) -> Option<Bytes> {
        let (number, unit) = number_and_unit(text)?;
        let shift = match unit {
            "" | "B" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return None,
        };
        number.checked_mul(1 << shift).map(Bytes)
    }
}

impl fmt::Display for Bytes {
    /// In the largest unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 4] = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
        for (shift, unit) in UNITS {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

impl Nanoseconds {
    /// Reads `"10ms"`.
    pub fn parse(text: &str) -> Option<Nanoseconds> {
        let (number, unit) = number_and_unit(text)?;
        let factor = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            _ => return None,
        };
        number.checked_mul(factor).map(Nanoseconds)
    }
}

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n != 0 && n.is_multiple_of(1_000_000_000) => write!(f, "{}s", n / 1_000_000_000),
            n if n != 0 && n.is_multiple_of(1_000_000) => write!(f, "{}ms", n / 1_000_000),
            n if n != 0 && n.is_multiple_of(1_000) => write!(f, "{}us", n / 1_000),
            n => write!(f, "{n}ns"),
        }
    }
}

/// The letters of rights, in the order in which they are shown.
const LETTERS: [(char, Rights); 4] = [
    ('r', Rights::READ),
    ('w', Rights::WRITE),
    ('x', Rights::EXECUTE),
    ('g', Rights::GRANT),
];

impl RightsText {
    /// Reads `"rw"`.
    pub fn parse(text: &str) -> Option<RightsText> {
        let mut rights = Rights::empty();
        for letter in text.chars() {
            let (_, right) = LETTERS.iter().find(|(l, _)| *l == letter)?;
            if rights.contains(*right) {
                return None;
            }
            rights |= *right;
        }
        Some(RightsText(rights))
    }
}

impl fmt::Display for RightsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, right) in LETTERS {
            if self.0.contains(right) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64K\", \"4M\" or 4096")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Bytes, E> {
        u64::try_from(number)
            .map(Bytes)
            .map_err(|_| E::custom("a size cannot be negative"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
        Bytes::parse(text).ok_or_else(|| {
            E::custom(format!(
                "`{text}` is not a size; write for example \"64K\", \"4M\" or 4096"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor)
    }
}

impl<'de> Deserialize<'de> for Nanoseconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Nanoseconds::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not a time; write for example \"10ms\" or \"500us\""
            ))
        })
    }
}

impl<'de> Deserialize<'de> for RightsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RightsText::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` are no rights; write letters of `rwxg`, each at most once"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(Bytes::parse("64K"), Some(Bytes(65536)));
        assert_eq!(Bytes::parse("1_024"), Some(Bytes(1024)));
        assert_eq!(Bytes::parse("K"), None);
        assert_eq!(Bytes::parse("4X"), None);
        assert_eq!(Bytes::parse("99999999999T"), None);
        assert_eq!(Nanoseconds::parse("10 ms"), Some(Nanoseconds(10_000_000)));
        assert_eq!(Nanoseconds::parse("10"), None);
    }

    #[test]
    fn rights_letters() {
        assert_eq!(RightsText::parse("wr"), Some(RightsText(Rights::RW)));
        assert_eq!(RightsText::parse("ww"), None);
        assert_eq!(RightsText::parse("q"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes in 0u64..1 << 50, ns in 0u64..1 << 50, bits in 0u8..16) {
            let shown = Bytes(bytes).to_string();
            prop_assert_eq!(Bytes::parse(shown.trim_end_matches(" bytes")), Some(Bytes(bytes)));
            prop_assert_eq!(Nanoseconds::parse(&Nanoseconds(ns).to_string()), Some(Nanoseconds(ns)));
            let rights = RightsText(Rights::from_bits_truncate(bits));
            prop_assert_eq!(RightsText::parse(&rights.to_string()), Some(rights));
        }
    }
}
