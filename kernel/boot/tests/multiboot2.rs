//! The reader of multiboot2 information against the builder of the `multiboot2` crate, and against damage.

mod common;

use common::{bytes, information, with_map};
use multiboot2::{
    Builder, CommandLineTag, FramebufferField, FramebufferTag, FramebufferType, ModuleTag,
    RsdpV1Tag, RsdpV2Tag,
};
use pagurus_boot::multiboot2::{HEADER_BYTES, Info, InfoError, total_size};
use pagurus_boot::platform::MemoryKind;
use pagurus_boot::{Platform, Range};
use proptest::prelude::*;

const MAP: &[common::Entry] = &[
    (0, 0x9_fc00, 1),
    (0x9_fc00, 0x400, 2),
    (0x10_0000, 0x7ee_0000, 1),
    (0x7fe_0000, 0x2_0000, 3),
    (0x900_0000, 0x1000, 5),
];

fn screen(shifts: [u8; 3], size: u8) -> Box<FramebufferTag> {
    let field = |position| FramebufferField { position, size };
    let kind = FramebufferType::RGB {
        red: field(shifts[0]),
        green: field(shifts[1]),
        blue: field(shifts[2]),
    };
    FramebufferTag::new(0xe000_0000, 3200, 800, 600, 32, kind)
}

fn everything() -> Vec<u8> {
    let builder = with_map(Builder::new(), MAP)
        .cmdline(CommandLineTag::new("verbose cpus=2"))
        .add_module(ModuleTag::new(0x20_0000, 0x20_1234, "kernel  a b"))
        .add_module(ModuleTag::new(0x30_0000, 0x30_0001, ""))
        .framebuffer(screen([16, 8, 0], 8))
        .rsdpv1(RsdpV1Tag::new(*b"PAGURS", 0, 0x7fe_0000))
        .rsdpv2(RsdpV2Tag::new(*b"PAGURS", 2, 0x7fe_1000, 36, 0x7fe_2000));
    bytes(builder)
}

#[test]
fn reads_what_the_builder_wrote() {
    let bytes = everything();
    assert_eq!(total_size(bytes.first_chunk().unwrap()), Ok(bytes.len()));
    let info = Info::parse(&bytes).unwrap();
    assert_eq!(info.command_line(), "verbose cpus=2");

    let modules: Vec<_> = info.modules().collect();
    assert_eq!(modules.len(), 2);
    assert_eq!(modules[0].name(), "kernel");
    assert_eq!(modules[0].command_line, b"kernel  a b");
    assert_eq!(modules[0].range, Range::new(0x20_0000, 0x20_1234));
    assert_eq!(modules[1].name(), "");

    let map: Vec<_> = info.memory().unwrap().collect();
    assert_eq!(map.len(), MAP.len());
    for (entry, (start, length, kind)) in map.iter().zip(MAP) {
        assert_eq!(entry.range, Range::new(*start, start + length));
        let expected = match kind {
            1 => MemoryKind::Ram,
            5 => MemoryKind::Defective,
            _ => MemoryKind::Firmware,
        };
        assert_eq!(entry.kind, expected);
    }

    let screen = info.framebuffer().unwrap();
    assert_eq!((screen.address, screen.kind), (0xe000_0000, 1));
    assert_eq!(
        (screen.width, screen.height, screen.pitch),
        (800, 600, 3200)
    );
    assert_eq!((screen.bits_per_pixel, screen.shifts), (32, [16, 8, 0]));
}

#[test]
fn the_newer_root_pointer_counts() {
    let bytes = everything();
    let info = Info::parse(&bytes).unwrap();
    let rsdp = info.rsdp().unwrap();
    assert_eq!((rsdp.rsdt, rsdp.xsdt), (0x7fe_1000, 0x7fe_2000));
    let offset = info.rsdp_offset().unwrap();
    assert_eq!(&bytes[offset..][..36], &rsdp.bytes);
    assert!(bytes[offset..].starts_with(b"RSD PTR "));
}

#[test]
fn the_older_root_pointer_has_no_xsdt() {
    let old = RsdpV1Tag::new(*b"PAGURS", 0, 0x7fe_0000);
    let bytes = bytes(with_map(Builder::new(), MAP).rsdpv1(old));
    let rsdp = Info::parse(&bytes).unwrap().rsdp().unwrap();
    assert_eq!((rsdp.rsdt, rsdp.xsdt), (0x7fe_0000, 0));
}

#[test]
fn odd_screens_are_no_screens() {
    for (screen, usable) in [
        (screen([16, 8, 0], 8), true),
        (screen([11, 5, 0], 5), false),
        (screen([25, 8, 0], 8), false),
        (
            FramebufferTag::new(0xb8000, 160, 80, 25, 16, FramebufferType::Text),
            true,
        ),
        (
            FramebufferTag::new(0, 160, 80, 25, 16, FramebufferType::Text),
            false,
        ),
        (
            FramebufferTag::new(
                0xa0000,
                320,
                320,
                200,
                8,
                FramebufferType::Indexed { palette: &[] },
            ),
            false,
        ),
    ] {
        let bytes = bytes(Builder::new().framebuffer(screen));
        assert_eq!(Info::parse(&bytes).unwrap().framebuffer().is_some(), usable);
    }
}

#[test]
fn multiboot1_information_is_not_mistaken() {
    // Flags, then the KiB of lower memory: what Hermit's own loader passes on.
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&0x24fu32.to_le_bytes());
    header[4..].copy_from_slice(&639u32.to_le_bytes());
    assert_eq!(total_size(&header), Err(InfoError::NotMultiboot2));
    assert_eq!(Info::parse(&header).err(), Some(InfoError::NotMultiboot2));
}

#[test]
fn missing_parts_are_named() {
    let bytes = bytes(Builder::new());
    let info = Info::parse(&bytes).unwrap();
    assert_eq!(info.memory().err(), Some(InfoError::NoMemoryMap));
    assert_eq!(info.command_line(), "");
    assert!(info.rsdp().is_none() && info.framebuffer().is_none() && info.modules().count() == 0);

    let mut cut = information(MAP, &[]);
    let end = cut.len() - 8;
    cut.truncate(end);
    cut[..4].copy_from_slice(&(end as u32).to_le_bytes());
    assert_eq!(Info::parse(&cut).err(), Some(InfoError::NoEnd));
}

proptest! {
    /// Reads everything there is, so that a panic anywhere shows.
    #[test]
    fn damage_is_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = everything();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() * 2).min(bytes.len()));
        read_all(&bytes);
    }

    #[test]
    fn noise_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 16..400), framed in any::<bool>()) {
        if framed {
            let size = bytes.len() as u32;
            bytes[..4].copy_from_slice(&size.to_le_bytes());
            bytes[4..8].fill(0);
        }
        read_all(&bytes);
    }
}

fn read_all(bytes: &[u8]) {
    if let Ok(info) = Info::parse(bytes) {
        let _ = info.command_line();
        let _ = info.framebuffer();
        for module in info.modules() {
            let _ = module.name();
        }
        if let Ok(map) = info.memory() {
            for entry in map {
                assert!(
                    entry
                        .range
                        .start
                        .checked_add(entry.range.length())
                        .is_some()
                );
            }
        }
        if let (Some(rsdp), Some(offset)) = (info.rsdp(), info.rsdp_offset()) {
            assert!(bytes[offset..].starts_with(&rsdp.bytes[..20]));
        }
    }
    let _ = Platform::from_multiboot2(bytes, 0x9000, Range::new(0x40_0000, 0x50_0000));
}
