//! Why an image is refused.

use core::fmt;
use pagurus_payload::PayloadError;

/// Why an image cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// It is none of the known kinds.
    Unknown,
    /// It is compressed as a whole, in this format.
    Compressed(&'static str),
    /// It is a file of the wanted kind, but of a sort that cannot be started.
    Unsupported(&'static str),
    /// It ends within this part.
    Truncated(&'static str),
    /// This part contradicts itself or another part.
    Damaged(&'static str),
    /// A Hermit unikernel that the check refuses.
    Hermit(PayloadError),
    /// A Hermit unikernel for another version of the entry interface.
    HermitVersion,
    /// The image names an address for this part, but RAM is not free there.
    NotRam {
        /// The part.
        what: &'static str,
        /// First address.
        start: u64,
        /// First address after it.
        end: u64,
    },
    /// There is no room in RAM for this part.
    NoRoom {
        /// The part.
        what: &'static str,
        /// Bytes that it needs.
        bytes: u64,
    },
    /// The command line is longer than the guest can take.
    CommandLineTooLong {
        /// Its bytes.
        length: u64,
        /// Bytes that the guest can take.
        limit: u64,
    },
    /// There is a zero byte in a command line.
    CommandLineNul,
    /// The memory map has too many ranges.
    TooManyRanges {
        /// Ranges.
        count: usize,
        /// Ranges that fit.
        limit: usize,
    },
    /// More modules than the guest can take.
    TooManyModules {
        /// Modules.
        count: usize,
        /// Modules that it can take.
        limit: usize,
    },
    /// The module of this number is empty.
    EmptyModule(usize),
    /// This range of the memory map wraps around the end of the address space.
    BadRange(u64),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Unknown => f.write_str(
                "no bootable image: neither a Linux bzImage nor an ELF file with a PVH or Hermit note nor a multiboot image",
            ),
            ImageError::Compressed(format) => {
                write!(f, "the image is compressed ({format}); unpack it first")
            }
            ImageError::Unsupported(what) => write!(f, "the image cannot be started: {what}"),
            ImageError::Truncated(what) => {
                write!(f, "the image is cut off: {what} lies beyond its end; copy it again")
            }
            ImageError::Damaged(what) => write!(f, "the image is damaged: bad {what}"),
            ImageError::Hermit(error) => write!(f, "the Hermit image cannot be loaded: {error}"),
            ImageError::HermitVersion => f.write_str(
                "the Hermit image wants another version of hermit-entry; build it with hermit-entry 0.10",
            ),
            ImageError::NotRam { what, start, end } => write!(
                f,
                "{what} wants guest memory {start:#x}..{end:#x}, which is not all free RAM; give the guest more memory or link the image elsewhere"
            ),
            ImageError::NoRoom { what, bytes } => write!(
                f,
                "no room for {what} ({bytes} bytes) in guest memory; give the guest more memory"
            ),
            ImageError::CommandLineTooLong { length, limit } => write!(
                f,
                "the command line has {length} bytes, the guest takes at most {limit}; shorten it"
            ),
            ImageError::CommandLineNul => f.write_str("a command line contains a zero byte"),
            ImageError::TooManyRanges { count, limit } => {
                write!(f, "the memory map has {count} ranges, at most {limit} fit")
            }
            ImageError::TooManyModules { count, limit } => {
                write!(f, "there are {count} modules, the guest takes at most {limit}")
            }
            ImageError::EmptyModule(number) => write!(f, "module {number} is empty"),
            ImageError::BadRange(start) => write!(
                f,
                "the memory range at {start:#x} reaches beyond the end of the address space"
            ),
        }
    }
}

impl core::error::Error for ImageError {}
