//! What is refused whatever the image, and how kinds are told apart.

use crate::elf::{self, READ_EXECUTE};
use crate::guest::{bare, module, pc, range, refused};
use crate::linux_image::good;
use pagurus_guest_image::{Guest, ImageError, Kind, MemoryKind, MemoryRange, recognise};

#[test]
fn kinds_are_told_apart() {
    assert_eq!(recognise(&good()), Ok(Kind::Linux));
    assert_eq!(recognise(&[]), Err(ImageError::Unknown));
    assert_eq!(recognise(&[0; 10000]), Err(ImageError::Unknown));
    assert_eq!(
        recognise(b"\x1f\x8b\x08rest"),
        Err(ImageError::Compressed("gzip"))
    );
    assert_eq!(
        recognise(b"\x28\xb5\x2f\xfdrest"),
        Err(ImageError::Compressed("zstd"))
    );

    let code = elf::load(0x20_0000, 0x20_0000, READ_EXECUTE, &[0x90; 16], 16);
    let plain = elf::file(true, 0x20_0000, std::slice::from_ref(&code));
    assert!(matches!(recognise(&plain), Err(ImageError::Unsupported(_))));
    let pvh = elf::note("Xen", 18, &0x20_0000u32.to_le_bytes());
    let hermit = elf::note("HERMIT", 0x5a00, &[4]);
    let both = elf::file(true, 0x20_0000, &[code.clone(), pvh.clone(), hermit]);
    assert_eq!(recognise(&both), Ok(Kind::Hermit), "the first in the order");
    // Notes of other names or types are none of these.
    let other = [elf::note("Xen", 17, &[0; 4]), elf::note("Xe", 18, &[0; 4])];
    let others = elf::file(
        true,
        0x20_0000,
        &[code.clone(), other[0].clone(), other[1].clone()],
    );
    assert!(matches!(
        recognise(&others),
        Err(ImageError::Unsupported(_))
    ));

    for (at, value) in [(18, 0xb7), (5, 2)] {
        let mut foreign = elf::file(true, 0x20_0000, &[code.clone(), pvh.clone()]);
        foreign[at] = value;
        assert_eq!(
            recognise(&foreign),
            Err(ImageError::Unsupported("an ELF file for another machine"))
        );
    }
}

#[test]
fn bad_descriptions_are_refused() {
    let image = good();
    let ram = pc(64);
    let guest = bare(&image, &ram);
    assert_eq!(
        refused(&Guest {
            command_line: "a\0b",
            ..guest
        }),
        ImageError::CommandLineNul
    );
    let long = "x".repeat(5000);
    assert!(matches!(
        refused(&Guest {
            name: &long,
            ..guest
        }),
        ImageError::CommandLineTooLong { length: 5000, .. }
    ));
    let many = vec![range(0, 0x1000, MemoryKind::Ram); 129];
    assert!(matches!(
        refused(&Guest {
            memory: &many,
            ..guest
        }),
        ImageError::TooManyRanges { count: 129, .. }
    ));
    let modules = vec![module(1, ""); 65];
    assert!(matches!(
        refused(&Guest {
            modules: &modules,
            ..guest
        }),
        ImageError::TooManyModules { count: 65, .. }
    ));
    let modules = [module(1, ""), module(0, "")];
    assert_eq!(
        refused(&Guest {
            modules: &modules,
            ..guest
        }),
        ImageError::EmptyModule(1)
    );
    let wraps = [MemoryRange {
        start: 1,
        length: u64::MAX,
        kind: MemoryKind::Reserved,
    }];
    assert_eq!(
        refused(&Guest {
            memory: &wraps,
            ..guest
        }),
        ImageError::BadRange(1)
    );
}

#[test]
fn every_error_says_what_and_why() {
    let errors = [
        ImageError::Unknown,
        ImageError::Compressed("gzip"),
        ImageError::Unsupported("x"),
        ImageError::Truncated("x"),
        ImageError::Damaged("x"),
        ImageError::HermitVersion,
        ImageError::NotRam {
            what: "x",
            start: 1,
            end: 2,
        },
        ImageError::NoRoom {
            what: "x",
            bytes: 3,
        },
        ImageError::CommandLineTooLong {
            length: 2,
            limit: 1,
        },
        ImageError::CommandLineNul,
        ImageError::TooManyRanges { count: 2, limit: 1 },
        ImageError::TooManyModules { count: 2, limit: 1 },
        ImageError::EmptyModule(1),
        ImageError::BadRange(1),
    ];
    let texts: std::collections::BTreeSet<String> =
        errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), errors.len());
    assert!(texts.iter().all(|text| text.len() > 15));
}
