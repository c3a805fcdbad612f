//! What the kernel maps for itself from the start.

use super::image::Segments;
use super::layout::{DIRECT_MAP, DIRECT_MAP_BYTES, IMAGE};
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_boot::platform::MemorySet;
use pagurus_boot::{PAGE, Range};
use pagurus_paging::Mapping;

/// The image at its final address, each segment with its own permissions. It lies at physical address
/// `start`.
pub(super) fn image(start: u64, segments: &Segments) -> [Mapping; 3] {
    let (text, text_end) = segments.text;
    let mapping = |from: u64, to: u64, perms| Mapping {
        virt: IMAGE as u64 + from,
        phys: start + from,
        length: to - from,
        perms,
        cache: CacheMode::Default,
    };
    [
        mapping(0, text, Rights::READ),
        mapping(text, text_end, Rights::READ | Rights::EXECUTE),
        mapping(segments.data, segments.end, Rights::RW),
    ]
}

/// The direct map of `ram`. The kernel's constants and code, which lie at `constants`, must not be writable
/// through it.
pub(super) fn direct_map(ram: &MemorySet, constants: Range) -> impl Iterator<Item = Mapping> {
    ram.ranges().iter().flat_map(move |range| {
        let range = range.intersection(Range::new(0, DIRECT_MAP_BYTES));
        let below = Range::new(range.start, range.end.min(constants.start));
        let above = Range::new(range.start.max(constants.end), range.end);
        let inside = range.intersection(constants);
        let pieces = [
            (below, Rights::RW),
            (inside, Rights::READ),
            (above, Rights::RW),
        ];
        pieces
            .into_iter()
            .filter(|(piece, _)| piece.length() >= PAGE)
            .map(|(piece, perms)| Mapping {
                virt: DIRECT_MAP as u64 + piece.start,
                phys: piece.start,
                length: piece.length(),
                perms,
                cache: CacheMode::Default,
            })
    })
}
