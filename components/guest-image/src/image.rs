//! What kind an image is.

use crate::bzimage;
use crate::elf_file::ElfFile;
use crate::error::ImageError;
use crate::guest::Guest;
use crate::multiboot::{one, two};
use crate::plan::{Builder, Plan};
use crate::space::Space;
use crate::{hermit, pvh};

/// Kinds of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Linux bzImage, by its 64-bit boot protocol.
    Linux,
    /// Hermit unikernel.
    Hermit,
    /// ELF file that is entered as Xen's PVH guests are.
    Pvh,
    /// Multiboot2 image.
    Multiboot2,
    /// Multiboot image of the first version.
    Multiboot1,
}

/// Tells the kind of an image.
///
/// # Errors
/// [`ImageError::Unknown`] or [`ImageError::Compressed`] if it is none, or an error that names what is wrong
/// with an ELF file.
pub fn recognise(image: &[u8]) -> Result<Kind, ImageError> {
    if bzimage::is(image) {
        return Ok(Kind::Linux);
    }
    let elf = if ElfFile::is(image) {
        Some(ElfFile::parse(image)?)
    } else {
        None
    };
    if let Some(elf) = &elf {
        if hermit::is(elf) {
            return Ok(Kind::Hermit);
        }
        if pvh::is(elf) {
            return Ok(Kind::Pvh);
        }
    }
    if two::is(image) {
        return Ok(Kind::Multiboot2);
    }
    if one::is(image) {
        return Ok(Kind::Multiboot1);
    }
    match (elf, compression(image)) {
        (Some(_), _) => Err(ImageError::Unsupported(
            "an ELF file with neither a PVH or Hermit note nor a multiboot header",
        )),
        (None, Some(format)) => Err(ImageError::Compressed(format)),
        (None, None) => Err(ImageError::Unknown),
    }
}

/// Formats in which kernels are found compressed as a whole.
fn compression(image: &[u8]) -> Option<&'static str> {
    let formats: [(&[u8], &str); 5] = [
        (&[0x1f, 0x8b], "gzip"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (b"BZh", "bzip2"),
        (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
    ];
    let mut found = formats.iter().filter(|(magic, _)| image.starts_with(magic));
    found.next().map(|(_, name)| *name)
}

/// Plans how a guest is loaded and started.
///
/// # Errors
/// [`ImageError`] names what is wrong with the image, or what does not fit.
pub fn plan(guest: &Guest<'_>) -> Result<Plan, ImageError> {
    guest.check()?;
    let kind = match guest.kind {
        Some(kind) => kind,
        None => recognise(guest.image)?,
    };
    let builder = Builder::new(Space::new(guest.memory)?);
    match kind {
        Kind::Linux => bzimage::plan(guest, builder),
        Kind::Hermit => hermit::plan(guest, builder),
        Kind::Pvh => pvh::plan(guest, builder),
        Kind::Multiboot2 => two::plan(guest, builder),
        Kind::Multiboot1 => one::plan(guest, builder),
    }
}
