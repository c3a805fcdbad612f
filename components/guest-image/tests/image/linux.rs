//! Linux bzImages.

use crate::guest::{MIB, RSDP, bare, full, load, module, module_bytes, pc, range, refused};
use crate::linux_image::{INIT_SIZE, KERNEL, KERNEL_AT, PREFERRED, good, with};
use pagurus_guest_image::{Guest, ImageError, InitialState, Kind, MemoryKind, Plan, Segment, plan};

const RSI: usize = 6;

fn kernel_address(plan: &Plan) -> u64 {
    plan.state.rip - 0x200
}

/// Follows the page tables.
fn maps_to_itself(memory: &crate::guest::Memory, state: &InitialState, address: u64) -> bool {
    let mut table = state.cr3;
    for shift in [39, 30, 21] {
        let entry = memory.u64(table + (address >> shift) % 512 * 8);
        if entry & 1 == 0 {
            return false;
        }
        if entry & 0x80 != 0 {
            let page = entry & 0xf_ffff_ffff_f000 & !((1 << shift) - 1);
            return page | address & ((1 << shift) - 1) == address;
        }
        table = entry & 0xf_ffff_ffff_f000;
    }
    false
}

#[test]
fn the_zero_page_says_everything() {
    let image = good();
    let (ram, initrd) = (pc(256), [module(0x12345, "ignored")]);
    let guest = full(&image, &ram, &initrd);
    let (plan, memory) = load(&guest);
    assert_eq!(plan.kind, Kind::Linux);
    let zero = plan.state.general[RSI];
    // The header is the image's, up to where it says that it ends.
    assert_eq!(memory.bytes(zero + 0x1f1, 1), &image[0x1f1..0x1f2]);
    assert_eq!(memory.bytes(zero + 0x202, 0xe), &image[0x202..0x210]);
    assert_eq!(memory.bytes(zero + 0x22c, 0x40), &image[0x22c..0x26c]);
    assert_eq!(memory.bytes(zero + 0x26c, 0x24), [0; 0x24]);
    assert_eq!(memory.bytes(zero + 0x210, 1), [0xff]);
    assert_eq!(memory.u32(zero + 0x1fa) & 0xffff, 0xffff);
    // A loader leaves this zero, or Linux takes the page for one of an old loader.
    assert_eq!(memory.bytes(zero + 0x1ef, 1), [0]);

    assert_eq!(
        memory.string(memory.u32(zero + 0x228).into()),
        "console=ttyS0 quiet"
    );
    assert_eq!(memory.u64(zero + 0x70), 0xfff_0000);
    let initrd = u64::from(memory.u32(zero + 0x218));
    assert_eq!(memory.u32(zero + 0x21c), 0x12345);
    assert_eq!(initrd % 4096, 0);
    assert_eq!(memory.bytes(initrd, 0x12345), module_bytes(0, 0x12345));
    assert_eq!(
        memory.bytes(zero + 0xc0, 12),
        [0; 12],
        "nothing above 4 GiB"
    );

    // RAM less the tables at its end.
    let count = memory.bytes(zero + 0x1e8, 1)[0];
    let map: Vec<(u64, u64, u32)> = (0..u64::from(count))
        .map(|n| zero + 0x2d0 + 20 * n)
        .map(|at| (memory.u64(at), memory.u64(at + 8), memory.u32(at + 16)))
        .collect();
    assert_eq!(
        map,
        [
            (0, 0xa_0000, 1),
            (0xf_0000, 0x1_0000, 2),
            (MIB, 255 * MIB - 0x1_0000, 1),
            (256 * MIB - 0x1_0000, 0x1_0000, 3),
            (0xe000_0000, 0x1000_0000, 2),
        ]
    );
    assert_eq!(RSDP.len(), 36);
}

#[test]
fn the_kernel_lies_where_it_wants_and_is_entered_in_64_bit_mode() {
    let image = good();
    let (plan, memory) = load(&bare(&image, &pc(64)));
    assert_eq!(kernel_address(&plan), PREFERRED);
    assert_eq!(
        memory.bytes(PREFERRED, KERNEL as u64),
        &image[KERNEL_AT..KERNEL_AT + KERNEL]
    );
    let state = &plan.state;
    assert_eq!(state.rflags, 2, "no interrupts");
    assert_eq!(state.efer, 0x500);
    assert_eq!(state.cr0 & 0x8000_0001, 0x8000_0001);
    assert_eq!(state.cr4, 1 << 5);
    assert_eq!(state.cs, Segment::code(0x10, true));
    assert_eq!(state.data, Segment::data(0x18));
    // The descriptors that the protocol names are in the table.
    let gdt = |selector: u64| memory.u64(state.gdtr.base + selector);
    assert_eq!(state.gdtr.limit, 31);
    assert_eq!(gdt(0x10), state.cs.descriptor());
    assert_eq!(gdt(0x18), state.data.descriptor());
    let zero = state.general[RSI];
    let command_line = u64::from(memory.u32(zero + 0x228));
    for address in [
        0,
        zero,
        command_line,
        state.rip,
        PREFERRED + u64::from(INIT_SIZE),
        0xffff_ffff,
    ] {
        assert!(maps_to_itself(&memory, state, address), "{address:#x}");
    }
}

#[test]
fn a_relocatable_kernel_goes_elsewhere_but_never_down() {
    let image = good();
    let ram = [
        range(0, 0xa_0000, MemoryKind::Ram),
        range(MIB, 0x101_0000, MemoryKind::Ram),
        range(0x110_0000, 0x1000_0000, MemoryKind::Ram),
    ];
    let (plan, _) = load(&bare(&image, &ram));
    assert_eq!(
        kernel_address(&plan),
        0x120_0000,
        "the next multiple of its alignment"
    );
    let fixed = with(0x234, &[0]);
    assert_eq!(
        refused(&bare(&fixed, &ram)),
        ImageError::NotRam {
            what: "the kernel",
            start: PREFERRED,
            end: PREFERRED + u64::from(INIT_SIZE),
        }
    );
}

#[test]
fn what_the_kernel_needs_while_it_unpacks_stays_free() {
    let image = good();
    // Room for the kernel, and just enough for the initial RAM file system beside it.
    let end = PREFERRED + u64::from(INIT_SIZE);
    let ram = [
        range(0, 0xa_0000, MemoryKind::Ram),
        range(MIB, end + 0x2000, MemoryKind::Ram),
    ];
    let initrd = [module(0x2000, "")];
    let guest = Guest {
        modules: &initrd,
        ..bare(&image, &ram)
    };
    let (_, memory) = load(&guest);
    assert_eq!(memory.bytes(end, 0x2000), module_bytes(0, 0x2000));
    // Larger: it goes below the kernel, or nowhere.
    let larger = [module(PREFERRED - MIB, "")];
    let (plan, _) = load(&Guest {
        modules: &larger,
        ..guest
    });
    assert!(plan.pieces.iter().any(|piece| piece.address == MIB));
    let too_large = [module(PREFERRED - MIB + 1, "")];
    assert!(matches!(
        refused(&Guest {
            modules: &too_large,
            ..guest
        }),
        ImageError::NoRoom {
            what: "the initial RAM file system",
            ..
        }
    ));
}

#[test]
fn limits_of_the_header_are_kept() {
    // The initial RAM file system below the address that the kernel names.
    let image = with(0x22c, &0x2ff_ffffu32.to_le_bytes());
    let ram = pc(256);
    let initrd = [module(MIB, "")];
    let guest = Guest {
        modules: &initrd,
        ..bare(&image, &ram)
    };
    let (plan, memory) = load(&guest);
    let address = memory.u32(plan.state.general[RSI] + 0x218);
    assert_eq!(u64::from(address), 0x2f0_0000);

    let long = "x".repeat(2048);
    assert_eq!(
        refused(&Guest {
            command_line: &long,
            ..guest
        }),
        ImageError::CommandLineTooLong {
            length: 2048,
            limit: 2047
        }
    );
    assert!(plan_with_line(&guest, &long[1..]).is_ok());
    let two = [module(1, ""), module(1, "")];
    assert_eq!(
        refused(&Guest {
            modules: &two,
            ..guest
        }),
        ImageError::TooManyModules { count: 2, limit: 1 }
    );
}

fn plan_with_line(guest: &Guest<'_>, line: &str) -> Result<Plan, ImageError> {
    plan(&Guest {
        command_line: line,
        ..*guest
    })
}

#[test]
fn broken_headers_are_named() {
    let ram = pc(256);
    let name = |image: &[u8]| refused(&bare(image, &ram));
    let unsupported = |image: &[u8]| matches!(name(image), ImageError::Unsupported(_));
    assert!(
        unsupported(&with(0x206, &0x020bu16.to_le_bytes())),
        "before 64-bit entry"
    );
    assert!(unsupported(&with(0x236, &[0])), "32-bit kernel");
    assert!(unsupported(&with(0x211, &[0])), "zImage");
    let damaged = |image: &[u8]| matches!(name(image), ImageError::Damaged(_));
    assert!(damaged(&with(0x201, &[0x10])), "short header");
    assert!(damaged(&with(0x201, &[0xff])), "long header");
    assert!(damaged(&with(0x1f4, &[0; 4])), "no kernel");
    assert!(
        damaged(&with(0x1f4, &[1, 0, 0, 0])),
        "shorter than its entry point"
    );
    assert!(damaged(&with(0x230, &3u32.to_le_bytes())), "odd alignment");
    assert!(
        damaged(&with(0x260, &16u32.to_le_bytes())),
        "smaller in memory than in the file"
    );
    let cut = &good()[..KERNEL_AT + KERNEL - 1];
    assert_eq!(name(cut), ImageError::Truncated("the Linux kernel proper"));
    assert_eq!(
        name(&good()[..0x250]),
        ImageError::Truncated("the Linux setup header")
    );
    assert!(matches!(
        refused(&bare(&with(0x260, &u32::MAX.to_le_bytes()), &ram)),
        ImageError::NoRoom {
            what: "the kernel",
            ..
        }
    ));
    let far = with(0x258, &u64::MAX.to_le_bytes());
    assert!(matches!(name(&far), ImageError::NoRoom { .. }));
    // 0 sectors stand for 4, where there is no kernel in this image.
    assert_eq!(
        name(&with(0x1f1, &[0])),
        ImageError::Truncated("the Linux kernel proper")
    );
}
