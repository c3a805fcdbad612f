//! Multiboot2, read back with the `multiboot2` crate.
#![allow(unsafe_code)] // The crate reads memory by address.

use crate::elf::{self, READ_EXECUTE};
use crate::guest::{MIB, RSDP, bare, full, load, module, module_bytes, pc, refused};
use multiboot2::{BootInformation, MemoryAreaType};
use pagurus_guest_image::{Guest, ImageError, Kind};

const RAX: usize = 0;
const RBX: usize = 3;

/// A tag: type, flags, words.
type Tag<'a> = (u16, u16, &'a [u32]);

fn header(tags: &[Tag<'_>]) -> Vec<u8> {
    let mut body = vec![];
    for (kind, flags, words) in tags.iter().chain(&[(0, 0, &[][..])]) {
        body.extend(kind.to_le_bytes());
        body.extend(flags.to_le_bytes());
        body.extend((8 + 4 * words.len() as u32).to_le_bytes());
        body.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let (magic, length) = (0xe852_50d6u32, 16 + body.len() as u32);
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(length);
    let mut bytes: Vec<u8> = [magic, 0, length, checksum]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.extend(body);
    bytes
}

fn elf_image(tags: &[Tag<'_>]) -> Vec<u8> {
    let mut code = header(tags);
    code.resize(0x200, 0x90);
    elf::file(
        true,
        MIB + 0x180,
        &[elf::load(MIB, MIB, READ_EXECUTE, &code, 0x1000)],
    )
}

/// What a guest would make of it.
fn information(memory: &'static [u8], address: u64) -> BootInformation<'static> {
    assert_eq!(address % 8, 0);
    // The crate wants alignment in our memory as well.
    let size = u32::from_le_bytes(*memory[address as usize..].first_chunk().expect("a size"));
    let bytes = &memory[address as usize..][..size as usize];
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    for (at, byte) in bytes.iter().enumerate() {
        words[at / 8] |= u64::from(*byte) << (at % 8 * 8);
    }
    // SAFETY: aligned, of the size that it names, and never freed.
    unsafe { BootInformation::load(words.leak().as_ptr().cast()) }.expect("boot information")
}

#[test]
fn boot_information_reads_back() {
    let image = elf_image(&[(1, 0, &[1, 3, 4, 6, 15, 21]), (6, 0, &[])]);
    let ram = pc(32);
    let modules = [module(0x1801, "initrd one"), module(3, "two")];
    let (plan, memory) = load(&full(&image, &ram, &modules));
    assert_eq!(plan.kind, Kind::Multiboot2);
    assert_eq!(plan.state.rip, MIB + 0x180);
    assert_eq!(plan.state.general[RAX], 0x36d7_6289);
    let memory = memory.leak();
    let info = information(memory, plan.state.general[RBX]);
    let line = info.command_line_tag().expect("a command line").cmdline();
    assert_eq!(line, Ok("guest.elf console=ttyS0 quiet"));
    let name = info.boot_loader_name_tag().expect("a loader").name();
    assert_eq!(name, Ok("Pagurus"));
    let basic = info.basic_memory_info_tag().expect("sizes");
    assert_eq!(
        (basic.memory_lower(), basic.memory_upper()),
        (640, (31 << 10) - 64)
    );
    let found: Vec<_> = info.module_tags().collect();
    assert_eq!(found.len(), 2);
    for (number, (found, expected)) in found.iter().zip(&modules).enumerate() {
        assert_eq!(found.cmdline(), Ok(expected.command_line));
        let bytes = &memory[found.start_address() as usize..found.end_address() as usize];
        assert_eq!(bytes, module_bytes(number, expected.length));
        assert_eq!(found.start_address() % 4096, 0);
    }
    let areas = info.memory_map_tag().expect("a map").memory_areas();
    assert_eq!(areas.len(), 5);
    assert_eq!((areas[0].start_address(), areas[0].size()), (0, 0xa_0000));
    assert_eq!(areas[1].typ(), MemoryAreaType::Reserved);
    assert_eq!(areas[3].typ(), MemoryAreaType::AcpiAvailable);
    assert_eq!(
        info.load_base_addr_tag().expect("a base").load_base_addr() as u64,
        MIB
    );
    assert!(info.rsdp_v1_tag().is_some());
    let rsdp = info.rsdp_v2_tag().expect("the root pointer");
    assert_eq!(rsdp.signature().map(str::as_bytes), Ok(&RSDP[..8]));
}

#[test]
fn without_acpi_nothing_is_said_of_it() {
    let image = elf_image(&[]);
    let ram = pc(32);
    let (plan, memory) = load(&bare(&image, &ram));
    let info = information(memory.leak(), plan.state.general[RBX]);
    assert!(info.rsdp_v1_tag().is_none() && info.rsdp_v2_tag().is_none());
    assert_eq!(info.module_tags().count(), 0);
    // Who cannot do without it is refused.
    let image = elf_image(&[(1, 0, &[15])]);
    assert!(matches!(
        refused(&bare(&image, &ram)),
        ImageError::Unsupported(_)
    ));
    load(&bare(&elf_image(&[(1, 1, &[15])]), &ram));
}

#[test]
fn the_header_may_name_entry_and_addresses() {
    let ram = pc(32);
    let entry = MIB as u32 + 0x1c0;
    let (plan, _) = load(&bare(&elf_image(&[(3, 0, &[entry])]), &ram));
    assert_eq!(plan.state.rip, u64::from(entry));
    let outside = elf_image(&[(3, 0, &[0x40_0000])]);
    assert!(matches!(
        refused(&bare(&outside, &ram)),
        ImageError::Damaged(_)
    ));

    let base = MIB as u32;
    let mut flat = header(&[
        (2, 0, &[base, base, 0, base + 0x2000]),
        (3, 0, &[base + 0x100]),
    ]);
    flat.resize(0x800, 0x90);
    let (plan, memory) = load(&bare(&flat, &ram));
    assert_eq!(plan.state.rip, MIB + 0x100);
    assert_eq!(memory.bytes(MIB, 0x800), flat);
    assert_eq!(memory.bytes(MIB + 0x800, 0x1800), vec![0; 0x1800]);
    let entryless = header(&[(2, 0, &[base, base, 0, 0])]);
    assert!(matches!(
        refused(&bare(&entryless, &ram)),
        ImageError::Damaged(_)
    ));
}

#[test]
fn demands_that_cannot_be_met_are_refused() {
    let ram = pc(32);
    for tag in [
        (5, 0, &[640, 480, 32][..]),
        (4, 0, &[1]),
        (1, 0, &[8]),
        (77, 0, &[]),
    ] {
        let image = elf_image(&[tag]);
        assert!(
            matches!(refused(&bare(&image, &ram)), ImageError::Unsupported(_)),
            "{tag:?}"
        );
        // As a wish only, each is ignored.
        load(&bare(&elf_image(&[(tag.0, 1, tag.2)]), &ram));
    }
    load(&bare(
        &elf_image(&[(4, 0, &[2]), (10, 0, &[0, 0, 4096, 0]), (7, 0, &[])]),
        &ram,
    ));
}

#[test]
fn broken_headers_are_named() {
    let ram = pc(32);
    let damaged = |image: &[u8]| {
        let forced = Guest {
            kind: Some(Kind::Multiboot2),
            ..bare(image, &ram)
        };
        matches!(refused(&forced), ImageError::Damaged(_))
    };
    assert!(damaged(&[]));
    // A tag shorter than its own header, one longer than the rest, and a header without an end.
    for (at, value) in [(20, 7u32), (20, 4096), (16, 0x0001_0006)] {
        let mut image = header(&[]);
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(damaged(&image), "{at} {value}");
    }
    let mut long = header(&[]);
    let length = 0x1_0000u32;
    let checksum = 0u32.wrapping_sub(0xe852_50d6).wrapping_sub(length);
    long[8..12].copy_from_slice(&length.to_le_bytes());
    long[12..16].copy_from_slice(&checksum.to_le_bytes());
    long.resize(0x2_0000, 0);
    assert!(damaged(&long), "longer than where it may lie");
}
