//! Boot information of multiboot's first version.
//!
//! References: Multiboot Specification 0.6.96, section 3.3.

use super::Placed;
use crate::bytes::{Writer, put};
use crate::error::ImageError;
use crate::guest::Guest;
use crate::plan::Builder;
use crate::space::{LOW_END, MIB, Space};

const BYTES: usize = 116;
/// Which fields are valid: memory sizes, command line, modules, memory map, name of the loader.
const VALID: u32 = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9;

/// Sizes of the two pieces of memory that old programs know, in KiB: from 0 up to at most 640 KiB, and from
/// 1 MiB up to the first hole.
pub fn memory_sizes(guest: &Guest<'_>) -> Result<(u32, u32), ImageError> {
    let all = Space::new(guest.memory)?;
    let kib = |bytes: u64| u32::try_from(bytes >> 10).unwrap_or(u32::MAX);
    let low = all.contiguous_from(0).min(LOW_END);
    Ok((kib(low), kib(all.contiguous_from(MIB))))
}

/// Puts boot information, and what it points to, into memory; returns its address.
pub fn place(
    guest: &Guest<'_>,
    builder: &mut Builder,
    command_line: &str,
    modules: &[Placed<'_>],
) -> Result<u64, ImageError> {
    let (lower, upper) = memory_sizes(guest)?;
    let what = "boot information";
    let string = |builder: &mut Builder, string: &str| {
        let mut bytes = Writer::default();
        bytes.string(string);
        builder.place_bytes("a command line", bytes.0, 1)
    };
    let line = string(builder, command_line)?;
    let name = string(builder, super::LOADER_NAME)?;

    let mut list = Writer::default();
    for module in modules {
        let line = string(builder, module.command_line)?;
        list.u32(module.start as u32)
            .u32(module.end as u32)
            .u32(line as u32)
            .u32(0);
    }
    let list = match modules {
        [] => 0,
        _ => builder.place_bytes(what, list.0, 4)?,
    };

    let mut map = Writer::default();
    for range in guest.memory_map()? {
        // The size does not count itself.
        map.u32(20)
            .u64(range.start)
            .u64(range.length)
            .u32(range.kind as u32);
    }
    let map_bytes = map.length();
    let map = builder.place_bytes(what, map.0, 4)?;

    let mut info = alloc::vec![0; BYTES];
    let mut word = |offset, value: u32| put(&mut info, offset, &value.to_le_bytes());
    word(0, VALID);
    word(4, lower);
    word(8, upper);
    word(16, line as u32);
    word(20, modules.len() as u32);
    word(24, list as u32);
    word(44, map_bytes as u32);
    word(48, map as u32);
    word(64, name as u32);
    builder.place_bytes(what, info, 4)
}
