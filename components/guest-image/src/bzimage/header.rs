//! The setup header of a bzImage.

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::error::ImageError;

/// Where the header begins in the file, and in the zero page.
pub const START: usize = 0x1f1;
const SETUP_SECTORS: usize = 0x1f1;
const KERNEL_PARAGRAPHS: usize = 0x1f4;
const BOOT_FLAG: usize = 0x1fe;
/// Its second byte says where the header ends, counted from behind it.
const JUMP: usize = 0x200;
const MAGIC: usize = 0x202;
const VERSION: usize = 0x206;
const LOAD_FLAGS: usize = 0x211;
const INITRD_ADDRESS_MAX: usize = 0x22c;
const KERNEL_ALIGNMENT: usize = 0x230;
const RELOCATABLE: usize = 0x234;
const EXTENDED_LOAD_FLAGS: usize = 0x236;
const COMMAND_LINE_SIZE: usize = 0x238;
const PREFERRED_ADDRESS: usize = 0x258;
const INIT_SIZE: usize = 0x260;
/// Behind the last field that is read here.
const LEAST_END: usize = 0x264;
/// The zero page has something else from here on.
const GREATEST_END: usize = 0x290;

/// The version that brought the 64-bit entry point.
const VERSION_64: u16 = 0x020c;
const LOADED_HIGH: u8 = 1 << 0;
/// XLF_KERNEL_64: there is a 64-bit entry point at 0x200.
const KERNEL_64: u16 = 1 << 0;
const SECTOR: u64 = 512;

/// True if this looks like a bzImage.
pub fn is(image: &[u8]) -> bool {
    u16_at(image, BOOT_FLAG) == Some(0xaa55)
        && image
            .get(MAGIC..)
            .is_some_and(|rest| rest.starts_with(b"HdrS"))
}

/// A header whose fields are in order.
pub struct SetupHeader<'a> {
    image: &'a [u8],
    end: usize,
    kernel_offset: u64,
    kernel_length: u64,
    alignment: u64,
    init_size: u64,
}

impl<'a> SetupHeader<'a> {
    /// Checks the header of an image.
    pub fn parse(image: &'a [u8]) -> Result<SetupHeader<'a>, ImageError> {
        if !is(image) {
            return Err(ImageError::Damaged("Linux setup header: there is none"));
        }
        let cut = ImageError::Truncated("the Linux setup header");
        let version = u16_at(image, VERSION).ok_or(cut.clone())?;
        if version < VERSION_64 {
            return Err(ImageError::Unsupported(
                "a Linux kernel older than 3.8, without a 64-bit entry point",
            ));
        }
        let jump = u8_at(image, JUMP + 1).ok_or(cut.clone())?;
        let end = JUMP + 2 + usize::from(jump);
        if !(LEAST_END..=GREATEST_END).contains(&end) {
            return Err(ImageError::Damaged("Linux setup header: length"));
        }
        if image.len() < end {
            return Err(cut);
        }
        let flags = u16_at(image, EXTENDED_LOAD_FLAGS).unwrap_or(0);
        if flags & KERNEL_64 == 0 {
            return Err(ImageError::Unsupported("a 32-bit Linux kernel"));
        }
        if u8_at(image, LOAD_FLAGS).unwrap_or(0) & LOADED_HIGH == 0 {
            return Err(ImageError::Unsupported(
                "a Linux kernel that loads low (zImage)",
            ));
        }

        // 0 stands for 4.
        let sectors = match u8_at(image, SETUP_SECTORS).unwrap_or(0) {
            0 => 4,
            sectors => u64::from(sectors),
        };
        let kernel_offset = (sectors + 1) * SECTOR;
        let kernel_length = u64::from(u32_at(image, KERNEL_PARAGRAPHS).unwrap_or(0)) * 16;
        if kernel_length == 0 {
            return Err(ImageError::Damaged("Linux setup header: empty kernel"));
        }
        if kernel_offset + kernel_length > image.len() as u64 {
            return Err(ImageError::Truncated("the Linux kernel proper"));
        }
        // The entry point must be there to be jumped to.
        if kernel_length <= super::ENTRY_64 {
            return Err(ImageError::Damaged("Linux setup header: kernel too short"));
        }

        let header = SetupHeader {
            image,
            end,
            kernel_offset,
            kernel_length,
            alignment: u64::from(u32_at(image, KERNEL_ALIGNMENT).unwrap_or(0)),
            init_size: u64::from(u32_at(image, INIT_SIZE).unwrap_or(0)),
        };
        if header.init_size < kernel_length {
            return Err(ImageError::Damaged(
                "Linux setup header: init_size smaller than the kernel",
            ));
        }
        if header.is_relocatable() && !header.alignment.is_power_of_two() {
            return Err(ImageError::Damaged(
                "Linux setup header: kernel_alignment not a power of two",
            ));
        }
        Ok(header)
    }

    /// The header as the zero page gets it, from [`START`] on.
    pub fn bytes(&self) -> &'a [u8] {
        self.image.get(START..self.end).unwrap_or(&[])
    }

    /// Offset and length of the kernel proper in the image.
    pub fn kernel(&self) -> (u64, u64) {
        (self.kernel_offset, self.kernel_length)
    }

    /// Bytes of memory that the kernel needs from its load address on.
    pub fn memory(&self) -> u64 {
        self.init_size
    }

    /// Where it wants to be.
    pub fn preferred_address(&self) -> u64 {
        u64_at(self.image, PREFERRED_ADDRESS).unwrap_or(0)
    }

    /// True if it can be anywhere else.
    pub fn is_relocatable(&self) -> bool {
        u8_at(self.image, RELOCATABLE).unwrap_or(0) != 0
    }

    /// Alignment elsewhere, in bytes.
    pub fn alignment(&self) -> u64 {
        self.alignment.max(4096)
    }

    /// The last address that the initial RAM file system may take.
    pub fn initrd_address_max(&self) -> u32 {
        u32_at(self.image, INITRD_ADDRESS_MAX).unwrap_or(0)
    }

    /// Longest command line, in bytes without the terminating zero.
    pub fn command_line_limit(&self) -> u32 {
        u32_at(self.image, COMMAND_LINE_SIZE).unwrap_or(0)
    }
}
