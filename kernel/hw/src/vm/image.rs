//! The kernel's own image: where its segments are.
#![allow(unsafe_code)] // Symbols of the linker script.

use super::layout::IMAGE;
use core::ops::Range;

unsafe extern "C" {
    // Defined by the linker script of the kernel image. Only their addresses mean something.
    static __image_start: u8;
    static __text_start: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __image_end: u8;
    static __load_end: u8;
    static __rela_start: u8;
    static __rela_end: u8;
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
    (&raw const __image_start).addr()
}

/// Where the segments are.
pub fn segments() -> Segments {
    let base = current_base();
    let offset = |symbol: *const u8| (symbol.addr() - base) as u64;
    Segments {
        text: (
            offset(&raw const __text_start),
            offset(&raw const __text_end),
        ),
        data: offset(&raw const __data_start),
        end: offset(&raw const __image_end),
        load_end: offset(&raw const __load_end),
        relocations: (
            offset(&raw const __rela_start),
            offset(&raw const __rela_end),
        ),
    }
}

/// Virtual addresses of the kernel's code.
pub fn text_range() -> Range<usize> {
    let (start, end) = segments().text;
    IMAGE + start as usize..IMAGE + end as usize
}
