//! The boot information of `hermit-entry`, as bytes.
//!
//! Its `RawBootInfo` can be made in safe code, but not with pointers into a guest, nor turned into bytes. The
//! tests compare what is made here with what it makes.

use crate::bytes::Writer;
use alloc::vec::Vec;
use core::ops::Range;

/// COM1.
const SERIAL_PORT: u16 = 0x3f8;
/// The variant of `PlatformInfo` for machines with multiboot information.
const MULTIBOOT: u64 = 0;

/// Everything in it.
pub struct BootInfo {
    /// The end of physical memory.
    pub physical: u64,
    /// Address of the device tree.
    pub device_tree: u64,
    /// Where the kernel lies.
    pub image: Range<u64>,
    /// Thread-local storage: address, bytes in the file and in memory, alignment.
    pub thread_local: Option<[u64; 4]>,
    /// Address and length of the command line.
    pub command_line: (u64, u64),
    /// Address of multiboot information.
    pub multiboot: u64,
}

impl BootInfo {
    /// As the kernel finds it: `HardwareInfo`, `LoadInfo`, `PlatformInfo`.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Writer::default();
        bytes
            .u64(0)
            .u64(self.physical)
            .u16(SERIAL_PORT)
            .align(8)
            .u64(self.device_tree);
        bytes.u64(self.image.start).u64(self.image.end);
        for field in self.thread_local.unwrap_or_default() {
            bytes.u64(field);
        }
        bytes
            .u64(MULTIBOOT)
            .u64(self.command_line.0)
            .u64(self.command_line.1)
            .u64(self.multiboot)
            // As large as the largest variant.
            .u64(0);
        bytes.0
    }
}
