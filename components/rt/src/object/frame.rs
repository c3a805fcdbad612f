//! Frames and address spaces.

use crate::Cap;
use pagurus_abi::method::{CacheMode, Method};
use pagurus_abi::{Error, Rights};

/// Physical memory that can be mapped.
#[derive(Debug)]
pub enum Frame {}

/// A set of page tables.
#[derive(Debug)]
pub enum AddressSpace {}

/// Where and how a frame, or a part of it, is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Virtual address, 4 KiB aligned.
    pub address: u64,
    /// First byte of the frame, 4 KiB aligned.
    pub offset: u64,
    /// Bytes, a multiple of 4 KiB.
    pub length: u64,
    /// `READ`, `WRITE`, `EXECUTE`.
    pub rights: Rights,
    /// Memory type.
    pub cache: CacheMode,
}

/// What [`Cap::<Frame>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// Physical address.
    pub address: u64,
    /// log2 of the bytes.
    pub size_bits: u8,
    /// Device memory.
    pub device: bool,
}

/// What [`Cap::<AddressSpace>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSpaceInfo {
    /// Tables in use.
    pub used: u64,
    /// Tables in all.
    pub tables: u64,
}

/// What [`Cap::<AddressSpace>::query`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Physical address.
    pub physical: u64,
    /// What the mapping permits.
    pub rights: Rights,
    /// Bytes of the page.
    pub page_size: u64,
}

impl Cap<Frame> {
    /// Maps (a part of) the frame into `space` (`FrameMap`).
    pub fn map(self, space: Cap<AddressSpace>, mapping: Mapping) -> Result<(), Error> {
        map(self.index(), Method::FrameMap, space.index(), mapping)
    }

    /// Removes this capability's mapping (`FrameUnmap`).
    pub fn unmap(self) -> Result<(), Error> {
        crate::syscall::invoke(self.index(), Method::FrameUnmap, 0, [0; 4]).map(|_| ())
    }

    /// Place and size (`FrameInfo`).
    pub fn info(self) -> Result<FrameInfo, Error> {
        let r = crate::syscall::invoke(self.index(), Method::FrameInfo, 0, [0; 4])?;
        Ok(FrameInfo {
            address: r[0],
            size_bits: r[1] as u8,
            device: r[1] & 1 << 8 != 0,
        })
    }
}

/// `FrameMap` and `TraceMap` have the same arguments.
pub(super) fn map(cap: u32, method: Method, space: u32, mapping: Mapping) -> Result<(), Error> {
    // The rights share a word with the length.
    if !mapping.length.is_multiple_of(4096) {
        return Err(Error::Misaligned);
    }
    let args = [
        space.into(),
        mapping.address,
        mapping.offset,
        mapping.length | u64::from(mapping.rights.bits()),
    ];
    crate::syscall::invoke(cap, method, mapping.cache as u64, args).map(|_| ())
}

impl Cap<AddressSpace> {
    /// Tables used and there (`AddressSpaceInfo`).
    pub fn info(self) -> Result<AddressSpaceInfo, Error> {
        let r = crate::syscall::invoke(self.index(), Method::AddressSpaceInfo, 0, [0; 4])?;
        Ok(AddressSpaceInfo {
            used: r[0],
            tables: r[1],
        })
    }

    /// Translates virtual address `address` (`AddressSpaceQuery`).
    ///
    /// # Errors
    /// `NotMapped`.
    pub fn query(self, address: u64) -> Result<Translation, Error> {
        let args = [address, 0, 0, 0];
        let r = crate::syscall::invoke(self.index(), Method::AddressSpaceQuery, 0, args)?;
        Ok(Translation {
            physical: r[0],
            rights: Rights::from_bits_truncate(r[1] as u8),
            page_size: r[2],
        })
    }
}
