//! A component's program: an ELF file, checked before anything of it is used.
//!
//! Accepted is what `pagurus-rt-build` makes: ELF64 for x86-64, `ET_EXEC`, statically linked, loadable segments
//! on pages of their own, none of them both writable and executable (ELF specification, part 2).

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_R, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_TLS};
use elf::endian::LittleEndian;
use elf::file::Class;
use pagurus_abi::Rights;
use pagurus_abi::layout::{IMAGE_BASE, PAGE_SIZE};

const PAGE: u64 = PAGE_SIZE as u64;
/// Most loadable segments of a program.
pub const MAX_SEGMENTS: usize = 16;

/// What is loaded of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it starts.
    pub entry: u64,
    /// Its segments by ascending address; no two share a page.
    pub segments: Vec<Segment>,
}

/// A loadable segment, widened to whole pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address, on a page boundary.
    pub start: u64,
    /// Bytes in memory, whole pages.
    pub bytes: u64,
    /// Bytes from `start` to the first byte of the file.
    pub lead: u64,
    /// Its bytes in the file; what follows them in memory is zero.
    pub file: Range<usize>,
    /// `READ`, and perhaps `WRITE` or `EXECUTE`.
    pub rights: Rights,
}

/// Why a file is not a program that can be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramError {
    /// Not an ELF file, or cut off.
    NotElf,
    /// Made for another kind of machine, or not for a fixed address.
    WrongType,
    /// Needs a dynamic linker or thread-local storage.
    Dynamic,
    /// No loadable segment, or too many.
    SegmentCount(usize),
    /// A segment's bytes lie outside the file, or are more than its memory.
    FileRange(usize),
    /// A segment lies outside the room for programs.
    Outside(usize),
    /// A segment shares a page with the one before it, or comes before it.
    Overlap(usize),
    /// A segment is writable and executable.
    WriteExecute(usize),
    /// A segment cannot be read.
    Unreadable(usize),
    /// The entry point is not in an executable segment.
    Entry,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::NotElf => {
                f.write_str("not an ELF64 file for a little-endian machine, or cut off")
            }
            ProgramError::WrongType => f.write_str(
                "not a static x86-64 program for a fixed address; link it with pagurus-rt-build",
            ),
            ProgramError::Dynamic => f.write_str(
                "needs a dynamic linker or thread-local storage; link it with pagurus-rt-build",
            ),
            ProgramError::SegmentCount(n) => {
                write!(
                    f,
                    "has {n} loadable segments; 1 to {MAX_SEGMENTS} can be loaded"
                )
            }
            ProgramError::FileRange(n) => write!(f, "segment {n} lies outside the file"),
            ProgramError::Outside(n) => write!(
                f,
                "segment {n} lies outside the room for the program; give the component a larger `image`"
            ),
            ProgramError::Overlap(n) => write!(f, "segment {n} shares a page with another"),
            ProgramError::WriteExecute(n) => write!(f, "segment {n} is writable and executable"),
            ProgramError::Unreadable(n) => write!(f, "segment {n} cannot be read"),
            ProgramError::Entry => f.write_str("the entry point is not in an executable segment"),
        }
    }
}

impl core::error::Error for ProgramError {}

impl Program {
    /// Checks the program in `file`, which may take `room` bytes of memory from
    /// [`IMAGE_BASE`] on.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(file: &[u8], room: u64) -> Result<Program, ProgramError> {
        let elf =
            ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| ProgramError::NotElf)?;
        if elf.ehdr.class != Class::ELF64 {
            return Err(ProgramError::NotElf);
        }
        if elf.ehdr.e_machine != EM_X86_64 || elf.ehdr.e_type != ET_EXEC {
            return Err(ProgramError::WrongType);
        }
        let headers = elf.segments().ok_or(ProgramError::SegmentCount(0))?;
        let mut segments: Vec<Segment> = Vec::new();
        for header in headers {
            match header.p_type {
                PT_INTERP | PT_DYNAMIC | PT_TLS => return Err(ProgramError::Dynamic),
                PT_LOAD if header.p_memsz > 0 => {}
                _ => continue,
            }
            let n = segments.len();
            if n == MAX_SEGMENTS {
                return Err(ProgramError::SegmentCount(n + 1));
            }
            let segment = segment(n, &header, file.len(), room)?;
            if segments
                .last()
                .is_some_and(|before| before.start + before.bytes > segment.start)
            {
                return Err(ProgramError::Overlap(n));
            }
            segments.push(segment);
        }
        if segments.is_empty() {
            return Err(ProgramError::SegmentCount(0));
        }
        let entry = elf.ehdr.e_entry;
        let executable = |s: &Segment| {
            s.rights.contains(Rights::EXECUTE) && (s.start..s.start + s.bytes).contains(&entry)
        };
        if !segments.iter().any(executable) {
            return Err(ProgramError::Entry);
        }
        Ok(Program { entry, segments })
    }

    /// Bytes of memory that its segments take.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes).sum()
    }
}

fn segment(
    n: usize,
    header: &elf::segment::ProgramHeader,
    file_bytes: usize,
    room: u64,
) -> Result<Segment, ProgramError> {
    let from = usize::try_from(header.p_offset).map_err(|_| ProgramError::FileRange(n))?;
    let length = usize::try_from(header.p_filesz).map_err(|_| ProgramError::FileRange(n))?;
    let to = from
        .checked_add(length)
        .filter(|to| *to <= file_bytes && header.p_filesz <= header.p_memsz)
        .ok_or(ProgramError::FileRange(n))?;
    let end = header
        .p_vaddr
        .checked_add(header.p_memsz)
        .and_then(|end| end.checked_next_multiple_of(PAGE))
        .filter(|end| header.p_vaddr >= IMAGE_BASE && *end - IMAGE_BASE <= room)
        .ok_or(ProgramError::Outside(n))?;
    let start = header.p_vaddr & !(PAGE - 1);
    let mut rights = Rights::empty();
    for (flag, right) in [
        (PF_R, Rights::READ),
        (PF_W, Rights::WRITE),
        (PF_X, Rights::EXECUTE),
    ] {
        if header.p_flags & flag != 0 {
            rights |= right;
        }
    }
    if rights.contains(Rights::WRITE | Rights::EXECUTE) {
        return Err(ProgramError::WriteExecute(n));
    }
    if !rights.contains(Rights::READ) {
        return Err(ProgramError::Unreadable(n));
    }
    Ok(Segment {
        start,
        bytes: end - start,
        lead: header.p_vaddr - start,
        file: from..to,
        rights,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;
    use std::string::ToString;

    /// A segment of a test program: address, bytes in memory, bytes in the file, flags.
    pub type Piece = (u64, u64, u64, u32);

    /// An ELF file with these segments; their bytes are their number plus 1.
    pub fn elf_file(entry: u64, pieces: &[Piece]) -> Vec<u8> {
        let mut file = vec![0u8; 64 + 56 * pieces.len()];
        file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file[16..18].copy_from_slice(&ET_EXEC.to_le_bytes());
        file[18..20].copy_from_slice(&EM_X86_64.to_le_bytes());
        file[20..24].copy_from_slice(&1u32.to_le_bytes());
        file[24..32].copy_from_slice(&entry.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[52..54].copy_from_slice(&64u16.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&(pieces.len() as u16).to_le_bytes());
        for (i, (address, memory, bytes, flags)) in pieces.iter().enumerate() {
            let offset = file.len() as u64;
            file.resize(file.len() + *bytes as usize, i as u8 + 1);
            let at = 64 + 56 * i;
            file[at..at + 4].copy_from_slice(&PT_LOAD.to_le_bytes());
            file[at + 4..at + 8].copy_from_slice(&flags.to_le_bytes());
            for (field, value) in [(8, offset), (16, *address), (32, *bytes), (40, *memory)] {
                file[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        file
    }

    pub const CODE: Piece = (IMAGE_BASE, 0x1800, 0x1800, PF_R | PF_X);
    pub const DATA: Piece = (IMAGE_BASE + 0x2010, 0x3000, 0x10, PF_R | PF_W);
    const ROOM: u64 = 1 << 20;

    fn refused(entry: u64, pieces: &[Piece]) -> ProgramError {
        Program::parse(&elf_file(entry, pieces), ROOM).unwrap_err()
    }

    #[test]
    fn segments_are_widened_to_pages() {
        let file = elf_file(IMAGE_BASE + 4, &[CODE, DATA]);
        let program = Program::parse(&file, ROOM).unwrap();
        assert_eq!(program.entry, IMAGE_BASE + 4);
        let [code, data] = &program.segments[..] else {
            panic!("{program:?}");
        };
        assert_eq!((code.start, code.bytes, code.lead), (IMAGE_BASE, 0x2000, 0));
        assert_eq!(code.rights, Rights::READ | Rights::EXECUTE);
        assert_eq!(
            (data.start, data.bytes, data.lead),
            (IMAGE_BASE + 0x2000, 0x4000, 0x10)
        );
        assert_eq!(data.rights, Rights::RW);
        assert!(file[data.file.clone()].iter().all(|b| *b == 2));
        assert_eq!(data.file.len(), 0x10);
        assert_eq!(program.bytes(), 0x6000);
    }

    #[test]
    fn what_must_not_be_loaded_is_refused() {
        use ProgramError::*;
        let code = IMAGE_BASE;
        assert_eq!(refused(code, &[]), SegmentCount(0));
        assert_eq!(
            refused(code, &[(code, 1, 1, PF_R | PF_W | PF_X)]),
            WriteExecute(0)
        );
        assert_eq!(refused(code, &[(code, 1, 1, PF_X)]), Unreadable(0));
        assert_eq!(refused(code, &[(code, 1, 2, PF_R | PF_X)]), FileRange(0));
        assert_eq!(refused(code, &[(code - 1, 9, 9, PF_R | PF_X)]), Outside(0));
        assert_eq!(
            refused(code, &[(code, ROOM + 1, 1, PF_R | PF_X)]),
            Outside(0)
        );
        assert_eq!(refused(code, &[(u64::MAX - 5, 9, 1, PF_R)]), Outside(0));
        assert_eq!(
            refused(code, &[CODE, (code + 0x1fff, 1, 1, PF_R | PF_W)]),
            Overlap(1)
        );
        assert_eq!(refused(code, &[DATA, CODE]), Overlap(1));
        assert_eq!(refused(code + 0x2000, &[CODE, DATA]), Entry);
        assert_eq!(refused(0, &[CODE]), Entry);
        let many = [(code, 0x1000, 0, PF_R | PF_X); MAX_SEGMENTS + 1];
        let many: Vec<_> = many
            .iter()
            .enumerate()
            .map(|(i, p)| (p.0 + 0x1000 * i as u64, p.1, p.2, p.3))
            .collect();
        assert_eq!(refused(code, &many), SegmentCount(MAX_SEGMENTS + 1));
    }

    #[test]
    fn other_files_are_refused() {
        let file = elf_file(IMAGE_BASE, &[CODE]);
        let change = |at: usize, value: u8| {
            let mut file = file.clone();
            file[at] = value;
            Program::parse(&file, ROOM).unwrap_err()
        };
        assert_eq!(change(0, 0), ProgramError::NotElf);
        assert_eq!(change(16, 3), ProgramError::WrongType);
        assert_eq!(change(18, 3), ProgramError::WrongType);
        assert_eq!(change(64, PT_DYNAMIC as u8), ProgramError::Dynamic);
        assert_eq!(change(64, PT_TLS as u8), ProgramError::Dynamic);
        assert_eq!(
            Program::parse(&file[..100], ROOM).unwrap_err(),
            ProgramError::NotElf
        );
        assert!(ProgramError::Outside(3).to_string().contains("image"));
    }

    proptest! {
        /// Whatever the headers say, an accepted program is what the rest of root relies on.
        #[test]
        fn accepted_programs_are_sane(changes in prop::collection::vec((0usize..176, any::<u8>()), 0..6)) {
            let mut file = elf_file(IMAGE_BASE, &[CODE, DATA]);
            for (at, value) in changes {
                file[at] = value;
            }
            if let Ok(program) = Program::parse(&file, ROOM) {
                let mut end = IMAGE_BASE;
                for s in &program.segments {
                    prop_assert!(s.start >= end && s.start.is_multiple_of(PAGE) && s.bytes.is_multiple_of(PAGE));
                    end = s.start + s.bytes;
                    prop_assert!(end - IMAGE_BASE <= ROOM);
                    prop_assert!(s.file.end <= file.len());
                    prop_assert!(s.lead + s.file.len() as u64 <= s.bytes);
                    prop_assert!(!s.rights.contains(Rights::WRITE | Rights::EXECUTE));
                }
            }
        }
    }
}
