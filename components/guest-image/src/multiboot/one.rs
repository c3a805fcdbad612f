//! Multiboot of the first version.
//!
//! References: Multiboot Specification 0.6.96, sections 3.1 (header) and 3.2 (machine state).

use super::flat::Addresses;
use super::information;
use super::{command_line, load_image, load_modules};
use crate::bytes::u32_at;
use crate::error::ImageError;
use crate::guest::Guest;
use crate::image::Kind;
use crate::plan::{Builder, Plan};
use crate::state::{InitialState, RAX, RBX};

const HEADER_MAGIC: u32 = 0x1bad_b002;
/// What the image finds in `eax`.
const BOOT_MAGIC: u32 = 0x2bad_b002;
/// The header lies wholly in so many bytes.
const SEARCH: usize = 8192;
const HEADER_BYTES: usize = 12;

/// Modules on page boundaries, memory information: always done.
const KNOWN: u32 = 0b11;
/// The header gives addresses.
const ADDRESSES: u32 = 1 << 16;
/// What a loader must understand.
const REQUIRED: u32 = 0xffff;

/// True if there is a header.
pub fn is(image: &[u8]) -> bool {
    find(image).is_some()
}

/// Offset and flags of the header.
fn find(image: &[u8]) -> Option<(usize, u32)> {
    (0..=SEARCH - HEADER_BYTES).step_by(4).find_map(|offset| {
        let magic = u32_at(image, offset)?;
        let flags = u32_at(image, offset + 4)?;
        let checksum = u32_at(image, offset + 8)?;
        let sum = magic.wrapping_add(flags).wrapping_add(checksum);
        (magic == HEADER_MAGIC && sum == 0).then_some((offset, flags))
    })
}

/// Plans how an image is loaded.
pub fn plan(guest: &Guest<'_>, mut builder: Builder) -> Result<Plan, ImageError> {
    let (offset, flags) = find(guest.image).ok_or(ImageError::Damaged(
        "multiboot header: there is none in the first 8 KiB",
    ))?;
    if flags & REQUIRED & !KNOWN != 0 {
        return Err(ImageError::Unsupported(
            "its multiboot header demands a video mode or something newer",
        ));
    }
    let addresses = if flags & ADDRESSES != 0 {
        let field = |number: usize| {
            u32_at(guest.image, offset + HEADER_BYTES + 4 * number)
                .ok_or(ImageError::Truncated("the multiboot header"))
        };
        Some(Addresses {
            header_offset: offset as u64,
            header: field(0)?,
            load: field(1)?,
            load_end: field(2)?,
            bss_end: field(3)?,
            entry: field(4)?,
        })
    } else {
        None
    };
    let (entry, end) = load_image(guest, &mut builder, addresses, None)?;
    let modules = load_modules(guest, &mut builder, end)?;
    let info = information::place(guest, &mut builder, &command_line(guest), &modules)?;

    let mut state = InitialState::protected(entry);
    state.general[RAX] = u64::from(BOOT_MAGIC);
    state.general[RBX] = info;
    Ok(builder.finish(Kind::Multiboot1, state))
}
