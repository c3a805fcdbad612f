//! The multiboot2 boot information, read from a slice of bytes.
//!
//! Multiboot2 Specification 2.0, section 3.6 (boot information format). The `multiboot2` crate needs a raw
//! pointer and panics on tags of odd sizes; here the firmware and the loader are not trusted to get them
//! right. The tests use that crate to build what is parsed here.

use crate::platform::{FirmwareRange, MemoryKind, Rsdp};
use crate::range::Range;
use core::fmt;
use pagurus_abi::boot::Framebuffer;

/// What a multiboot2 loader leaves in `eax` (section 3.5).
pub const MAGIC: u32 = 0x36d7_6289;
/// Bytes of the fixed part: total size and a reserved word.
pub const HEADER_BYTES: usize = 8;
/// More is refused: no loader needs a megabyte to say what it did.
pub const MAX_BYTES: usize = 1 << 20;

const TAG_END: u32 = 0;
const TAG_COMMAND_LINE: u32 = 1;
const TAG_MODULE: u32 = 3;
const TAG_MEMORY_MAP: u32 = 6;
const TAG_FRAMEBUFFER: u32 = 8;
const TAG_RSDP_V1: u32 = 14;
const TAG_RSDP_V2: u32 = 15;

/// Why the boot information cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoError {
    /// The fixed part is not that of multiboot2 (its reserved word is not zero, or its size is absurd).
    NotMultiboot2,
    /// A tag at this offset is shorter than its header or reaches beyond the end.
    BadTag(usize),
    /// The end tag is missing.
    NoEnd,
    /// There is no memory map.
    NoMemoryMap,
}

impl fmt::Display for InfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InfoError::NotMultiboot2 => {
                f.write_str("the loader left no multiboot2 information; start Pagurus from its ISO")
            }
            InfoError::BadTag(offset) => {
                write!(f, "the multiboot2 information has a bad tag at offset {offset:#x}")
            }
            InfoError::NoEnd => f.write_str("the multiboot2 information has no end tag"),
            InfoError::NoMemoryMap => f.write_str(
                "the multiboot2 information has no memory map; the firmware or GRUB did not provide one",
            ),
        }
    }
}

impl core::error::Error for InfoError {}

/// Total size in bytes that the fixed part announces.
///
/// # Errors
/// [`InfoError::NotMultiboot2`] if this is not the beginning of multiboot2 information.
pub fn total_size(header: &[u8; HEADER_BYTES]) -> Result<usize, InfoError> {
    let size = u32_at(header, 0).unwrap_or(0) as usize;
    let reserved = u32_at(header, 4).unwrap_or(1);
    if reserved != 0 || !(HEADER_BYTES..=MAX_BYTES).contains(&size) {
        return Err(InfoError::NotMultiboot2);
    }
    Ok(size)
}

/// Boot information whose chain of tags is known to be whole.
#[derive(Clone, Copy, Debug)]
pub struct Info<'a> {
    tags: &'a [u8],
}

/// A module as the loader describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleTag<'a> {
    /// Where it lies.
    pub range: Range,
    /// Its command line without the terminating zero.
    pub command_line: &'a [u8],
}

impl ModuleTag<'_> {
    /// The first word of the command line; empty if that is not UTF-8.
    pub fn name(&self) -> &str {
        let word = self
            .command_line
            .split(|byte| byte.is_ascii_whitespace())
            .find(|word| !word.is_empty())
            .unwrap_or(b"");
        core::str::from_utf8(word).unwrap_or("")
    }
}

impl<'a> Info<'a> {
    /// Checks the chain of tags.
    ///
    /// # Errors
    /// [`InfoError`], if the bytes are not whole multiboot2 information.
    pub fn parse(bytes: &'a [u8]) -> Result<Info<'a>, InfoError> {
        let header = bytes.first_chunk().ok_or(InfoError::NotMultiboot2)?;
        let size = total_size(header)?;
        let tags = bytes
            .get(HEADER_BYTES..size)
            .ok_or(InfoError::NotMultiboot2)?;
        let mut offset = 0;
        loop {
            if offset == tags.len() {
                return Err(InfoError::NoEnd);
            }
            let bad = InfoError::BadTag(HEADER_BYTES + offset);
            let kind = u32_at(tags, offset).ok_or(bad)?;
            let size = u32_at(tags, offset + 4).ok_or(bad)? as usize;
            if size < 8 || size > tags.len() - offset {
                return Err(bad);
            }
            if kind == TAG_END {
                return Ok(Info {
                    tags: &tags[..offset],
                });
            }
            offset = (offset + size).next_multiple_of(8).min(tags.len());
        }
    }

    /// Every tag but the end: type and body.
    fn tags(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let tags = self.tags;
        let mut offset = 0;
        core::iter::from_fn(move || {
            let kind = u32_at(tags, offset)?;
            let size = u32_at(tags, offset + 4)? as usize;
            let body = tags.get(offset + 8..offset + size)?;
            offset = (offset + size).next_multiple_of(8);
            Some((kind, body))
        })
    }

    fn tag(&self, wanted: u32) -> Option<&'a [u8]> {
        self.tags()
            .find_map(|(kind, body)| (kind == wanted).then_some(body))
    }

    /// The loader's (here: the kernel's) command line; empty if there is none or it is not UTF-8.
    pub fn command_line(&self) -> &'a str {
        let line = self.tag(TAG_COMMAND_LINE).map_or(&b""[..], until_zero);
        core::str::from_utf8(line).unwrap_or("")
    }

    /// The modules in the order in which they were loaded. Tags too short to be modules are skipped.
    pub fn modules(&self) -> impl Iterator<Item = ModuleTag<'a>> + use<'a> {
        self.tags().filter_map(|(kind, body)| {
            if kind != TAG_MODULE {
                return None;
            }
            Some(ModuleTag {
                range: Range::new(u32_at(body, 0)?.into(), u32_at(body, 4)?.into()),
                command_line: until_zero(body.get(8..)?),
            })
        })
    }

    /// The memory map in the firmware's order: nothing is promised about overlaps or lengths, but ranges do
    /// not wrap. A range of RAM that would is skipped, one of anything else is cut.
    ///
    /// # Errors
    /// [`InfoError::NoMemoryMap`].
    pub fn memory(&self) -> Result<impl Iterator<Item = FirmwareRange> + use<'a>, InfoError> {
        let body = self.tag(TAG_MEMORY_MAP).ok_or(InfoError::NoMemoryMap)?;
        let size = u32_at(body, 0).ok_or(InfoError::NoMemoryMap)? as usize;
        if size < 24 {
            return Err(InfoError::NoMemoryMap);
        }
        let entries = body.get(8..).unwrap_or(&[]);
        Ok(entries.chunks_exact(size).filter_map(|entry| {
            let start = u64_at(entry, 0)?;
            let length = u64_at(entry, 8)?;
            let kind = match u32_at(entry, 16)? {
                1 => MemoryKind::Ram,
                5 => MemoryKind::Defective,
                _ => MemoryKind::Firmware,
            };
            let range = match (Range::sized(start, length), kind) {
                (Some(range), _) => range,
                (None, MemoryKind::Ram) => return None,
                (None, _) => Range::new(start, u64::MAX),
            };
            Some(FirmwareRange { range, kind })
        }))
    }

    /// The ACPI root pointer: the loader's copy of version 2 if there is one, else of version 1. Its
    /// checksums are not looked at here.
    pub fn rsdp(&self) -> Option<Rsdp> {
        let (body, least) = match self.tag(TAG_RSDP_V2) {
            Some(body) => (body, Rsdp::V2_BYTES),
            None => (self.tag(TAG_RSDP_V1)?, Rsdp::V1_BYTES),
        };
        Rsdp::from_bytes(body, least)
    }

    /// Offset of the copy of the ACPI root pointer from the start of the information.
    pub fn rsdp_offset(&self) -> Option<usize> {
        let body = self.tag(TAG_RSDP_V2).or_else(|| self.tag(TAG_RSDP_V1))?;
        Some(HEADER_BYTES + body.as_ptr().addr() - self.tags.as_ptr().addr())
    }

    /// The screen: a linear one with red, green and blue of 8 bits each, or VGA text. Palettes are not for us.
    pub fn framebuffer(&self) -> Option<Framebuffer> {
        let body = self.tag(TAG_FRAMEBUFFER)?;
        let mut screen = Framebuffer {
            address: u64_at(body, 0)?,
            pitch: u32_at(body, 8)?,
            width: u32_at(body, 12)?,
            height: u32_at(body, 16)?,
            bits_per_pixel: *body.get(20)?,
            kind: *body.get(21)?,
            ..Framebuffer::default()
        };
        match screen.kind {
            1 => {
                // Position and size of each field, from byte 24 on (after two reserved bytes).
                let fields = body.get(24..30)?;
                if fields[1] != 8 || fields[3] != 8 || fields[5] != 8 {
                    return None;
                }
                screen.shifts = [fields[0], fields[2], fields[4]];
                if screen
                    .shifts
                    .iter()
                    .any(|shift| u32::from(*shift) + 8 > u32::from(screen.bits_per_pixel))
                {
                    return None;
                }
            }
            2 => {}
            _ => return None,
        }
        (screen.address != 0 && screen.width != 0 && screen.height != 0).then_some(screen)
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}
