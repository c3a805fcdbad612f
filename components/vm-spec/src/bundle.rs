//! Reading a bundle.

use alloc::string::String;
use alloc::vec::Vec;
use twox_hash::XxHash3_64;
use zerocopy::FromBytes;

use crate::error::{BundleError, SpecError};
use crate::layout::{
    Contents, FILE_ALIGNMENT, FileRecord, HEADER_BYTES, Header, MAGIC, RECORD_BYTES, VERSION,
    head_checksum,
};
use crate::limit;
use crate::spec::{FileIndex, VmSpec};

/// A bundle that was found to be well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    spec: VmSpec,
    names: Vec<String>,
    files: Vec<(&'a [u8], u64)>,
}

/// A file of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a, 'b> {
    /// Its name on the host, without its folder; may be empty.
    pub name: &'b str,
    /// Its contents. If the bundle lies at a page boundary, so do they.
    pub bytes: &'a [u8],
}

/// The `length` bytes at `offset`, if they are there.
fn piece(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let length = usize::try_from(length).ok()?;
    bytes.get(start..start.checked_add(length)?)
}

impl<'a> Bundle<'a> {
    /// Reads header and description and finds the files, whose contents it does not look at ([`Bundle::verify`]
    /// does). Bytes after the end of the bundle are ignored.
    ///
    /// # Errors
    /// [`BundleError`] says what is wrong with these bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Bundle<'a>, BundleError> {
        let present = bytes.len() as u64;
        if !bytes.starts_with(&MAGIC) {
            return Err(BundleError::NotABundle);
        }
        let truncated = |needed| BundleError::Truncated { needed, present };
        let (header, rest) =
            Header::read_from_prefix(bytes).map_err(|_| truncated(HEADER_BYTES as u64))?;
        if header.version.get() != VERSION {
            return Err(BundleError::Version(header.version.get()));
        }
        let total = header.total.get();
        let bytes = piece(bytes, 0, total).ok_or_else(|| truncated(total))?;

        let count = header.files.get() as usize;
        if count > limit::MAX_FILES {
            return Err(SpecError::Files(count).into());
        }
        let description = header.description.get();
        let table = (count * RECORD_BYTES) as u64;
        let head = description
            .checked_add(table)
            .and_then(|length| length.checked_add(HEADER_BYTES as u64))
            .filter(|end| *end <= total)
            .ok_or(BundleError::Header)?;
        let rest = piece(rest, 0, head - HEADER_BYTES as u64).ok_or(BundleError::Header)?;
        if head_checksum(&header, rest) != header.checksum.get() {
            return Err(BundleError::HeaderChecksum);
        }
        let split = usize::try_from(description).map_err(|_| BundleError::Header)?;
        let (description, table) = rest.split_at_checked(split).ok_or(BundleError::Header)?;

        let contents = read_description(description)?;
        if contents.names.len() != count {
            return Err(BundleError::Description);
        }
        let files = read_table(bytes, head, table)?;
        let length = |file: FileIndex| files.get(file.0 as usize).map(|(b, _)| b.len() as u64);
        contents.spec.check(length)?;
        Ok(Bundle {
            spec: contents.spec,
            names: contents.names,
            files,
        })
    }

    /// The description.
    pub fn spec(&self) -> &VmSpec {
        &self.spec
    }

    /// A file that the description names.
    ///
    /// An index that the description does not hold, and that no file has, gives an empty file.
    pub fn file(&self, index: FileIndex) -> File<'a, '_> {
        let n = index.0 as usize;
        File {
            name: self.names.get(n).map_or("", String::as_str),
            bytes: self.files.get(n).map_or(&[], |(bytes, _)| bytes),
        }
    }

    /// Compares the contents of all files with their checksums, which takes about one instruction for each byte.
    ///
    /// # Errors
    /// [`BundleError::FileChecksum`] names the first that is damaged.
    pub fn verify(&self) -> Result<(), BundleError> {
        let damaged = |(bytes, checksum): &(&[u8], u64)| XxHash3_64::oneshot(bytes) != *checksum;
        match self.files.iter().position(damaged) {
            Some(n) => Err(BundleError::FileChecksum(n as u32)),
            None => Ok(()),
        }
    }
}

/// Decodes the description, which must be all of `bytes`.
fn read_description(bytes: &[u8]) -> Result<Contents, BundleError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let contents = decoder.decode().map_err(|_| BundleError::Description)?;
    if decoder.position() == bytes.len() {
        Ok(contents)
    } else {
        Err(BundleError::Description)
    }
}

/// Finds the files that `table` names in a bundle whose files begin at `head` or later.
fn read_table<'a>(
    bundle: &'a [u8],
    head: u64,
    table: &[u8],
) -> Result<Vec<(&'a [u8], u64)>, BundleError> {
    let records = table.chunks_exact(RECORD_BYTES).enumerate();
    let files = records.map(|(n, record)| {
        let misplaced = BundleError::FilePlace(n as u32);
        let record = FileRecord::read_from_bytes(record).map_err(|_| misplaced)?;
        let (offset, length) = (record.offset.get(), record.length.get());
        if offset < head || !offset.is_multiple_of(FILE_ALIGNMENT) {
            return Err(misplaced);
        }
        let bytes = piece(bundle, offset, length).ok_or(misplaced)?;
        Ok((bytes, record.checksum.get()))
    });
    files.collect()
}
