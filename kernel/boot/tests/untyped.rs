//! Memory cut into power-of-two blocks: all of it, aligned, none twice.

use pagurus_abi::boot::UntypedDesc;
use pagurus_abi::kind::MAX_MEMORY_BITS;
use pagurus_boot::untyped::{Block, blocks, describe, describe_module, module_frames};
use pagurus_boot::{MemorySet, Module, PAGE, Range};
use proptest::prelude::*;

fn set(pages: &[(u64, u64)]) -> MemorySet {
    let mut set = MemorySet::new();
    for (start, count) in pages {
        set.insert(Range::new(start * PAGE, (start + count) * PAGE));
    }
    set
}

fn pages() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..4000u64, 0..600u64), 0..10)
}

/// The blocks cover `range` without gaps, in order, aligned.
fn covers(range: Range, blocks: impl Iterator<Item = Block>) -> Result<(), TestCaseError> {
    let mut at = range.start;
    for block in blocks {
        prop_assert_eq!(block.address, at);
        prop_assert!(block.size_bits >= 12 && block.size_bits <= MAX_MEMORY_BITS);
        prop_assert_eq!(block.address % (1 << block.size_bits), 0);
        at = block.range().end;
    }
    prop_assert_eq!(at, range.end);
    Ok(())
}

/// The fewest aligned blocks for a range: a greedy choice from the left could be wrong, so count them from
/// the binary digits of both ends.
fn fewest(range: Range) -> u32 {
    let (mut low, mut high) = (range.start / PAGE, range.end / PAGE);
    let mut count = 0;
    while low < high {
        count += (low & 1) as u32 + (high & 1) as u32;
        low = low.div_ceil(2);
        high /= 2;
    }
    count
}

proptest! {
    #[test]
    fn blocks_are_the_fewest_that_cover(start in 0..1u64 << 33, count in 0..1u64 << 33) {
        let range = Range::new(start * PAGE, (start + count) * PAGE);
        covers(range, blocks(range))?;
        prop_assert_eq!(blocks(range).count() as u32, fewest(range));
    }

    #[test]
    fn parts_of_pages_are_left_out(start in 0..1u64 << 40, length in 0..1u64 << 24) {
        let range = Range::new(start, start + length);
        let inside = range.pages_inside();
        if inside.is_empty() {
            prop_assert_eq!(blocks(range).count(), 0);
        } else {
            covers(inside, blocks(range))?;
        }
    }

    #[test]
    fn descriptions_cover_both_kinds(normal in pages(), device in pages(), room in 0..400usize) {
        let (normal, mut device) = (set(&normal), set(&device));
        device.remove_all(&normal);
        let mut out = vec![UntypedDesc::default(); room];
        let result = describe(&normal, &device, &[], &mut out);
        let (written, rest) = out.split_at(result.count);
        prop_assert!(rest.iter().all(|entry| entry.size_bits == 0));

        let mut sum = [0, 0];
        let mut left = [normal.clone(), device.clone()];
        for entry in written {
            let kind = usize::from(entry.device);
            let range = Range::new(entry.address, entry.address + (1 << entry.size_bits));
            prop_assert_eq!(entry.address % (1 << entry.size_bits), 0);
            prop_assert!(left[kind].contains(range), "twice, or not free");
            left[kind].remove(range);
            sum[kind] += range.length();
        }
        prop_assert_eq!(sum[0] + result.dropped_normal, normal.bytes());
        prop_assert_eq!(sum[1] + result.dropped_device, device.bytes());

        // Nothing is left out while there is room, and then the smallest.
        let sizes = |set: &MemorySet| {
            let all = set.ranges().iter().flat_map(|range| blocks(*range));
            all.map(|block| block.size_bits).collect::<Vec<_>>()
        };
        let mut expected = [sizes(&normal), sizes(&device)].concat();
        prop_assert_eq!(result.count + result.dropped, expected.len());
        expected.sort_by(|a, b| b.cmp(a));
        expected.truncate(room);
        let mut kept: Vec<u8> = written.iter().map(|entry| entry.size_bits).collect();
        kept.sort_by(|a, b| b.cmp(a));
        prop_assert_eq!(kept, expected);
    }

    #[test]
    fn no_block_crosses_a_border(normal in pages(), cuts in prop::collection::btree_set(0..4600u64, 0..6)) {
        let normal = set(&normal);
        let cuts: Vec<u64> = cuts.into_iter().map(|page| page * PAGE).collect();
        let mut out = vec![UntypedDesc::default(); 4096];
        let result = describe(&normal, &MemorySet::new(), &cuts, &mut out);
        prop_assert_eq!(result.dropped, 0);
        let mut bytes = 0;
        for entry in &out[..result.count] {
            let end = entry.address + (1 << entry.size_bits);
            bytes += end - entry.address;
            prop_assert!(cuts.iter().all(|cut| *cut <= entry.address || end <= *cut));
        }
        prop_assert_eq!(bytes, normal.bytes());
    }

    #[test]
    fn frames_of_a_module_are_its_pages(page in 0..1u64 << 20, length in 1..1u64 << 26) {
        let start = page * PAGE;
        let module = Module {
            name: "guest".try_into().unwrap(),
            range: Range::new(start, start + length),
        };
        covers(module.range.pages_touched(), module_frames(&module))?;
        let description = describe_module(&module, 77);
        prop_assert_eq!(description.name(), "guest");
        prop_assert_eq!((description.address, description.length), (start, length));
        prop_assert_eq!(description.first_slot, 77);
        prop_assert_eq!(description.slot_count as usize, module_frames(&module).count());
    }
}

#[test]
fn the_whole_address_space_takes_a_handful() {
    let everything = Range::new(0, 1 << 52);
    assert_eq!(blocks(everything).count(), 1 << (52 - MAX_MEMORY_BITS));
    assert_eq!(blocks(Range::new(0, 0)).count(), 0);
}
