//! Placing a relocatable image.

use crate::bytes::{part, put, u64_at};
use crate::elf_file::{ElfFile, LoadSegment};
use crate::error::ImageError;
use crate::plan::{Builder, Source};
use alloc::vec::Vec;
use elf::abi;

const RELA_BYTES: usize = 24;
const DYN_BYTES: usize = 16;
/// Bytes that a relocation changes.
const WORD: u64 = 8;
/// Relocations so near to each other are copied with what lies between: a piece of its own costs more.
const NEAR: u64 = 64;

/// A relocation: the image's base and the addend, at an offset in the image.
#[derive(Clone, Copy)]
struct Relocation {
    offset: u64,
    addend: u64,
}

/// A checked image that is to lie at a base address.
pub struct Image<'a> {
    elf: &'a ElfFile<'a>,
    base: u64,
    /// In ascending order.
    relocations: Vec<Relocation>,
    /// Address in the image, bytes in the file and in memory, alignment.
    thread_local: Option<[u64; 4]>,
    entry: u64,
}

impl<'a> Image<'a> {
    /// The image of `memory` bytes at `base`.
    pub fn new(elf: &'a ElfFile<'a>, base: u64, memory: u64) -> Result<Image<'a>, ImageError> {
        let mut relocations = relocations(elf)?;
        relocations.sort_by_key(|relocation| relocation.offset);
        let beyond = |relocation: &Relocation| {
            let end = relocation.offset.checked_add(WORD);
            end.is_none_or(|end| end > memory)
        };
        if relocations.iter().any(beyond) {
            return Err(ImageError::Damaged("relocation: outside the image"));
        }
        let overlaps = |pair: &[Relocation]| pair[1].offset - pair[0].offset < WORD;
        if relocations.windows(2).any(overlaps) {
            return Err(ImageError::Damaged("relocation: overlaps another"));
        }
        let thread_local = elf.header(abi::PT_TLS).map(|header| {
            [
                header.p_vaddr,
                header.p_filesz,
                header.p_memsz,
                header.p_align,
            ]
        });
        Ok(Image {
            elf,
            base,
            relocations,
            thread_local,
            entry: elf.entry(),
        })
    }

    /// Where it is entered.
    pub fn entry(&self) -> u64 {
        self.base.wrapping_add(self.entry)
    }

    /// The image of thread-local storage: its address, bytes in the file and in memory, alignment.
    pub fn thread_local(&self) -> Option<[u64; 4]> {
        self.thread_local
            .map(|[address, in_file, in_memory, align]| {
                [self.base.wrapping_add(address), in_file, in_memory, align]
            })
    }

    /// Puts its pieces where memory was taken for it.
    pub fn load(&self, builder: &mut Builder) -> Result<(), ImageError> {
        for segment in &self.elf.segments {
            self.load_segment(segment, builder)?;
        }
        Ok(())
    }

    /// A segment: from the file, but for the parts with relocations, which are copied and relocated.
    fn load_segment(&self, segment: &LoadSegment, builder: &mut Builder) -> Result<(), ImageError> {
        let start = segment.virt;
        let end = start + segment.in_memory;
        let here: Vec<Relocation> = self
            .relocations
            .iter()
            .filter(|relocation| relocation.offset < end && relocation.offset + WORD > start)
            .copied()
            .collect();
        let crosses =
            |relocation: &Relocation| relocation.offset < start || relocation.offset + WORD > end;
        if here.iter().any(crosses) {
            return Err(ImageError::Damaged("relocation: across segments"));
        }
        // Relative to the segment from here on.
        let mut done = 0;
        let near = |one: &Relocation, next: &Relocation| next.offset - one.offset <= NEAR;
        for group in here.chunk_by(near) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else {
                continue;
            };
            let (first, last) = (first.offset - start, last.offset + WORD - start);
            self.plain(segment, done, first, builder);
            let mut copy = alloc::vec![0; (last - first) as usize];
            let from_file = segment.in_file.clamp(first, last) - first;
            let offset = segment.offset + first.min(segment.in_file);
            let bytes = part(self.elf.file(), offset, from_file)
                .ok_or(ImageError::Truncated("a segment"))?;
            put(&mut copy, 0, bytes);
            for relocation in group {
                let at = (relocation.offset - start - first) as usize;
                let value = self.base.wrapping_add(relocation.addend);
                put(&mut copy, at, &value.to_le_bytes());
            }
            builder.put_bytes(self.base + start + first, copy);
            done = last;
        }
        self.plain(segment, done, segment.in_memory, builder);
        Ok(())
    }

    /// Part of a segment without relocations.
    fn plain(&self, segment: &LoadSegment, from: u64, to: u64, builder: &mut Builder) {
        let address = self.base + segment.virt;
        let file_end = segment.in_file.clamp(from, to);
        let source = Source::Image {
            offset: segment.offset + from,
        };
        builder.put(address + from, file_end - from, source);
        builder.put(address + file_end, to - file_end, Source::Zero);
    }
}

/// The relocations of a file that [`pagurus_payload::check`] let pass: all of them are relative.
fn relocations(elf: &ElfFile<'_>) -> Result<Vec<Relocation>, ImageError> {
    let broken = ImageError::Damaged("relocation table");
    let Some(dynamic) = elf.header(abi::PT_DYNAMIC) else {
        return Ok(Vec::new());
    };
    let table = part(elf.file(), dynamic.p_offset, dynamic.p_filesz).ok_or(broken.clone())?;
    let mut place = 0;
    let mut length = 0;
    for entry in table.chunks_exact(DYN_BYTES) {
        let value = u64_at(entry, 8).unwrap_or(0);
        match u64_at(entry, 0).unwrap_or(0) as i64 {
            abi::DT_RELA => place = value,
            abi::DT_RELASZ => length = value,
            _ => {}
        }
    }
    if length == 0 {
        return Ok(Vec::new());
    }
    let offset = elf.file_offset(place).ok_or(broken.clone())?;
    let table = part(elf.file(), offset, length).ok_or(broken)?;
    let relocation = |entry: &[u8]| Relocation {
        offset: u64_at(entry, 0).unwrap_or(0),
        addend: u64_at(entry, 16).unwrap_or(0),
    };
    Ok(table.chunks_exact(RELA_BYTES).map(relocation).collect())
}
