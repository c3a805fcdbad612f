//! On the host: reading descriptions in TOML and packing them with their files.

mod file;
mod pack;
mod read;

pub use pack::PackError;

use crate::spec::VmSpec;
use std::path::PathBuf;

/// A description whose files are still on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The VM.
    pub spec: VmSpec,
    /// The files; a [`FileIndex`](crate::FileIndex) of the description is a place in this list.
    pub files: Vec<PathBuf>,
}
