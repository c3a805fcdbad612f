//! Multiboot images of both versions.
//!
//! Both are entered in 32-bit protected mode, and both can be ELF files or, with a header that gives
//! addresses, flat files (which ELF files may have as well: then the addresses count).

mod flat;
pub mod information;
pub mod one;
pub mod two;

use crate::elf_file::ElfFile;
use crate::error::ImageError;
use crate::guest::Guest;
use crate::plan::{Builder, Source};
use crate::space::{GIB4, PAGE};
use alloc::string::String;
use alloc::vec::Vec;
use flat::Addresses;

/// What guests are told about who loaded them.
const LOADER_NAME: &str = "Pagurus";

/// Where a module was put.
pub struct Placed<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Its command line.
    pub command_line: &'a str,
}

/// Loads the image; returns its physical entry point, which for ELF files the header may name in place of
/// the file, and the end of what was loaded.
fn load_image(
    guest: &Guest<'_>,
    builder: &mut Builder,
    addresses: Option<Addresses>,
    entry: Option<u32>,
) -> Result<(u64, u64), ImageError> {
    match addresses {
        Some(addresses) => addresses.load(guest.image, builder),
        None => {
            if !ElfFile::is(guest.image) {
                return Err(ImageError::Unsupported(
                    "a multiboot image that is no ELF file and gives no addresses",
                ));
            }
            let elf = ElfFile::parse(guest.image)?;
            elf.load(builder, GIB4)?;
            let entry = match entry {
                Some(entry) if elf.is_code(entry.into()) => entry.into(),
                Some(_) => {
                    return Err(ImageError::Damaged(
                        "entry point in the multiboot header: not in code",
                    ));
                }
                None => elf.physical_entry()?,
            };
            Ok((entry, elf.end()))
        }
    }
}

/// Puts the modules behind the image, each on a page of its own, as loaders do.
fn load_modules<'a>(
    guest: &Guest<'a>,
    builder: &mut Builder,
    image_end: u64,
) -> Result<Vec<Placed<'a>>, ImageError> {
    let mut placed = Vec::with_capacity(guest.modules.len());
    let mut from = image_end;
    for (number, module) in guest.modules.iter().enumerate() {
        let what = "a module";
        let start = builder
            .space
            .take_low(what, module.length, PAGE, from.max(PAGE), GIB4)?;
        builder.put(start, module.length, Source::Module(number));
        from = start + module.length;
        placed.push(Placed {
            start,
            end: from,
            command_line: module.command_line,
        });
    }
    Ok(placed)
}

/// The command line with the image's name in front.
fn command_line(guest: &Guest<'_>) -> String {
    let mut line = String::from(guest.name);
    if !guest.command_line.is_empty() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(guest.command_line);
    }
    line
}
