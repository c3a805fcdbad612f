//! ELF files with a PVH note.

use crate::elf::{self, READ_EXECUTE, READ_WRITE};
use crate::guest::{bare, full, load, module, module_bytes, pc, refused};
use pagurus_guest_image::{Guest, ImageError, Kind, Segment};

const RBX: usize = 3;
const HIGH: u64 = 0xffff_ffff_8000_0000;

/// A kernel as Linux is: linked high, loaded low, entered where the note says.
fn kernel(wide: bool, entry: &[u8]) -> Vec<u8> {
    let virt = if wide { HIGH } else { 0xc000_0000 };
    elf::file(
        wide,
        virt + 0x20_0000,
        &[
            elf::load(
                0x20_0000,
                virt + 0x20_0000,
                READ_EXECUTE,
                &[0x90; 0x300],
                0x300,
            ),
            elf::load(0x40_0000, virt + 0x40_0000, READ_WRITE, &[7; 0x100], 0x5000),
            elf::note("Xen", 18, entry),
        ],
    )
}

#[test]
fn the_start_information_is_whole() {
    let image = kernel(true, &0x20_0100u32.to_le_bytes());
    let ram = pc(256);
    let modules = [module(0x1001, "initrd"), module(5, "")];
    let (plan, memory) = load(&full(&image, &ram, &modules));
    assert_eq!(plan.kind, Kind::Pvh);
    assert_eq!(plan.state.rip, 0x20_0100);
    assert_eq!(memory.bytes(0x20_0000, 0x300), [0x90; 0x300]);
    assert_eq!(memory.bytes(0x40_0000, 0x100), [7; 0x100]);
    assert_eq!(memory.bytes(0x40_0100, 0x4f00), [0; 0x4f00]);

    let info = plan.state.general[RBX];
    assert_eq!(memory.u32(info), 0x336e_c578);
    assert_eq!(memory.u32(info + 4), 1);
    assert_eq!(memory.u32(info + 12), 2);
    assert_eq!(memory.string(memory.u64(info + 24)), "console=ttyS0 quiet");
    assert_eq!(memory.u64(info + 32), 0xfff_0000);
    let list = memory.u64(info + 16);
    for (number, expected) in modules.iter().enumerate() {
        let entry = list + 32 * number as u64;
        let (address, length) = (memory.u64(entry), memory.u64(entry + 8));
        assert_eq!(length, expected.length);
        assert_eq!(memory.bytes(address, length), module_bytes(number, length));
        assert_eq!(memory.string(memory.u64(entry + 16)), expected.command_line);
    }
    let map = memory.u64(info + 40);
    assert_eq!(memory.u32(info + 48), 5);
    assert_eq!(memory.u64(map), 0);
    assert_eq!(memory.u64(map + 8), 0xa_0000);
    assert_eq!(memory.u32(map + 16), 1);
    assert_eq!(memory.u32(map + 24 + 16), 2);
}

#[test]
fn entered_in_protected_mode() {
    let image = kernel(false, &0x20_0000u32.to_le_bytes());
    let (plan, memory) = load(&bare(&image, &pc(64)));
    let state = plan.state;
    assert_eq!((state.rip, state.rflags), (0x20_0000, 2));
    assert_eq!((state.cr0 & 0x8000_0001, state.cr4, state.efer), (1, 0, 0));
    assert_eq!(state.cs, Segment::code(8, false));
    assert_eq!(state.cs.limit, u32::MAX);
    assert_eq!(state.tr.limit, 0x67);
    let info = state.general[RBX];
    assert_eq!(
        (memory.u32(info + 12), memory.u64(info + 16)),
        (0, 0),
        "no modules"
    );
    assert_eq!(memory.u64(info + 32), 0, "no ACPI");
}

#[test]
fn notes_of_eight_bytes_are_read_and_bad_ones_refused() {
    let ram = pc(64);
    let (plan, _) = load(&bare(&kernel(true, &0x20_0000u64.to_le_bytes()), &ram));
    assert_eq!(plan.state.rip, 0x20_0000);
    for entry in [
        &[0u8; 3][..],
        &[],
        &(1u64 << 32).to_le_bytes(),
        &0x40_0000u32.to_le_bytes(),
    ] {
        let image = kernel(true, entry);
        assert!(
            matches!(refused(&bare(&image, &ram)), ImageError::Damaged(_)),
            "{entry:?}"
        );
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let image = kernel(true, &0x20_0000u32.to_le_bytes());
    let ram = pc(4);
    assert_eq!(
        refused(&bare(&image, &ram)),
        ImageError::NotRam {
            what: "a segment of the image",
            start: 0x40_0000,
            end: 0x40_5000,
        }
    );
    let ram = pc(64);
    let large = [module(64 << 20, "")];
    assert!(matches!(
        refused(&Guest {
            modules: &large,
            ..bare(&image, &ram)
        }),
        ImageError::NoRoom {
            what: "a module",
            ..
        }
    ));
}
