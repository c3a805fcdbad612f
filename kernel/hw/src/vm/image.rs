//! The kernel's own image: where its segments are.
#![allow(unsafe_code)] // Symbols of the linker script.

use super::layout::IMAGE;
use core::ops::Range;

/// The address of a symbol that the linker script defines, in the copy of the image that runs. A plain
/// reference would go through the global offset table, which changes while the image is relocated.
macro_rules! address_of {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: computes an address.
        unsafe {
            core::arch::asm!(
                concat!("lea {}, [rip + ", $symbol, "]"),
                out(reg) address,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        address
    }};
}

/// The segments as offsets from the start of the image, each in whole pages: constants from 0, then code, then
/// data to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Code.
    pub text: (u64, u64),
    /// Start of the data, which is everything writable.
    pub data: u64,
    /// End of the data and of the image.
    pub end: u64,
    /// End of what the loader loads: behind the image lies the stack of the first steps.
    pub load_end: u64,
    /// The relocation entries, in the constants.
    pub relocations: (u64, u64),
}

/// The address that the image runs at now: physical until the kernel has its own page tables, then [`IMAGE`].
pub fn current_base() -> usize {
    address_of!("__image_start")
}

/// Where the segments are.
pub fn segments() -> Segments {
    let base = current_base();
    let offset = |address: usize| (address - base) as u64;
    Segments {
        text: (
            offset(address_of!("__text_start")),
            offset(address_of!("__text_end")),
        ),
        data: offset(address_of!("__data_start")),
        end: offset(address_of!("__image_end")),
        load_end: offset(address_of!("__load_end")),
        relocations: (
            offset(address_of!("__rela_start")),
            offset(address_of!("__rela_end")),
        ),
    }
}

/// Virtual addresses of the kernel's code.
pub fn text_range() -> Range<usize> {
    let (start, end) = segments().text;
    IMAGE + start as usize..IMAGE + end as usize
}
