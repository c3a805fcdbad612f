//! The address space of a component: what lies where, and the page tables that it takes.

use crate::component::{ComponentSpec, MapSpec};
use crate::system::SystemSpec;
use pagurus_abi::kind::{MAX_ADDRESS_SPACE_BITS, MIN_ADDRESS_SPACE_BITS};
use pagurus_abi::layout::{HEAP_BASE, IMAGE_BASE, IPC_BUFFER, PAGE_SIZE, STACK_TOP};
use pagurus_protocol::start::{MODULE_ROOM, START_INFO};
use std::collections::BTreeSet;

/// Where mappings go that name no address.
pub const MAP_BASE: u64 = 0x6000_0000_0000;

const PAGE: u64 = PAGE_SIZE as u64;

/// A piece of the address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it is for.
    pub purpose: Purpose,
    /// First address.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a piece of the address space is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The program.
    Image,
    /// The stack, with the guard page below it.
    Stack,
    /// The heap.
    Heap,
    /// The IPC buffer.
    IpcBuffer,
    /// The start page.
    StartInfo,
    /// Mapping number so-and-so of the component.
    Map(usize),
}

impl Region {
    /// The first address after it; saturates.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes)
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Region) -> bool {
        self.start < other.end() && other.start < self.end()
    }
}

/// Bytes that `map` covers; 0 if the frame is unknown or the offset lies behind it. For a boot module, the bytes that
/// are kept free for it.
pub fn map_bytes(system: &SystemSpec, map: &MapSpec) -> u64 {
    if map.is_module {
        return MODULE_ROOM;
    }
    if let Some(length) = &map.length {
        return length.get_ref().0;
    }
    let whole = system
        .object(map.object.get_ref())
        .and_then(|(_, o)| o.kind.mappable_bytes())
        .unwrap_or(0);
    whole.saturating_sub(map.offset.as_ref().map_or(0, |o| o.get_ref().0))
}

/// Everything in the address space of `component`. Mappings without an address are placed one after the
/// other from [`MAP_BASE`] on, each aligned to its size, with an unmapped page between.
pub fn regions(system: &SystemSpec, component: &ComponentSpec) -> Vec<Region> {
    let region = |purpose, start, bytes| Region {
        purpose,
        start,
        bytes,
    };
    let stack = component.stack().saturating_add(PAGE);
    let mut regions = vec![
        region(Purpose::Image, IMAGE_BASE, component.image()),
        region(Purpose::Stack, STACK_TOP.saturating_sub(stack), stack),
        region(Purpose::Heap, HEAP_BASE, component.heap()),
        region(Purpose::IpcBuffer, IPC_BUFFER, PAGE),
        region(Purpose::StartInfo, START_INFO, PAGE),
    ];
    let mut next = MAP_BASE;
    for (i, map) in component.maps.iter().enumerate() {
        let map = map.get_ref();
        let bytes = map_bytes(system, map);
        let start = match &map.at {
            Some(at) => *at.get_ref(),
            None => {
                let align = bytes
                    .checked_next_power_of_two()
                    .unwrap_or(1 << 63)
                    .max(PAGE);
                let start = next.checked_next_multiple_of(align).unwrap_or(u64::MAX);
                next = start.saturating_add(bytes).saturating_add(PAGE);
                start
            }
        };
        regions.push(region(Purpose::Map(i), start, bytes));
    }
    regions
}

/// The address of each mapping of `component`, in order.
pub fn map_addresses(system: &SystemSpec, component: &ComponentSpec) -> Vec<u64> {
    regions(system, component)
        .into_iter()
        .filter(|r| matches!(r.purpose, Purpose::Map(_)))
        .map(|r| r.start)
        .collect()
}

/// Page tables that the address space of `component` takes when all of it is mapped in 4 KiB pages,
/// the root table included (AMD64 manual volume 2, section 5.3: four levels of 512 entries). Regions
/// that are too large to be mapped at all count as `u64::MAX`. Boot modules do not count: root knows how long they
/// are, and adds the tables for them.
pub fn needed_tables(system: &SystemSpec, component: &ComponentSpec) -> u64 {
    /// log2 of the bytes that a table of each level covers.
    const LEVELS: [u32; 3] = [39, 30, 21];
    /// More than an address space object can hold, and cheap to count.
    const TOO_MANY: u64 = 1 << MAX_ADDRESS_SPACE_BITS;
    let mut tables = 1u64;
    for level in LEVELS {
        let mut used = BTreeSet::new();
        for region in regions(system, component) {
            let is_module = |i: usize| component.maps[i].get_ref().is_module;
            if region.bytes == 0 || matches!(region.purpose, Purpose::Map(i) if is_module(i)) {
                continue;
            }
            let (first, last) = (region.start >> level, (region.end() - 1) >> level);
            if last - first > TOO_MANY / PAGE {
                return u64::MAX;
            }
            used.extend(first..=last);
        }
        tables += used.len() as u64;
    }
    tables
}

/// log2 of the bytes of the address space object of `component`: as it says (rounded up), else what it
/// needs and a quarter more for what it maps later. At most 63.
pub fn address_space_bits(system: &SystemSpec, component: &ComponentSpec) -> u8 {
    let bytes = match &component.address_space {
        Some(bytes) => bytes.get_ref().0,
        None => {
            let tables = needed_tables(system, component);
            tables.saturating_add(tables / 4).saturating_mul(PAGE)
        }
    };
    let bits = bytes.checked_next_power_of_two().unwrap_or(1 << 63);
    (bits.trailing_zeros() as u8).max(MIN_ADDRESS_SPACE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    fn system(maps: &str) -> SystemSpec {
        let text = format!(
            "[system]\nname='t'\nmemory='1M'\n[[frame]]\nname='f'\nsize='2M'\n[[frame]]\nname='g'\nsize='4K'\n[[module]]\nname='m'\n\
             [[component]]\nname='a'\nstack='16K'\nheap='0K'\nimage='1M'\nmaps=[{maps}]\n"
        );
        crate::parse(&Source::new("t.toml", text)).unwrap()
    }

    #[test]
    fn tables_are_counted_once_for_each_level() {
        let spec = system("");
        // Root; image: 3; stack: 3; IPC buffer and start page: 3 (the stack lies in the 512 GiB below).
        assert_eq!(needed_tables(&spec, &spec.components[0]), 10);
        assert_eq!(address_space_bits(&spec, &spec.components[0]), 16);
    }

    #[test]
    fn boot_modules_have_room_and_take_no_tables() {
        let (with, without) = (
            system("{module='m',rights='r'},{frame='g',rights='r'}"),
            system("{frame='g',rights='r'}"),
        );
        let component = &with.components[0];
        let places = map_addresses(&with, component);
        assert_eq!(places, [MAP_BASE, MAP_BASE + MODULE_ROOM + PAGE]);
        assert_eq!(
            needed_tables(&with, component),
            needed_tables(&without, &without.components[0])
        );
    }

    #[test]
    fn mappings_are_placed_with_a_gap_and_aligned() {
        let spec = system(
            "{frame='g',rights='r'},{frame='f',rights='rw'},{frame='f',rights='rw',at=0x123000}",
        );
        assert_eq!(
            map_addresses(&spec, &spec.components[0]),
            [MAP_BASE, MAP_BASE + 0x20_0000, 0x12_3000]
        );
    }
}
