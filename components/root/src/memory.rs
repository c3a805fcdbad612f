//! Where in physical memory everything goes: a plan over the untyped memory that the kernel gave.
//!
//! The kernel takes objects from an untyped piece in ascending order, each aligned to its size. The plan does the same
//! sums beforehand: the largest requests first, each from the smallest piece that holds it, so that nothing is
//! lost to alignment and the largest pieces stay whole.

use alloc::vec::Vec;
use pagurus_abi::boot::UntypedDesc;
use pagurus_abi::kind::PAGE_BITS;

/// A piece of untyped memory and how much of it is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Slot of its capability in root's CNode.
    pub slot: u32,
    /// Physical address.
    pub address: u64,
    /// log2 of its bytes.
    pub size_bits: u8,
    /// Bytes from its start that are planned, gaps included.
    pub used: u64,
}

/// The normal memory of the machine.
#[derive(Clone, Debug)]
pub struct Pool {
    pieces: Vec<Piece>,
}

/// Memory to be taken from the piece with this slot: the next object of `size_bits` bytes made there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Slot of the untyped capability to take it from.
    pub from: u32,
    /// log2 of the bytes.
    pub size_bits: u8,
}

impl Piece {
    fn bytes(&self) -> u64 {
        1 << self.size_bits
    }

    /// End of an object of `bits` placed next, if it fits.
    fn end_with(&self, bits: u8) -> Option<u64> {
        let size = 1u64.checked_shl(bits.into())?;
        let end = self
            .used
            .checked_next_multiple_of(size)?
            .checked_add(size)?;
        (end <= self.bytes()).then_some(end)
    }
}

impl Pool {
    /// The normal memory among `untyped`.
    pub fn new(untyped: &[UntypedDesc]) -> Self {
        let pieces = untyped
            .iter()
            .filter(|u| u.device == 0 && u.size_bits < 64)
            .map(|u| Piece {
                slot: u.slot,
                address: u.address,
                size_bits: u.size_bits,
                used: 0,
            })
            .collect();
        Pool { pieces }
    }

    /// Plans `1 << bits` bytes; `None` if no piece has room. Ask for the largest first.
    pub fn place(&mut self, bits: u8) -> Option<Placement> {
        let (piece, end) = self
            .pieces
            .iter_mut()
            .filter_map(|p| p.end_with(bits).map(|end| (p, end)))
            .min_by_key(|(p, _)| p.bytes() - p.used)?;
        piece.used = end;
        Some(Placement {
            from: piece.slot,
            size_bits: bits,
        })
    }

    /// Plans what is left: at most `count` blocks of a page or more, the largest there are. They are to be made in
    /// the order of the answer.
    pub fn rest(&mut self, count: usize) -> Vec<Placement> {
        let mut blocks: Vec<(u8, usize, u64)> = Vec::new();
        for (i, piece) in self.pieces.iter().enumerate() {
            let mut at = piece.used.next_multiple_of(1 << PAGE_BITS);
            while at < piece.bytes() {
                let bits = match at {
                    0 => piece.size_bits,
                    at => at.trailing_zeros() as u8,
                };
                if bits < PAGE_BITS {
                    break;
                }
                blocks.push((bits, i, at));
                at += 1 << bits;
            }
        }
        blocks.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        blocks.truncate(count);
        // Within a piece in ascending order, as the kernel hands it out.
        blocks.sort_by_key(|(_, piece, at)| (*piece, *at));
        blocks
            .into_iter()
            .map(|(size_bits, i, at)| {
                let piece = &mut self.pieces[i];
                piece.used = at + (1 << size_bits);
                Placement {
                    from: piece.slot,
                    size_bits,
                }
            })
            .collect()
    }

    /// Bytes in all, and bytes that are not planned.
    pub fn totals(&self) -> (u64, u64) {
        self.pieces.iter().fold((0, 0), |(all, free), p| {
            (all + p.bytes(), free + (p.bytes() - p.used))
        })
    }

    /// Bytes of the largest block that could still be planned.
    pub fn largest_free(&self) -> u64 {
        let largest = |p: &Piece| (0..=p.size_bits).rev().find(|b| p.end_with(*b).is_some());
        self.pieces
            .iter()
            .filter_map(largest)
            .max()
            .map_or(0, |bits| 1 << bits)
    }
}

/// Splits `bytes` (whole pages) into powers of two, the largest first: offset and log2 of the size of each.
pub fn blocks(bytes: u64) -> impl Iterator<Item = (u64, u8)> {
    let mut offset = 0;
    (u32::from(PAGE_BITS)..64).rev().filter_map(move |bits| {
        if bytes & 1 << bits == 0 {
            return None;
        }
        let at = offset;
        offset += 1 << bits;
        Some((at, bits as u8))
    })
}

/// log2 of the smallest power of two that is at least `bytes`; at least `at_least`. `None` beyond 2^63.
pub fn bits_for(bytes: u64, at_least: u8) -> Option<u8> {
    let bits = bytes.checked_next_power_of_two()?.trailing_zeros() as u8;
    Some(bits.max(at_least))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What the kernel does with a retype: the next aligned place in the piece.
    struct Kernel(BTreeMap<u32, (u64, u64)>);

    impl Kernel {
        fn new(untyped: &[UntypedDesc]) -> Self {
            Kernel(
                untyped
                    .iter()
                    .map(|u| (u.slot, (1 << u.size_bits, 0)))
                    .collect(),
            )
        }

        fn make(&mut self, p: Placement) -> bool {
            let (bytes, used) = self.0.get_mut(&p.from).unwrap();
            let end = used.next_multiple_of(1 << p.size_bits) + (1 << p.size_bits);
            let fits = end <= *bytes;
            if fits {
                *used = end;
            }
            fits
        }
    }

    fn untyped(sizes: &[u8]) -> Vec<UntypedDesc> {
        sizes
            .iter()
            .enumerate()
            .map(|(i, bits)| UntypedDesc {
                address: 0,
                slot: 100 + i as u32,
                size_bits: *bits,
                ..UntypedDesc::default()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_kernel_can_do_what_was_planned(
            sizes in prop::collection::vec(12u8..26, 1..8),
            mut requests in prop::collection::vec(7u8..22, 0..40),
            count in 0usize..40,
        ) {
            let untyped = untyped(&sizes);
            let (mut pool, mut kernel) = (Pool::new(&untyped), Kernel::new(&untyped));
            requests.sort_unstable_by(|a, b| b.cmp(a));
            let total: u64 = sizes.iter().map(|b| 1u64 << b).sum();
            let mut taken = 0;
            for bits in requests {
                let fits_somewhere = pool.largest_free() >= 1 << bits;
                match pool.place(bits) {
                    Some(p) => {
                        prop_assert!(kernel.make(p));
                        taken += 1u64 << bits;
                    }
                    None => prop_assert!(!fits_somewhere),
                }
            }
            // Largest first: nothing was lost to alignment.
            prop_assert_eq!(pool.totals(), (total, total - taken));
            let rest = pool.rest(count);
            prop_assert!(rest.len() <= count);
            for p in &rest {
                prop_assert!(p.size_bits >= 12);
                prop_assert!(kernel.make(*p));
            }
        }

        #[test]
        fn the_rest_is_the_largest_there_is(sizes in prop::collection::vec(12u8..20, 1..6), small in 7u8..12) {
            let untyped = untyped(&sizes);
            let mut pool = Pool::new(&untyped);
            prop_assume!(pool.place(small).is_some());
            let all = pool.clone().rest(usize::MAX);
            let one = pool.clone().rest(1);
            let largest = all.iter().map(|p| p.size_bits).max();
            prop_assert_eq!(one.first().map(|p| p.size_bits), largest);
            // All of it but the page that was begun.
            let sum: u64 = all.iter().map(|p| 1u64 << p.size_bits).sum();
            let total: u64 = sizes.iter().map(|b| 1u64 << b).sum();
            prop_assert_eq!(sum, total - 4096);
        }

        #[test]
        fn blocks_cover_exactly(pages in 0u64..100_000) {
            let mut end = 0;
            let mut last = 64;
            for (offset, bits) in blocks(pages * 4096) {
                prop_assert_eq!(offset, end);
                prop_assert!(bits < last);
                last = bits;
                end = offset + (1 << bits);
            }
            prop_assert_eq!(end, pages * 4096);
        }
    }

    #[test]
    fn device_memory_is_not_in_the_pool() {
        let mut all = untyped(&[12, 20]);
        all[1].device = 1;
        assert_eq!(Pool::new(&all).totals().0, 4096);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(bits_for(4097, 12), Some(13));
        assert_eq!(bits_for(1, 12), Some(12));
        assert_eq!(bits_for(u64::MAX, 12), None);
    }
}
