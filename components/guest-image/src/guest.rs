//! What the VMM knows about a guest before it looks at the image.

use crate::error::ImageError;
use crate::image::Kind;
use crate::space::Space;
use alloc::vec::Vec;

/// A guest to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// The image: the file as it is. For a Hermit unikernel it must lie at a multiple of 8 bytes.
    pub image: &'a [u8],
    /// What to take it for; `None` for what it is recognised as.
    pub kind: Option<Kind>,
    /// The first word of a multiboot command line (`argv[0]`), by custom the image's path.
    pub name: &'a str,
    /// Command line, without the name.
    pub command_line: &'a str,
    /// Modules in order. Linux takes one, its initial RAM file system.
    pub modules: &'a [Module<'a>],
    /// Guest-physical memory: RAM, and the ranges in it or beside it that are something else. Where both
    /// overlap it is not RAM. Nothing else exists for the guest to use.
    pub memory: &'a [MemoryRange],
    /// The ACPI root pointer, if the guest has ACPI tables. They lie outside of its RAM.
    pub rsdp: Option<Rsdp<'a>>,
}

/// A module: only its length matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// Bytes.
    pub length: u64,
    /// Its command line, as multiboot and PVH guests get it.
    pub command_line: &'a str,
}

/// A range of guest-physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First address.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// What is there.
    pub kind: MemoryKind,
}

/// What is at a range of addresses, by the numbers of ACPI's address map interface (ACPI 6.5, section 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryKind {
    /// The guest's to use.
    Ram = 1,
    /// Registers, firmware: not to be used.
    Reserved = 2,
    /// ACPI tables: RAM once the guest has read them.
    AcpiReclaimable = 3,
    /// ACPI: to be kept.
    AcpiNvs = 4,
}

/// The ACPI root pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rsdp<'a> {
    /// Guest-physical address.
    pub address: u64,
    /// The structure itself, of which multiboot2 guests get a copy.
    pub bytes: &'a [u8],
}

/// Ranges that a memory map may have: the zero page of Linux has room for so many.
pub(crate) const MAX_RANGES: usize = 128;
/// Modules that a guest may have.
pub(crate) const MAX_MODULES: usize = 64;
/// Bytes of a command line, of an image or a module. Linux takes less and says so itself.
pub(crate) const MAX_COMMAND_LINE: usize = 4096;

impl<'a> Guest<'a> {
    /// Refuses what no kind of image could be given.
    pub(crate) fn check(&self) -> Result<(), ImageError> {
        let lines = self.modules.iter().map(|module| module.command_line);
        for line in lines.chain([self.command_line, self.name]) {
            if line.contains('\0') {
                return Err(ImageError::CommandLineNul);
            }
            if line.len() > MAX_COMMAND_LINE {
                return Err(ImageError::CommandLineTooLong {
                    length: line.len() as u64,
                    limit: MAX_COMMAND_LINE as u64,
                });
            }
        }
        if self.memory.len() > MAX_RANGES {
            return Err(ImageError::TooManyRanges {
                count: self.memory.len(),
                limit: MAX_RANGES,
            });
        }
        if self.modules.len() > MAX_MODULES {
            return Err(ImageError::TooManyModules {
                count: self.modules.len(),
                limit: MAX_MODULES,
            });
        }
        if let Some(empty) = self.modules.iter().position(|module| module.length == 0) {
            return Err(ImageError::EmptyModule(empty));
        }
        Ok(())
    }

    /// The memory map in ascending order, in which what is RAM is RAM only.
    pub(crate) fn memory_map(&self) -> Result<Vec<MemoryRange>, ImageError> {
        let mut map = Space::new(self.memory)?.ram();
        let others = self.memory.iter();
        map.extend(others.filter(|range| range.length != 0 && range.kind != MemoryKind::Ram));
        map.sort_by_key(|range| range.start);
        if map.len() > MAX_RANGES {
            return Err(ImageError::TooManyRanges {
                count: map.len(),
                limit: MAX_RANGES,
            });
        }
        Ok(map)
    }
}
