//! The zero page (`struct boot_params`).
//!
//! Crates that describe it as a packed structure need unsafe code to make bytes of it; the loader sets ten
//! fields.

use super::header::{START, SetupHeader};
use crate::bytes::put;
use crate::guest::MemoryRange;
use alloc::vec::Vec;

const BYTES: usize = 4096;
const ACPI_RSDP: usize = 0x070;
const E820_COUNT: usize = 0x1e8;
const VIDEO_MODE: usize = 0x1fa;
const LOADER_TYPE: usize = 0x210;
const CODE32_START: usize = 0x214;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21c;
const COMMAND_LINE: usize = 0x228;
const E820_TABLE: usize = 0x2d0;
const E820_BYTES: usize = 20;

/// "Undefined": no number was assigned to this loader.
const LOADER_UNDEFINED: u8 = 0xff;
/// "normal".
const VIDEO_NORMAL: u16 = 0xffff;

/// What goes into the zero page.
pub struct ZeroPage<'a> {
    /// The image's own header.
    pub header: &'a SetupHeader<'a>,
    /// Memory map, at most 128 ranges.
    pub memory: &'a [MemoryRange],
    /// Where the kernel lies.
    pub kernel: u64,
    /// Where the command line lies.
    pub command_line: u64,
    /// Where the initial RAM file system lies, and its length.
    pub initrd: Option<(u64, u64)>,
    /// Where the ACPI root pointer lies; 0 for none.
    pub rsdp: u64,
}

impl ZeroPage<'_> {
    /// The page. All addresses in it are below 4 GiB, and so are the lengths.
    pub fn bytes(&self) -> Vec<u8> {
        let mut page = alloc::vec![0; BYTES];
        put(&mut page, START, self.header.bytes());
        put(&mut page, LOADER_TYPE, &[LOADER_UNDEFINED]);
        put(&mut page, VIDEO_MODE, &VIDEO_NORMAL.to_le_bytes());
        let mut word = |offset, value: u64| put(&mut page, offset, &(value as u32).to_le_bytes());
        word(CODE32_START, self.kernel);
        word(COMMAND_LINE, self.command_line);
        let (address, length) = self.initrd.unwrap_or((0, 0));
        word(RAMDISK_IMAGE, address);
        word(RAMDISK_SIZE, length);
        put(&mut page, ACPI_RSDP, &self.rsdp.to_le_bytes());

        put(&mut page, E820_COUNT, &[self.memory.len() as u8]);
        for (number, range) in self.memory.iter().enumerate() {
            let at = E820_TABLE + number * E820_BYTES;
            put(&mut page, at, &range.start.to_le_bytes());
            put(&mut page, at + 8, &range.length.to_le_bytes());
            put(&mut page, at + 16, &(range.kind as u32).to_le_bytes());
        }
        page
    }
}
