//! Cutting memory into the power-of-two pieces that capabilities name.

use crate::platform::{MemorySet, Module};
use crate::range::{PAGE, Range};
use pagurus_abi::boot::{ModuleDesc, UntypedDesc};
use pagurus_abi::kind::{MAX_MEMORY_BITS, PAGE_BITS};

/// A naturally aligned piece of `2^size_bits` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Physical address, a multiple of the size.
    pub address: u64,
    /// log2 of the size in bytes.
    pub size_bits: u8,
}

impl Block {
    /// The addresses.
    pub const fn range(self) -> Range {
        Range::new(self.address, self.address + (1 << self.size_bits))
    }
}

/// The fewest naturally aligned blocks that make up `range`, in ascending order, none larger than the
/// largest frame. Bytes outside whole pages are left out.
pub fn blocks(range: Range) -> impl Iterator<Item = Block> + Clone {
    let Range { mut start, end } = range.pages_inside();
    core::iter::from_fn(move || {
        if start >= end {
            return None;
        }
        // Zero is aligned to everything.
        let alignment = start.trailing_zeros();
        let length = (end - start).ilog2();
        let size_bits = alignment.min(length).min(u32::from(MAX_MEMORY_BITS)) as u8;
        let block = Block {
            address: start,
            size_bits,
        };
        start += 1 << size_bits;
        Some(block)
    })
}

/// The outcome of [`describe`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Entries written.
    pub count: usize,
    /// Blocks for which there was no entry.
    pub dropped: usize,
    /// Bytes of normal memory in them.
    pub dropped_normal: u64,
    /// Bytes of device memory in them.
    pub dropped_device: u64,
}

/// Writes a description of every block of `normal` and `device` memory to `out`: first the normal ones in
/// ascending order, then the device ones. No block crosses one of `cuts` (borders between NUMA nodes, in
/// ascending order). If `out` is too short, the smallest blocks are left out. `slot` and `node` stay 0.
pub fn describe(
    normal: &MemorySet,
    device: &MemorySet,
    cuts: &[u64],
    out: &mut [UntypedDesc],
) -> Described {
    let all = || {
        let normal = cut_blocks(normal, cuts).map(|block| (block, false));
        normal.chain(cut_blocks(device, cuts).map(|block| (block, true)))
    };

    // How many blocks of each size there are decides down to which size all of them fit.
    let mut of_size = [0usize; 64];
    for (block, _) in all() {
        of_size[usize::from(block.size_bits)] += 1;
    }
    let mut room = out.len();
    let mut smallest = usize::from(MAX_MEMORY_BITS);
    while smallest > usize::from(PAGE_BITS) && of_size[smallest] <= room {
        room -= of_size[smallest];
        smallest -= 1;
    }

    let mut result = Described::default();
    for (block, device) in all() {
        let size = usize::from(block.size_bits);
        let fits = size > smallest || (size == smallest && room > 0);
        if !fits {
            result.dropped += 1;
            if device {
                result.dropped_device += 1 << size;
            } else {
                result.dropped_normal += 1 << size;
            }
            continue;
        }
        if size == smallest {
            room -= 1;
        }
        out[result.count] = UntypedDesc {
            address: block.address,
            size_bits: block.size_bits,
            device: device.into(),
            ..UntypedDesc::default()
        };
        result.count += 1;
    }
    result
}

/// The blocks of a set, none of which crosses one of `cuts`.
fn cut_blocks<'a>(set: &'a MemorySet, cuts: &'a [u64]) -> impl Iterator<Item = Block> + 'a {
    set.ranges()
        .iter()
        .flat_map(|range| pieces(*range, cuts))
        .flat_map(blocks)
}

/// `range` cut at every address in `cuts` that lies inside.
fn pieces(range: Range, cuts: &[u64]) -> impl Iterator<Item = Range> + Clone {
    let mut rest = range;
    let mut cuts = cuts.iter().copied();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = cuts
            .by_ref()
            .find(|cut| *cut > rest.start)
            .unwrap_or(rest.end)
            .min(rest.end);
        let piece = Range::new(rest.start, next);
        rest.start = next;
        Some(piece)
    })
}

/// The frames that a module is given out as: its pages (the last may reach beyond its end), in ascending
/// order without gaps.
pub fn module_frames(module: &Module) -> impl Iterator<Item = Block> + Clone {
    blocks(module.range.pages_touched())
}

/// The description of a module whose first frame goes to `first_slot`.
pub fn describe_module(module: &Module, first_slot: u32) -> ModuleDesc {
    let mut name = [0; 48];
    name[..module.name.len()].copy_from_slice(module.name.as_bytes());
    ModuleDesc {
        name,
        address: module.range.start,
        length: module.range.length(),
        first_slot,
        slot_count: module_frames(module).count() as u32,
    }
}

const _: () = assert!(PAGE == 1 << PAGE_BITS);
