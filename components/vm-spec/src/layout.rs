//! The bytes of a bundle.
//!
//! A [`Header`], the description (CBOR, RFC 8949), one [`FileRecord`] for each file, then the files, each at a
//! multiple of [`FILE_ALIGNMENT`] from the start of the bundle with zeroes between them. Numbers are
//! little-endian. What follows `Header::total` bytes is ignored, as boot loaders round modules up to pages.

use alloc::string::String;
use alloc::vec::Vec;
use minicbor::{Decode, Encode};
use twox_hash::XxHash3_64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::spec::VmSpec;

/// The first bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"PAGVMBDL";
/// Version of this layout. A reader refuses every other.
pub const VERSION: u32 = 1;
/// Files begin at multiples of this many bytes.
pub const FILE_ALIGNMENT: u64 = 4096;

/// The start of a bundle.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: U32,
    /// Number of files.
    pub files: U32,
    /// Bytes of the description.
    pub description: U64,
    /// Bytes of the bundle.
    pub total: U64,
    /// XXH3 of the header with 0 in this field, followed by description and file records.
    pub checksum: U64,
}

/// A file.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct FileRecord {
    /// First byte, from the start of the bundle.
    pub offset: U64,
    /// Bytes.
    pub length: U64,
    /// XXH3 of its contents.
    pub checksum: U64,
}

pub(crate) const HEADER_BYTES: usize = size_of::<Header>();
pub(crate) const RECORD_BYTES: usize = size_of::<FileRecord>();

const _: () = assert!(HEADER_BYTES == 40 && RECORD_BYTES == 24);

/// What the description holds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Contents {
    /// The VM.
    #[n(0)]
    pub spec: VmSpec,
    /// The names of the files, without their folders.
    #[n(1)]
    pub names: Vec<String>,
}

/// The checksum of header, description and file records. `checksum` of the header is taken as 0.
pub(crate) fn head_checksum(header: &Header, rest: &[u8]) -> u64 {
    let header = Header {
        checksum: U64::new(0),
        ..*header
    };
    // The header is hashed first and seeds the rest, so that neither needs to be copied.
    let seed = XxHash3_64::oneshot(header.as_bytes());
    XxHash3_64::oneshot_with_seed(seed, rest)
}
