//! Multiboot2.
//!
//! References: Multiboot2 Specification 2.0, sections 3.1 (header), 3.3 (machine state), 3.6 (boot
//! information).

use super::flat::Addresses;
use super::information::memory_sizes;
use super::{LOADER_NAME, Placed, command_line, load_image, load_modules};
use crate::bytes::{Writer, u16_at, u32_at};
use crate::error::ImageError;
use crate::guest::Guest;
use crate::image::Kind;
use crate::plan::{Builder, Plan};
use crate::state::{InitialState, RAX, RBX};
use alloc::vec::Vec;

const HEADER_MAGIC: u32 = 0xe852_50d6;
/// What the image finds in `eax`.
const BOOT_MAGIC: u32 = 0x36d7_6289;
/// The header lies wholly in so many bytes.
const SEARCH: usize = 32768;
const HEADER_BYTES: usize = 16;
/// Protected mode of an i386.
const I386: u32 = 0;

const TAG_END: u16 = 0;
const TAG_REQUEST: u16 = 1;
const TAG_ADDRESS: u16 = 2;
const TAG_ENTRY: u16 = 3;
const TAG_CONSOLE: u16 = 4;
const TAG_FRAMEBUFFER: u16 = 5;
const TAG_ALIGN_MODULES: u16 = 6;
const TAG_EFI_SERVICES: u16 = 7;
const TAG_EFI_ENTRY_32: u16 = 8;
const TAG_EFI_ENTRY_64: u16 = 9;
const TAG_RELOCATABLE: u16 = 10;
/// The loader may ignore the tag.
const OPTIONAL: u16 = 1 << 0;
/// The image can do without a text console.
const CONSOLE_REQUIRED: u32 = 1 << 0;

const INFO_COMMAND_LINE: u32 = 1;
const INFO_LOADER: u32 = 2;
const INFO_MODULE: u32 = 3;
const INFO_MEMORY: u32 = 4;
const INFO_MAP: u32 = 6;
const INFO_RSDP_OLD: u32 = 14;
const INFO_RSDP: u32 = 15;
const INFO_LOAD_BASE: u32 = 21;
/// What boot information has for every guest.
const ALWAYS: [u32; 6] = [
    INFO_COMMAND_LINE,
    INFO_LOADER,
    INFO_MODULE,
    INFO_MEMORY,
    INFO_MAP,
    INFO_LOAD_BASE,
];

/// True if there is a header.
pub fn is(image: &[u8]) -> bool {
    find(image).is_some()
}

/// Offset and length of the header.
fn find(image: &[u8]) -> Option<(usize, usize)> {
    (0..=SEARCH - HEADER_BYTES).step_by(8).find_map(|offset| {
        let magic = u32_at(image, offset)?;
        if magic != HEADER_MAGIC {
            return None;
        }
        let architecture = u32_at(image, offset + 4)?;
        let length = u32_at(image, offset + 8)?;
        let sum = [architecture, length, u32_at(image, offset + 12)?]
            .into_iter()
            .fold(magic, u32::wrapping_add);
        (architecture == I386 && sum == 0).then_some((offset, length as usize))
    })
}

/// What the header asks for.
#[derive(Default)]
struct Wishes {
    addresses: Option<[u32; 4]>,
    entry: Option<u32>,
}

/// Reads the header's tags.
fn wishes(header: &[u8], has_rsdp: bool) -> Result<Wishes, ImageError> {
    let bad = ImageError::Damaged("multiboot2 header");
    let mut wishes = Wishes::default();
    let mut offset = HEADER_BYTES;
    loop {
        let (Some(kind), Some(flags), Some(size)) = (
            u16_at(header, offset),
            u16_at(header, offset + 2),
            u32_at(header, offset + 4),
        ) else {
            return Err(bad);
        };
        let size = size as usize;
        let body = size
            .checked_sub(8)
            .and_then(|length| header.get(offset + 8..)?.get(..length))
            .ok_or(bad.clone())?;
        let word = |number: usize| u32_at(body, 4 * number).ok_or(bad.clone());
        match kind {
            TAG_END => return Ok(wishes),
            TAG_REQUEST if flags & OPTIONAL == 0 => check_request(body, has_rsdp)?,
            TAG_ADDRESS => wishes.addresses = Some([word(0)?, word(1)?, word(2)?, word(3)?]),
            TAG_ENTRY => wishes.entry = Some(word(0)?),
            TAG_CONSOLE if flags & OPTIONAL == 0 && word(0)? & CONSOLE_REQUIRED != 0 => {
                return Err(ImageError::Unsupported(
                    "its multiboot2 header demands a screen",
                ));
            }
            TAG_FRAMEBUFFER if flags & OPTIONAL == 0 => {
                return Err(ImageError::Unsupported(
                    "its multiboot2 header demands a frame buffer",
                ));
            }
            // Modules are always aligned, the image stays where it is linked, and there is no EFI.
            TAG_REQUEST | TAG_CONSOLE | TAG_FRAMEBUFFER | TAG_ALIGN_MODULES | TAG_EFI_SERVICES
            | TAG_EFI_ENTRY_32 | TAG_EFI_ENTRY_64 | TAG_RELOCATABLE => {}
            _ if flags & OPTIONAL == 0 => {
                return Err(ImageError::Unsupported(
                    "its multiboot2 header has a tag that must be understood, but is not known",
                ));
            }
            _ => {}
        }
        offset = (offset + size).next_multiple_of(8);
    }
}

/// Refuses an image that cannot do without information that there is none of.
fn check_request(body: &[u8], has_rsdp: bool) -> Result<(), ImageError> {
    for wanted in body.as_chunks().0 {
        let wanted = u32::from_le_bytes(*wanted);
        let rsdp = matches!(wanted, INFO_RSDP_OLD | INFO_RSDP);
        let there = ALWAYS.contains(&wanted) || (rsdp && has_rsdp);
        if !there {
            return Err(ImageError::Unsupported(
                "its multiboot2 header demands information that this machine has none of (a screen, a BIOS, ELF sections or ACPI)",
            ));
        }
    }
    Ok(())
}

/// Plans how an image is loaded.
pub fn plan(guest: &Guest<'_>, mut builder: Builder) -> Result<Plan, ImageError> {
    let (offset, length) = find(guest.image).ok_or(ImageError::Damaged(
        "multiboot2 header: there is none in the first 32 KiB",
    ))?;
    let header = guest
        .image
        .get(offset..)
        .and_then(|rest| rest.get(..length))
        .filter(|_| offset + length <= SEARCH)
        .ok_or(ImageError::Damaged("multiboot2 header: length"))?;
    let wishes = wishes(header, guest.rsdp.is_some())?;
    let addresses = match (wishes.addresses, wishes.entry) {
        (Some([header, load, load_end, bss_end]), Some(entry)) => Some(Addresses {
            header_offset: offset as u64,
            header,
            load,
            load_end,
            bss_end,
            entry,
        }),
        (Some(_), None) => {
            return Err(ImageError::Damaged(
                "multiboot2 header: addresses without an entry point",
            ));
        }
        (None, _) => None,
    };
    let (entry, end) = load_image(guest, &mut builder, addresses, wishes.entry)?;
    let base = builder.lowest();
    let modules = load_modules(guest, &mut builder, end)?;
    let info = information(guest, &modules, base)?;
    let info = builder.place_bytes("boot information", info, 8)?;

    let mut state = InitialState::protected(entry);
    state.general[RAX] = u64::from(BOOT_MAGIC);
    state.general[RBX] = info;
    Ok(builder.finish(Kind::Multiboot2, state))
}

/// The boot information: one tag after the other.
fn information(
    guest: &Guest<'_>,
    modules: &[Placed<'_>],
    load_base: u64,
) -> Result<Vec<u8>, ImageError> {
    let mut info = Writer::default();
    // Total size, set at the end, and a reserved word.
    info.u64(0);
    let mut tag = |kind: u32, body: &dyn Fn(&mut Writer)| {
        let mut bytes = Writer::default();
        body(&mut bytes);
        info.u32(kind).u32(8 + bytes.length() as u32);
        info.bytes(&bytes.0).align(8);
    };
    tag(INFO_COMMAND_LINE, &|tag| {
        tag.string(&command_line(guest));
    });
    tag(INFO_LOADER, &|tag| {
        tag.string(LOADER_NAME);
    });
    for module in modules {
        tag(INFO_MODULE, &|tag| {
            tag.u32(module.start as u32)
                .u32(module.end as u32)
                .string(module.command_line);
        });
    }
    let (lower, upper) = memory_sizes(guest)?;
    let map = guest.memory_map()?;
    tag(INFO_MEMORY, &|tag| {
        tag.u32(lower).u32(upper);
    });
    tag(INFO_MAP, &|tag| {
        // Size and version of entries.
        tag.u32(24).u32(0);
        for range in &map {
            tag.u64(range.start)
                .u64(range.length)
                .u32(range.kind as u32)
                .u32(0);
        }
    });
    if let Some(rsdp) = guest.rsdp {
        // The first 20 bytes are the structure of ACPI 1.0.
        let old = rsdp.bytes.get(..20).unwrap_or(rsdp.bytes);
        tag(INFO_RSDP_OLD, &|tag| {
            tag.bytes(old);
        });
        tag(INFO_RSDP, &|tag| {
            tag.bytes(rsdp.bytes);
        });
    }
    tag(INFO_LOAD_BASE, &|tag| {
        tag.u32(load_base as u32);
    });
    tag(u32::from(TAG_END), &|_| {});
    let total = info.length() as u32;
    crate::bytes::put(&mut info.0, 0, &total.to_le_bytes());
    Ok(info.0)
}
