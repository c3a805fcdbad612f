//! Checks a `hermit-entry` payload (a relocatable kernel as an ELF file) before it is parsed.
//!
//! `hermit_entry::elf::KernelObject` trusts its input: it unwraps on offsets beyond the file, on misaligned
//! tables and on relocations that it does not know. A truncated download or a wrong file in the ISO would end
//! in a panic that names neither the file nor the remedy. [`check`] therefore looks at everything that
//! `KernelObject` is going to touch. What it accepts, `KernelObject::parse` parses or refuses with its own
//! error, and `KernelObject::load_kernel` loads, both without panicking.
//!
//! References: ELF-64 Object File Format, version 1.5; System V ABI, AMD64 supplement, section 4.4
//! (relocations).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod notes;

use core::fmt;
use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;

/// A payload may not need more memory than this (1 GiB): addresses and sums then never overflow.
pub const MAX_MEMORY: u64 = 1 << 30;

const RELA_BYTES: usize = 24;
const DYN_BYTES: usize = 16;
const SYM_BYTES: usize = 24;

/// Why a file cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// The file does not lie at a multiple of 8 bytes in memory.
    Misplaced,
    /// It is no ELF file, or it is cut off within its headers.
    NotElf,
    /// It is an ELF file for another machine, class or byte order.
    WrongMachine,
    /// It is linked for a fixed address.
    NotRelocatable,
    /// This part of the file lies outside it, is misaligned or contradicts another part.
    Broken(&'static str),
    /// It has no `HERMIT` note, so it is no payload.
    NoEntryVersion,
    /// It needs a relocation of this type, which a loader does not do.
    Relocation(u32),
    /// It needs more than [`MAX_MEMORY`].
    TooLarge,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PayloadError::Misplaced => f.write_str("not loaded at a multiple of 8 bytes"),
            PayloadError::NotElf => f.write_str("not a whole ELF file"),
            PayloadError::WrongMachine => f.write_str("not a 64-bit x86 ELF file"),
            PayloadError::NotRelocatable => {
                f.write_str("linked for a fixed address; link it as PIE")
            }
            PayloadError::Broken(what) => write!(f, "damaged: bad {what}"),
            PayloadError::NoEntryVersion => {
                f.write_str("no hermit-entry version note, so it is not a kernel")
            }
            PayloadError::Relocation(kind) => {
                write!(
                    f,
                    "relocation type {kind} is not supported; link with '-z text' and no shared symbols"
                )
            }
            PayloadError::TooLarge => f.write_str("needs more than 1 GiB of memory"),
        }
    }
}

impl core::error::Error for PayloadError {}

/// What a loader has to know about a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Bytes of memory that it needs, from its load address on.
    pub memory: u64,
}

/// Checks an ELF file.
///
/// # Errors
/// [`PayloadError`] names the first thing that is wrong.
pub fn check(file: &[u8]) -> Result<Payload, PayloadError> {
    if !file.as_ptr().addr().is_multiple_of(8) {
        return Err(PayloadError::Misplaced);
    }
    // `elf` is told nothing about the machine, so a foreign one must be found before byte order matters.
    let ident = file.get(..abi::EI_NIDENT).ok_or(PayloadError::NotElf)?;
    if !ident.starts_with(&abi::ELFMAGIC) {
        return Err(PayloadError::NotElf);
    }
    if ident[abi::EI_CLASS] != abi::ELFCLASS64 || ident[abi::EI_DATA] != abi::ELFDATA2LSB {
        return Err(PayloadError::WrongMachine);
    }
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| PayloadError::NotElf)?;
    if elf.ehdr.class != Class::ELF64 || elf.ehdr.e_machine != abi::EM_X86_64 {
        return Err(PayloadError::WrongMachine);
    }
    if elf.ehdr.e_type != abi::ET_DYN {
        return Err(PayloadError::NotRelocatable);
    }
    // The loader reads both tables as arrays of aligned structures, and the section headers even if there
    // are none.
    if !elf.ehdr.e_phoff.is_multiple_of(8) || elf.ehdr.e_phnum == abi::PN_XNUM {
        return Err(PayloadError::Broken("program header table"));
    }
    let no_table = elf.ehdr.e_shoff == 0 && elf.ehdr.e_shnum != 0;
    if !elf.ehdr.e_shoff.is_multiple_of(8) || elf.ehdr.e_shoff > file.len() as u64 || no_table {
        return Err(PayloadError::Broken("section header table"));
    }

    let memory = check_segments(&elf)?;
    notes::check(segment(&elf, abi::PT_NOTE), file)?;
    check_dynamic_symbols(&elf, file)?;
    if let Some(dynamic) = segment(&elf, abi::PT_DYNAMIC) {
        check_relocations(&elf, file, dynamic, memory)?;
    }
    Ok(Payload { memory })
}

fn segments<'a>(elf: &ElfBytes<'a, LittleEndian>) -> impl Iterator<Item = ProgramHeader> + use<'a> {
    elf.segments().into_iter().flat_map(|table| table.iter())
}

fn segment(elf: &ElfBytes<'_, LittleEndian>, kind: u32) -> Option<ProgramHeader> {
    segments(elf).find(|header| header.p_type == kind)
}

/// Part of the file, or nothing if it is not wholly there.
fn part(file: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let end = offset.checked_add(length)?;
    file.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

/// The segments to load: in the file, in ascending order from address 0, and no larger than allowed. Returns
/// the memory they need.
fn check_segments(elf: &ElfBytes<'_, LittleEndian>) -> Result<u64, PayloadError> {
    let mut end = None;
    let mut entry_is_code = false;
    for header in segments(elf).filter(|header| header.p_type == abi::PT_LOAD) {
        elf.segment_data(&header)
            .map_err(|_| PayloadError::Broken("segment: outside the file"))?;
        if header.p_filesz > header.p_memsz {
            return Err(PayloadError::Broken(
                "segment: larger in the file than in memory",
            ));
        }
        // The first one starts the image.
        let in_order = match end {
            None => header.p_vaddr == 0,
            Some(end) => header.p_vaddr >= end,
        };
        if !in_order {
            return Err(PayloadError::Broken(
                "segment: not in ascending order from 0",
            ));
        }
        let after = header
            .p_vaddr
            .checked_add(header.p_memsz)
            .filter(|after| *after <= MAX_MEMORY)
            .ok_or(PayloadError::TooLarge)?;
        let executable = header.p_flags & abi::PF_X != 0;
        entry_is_code |= executable && (header.p_vaddr..after).contains(&elf.ehdr.e_entry);
        end = Some(after);
    }
    let memory = end.ok_or(PayloadError::Broken(
        "program header table: nothing to load",
    ))?;
    if !entry_is_code {
        return Err(PayloadError::Broken(
            "entry point: not in executable memory",
        ));
    }
    if let Some(tls) = segment(elf, abi::PT_TLS) {
        let after = tls.p_vaddr.checked_add(tls.p_memsz);
        if after.is_none_or(|after| after > memory) {
            return Err(PayloadError::Broken(
                "thread-local storage: outside the image",
            ));
        }
    }
    Ok(memory)
}

/// `KernelObject` reads the first table of dynamic symbols even if no relocation needs it.
fn check_dynamic_symbols(
    elf: &ElfBytes<'_, LittleEndian>,
    file: &[u8],
) -> Result<(), PayloadError> {
    let broken = PayloadError::Broken("dynamic symbol table");
    // Section headers whose number is not in the ELF header are none to `KernelObject`.
    if elf.ehdr.e_shnum == 0 {
        return Ok(());
    }
    let mut sections = elf
        .section_headers()
        .into_iter()
        .flat_map(|table| table.iter());
    if let Some(section) = sections.find(|section| section.sh_type == abi::SHT_DYNSYM) {
        let table = part(file, section.sh_offset, section.sh_size).ok_or(broken)?;
        if !section.sh_offset.is_multiple_of(8) || !table.len().is_multiple_of(SYM_BYTES) {
            return Err(broken);
        }
    }
    Ok(())
}

/// The dynamic section: read as `KernelObject` does, where the last of several equal tags counts.
fn check_relocations(
    elf: &ElfBytes<'_, LittleEndian>,
    file: &[u8],
    dynamic: ProgramHeader,
    memory: u64,
) -> Result<(), PayloadError> {
    let broken = PayloadError::Broken("dynamic section");
    let table = part(file, dynamic.p_offset, dynamic.p_filesz).ok_or(broken)?;
    if !dynamic.p_offset.is_multiple_of(8) {
        return Err(broken);
    }
    let (mut rela, mut size) = (0, 0);
    for entry in table.chunks_exact(DYN_BYTES) {
        let value = word(entry, 8);
        match word(entry, 0) as i64 {
            abi::DT_RELA => rela = file_offset(elf, value),
            abi::DT_RELASZ => size = value,
            abi::DT_RELCOUNT if value != 0 => {
                return Err(PayloadError::Broken(
                    "dynamic section: relocations without addends",
                ));
            }
            _ => {}
        }
    }

    let broken = PayloadError::Broken("relocation table");
    let table = part(file, rela, size).ok_or(broken)?;
    if !rela.is_multiple_of(8) || !table.len().is_multiple_of(RELA_BYTES) {
        return Err(broken);
    }
    for entry in table.chunks_exact(RELA_BYTES) {
        let kind = word(entry, 8) as u32;
        if kind != abi::R_X86_64_RELATIVE {
            return Err(PayloadError::Relocation(kind));
        }
        let fits = word(entry, 0)
            .checked_add(8)
            .is_some_and(|after| after <= memory);
        // One past the end is a fine address to have.
        if !fits || word(entry, 16) > memory {
            return Err(PayloadError::Broken("relocation: outside the image"));
        }
    }
    Ok(())
}

/// Where the byte at a virtual address lies in the file; 0 if it does not.
fn file_offset(elf: &ElfBytes<'_, LittleEndian>, address: u64) -> u64 {
    segments(elf)
        .filter(|header| header.p_type == abi::PT_LOAD)
        .find_map(|header| {
            let offset = address.checked_sub(header.p_vaddr)?;
            if offset >= header.p_memsz {
                return None;
            }
            Some(header.p_offset.checked_add(offset).unwrap_or(0))
        })
        .unwrap_or(0)
}

/// The little-endian 64-bit word at `offset`, which the caller has checked; 0 beyond the end.
fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |field| u64::from_le_bytes(*field))
}
