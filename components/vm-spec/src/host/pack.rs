//! Writing a bundle.

use super::Description;
use crate::error::SpecError;
use crate::layout::{
    Contents, FILE_ALIGNMENT, FileRecord, HEADER_BYTES, Header, MAGIC, RECORD_BYTES, VERSION,
    head_checksum,
};
use crate::limit;
use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use twox_hash::xxhash3_64::Hasher;
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U32, U64};

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 16;

/// Why a bundle could not be written.
#[derive(Debug)]
pub enum PackError {
    /// A file cannot be read.
    File(PathBuf, io::Error),
    /// A file became longer or shorter while it was read.
    Changed(PathBuf),
    /// The bundle cannot be written.
    Output(io::Error),
    /// The description asks for what it cannot have.
    Spec(SpecError),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackError::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            PackError::Changed(path) => write!(
                f,
                "{} changed while it was packed; try again when nothing writes to it",
                path.display()
            ),
            PackError::Output(error) => write!(f, "the bundle cannot be written: {error}"),
            PackError::Spec(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PackError {}

impl Description {
    /// Writes the bundle to `out`, from where it stands, and returns its length. Files are read once, piece by piece.
    ///
    /// # Errors
    /// [`PackError`] names the file, or what the description may not ask for. What was written by then is no bundle.
    pub fn pack(&self, out: &mut (impl Write + Seek)) -> Result<u64, PackError> {
        if self.files.len() > limit::MAX_FILES {
            return Err(PackError::Spec(SpecError::Files(self.files.len())));
        }
        let lengths = self.files.iter().map(|path| length(path));
        let lengths: Vec<u64> = lengths.collect::<Result<_, _>>()?;
        let of = |file: crate::FileIndex| lengths.get(file.0 as usize).copied();
        self.spec.check(of).map_err(PackError::Spec)?;

        let names = self.files.iter().map(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        });
        let contents = Contents {
            spec: self.spec.clone(),
            names: names.collect(),
        };
        let mut rest = Vec::new();
        let written: Result<(), minicbor::encode::Error<Infallible>> =
            minicbor::encode(&contents, &mut rest);
        written.expect("a vector takes everything");
        let description = rest.len() as u64;

        let start = out.stream_position().map_err(PackError::Output)?;
        let head = HEADER_BYTES + rest.len() + self.files.len() * RECORD_BYTES;
        let mut writer = Padded { out, position: 0 };
        writer.fill(head as u64)?;
        for (path, length) in self.files.iter().zip(lengths) {
            let offset = writer.position.next_multiple_of(FILE_ALIGNMENT);
            writer.fill(offset)?;
            let record = FileRecord {
                offset: U64::new(offset),
                length: U64::new(length),
                checksum: U64::new(writer.file(path, length)?),
            };
            rest.extend_from_slice(record.as_bytes());
        }
        let total = writer.position;

        let mut header = Header {
            magic: MAGIC,
            version: U32::new(VERSION),
            files: U32::new(self.files.len() as u32),
            description: U64::new(description),
            total: U64::new(total),
            checksum: U64::new(0),
        };
        header.checksum = U64::new(head_checksum(&header, &rest));
        let end = start + total;
        out.seek(SeekFrom::Start(start))
            .and_then(|_| out.write_all(header.as_bytes()))
            .and_then(|()| out.write_all(&rest))
            .and_then(|()| out.seek(SeekFrom::Start(end)))
            .and_then(|_| out.flush())
            .map_err(PackError::Output)?;
        Ok(total)
    }
}

fn length(path: &Path) -> Result<u64, PackError> {
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|error| PackError::File(path.to_path_buf(), error))?;
    Ok(metadata.len())
}

/// The bundle while it grows.
struct Padded<'a, W> {
    out: &'a mut W,
    /// Bytes written.
    position: u64,
}

impl<W: Write> Padded<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.position += bytes.len() as u64;
        self.out.write_all(bytes).map_err(PackError::Output)
    }

    /// Writes zeroes up to `position`.
    fn fill(&mut self, position: u64) -> Result<(), PackError> {
        let zeroes = [0; FILE_ALIGNMENT as usize];
        while self.position < position {
            let length = (position - self.position).min(FILE_ALIGNMENT) as usize;
            self.write(&zeroes[..length])?;
        }
        Ok(())
    }

    /// Copies the file, which must have `length` bytes, and returns its checksum.
    fn file(&mut self, path: &Path, length: u64) -> Result<u64, PackError> {
        let unreadable = |error| PackError::File(path.to_path_buf(), error);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        let mut left = length;
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) if left == 0 => return Ok(std::hash::Hasher::finish(&hasher)),
                Ok(read) if read > 0 && read as u64 <= left => read,
                Ok(_) => return Err(PackError::Changed(path.to_path_buf())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            std::hash::Hasher::write(&mut hasher, &buffer[..read]);
            self.write(&buffer[..read])?;
            left -= read as u64;
        }
    }
}
