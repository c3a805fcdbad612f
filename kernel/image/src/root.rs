//! Starting root: its ELF file, the memory that it is given, and the first entry into user mode.

use core::fmt;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use heapless::Vec;
use pagurus_abi::layout::{IMAGE_BASE, PAGE_SIZE, STACK_TOP, USER_START};
use pagurus_abi::{Error, Rights};
use pagurus_syscall::boot::Segment;

/// Loadable segments that root may have.
pub const MAX_SEGMENTS: usize = 16;

/// Why root cannot be started.
#[derive(Debug)]
pub enum RootError {
    /// There is no module with this name.
    NoModule,
    /// The module is no ELF file, or a damaged one.
    Elf(elf::ParseError),
    /// The file is not a static executable for x86-64.
    NotExecutable,
    /// A segment lies outside the addresses of components, or beyond the end of the file.
    Segment(u64),
    /// A segment is writable and executable.
    WriteExecute(u64),
    /// There are more segments than [`MAX_SEGMENTS`].
    TooManySegments,
    /// No aligned piece of memory is large enough for root's objects.
    NoMemory,
    /// The kernel refused something.
    Kernel(Error),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootError::NoModule => {
                f.write_str("there is no boot module 'root'; add one to grub.cfg")
            }
            RootError::Elf(error) => write!(f, "module 'root' is no sound ELF file: {error}"),
            RootError::NotExecutable => {
                f.write_str("module 'root' is not a static x86-64 executable")
            }
            RootError::Segment(virt) => write!(
                f,
                "a segment of module 'root' at {virt:#x} is outside the file or the addresses of components ({IMAGE_BASE:#x} and up)"
            ),
            RootError::WriteExecute(virt) => write!(
                f,
                "the segment of module 'root' at {virt:#x} is writable and executable; link it in page-aligned parts"
            ),
            RootError::TooManySegments => {
                write!(f, "module 'root' has more than {MAX_SEGMENTS} segments")
            }
            RootError::NoMemory => {
                f.write_str("not enough memory for root; the machine needs at least 64 MiB")
            }
            RootError::Kernel(error) => write!(f, "the kernel cannot create root: {error}"),
        }
    }
}

impl From<elf::ParseError> for RootError {
    fn from(error: elf::ParseError) -> Self {
        RootError::Elf(error)
    }
}

impl From<Error> for RootError {
    fn from(error: Error) -> Self {
        RootError::Kernel(error)
    }
}

/// A checked ELF file: entry point and segments in whole pages.
pub struct Image<'a> {
    /// Entry point.
    pub entry: u64,
    /// Segments.
    pub segments: Vec<Segment<'a>, MAX_SEGMENTS>,
}

/// Checks `file`.
///
/// # Errors
/// See [`RootError`].
pub fn image(file: &[u8]) -> Result<Image<'_>, RootError> {
    const PAGE_MASK: u64 = PAGE_SIZE as u64 - 1;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    if elf.ehdr.e_type != ET_EXEC || elf.ehdr.e_machine != EM_X86_64 {
        return Err(RootError::NotExecutable);
    }
    let headers = elf.segments().ok_or(RootError::NotExecutable)?;
    let mut segments = Vec::new();
    for header in headers
        .iter()
        .filter(|h| h.p_type == PT_LOAD && h.p_memsz != 0)
    {
        let virt = header.p_vaddr;
        let misplaced = RootError::Segment(virt);
        let end = virt
            .checked_add(header.p_memsz)
            .ok_or(RootError::Segment(virt))?;
        if virt < USER_START || end > STACK_TOP / 2 || header.p_filesz > header.p_memsz {
            return Err(misplaced);
        }
        let mut rights = Rights::empty();
        for (flag, right) in [
            (PF_R, Rights::READ),
            (PF_W, Rights::WRITE),
            (PF_X, Rights::EXECUTE),
        ] {
            rights.set(right, header.p_flags & flag != 0);
        }
        if rights.contains(Rights::WRITE | Rights::EXECUTE) {
            return Err(RootError::WriteExecute(virt));
        }
        let start = virt & !PAGE_MASK;
        let segment = Segment {
            virt: start,
            length: ((end + PAGE_MASK) & !PAGE_MASK) - start,
            offset: virt - start,
            file: elf.segment_data(&header)?,
            rights: rights | Rights::READ,
        };
        segments
            .push(segment)
            .map_err(|_| RootError::TooManySegments)?;
    }
    Ok(Image {
        entry: elf.ehdr.e_entry,
        segments,
    })
}
