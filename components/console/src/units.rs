//! Numbers for people.

use core::fmt;

/// Bytes in the largest binary unit that leaves at least one: `640 KiB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let unit = match self.0 {
            0 => 0,
            n => n.ilog2() as usize / 10,
        };
        let whole = self.0 >> (10 * unit);
        let rest = self.0 & ((1 << (10 * unit)) - 1);
        let tenths = if unit == 0 {
            0
        } else {
            // The rest has at most 60 bits; its highest ten are enough for a tenth.
            (rest >> (10 * (unit - 1))) * 10 / 1024
        };
        if tenths == 0 {
            write!(f, "{whole} {}", UNITS[unit])
        } else {
            write!(f, "{whole}.{tenths} {}", UNITS[unit])
        }
    }
}

/// Nanoseconds with three or four digits and a fitting unit: `17.3 ms`.
#[derive(Clone, Copy, Debug)]
pub struct Nanoseconds(pub u64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        let (unit, name) = match ns {
            0..1_000 => return write!(f, "{ns} ns"),
            1_000..1_000_000 => (1_000, "us"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            1_000_000_000..1_000_000_000_000 => (1_000_000_000, "s"),
            _ => return Clock(ns).fmt(f),
        };
        write!(f, "{}.{} {name}", ns / unit, ns % unit * 10 / unit)
    }
}

/// Nanoseconds as days, hours, minutes and seconds: `3 d 04:07:09`.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub u64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000_000_000;
        let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        if days > 0 {
            write!(f, "{days} d ")?;
        }
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        for (n, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (640 << 10, "640 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (3 << 29, "1.5 GiB"),
            (1 << 46, "64 TiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(Bytes(n).to_string(), text, "{n}");
        }
    }

    #[test]
    fn times() {
        for (n, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.0 us"),
            (17_345_678, "17.3 ms"),
            (999_999_999_999, "999.9 s"),
            (1_000_000_000_000, "00:16:40"),
            (u64::MAX, "213503 d 23:34:33"),
        ] {
            assert_eq!(Nanoseconds(n).to_string(), text, "{n}");
        }
    }
}
