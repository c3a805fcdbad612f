//! Boot information for the tests, built by the `multiboot2` crate.

use multiboot2::{Builder, MemoryArea, MemoryAreaType, MemoryMapTag, ModuleTag};
use pagurus_boot::multiboot2::HEADER_BYTES;

/// The finished bytes of a builder.
pub fn bytes(builder: Builder) -> Vec<u8> {
    let information = builder.build();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&information.header().total_size().to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(information.payload());
    assert_eq!(bytes.len(), information.payload().len() + HEADER_BYTES);
    bytes
}

/// An entry of a memory map: start, length, type.
pub type Entry = (u64, u64, u32);

/// Adds a memory map.
pub fn with_map(builder: Builder, map: &[Entry]) -> Builder {
    let areas: Vec<MemoryArea> = map
        .iter()
        .map(|(start, length, kind)| MemoryArea::new(*start, *length, MemoryAreaType::from(*kind)))
        .collect();
    builder.mmap(MemoryMapTag::new(&areas))
}

/// Boot information with a memory map and modules: start, end, command line.
#[allow(dead_code)] // Not every test has modules.
pub fn information(map: &[Entry], modules: &[(u32, u32, &str)]) -> Vec<u8> {
    let mut builder = with_map(Builder::new(), map);
    for (start, end, command_line) in modules {
        builder = builder.add_module(ModuleTag::new(*start, *end, command_line));
    }
    bytes(builder)
}
