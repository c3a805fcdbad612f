//! Accesses wider than a register: what the ISA bus and the absence of a device make of them.

/// What an access of `size` bytes reads where nothing answers: all ones.
pub const fn floating(size: u8) -> u64 {
    match size {
        0 => 0,
        1..8 => (1 << (8 * size as u32)) - 1,
        _ => u64::MAX,
    }
}

/// Reads `size` bytes (1, 2 or 4) from eight-bit ports beginning at `port`, lowest byte first.
///
/// Another size is no access that a processor makes; it reads as all ones.
pub fn read(port: u16, size: u8, mut byte: impl FnMut(u16) -> u8) -> u32 {
    let mut bytes = [0; 4];
    match size {
        1 | 2 | 4 => {
            for (at, value) in (0..size).zip(&mut bytes) {
                *value = byte(port.wrapping_add(at.into()));
            }
            u32::from_le_bytes(bytes)
        }
        _ => u32::MAX,
    }
}

/// Writes `size` bytes (1, 2 or 4) of `value` to eight-bit ports beginning at `port`, lowest byte first.
///
/// Another size is no access that a processor makes; nothing happens.
pub fn write(port: u16, size: u8, value: u32, mut byte: impl FnMut(u16, u8)) {
    if matches!(size, 1 | 2 | 4) {
        for (at, value) in (0..size).zip(value.to_le_bytes()) {
            byte(port.wrapping_add(at.into()), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_reads_as_ones() {
        assert_eq!(floating(0), 0);
        assert_eq!(floating(1), 0xff);
        assert_eq!(floating(2), 0xffff);
        assert_eq!(floating(4), 0xffff_ffff);
        assert_eq!(floating(8), u64::MAX);
        assert_eq!(floating(200), u64::MAX);
    }

    #[test]
    fn odd_sizes_reach_no_port() {
        for size in [0, 3, 5, 8, 255] {
            let nobody = |_| panic!("no access");
            assert_eq!(read(0x20, size, nobody), u32::MAX);
            write(0x20, size, 0, |_, _| panic!("no access"));
        }
    }

    proptest! {
        #[test]
        fn bytes_go_to_consecutive_ports(port: u16, value: u32, size in prop::sample::select(vec![1u8, 2, 4])) {
            let mut seen = Vec::new();
            write(port, size, value, |port, byte| seen.push((port, byte)));
            prop_assert_eq!(seen.len(), usize::from(size));
            let read_back = read(port, size, |wanted| {
                seen.iter().find(|(port, _)| *port == wanted).unwrap().1
            });
            prop_assert_eq!(u64::from(read_back), u64::from(value) & floating(size));
        }
    }
}
