//! Hermit unikernels: against `hermit-entry`'s own loader and reader, and the device tree that its kernel reads.
#![allow(unsafe_code)] // Memory that another crate has written, and a structure that it reads.

use crate::elf::{self, READ_EXECUTE, READ_WRITE};
use crate::guest::{MIB, bare, full, load, module, module_bytes, pc, range, refused};
use core::mem::MaybeUninit;
use fdt::Fdt;
use hermit_entry::boot_info::{BootInfo, PlatformInfo, RawBootInfo};
use hermit_entry::elf::KernelObject;
use pagurus_guest_image::{Guest, ImageError, Kind, MemoryKind, Segment};

const RSP: usize = 4;
const RSI: usize = 6;
const RDI: usize = 7;
/// Bytes of memory that the image needs.
const MEMORY: u64 = 0x6000;
/// Where its data begins.
const DATA: u64 = 0x3000;

/// A file at a multiple of 8, as a VMM maps it.
struct Aligned(Vec<u64>, usize);

impl Aligned {
    fn new(bytes: &[u8]) -> Aligned {
        let mut words = vec![0u64; bytes.len().div_ceil(8)];
        for (at, byte) in bytes.iter().enumerate() {
            words[at / 8] |= u64::from(*byte) << (at % 8 * 8);
        }
        Aligned(words, bytes.len())
    }

    fn bytes(&self) -> &[u8] {
        &zerocopy::IntoBytes::as_bytes(&self.0[..])[..self.1]
    }
}

/// A unikernel with these relocations (place, addend) and this version of the entry interface.
fn unikernel(relocations: &[(u64, u64)], version: u8) -> Aligned {
    let mut constants = vec![0x11u8; 0x40];
    let mut words = |words: &[u64]| {
        let at = constants.len() as u64;
        constants.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at
    };
    let table: Vec<u64> = relocations
        .iter()
        .flat_map(|(place, addend)| [*place, 8, *addend])
        .collect();
    let rela = words(&table);
    let dynamic = [7, rela, 8, table.len() as u64 * 8, 9, 24, 0, 0];
    let dynamic: Vec<u8> = dynamic.iter().flat_map(|word| word.to_le_bytes()).collect();
    let data: Vec<u8> = (0..0x800).map(|at| (at / 3) as u8).collect();
    let mut tls = elf::load(0x3100, 0x3100, 4, &[], 0x40);
    tls.kind = 7;
    tls.align = 16;
    let mut dynamic = elf::load(0x2800, 0x2800, 4, &dynamic, 64);
    dynamic.kind = 2;
    let mut file = elf::file(
        true,
        0x1010,
        &[
            elf::load(0, 0, 4, &constants, 0x1000),
            elf::load(0x1000, 0x1000, READ_EXECUTE, &[0x90; 0x123], 0x1000),
            elf::load(DATA, DATA, READ_WRITE, &data, MEMORY - DATA),
            elf::note("HERMIT", 0x5a00, &[version]),
            dynamic,
            tls,
        ],
    );
    file[16] = 3;
    Aligned::new(&file)
}

/// Next to each other, alone, across the end of what the file has, and in what is zero.
const RELOCATIONS: [(u64, u64); 6] = [
    (DATA + 0x700, 0x1234),
    (DATA, 0x1010),
    (DATA + 8, MEMORY),
    (DATA + 0x50, 0),
    (DATA + 0x7fc, 0x10),
    (MEMORY - 8, 0x20),
];

#[test]
fn the_image_is_what_hermit_entry_makes_of_it() {
    let image = unikernel(&RELOCATIONS, 4);
    let ram = pc(64);
    let (plan, memory) = load(&bare(image.bytes(), &ram));
    assert_eq!(plan.kind, Kind::Hermit);
    let base = plan.state.rip - 0x1010;
    assert_eq!(base % (2 << 20), 0);

    let object = KernelObject::parse(image.bytes()).expect("a good image");
    assert_eq!(object.mem_size() as u64, MEMORY);
    let mut expected = vec![MaybeUninit::new(0xcc); object.mem_size()];
    let loaded = object.load_kernel(&mut expected, base);
    assert_eq!(loaded.entry_point, plan.state.rip);
    // SAFETY: every byte was initialised before, and written at most with initialised ones.
    let expected: Vec<u8> = expected
        .into_iter()
        .map(|byte| unsafe { byte.assume_init() })
        .collect();
    assert!(memory.bytes(base, MEMORY) == expected, "the same bytes");
}

#[test]
fn boot_information_reads_back() {
    let image = unikernel(&RELOCATIONS, 4);
    let ram = pc(64);
    let guest = full(image.bytes(), &ram, &[]);
    let (plan, memory) = load(&guest);
    let base = plan.state.rip - 0x1010;
    assert_eq!(plan.state.general[RSI], 0, "the first processor");
    let at = plan.state.general[RDI];
    let mut raw = memory.bytes(at, size_of::<RawBootInfo>() as u64).to_vec();
    // The reader looks at the command line, which is in the guest's memory: it gets ours instead.
    let line = memory.u64(at + 88);
    assert_eq!(memory.bytes(line, 19), b"console=ttyS0 quiet");
    let ours = memory.bytes(line, 19).as_ptr().addr() as u64;
    raw[88..96].copy_from_slice(&ours.to_le_bytes());
    // SAFETY: all bytes are there, and the only pointer in it leads to bytes that live on.
    let raw = unsafe { raw.as_ptr().cast::<RawBootInfo>().read_unaligned() };
    let info = BootInfo::from(raw);
    assert_eq!(info.hardware_info.phys_addr_range, 0..(64 * MIB - 0x1_0000));
    assert_eq!(
        info.hardware_info.serial_port_base.map(|port| port.get()),
        Some(0x3f8)
    );
    assert_eq!(info.load_info.kernel_image_addr_range, base..base + MEMORY);
    let tls = info.load_info.tls_info.expect("thread-local storage");
    assert_eq!(
        (tls.start, tls.filesz, tls.memsz, tls.align),
        (base + 0x3100, 0, 0x40, 16)
    );
    let PlatformInfo::Multiboot {
        command_line,
        multiboot_info_addr,
    } = info.platform_info
    else {
        panic!("{:?}", info.platform_info);
    };
    assert_eq!(command_line, Some("console=ttyS0 quiet"));
    let multiboot = multiboot_info_addr.get();
    assert_eq!(
        memory.string(memory.u32(multiboot + 16).into()),
        "console=ttyS0 quiet"
    );

    let tree = info.hardware_info.device_tree.expect("a device tree").get();
    let length = memory.u32(tree + 4).swap_bytes();
    let tree = Fdt::new(memory.bytes(tree, length.into())).expect("a tree");
    assert_eq!(tree.chosen().bootargs(), Some("console=ttyS0 quiet"));
    let found: Vec<(usize, Option<usize>)> = tree
        .find_all_nodes("/memory")
        .flat_map(|node| node.reg().expect("addresses"))
        .map(|region| (region.starting_address.addr(), region.size))
        .collect();
    assert_eq!(
        found,
        [(0, Some(0xa_0000)), (1 << 20, Some((63 << 20) - 0x1_0000))]
    );
    let rsdp = tree
        .find_node("/hermit,rsdp")
        .expect("a root pointer")
        .reg();
    let rsdp = rsdp
        .and_then(|mut regions| regions.next())
        .expect("an address");
    assert_eq!(rsdp.starting_address.addr(), 0xfff_0000);
}

#[test]
fn modules_are_kept_from_the_kernel() {
    let image = unikernel(&[], 4);
    let ram = pc(64);
    let modules = [module(0x3333, "")];
    let (plan, memory) = load(&Guest {
        modules: &modules,
        ..bare(image.bytes(), &ram)
    });
    let info = plan.state.general[RDI];
    let tree = memory.u64(info + 24);
    let tree = Fdt::new(memory.bytes(tree, memory.u32(tree + 4).swap_bytes().into()));
    let tree = tree.expect("a tree");
    let reserved = tree.memory_reservations().next().expect("a reservation");
    let (address, length) = (reserved.address().addr() as u64, reserved.size() as u64);
    assert_eq!(memory.bytes(address, length), module_bytes(0, 0x3333));
    let chosen = tree.find_node("/chosen").expect("chosen");
    let value = |name| {
        chosen
            .property(name)
            .and_then(|property| property.as_usize())
    };
    assert_eq!(value("linux,initrd-start"), Some(address as usize));
    assert_eq!(value("linux,initrd-end"), Some((address + length) as usize));
    let two = [module(1, ""), module(1, "")];
    assert_eq!(
        refused(&Guest {
            modules: &two,
            ..bare(image.bytes(), &ram)
        }),
        ImageError::TooManyModules { count: 2, limit: 1 }
    );
}

#[test]
fn entered_in_64_bit_mode_with_a_stack_below_the_kernel() {
    let image = unikernel(&RELOCATIONS, 4);
    let (plan, memory) = load(&bare(image.bytes(), &pc(64)));
    let (state, base) = (plan.state, plan.state.rip - 0x1010);
    assert_eq!((state.efer, state.cr4), (0x500, 0x20));
    assert_eq!(state.cs, Segment::code(8, true));
    let gdt = |selector: u64| memory.u64(state.gdtr.base + selector);
    assert_eq!(gdt(8), state.cs.descriptor());
    assert_eq!(gdt(0x10), state.data.descriptor());
    let stack = state.general[RSP];
    assert_eq!(memory.bytes(stack, 32 << 10), vec![0; 32 << 10]);
    // The kernel takes everything from its end on for free, but for what the device tree says.
    for address in [stack, state.cr3, state.gdtr.base, state.general[RDI]] {
        assert!(address < base, "{address:#x}");
    }
}

#[test]
fn bad_images_are_refused() {
    let ram = pc(64);
    let image = unikernel(&[], 3);
    assert_eq!(
        refused(&bare(image.bytes(), &ram)),
        ImageError::HermitVersion
    );
    for place in [MEMORY - 7, u64::MAX] {
        let image = unikernel(&[(place, 0)], 4);
        assert!(matches!(
            refused(&bare(image.bytes(), &ram)),
            ImageError::Hermit(_)
        ));
    }
    for relocations in [[(DATA, 0), (DATA + 4, 0)], [(DATA - 4, 0), (DATA + 8, 0)]] {
        let image = unikernel(&relocations, 4);
        assert!(matches!(
            refused(&bare(image.bytes(), &ram)),
            ImageError::Damaged(_)
        ));
    }
    let image = unikernel(&[], 4);
    let small = [range(0, 0x20_5000, MemoryKind::Ram)];
    assert!(matches!(
        refused(&bare(image.bytes(), &small)),
        ImageError::NoRoom {
            what: "the unikernel",
            bytes: MEMORY
        }
    ));
}
