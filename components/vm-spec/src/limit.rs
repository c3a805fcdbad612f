//! What a description may ask for at most. Reader and writer refuse the same.

/// Least memory of a VM in bytes.
pub const MIN_MEMORY: u64 = 1 << 20;
/// Most memory of a VM in bytes.
pub const MAX_MEMORY: u64 = 1 << 40;
/// Memory is a multiple of this many bytes.
pub const MEMORY_GRANULE: u64 = 4096;
/// Virtual processors of one VM.
pub const MAX_VCPUS: u32 = 64;
/// Bytes of a VM's name, of a network's and of a CPU profile's.
pub const MAX_NAME: usize = 31;
/// Bytes of a command line.
pub const MAX_COMMAND_LINE: usize = 4096;
/// Modules beside the initial RAM file system.
pub const MAX_MODULES: usize = 63;
/// Disks.
pub const MAX_DISKS: usize = 8;
/// Bytes of a disk's serial.
pub const MAX_SERIAL: usize = 20;
/// Network cards.
pub const MAX_NETS: usize = 4;
/// Addresses of a network card.
pub const MAX_MACS: usize = 16;
/// Least and most bytes of the largest frame, without the Ethernet header (RFC 791 says 68).
pub const MTU: core::ops::RangeInclusive<u16> = 68..=9000;
/// A disk is a multiple of this many bytes.
pub const SECTOR: u64 = 512;
/// Files in one bundle.
pub const MAX_FILES: usize = 128;
