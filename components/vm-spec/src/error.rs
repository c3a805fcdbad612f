//! Why a bundle is refused.

use crate::layout::VERSION;
use crate::limit;
use core::fmt;

/// Why a bundle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// It does not begin as a bundle does.
    NotABundle,
    /// It has another version than [`VERSION`].
    Version(u32),
    /// It is shorter than it says.
    Truncated {
        /// Bytes that it should have.
        needed: u64,
        /// Bytes that there are.
        present: u64,
    },
    /// The numbers in its header contradict each other.
    Header,
    /// Header, table of files or description are not as they were written.
    HeaderChecksum,
    /// The description has fields that are missing or of the wrong type.
    Description,
    /// File `n` lies outside of the bundle or in a place where no file can lie.
    FilePlace(u32),
    /// File `n` is not as it was written.
    FileChecksum(u32),
    /// The description asks for what it cannot have.
    Spec(SpecError),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BundleError::NotABundle => {
                f.write_str("not a VM's bundle; pack it with `tools/pagurus run --guest`")
            }
            BundleError::Version(version) => write!(
                f,
                "bundle of version {version}, but this VMM reads version {VERSION}; pack it again with the same release"
            ),
            BundleError::Truncated { needed, present } => {
                write!(
                    f,
                    "the bundle is cut off: {present} of {needed} bytes are there"
                )
            }
            BundleError::Header => f.write_str("the bundle's header contradicts itself"),
            BundleError::HeaderChecksum => {
                f.write_str("the bundle's header or description is damaged")
            }
            BundleError::Description => {
                f.write_str("the bundle's description cannot be understood")
            }
            BundleError::FilePlace(n) => write!(f, "file {n} lies outside of the bundle"),
            BundleError::FileChecksum(n) => write!(f, "file {n} of the bundle is damaged"),
            BundleError::Spec(error) => write!(f, "the VM's description: {error}"),
        }
    }
}

impl core::error::Error for BundleError {}

/// What is wrong with a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// The VM's name.
    Name,
    /// The name of the CPU profile.
    CpuProfile,
    /// Bytes of memory.
    Memory(u64),
    /// Number of virtual processors.
    Vcpus(u32),
    /// A command line is too long, or holds a zero byte.
    CommandLine,
    /// Number of modules.
    Modules(usize),
    /// Number of disks.
    Disks(usize),
    /// Size of disk `n` (from 0).
    DiskSize(usize),
    /// Serial of disk `n` (from 0).
    DiskSerial(usize),
    /// Number of network cards.
    Nets(usize),
    /// Name of the network of card `n` (from 0).
    Network(usize),
    /// Addresses of card `n` (from 0).
    Macs(usize),
    /// MTU of card `n` (from 0).
    Mtu(usize),
    /// A file is named that is not there.
    NoFile(u32),
    /// Kernel, initial RAM file system or module without a single byte.
    EmptyFile(u32),
    /// Number of files.
    Files(usize),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |f: &mut fmt::Formatter<'_>, of: &str| {
            write!(
                f,
                "{of} must be 1 to {} of a to z, 0 to 9 and `-`",
                limit::MAX_NAME
            )
        };
        match self {
            SpecError::Name => name(f, "the name"),
            SpecError::CpuProfile => name(f, "the name of the CPU profile"),
            SpecError::Memory(bytes) => write!(
                f,
                "memory of {bytes} bytes: must be {} MiB to {} GiB and a multiple of 4 KiB",
                limit::MIN_MEMORY >> 20,
                limit::MAX_MEMORY >> 30
            ),
            SpecError::Vcpus(n) => write!(f, "{n} vCPUs: must be 1 to {}", limit::MAX_VCPUS),
            SpecError::CommandLine => write!(
                f,
                "a command line must have at most {} bytes and no zero byte",
                limit::MAX_COMMAND_LINE
            ),
            SpecError::Modules(n) => write!(f, "{n} modules: at most {}", limit::MAX_MODULES),
            SpecError::Disks(n) => write!(f, "{n} disks: at most {}", limit::MAX_DISKS),
            SpecError::DiskSize(n) => write!(
                f,
                "disk {n}: its size must be a multiple of 512 bytes, and not 0"
            ),
            SpecError::DiskSerial(n) => write!(
                f,
                "disk {n}: its serial must be at most {} printable ASCII characters",
                limit::MAX_SERIAL
            ),
            SpecError::Nets(n) => write!(f, "{n} network cards: at most {}", limit::MAX_NETS),
            SpecError::Network(n) => {
                write!(f, "network card {n}: ")?;
                name(f, "the name of its network")
            }
            SpecError::Macs(n) => write!(
                f,
                "network card {n}: needs 1 to {} different unicast addresses",
                limit::MAX_MACS
            ),
            SpecError::Mtu(n) => write!(
                f,
                "network card {n}: its MTU must be {} to {}",
                limit::MTU.start(),
                limit::MTU.end()
            ),
            SpecError::NoFile(n) => write!(f, "it names file {n}, which the bundle does not hold"),
            SpecError::EmptyFile(n) => write!(
                f,
                "file {n} is empty, but a kernel, initrd or module is not"
            ),
            SpecError::Files(n) => write!(f, "{n} files: at most {}", limit::MAX_FILES),
        }
    }
}

impl core::error::Error for SpecError {}

impl From<SpecError> for BundleError {
    fn from(error: SpecError) -> Self {
        BundleError::Spec(error)
    }
}
