//! Multiboot of the first version, read back with the `multiboot` crate.
#![allow(unsafe_code)] // The crate reads memory by address.

use crate::elf::{self, READ_EXECUTE, READ_WRITE};
use crate::guest::{MIB, bare, full, load, module, module_bytes, pc, refused};
use multiboot::information::{MemoryManagement, MemoryType, Multiboot, PAddr};
use pagurus_guest_image::{Guest, ImageError, Kind};

const RAX: usize = 0;
const RBX: usize = 3;

struct Memory(&'static [u8]);

impl MemoryManagement for Memory {
    unsafe fn paddr_to_slice(&self, address: PAddr, length: usize) -> Option<&'static [u8]> {
        self.0.get(address as usize..)?.get(..length)
    }

    unsafe fn allocate(&mut self, _: usize) -> Option<(PAddr, &mut [u8])> {
        None
    }

    unsafe fn deallocate(&mut self, _: PAddr) {}
}

fn header(flags: u32, addresses: &[u32]) -> Vec<u8> {
    let magic = 0x1bad_b002u32;
    let checksum = 0u32.wrapping_sub(magic).wrapping_sub(flags);
    [magic, flags, checksum]
        .iter()
        .chain(addresses)
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// An ELF file, entered at a virtual address.
fn elf_image(flags: u32, at: u64) -> Vec<u8> {
    let mut code = vec![0x90; 0x40];
    code.extend(header(flags, &[]));
    elf::file(
        false,
        0xc000_0004,
        &[
            elf::load(at, 0xc000_0000, READ_EXECUTE, &code, 0x100),
            elf::load(at + 0x1000, 0xc000_1000, READ_WRITE, &[1], 0x800),
        ],
    )
}

#[test]
fn boot_information_reads_back() {
    let image = elf_image(0b11, MIB);
    let ram = pc(32);
    let modules = [module(0x1801, "initrd one"), module(3, "two")];
    let (plan, memory) = load(&full(&image, &ram, &modules));
    assert_eq!(plan.kind, Kind::Multiboot1);
    assert_eq!(plan.state.rip, MIB + 4);
    assert_eq!(plan.state.general[RAX], 0x2bad_b002);

    let memory = memory.leak();
    let mut access = Memory(memory);
    // SAFETY: every address is looked up in the slice.
    let info = unsafe { Multiboot::from_ptr(plan.state.general[RBX], &mut access) };
    let info = info.expect("boot information");
    assert_eq!(info.command_line(), Some("guest.elf console=ttyS0 quiet"));
    assert_eq!(info.boot_loader_name(), Some("Pagurus"));
    assert_eq!(info.lower_memory_bound(), Some(640));
    assert_eq!(info.upper_memory_bound(), Some((31 << 10) - 64));
    let found: Vec<_> = info.modules().expect("modules").collect();
    assert_eq!(found.len(), 2);
    for (number, (found, expected)) in found.iter().zip(&modules).enumerate() {
        assert_eq!(found.string, Some(expected.command_line));
        assert_eq!(found.end - found.start, expected.length);
        assert_eq!(found.start % 4096, 0, "modules are page aligned");
        assert!(found.start >= MIB + 0x1800, "behind the image");
        let bytes = &memory[found.start as usize..found.end as usize];
        assert_eq!(bytes, module_bytes(number, expected.length));
    }
    let regions: Vec<_> = info.memory_regions().expect("a map").collect();
    assert_eq!(regions.len(), 5);
    assert_eq!(regions[0].base_address(), 0, "RAM from page 0");
    assert_eq!(regions[0].length(), 0xa_0000);
    assert_eq!(regions[0].memory_type(), MemoryType::Available);
    assert_eq!(regions[1].memory_type(), MemoryType::Reserved);
    assert_eq!(regions[3].memory_type(), MemoryType::ACPI);
}

#[test]
fn a_name_alone_is_a_command_line() {
    let image = elf_image(0, MIB);
    let ram = pc(32);
    let (plan, memory) = load(&bare(&image, &ram));
    let info = plan.state.general[RBX];
    assert_eq!(memory.string(memory.u32(info + 16).into()), "guest.elf");
    let nameless = Guest {
        name: "",
        command_line: "a b",
        ..bare(&image, &ram)
    };
    let (plan, memory) = load(&nameless);
    let info = plan.state.general[RBX];
    assert_eq!(memory.string(memory.u32(info + 16).into()), "a b");
}

#[test]
fn an_image_may_use_page_0() {
    let image = elf_image(0, 0);
    let (plan, memory) = load(&bare(&image, &pc(32)));
    assert_eq!(plan.state.rip, 4);
    assert_eq!(memory.bytes(0, 4), [0x90; 4]);
}

/// A flat image: 16 bytes, the header, code.
fn flat(load: u32, load_end: u32, bss_end: u32, entry: u32) -> Vec<u8> {
    let mut image = vec![0xaa; 16];
    image.extend(header(
        1 << 16,
        &[MIB as u32 + 16, load, load_end, bss_end, entry],
    ));
    image.extend([0x90; 0x100]);
    image
}

#[test]
fn flat_images_go_where_the_header_says() {
    let base = MIB as u32;
    let ram = pc(32);
    let whole = flat(base, 0, base + 0x1000, base + 48);
    let (plan, memory) = load(&bare(&whole, &ram));
    assert_eq!(plan.state.rip, MIB + 48);
    assert_eq!(memory.bytes(MIB, whole.len() as u64), whole);
    let rest = 0x1000 - whole.len() as u64;
    assert_eq!(
        memory.bytes(MIB + whole.len() as u64, rest),
        vec![0; rest as usize]
    );
    // From the header on, and not to the end of the file.
    let part = flat(base + 16, base + 100, 0, base + 60);
    let (_, memory) = load(&bare(&part, &ram));
    assert_eq!(memory.bytes(MIB + 16, 84), &part[16..100]);
    // All ones: from the beginning of the file.
    let (_, memory) = load(&bare(&flat(u32::MAX, 0, 0, base + 60), &ram));
    assert_eq!(memory.bytes(MIB, 16), [0xaa; 16]);
}

#[test]
fn addresses_that_contradict_each_other_are_refused() {
    let base = MIB as u32;
    let ram = pc(32);
    for image in [
        flat(base + 17, 0, 0, base + 60),
        flat(base - 1, 0, 0, base + 60),
        flat(base, base - 4, 0, base + 60),
        flat(base, base, 0, base),
        flat(base, 0, base + 8, base + 60),
        flat(base, 0, 0, base - 1),
        flat(base, 0, base + 0x1000, base + 0x800),
    ] {
        assert!(matches!(
            refused(&bare(&image, &ram)),
            ImageError::Damaged(_)
        ));
    }
    let long = flat(base, base + 0x10000, 0, base + 60);
    assert!(matches!(
        refused(&bare(&long, &ram)),
        ImageError::Truncated(_)
    ));
    let large = flat(base, 0, u32::MAX, base + 60);
    assert!(matches!(
        refused(&bare(&large, &ram)),
        ImageError::NotRam { .. }
    ));
}

#[test]
fn demands_that_cannot_be_met_are_refused() {
    let ram = pc(32);
    for flags in [1 << 2, 1 << 3, 1 << 15] {
        let image = elf_image(flags, MIB);
        assert!(matches!(
            refused(&bare(&image, &ram)),
            ImageError::Unsupported(_)
        ));
    }
    // Wishes above bit 16 may be ignored.
    load(&bare(&elf_image(1 << 17, MIB), &ram));
    // Neither ELF nor addresses.
    let mut image = vec![0; 64];
    image.extend(header(0, &[]));
    assert!(matches!(
        refused(&bare(&image, &ram)),
        ImageError::Unsupported(_)
    ));
    // The header must lie in the first 8 KiB, aligned.
    let far = [vec![0; 8192], header(1 << 16, &[0; 5])].concat();
    assert_eq!(refused(&bare(&far, &ram)), ImageError::Unknown);
    let forced = Guest {
        kind: Some(Kind::Multiboot1),
        ..bare(&far, &ram)
    };
    assert!(matches!(refused(&forced), ImageError::Damaged(_)));
    let odd = [vec![0; 2], header(1 << 16, &[0; 5])].concat();
    assert_eq!(refused(&bare(&odd, &ram)), ImageError::Unknown);
}
