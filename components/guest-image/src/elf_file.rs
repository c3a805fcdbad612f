//! ELF files: what is to be loaded, where it is entered, and their notes.
//!
//! References: System V ABI, chapters 4 and 5 (object files, program loading).

use crate::bytes::part;
use crate::error::ImageError;
use crate::plan::{Builder, Source};
use alloc::vec::Vec;
use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;
use elf::note::Note;
use elf::segment::ProgramHeader;

/// Program headers that a file may have: kernels have about ten.
const MAX_HEADERS: usize = 128;
/// Bytes of notes that are looked at: kernels have some hundred.
const MAX_NOTES: u64 = 64 << 10;

/// A whole ELF file for x86.
pub struct ElfFile<'a> {
    elf: ElfBytes<'a, LittleEndian>,
    file: &'a [u8],
    /// What is to be loaded, in ascending order of physical addresses.
    pub segments: Vec<LoadSegment>,
}

/// A segment to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSegment {
    /// Physical address.
    pub physical: u64,
    /// Virtual address.
    pub virt: u64,
    /// Where it lies in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub in_file: u64,
    /// Bytes in memory; those beyond the file's are zero.
    pub in_memory: u64,
    /// True if it contains code.
    pub executable: bool,
}

impl<'a> ElfFile<'a> {
    /// True if this begins as an ELF file does.
    pub fn is(file: &[u8]) -> bool {
        file.starts_with(&abi::ELFMAGIC)
    }

    /// Checks headers and segments.
    pub fn parse(file: &'a [u8]) -> Result<ElfFile<'a>, ImageError> {
        // `elf` is told nothing about the byte order, so a foreign one must be found first.
        let ident = file
            .get(..abi::EI_NIDENT)
            .ok_or(ImageError::Truncated("the ELF header"))?;
        if ident[abi::EI_DATA] != abi::ELFDATA2LSB {
            return Err(ImageError::Unsupported("an ELF file for another machine"));
        }
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file)
            .map_err(|_| ImageError::Damaged("ELF header, or the tables lie beyond the file"))?;
        if !matches!(elf.ehdr.e_machine, abi::EM_386 | abi::EM_X86_64) {
            return Err(ImageError::Unsupported("an ELF file for another machine"));
        }
        let headers = headers(&elf)?;
        let mut segments = Vec::new();
        for header in headers
            .iter()
            .filter(|header| header.p_type == abi::PT_LOAD)
        {
            segments.extend(load_segment(header, file)?);
        }
        segments.sort_by_key(|segment| segment.physical);
        Ok(ElfFile {
            elf,
            file,
            segments,
        })
    }

    /// The contents of the first note with this name and type.
    pub fn note(&self, name: &str, kind: u64) -> Option<&'a [u8]> {
        headers(&self.elf)
            .unwrap_or_default()
            .into_iter()
            .filter(|header| header.p_type == abi::PT_NOTE && header.p_filesz <= MAX_NOTES)
            .find_map(|header| {
                self.elf
                    .segment_data_as_notes(&header)
                    .ok()?
                    .find_map(|note| {
                        match note {
                            Note::Unknown(note) => {
                                let same_name = note.name_str().is_ok_and(|found| found == name);
                                let same = note.n_type == kind && same_name;
                                same.then_some(note.desc)
                            }
                            // Notes of GNU, which are none of those looked for.
                            _ => None,
                        }
                    })
            })
    }

    /// The physical address of the entry point, which files give as a virtual or as a physical one.
    pub fn physical_entry(&self) -> Result<u64, ImageError> {
        let entry = self.elf.ehdr.e_entry;
        self.segments
            .iter()
            .filter(|segment| segment.executable)
            .find_map(|segment| {
                let offset = entry.checked_sub(segment.virt)?;
                (offset < segment.in_memory).then_some(segment.physical + offset)
            })
            .or_else(|| self.is_code(entry).then_some(entry))
            .ok_or(ImageError::Damaged(
                "entry point: not in a segment with code",
            ))
    }

    /// True if a physical address lies in code that is loaded.
    pub fn is_code(&self, address: u64) -> bool {
        self.segments.iter().any(|segment| {
            let offset = address.checked_sub(segment.physical);
            segment.executable && offset.is_some_and(|offset| offset < segment.in_memory)
        })
    }

    /// Puts the segments where they want to be, all below `limit`.
    pub fn load(&self, builder: &mut Builder, limit: u64) -> Result<(), ImageError> {
        if self.segments.is_empty() {
            return Err(ImageError::Damaged("program header table: nothing to load"));
        }
        for segment in &self.segments {
            let what = "a segment of the image";
            let end = segment.physical + segment.in_memory;
            if end > limit {
                return Err(ImageError::NotRam {
                    what,
                    start: segment.physical,
                    end,
                });
            }
            builder
                .space
                .take_at(what, segment.physical, segment.in_memory)?;
            let source = Source::Image {
                offset: segment.offset,
            };
            builder.put(segment.physical, segment.in_file, source);
            builder.put(
                segment.physical + segment.in_file,
                segment.in_memory - segment.in_file,
                Source::Zero,
            );
        }
        Ok(())
    }

    /// The end of the highest segment.
    pub fn end(&self) -> u64 {
        let ends = self
            .segments
            .iter()
            .map(|segment| segment.physical + segment.in_memory);
        ends.max().unwrap_or(0)
    }

    /// The first program header of a type.
    pub fn header(&self, kind: u32) -> Option<ProgramHeader> {
        let headers = headers(&self.elf).unwrap_or_default();
        headers.into_iter().find(|header| header.p_type == kind)
    }

    /// The entry point as the file gives it.
    pub fn entry(&self) -> u64 {
        self.elf.ehdr.e_entry
    }

    /// Where the byte at a virtual address lies in the file.
    pub fn file_offset(&self, virt: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let offset = virt.checked_sub(segment.virt)?;
            (offset < segment.in_file).then_some(segment.offset + offset)
        })
    }

    /// The whole file.
    pub fn file(&self) -> &'a [u8] {
        self.file
    }
}

fn headers(elf: &ElfBytes<'_, LittleEndian>) -> Result<Vec<ProgramHeader>, ImageError> {
    let table = elf
        .segments()
        .ok_or(ImageError::Damaged("program header table: there is none"))?;
    if table.len() > MAX_HEADERS {
        return Err(ImageError::Damaged(
            "program header table: more than 128 entries",
        ));
    }
    Ok(table.iter().collect())
}

/// Nothing for a segment without any memory.
fn load_segment(header: &ProgramHeader, file: &[u8]) -> Result<Option<LoadSegment>, ImageError> {
    if header.p_memsz == 0 {
        return Ok(None);
    }
    if header.p_filesz > header.p_memsz {
        return Err(ImageError::Damaged(
            "segment: larger in the file than in memory",
        ));
    }
    if part(file, header.p_offset, header.p_filesz).is_none() {
        return Err(ImageError::Truncated("a segment"));
    }
    let wraps = [header.p_paddr, header.p_vaddr]
        .iter()
        .any(|address| address.checked_add(header.p_memsz).is_none());
    // A virtual address may well end at the very top.
    let top = header.p_vaddr.wrapping_add(header.p_memsz) == 0;
    if wraps && !(top && header.p_paddr.checked_add(header.p_memsz).is_some()) {
        return Err(ImageError::Damaged(
            "segment: reaches beyond the end of the address space",
        ));
    }
    Ok(Some(LoadSegment {
        physical: header.p_paddr,
        virt: header.p_vaddr,
        offset: header.p_offset,
        in_file: header.p_filesz,
        in_memory: header.p_memsz,
        executable: header.p_flags & abi::PF_X != 0,
    }))
}
