//! Free RAM of the guest while its image is being placed.

use crate::error::ImageError;
use crate::guest::{MemoryKind, MemoryRange};
use alloc::vec::Vec;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Where ordinary PCs have no RAM: the end of conventional memory.
pub const LOW_END: u64 = 0xa_0000;
/// 1 MiB.
pub const MIB: u64 = 1 << 20;
/// What 32-bit addresses reach.
pub const GIB4: u64 = 1 << 32;

/// A half-open range of addresses that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
}

/// Free RAM: ranges in ascending order that do not overlap.
#[derive(Clone, Debug)]
pub struct Space {
    free: Vec<Range>,
}

impl Space {
    /// All RAM of a memory map: what is RAM and nothing else.
    pub fn new(memory: &[MemoryRange]) -> Result<Space, ImageError> {
        let mut space = Space { free: Vec::new() };
        let ranges = memory
            .iter()
            .filter(|range| range.length != 0)
            .map(|range| match range.start.checked_add(range.length) {
                Some(end) => Ok((
                    range.kind,
                    Range {
                        start: range.start,
                        end,
                    },
                )),
                None => Err(ImageError::BadRange(range.start)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        for (kind, range) in &ranges {
            if *kind == MemoryKind::Ram {
                // Once, however often it is named.
                space.remove(*range);
                space.free.push(*range);
            }
        }
        for (kind, range) in &ranges {
            if *kind != MemoryKind::Ram {
                space.remove(*range);
            }
        }
        space.free.sort_unstable_by_key(|range| range.start);
        space.merge();
        Ok(space)
    }

    fn merge(&mut self) {
        self.free.dedup_by(|next, previous| {
            let touches = next.start == previous.end;
            if touches {
                previous.end = next.end;
            }
            touches
        });
    }

    fn remove(&mut self, gone: Range) {
        let mut left = Vec::with_capacity(self.free.len() + 1);
        for range in &self.free {
            let before = Range {
                start: range.start,
                end: range.end.min(gone.start),
            };
            let after = Range {
                start: range.start.max(gone.end),
                end: range.end,
            };
            left.extend(
                [before, after]
                    .into_iter()
                    .filter(|part| part.start < part.end),
            );
        }
        self.free = left;
    }

    /// Takes memory at a fixed address. Nothing is taken for no bytes.
    pub fn take_at(
        &mut self,
        what: &'static str,
        start: u64,
        length: u64,
    ) -> Result<u64, ImageError> {
        let end = start.saturating_add(length);
        let error = ImageError::NotRam { what, start, end };
        if length == 0 {
            return Ok(start);
        }
        if start.checked_add(length).is_none() {
            return Err(error);
        }
        let inside = |range: &&Range| range.start <= start && end <= range.end;
        if !self.free.iter().any(|range| inside(&range)) {
            return Err(error);
        }
        self.remove(Range { start, end });
        Ok(start)
    }

    /// Takes the lowest memory from `from` on and below `below` that starts at a multiple of `align`, a power
    /// of two.
    pub fn take_low(
        &mut self,
        what: &'static str,
        length: u64,
        align: u64,
        from: u64,
        below: u64,
    ) -> Result<u64, ImageError> {
        let found = self.free.iter().find_map(|range| {
            let start = range.start.max(from).checked_next_multiple_of(align)?;
            let end = start.checked_add(length)?;
            (end <= range.end.min(below)).then_some(start)
        });
        let start = found.ok_or(ImageError::NoRoom {
            what,
            bytes: length,
        })?;
        self.take_at(what, start, length)
    }

    /// Takes the highest memory below `below` that starts at a multiple of `align`, a power of two. Page 0 is
    /// never taken: programs take its address for none.
    pub fn take_high(
        &mut self,
        what: &'static str,
        length: u64,
        align: u64,
        below: u64,
    ) -> Result<u64, ImageError> {
        let found = self.free.iter().rev().find_map(|range| {
            let start = range.end.min(below).checked_sub(length)? & !(align - 1);
            (start >= range.start.max(PAGE)).then_some(start)
        });
        let start = found.ok_or(ImageError::NoRoom {
            what,
            bytes: length,
        })?;
        self.take_at(what, start, length)
    }

    /// What is free, as RAM of a memory map.
    pub fn ram(&self) -> Vec<MemoryRange> {
        let ranges = self.free.iter().map(|range| MemoryRange {
            start: range.start,
            length: range.end - range.start,
            kind: MemoryKind::Ram,
        });
        ranges.collect()
    }

    /// The end of the highest RAM that is still free.
    pub fn end(&self) -> u64 {
        self.free.last().map_or(0, |range| range.end)
    }

    /// Bytes of free RAM from an address on, up to the first hole.
    pub fn contiguous_from(&self, start: u64) -> u64 {
        let range = self
            .free
            .iter()
            .find(|range| range.start <= start && start < range.end);
        range.map_or(0, |range| range.end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(u64, u64, MemoryKind)]) -> Space {
        let ranges: Vec<MemoryRange> = ranges
            .iter()
            .map(|(start, end, kind)| MemoryRange {
                start: *start,
                length: end - start,
                kind: *kind,
            })
            .collect();
        Space::new(&ranges).expect("a good map")
    }

    use MemoryKind::{Ram, Reserved};

    #[test]
    fn reserved_wins_over_ram() {
        let space = map(&[
            (0x1000, 0x2000, Reserved),
            (0, 0x4000, Ram),
            (0x3000, 0x5000, Ram),
        ]);
        let ranges: Vec<(u64, u64)> = space.free.iter().map(|r| (r.start, r.end)).collect();
        assert_eq!(ranges, [(0, 0x1000), (0x2000, 0x5000)]);
    }

    #[test]
    fn nothing_is_taken_twice() {
        let mut space = map(&[(0, 0x10000, Ram)]);
        assert_eq!(space.take_high("x", 0x1800, 0x1000, 0xf000), Ok(0xd000));
        assert_eq!(
            space.take_low("x", 0x1000, 0x4000, 0xc000, GIB4),
            Ok(0xc000)
        );
        assert_eq!(
            space.take_low("x", 0x1000, 0x4000, 0xc000, GIB4),
            Err(ImageError::NoRoom {
                what: "x",
                bytes: 0x1000
            })
        );
        // Behind what was taken, if aligned.
        assert_eq!(space.take_low("x", 0x800, 0x800, 0xc000, GIB4), Ok(0xe800));
        assert!(space.take_at("x", 0xd800, 8).is_err());
        assert!(space.take_at("x", u64::MAX - 4, 8).is_err());
    }

    #[test]
    fn page_0_is_for_images_only() {
        let mut space = map(&[(0, 0x2000, Ram)]);
        assert_eq!(space.take_high("x", 0x1000, 16, GIB4), Ok(0x1000));
        assert!(space.take_high("x", 16, 16, GIB4).is_err());
        assert_eq!(space.take_at("x", 0, 16), Ok(0));
    }

    #[test]
    fn wrapping_ranges_are_refused() {
        let range = MemoryRange {
            start: 0x1000,
            length: u64::MAX,
            kind: Ram,
        };
        assert!(matches!(
            Space::new(&[range]),
            Err(ImageError::BadRange(0x1000))
        ));
    }
}
