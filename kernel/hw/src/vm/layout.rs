//! The upper half of every address space.
//!
//! | addresses | what | permissions |
//! | --- | --- | --- |
//! | [`DIRECT_MAP`] | all RAM at its physical address; the kernel's code and constants read-only | RW |
//! | [`DEVICE_WINDOW`] | registers and firmware tables that the kernel uses | RW uncached, R |
//! | [`STACK_WINDOW`] | kernel stacks, each above a page that is not mapped | RW |
//! | [`IMAGE`] | the kernel: constants R, code RX, data RW | by segment |
//!
//! Each window has its entries of the top-level table from the start, and that table does not change after
//! boot: every address space copies its upper half.

/// Bytes that one entry of the top-level table maps.
pub const TOP_LEVEL_BYTES: u64 = 1 << 39;

/// Start of the direct map.
pub const DIRECT_MAP: usize = 0xffff_8000_0000_0000;
/// Physical memory beyond this (64 TiB) is not used: it is the size of the direct map.
pub const DIRECT_MAP_BYTES: u64 = 1 << 46;

/// Start of the device window.
pub const DEVICE_WINDOW: usize = 0xffff_fe00_0000_0000;
/// Start of the stack window.
pub const STACK_WINDOW: usize = 0xffff_fe80_0000_0000;
/// Bytes of the device window and of the stack window.
pub const WINDOW_BYTES: u64 = TOP_LEVEL_BYTES;

/// Where the kernel's image starts: within the top 2 GiB, as its code expects, and at a multiple of 64 KiB,
/// so that relocation does not change the 16-bit numbers of log messages.
pub const IMAGE: usize = 0xffff_ffff_8000_0000;
/// The image may not be larger.
pub const MAX_IMAGE_BYTES: u64 = 1 << 30;

/// Virtual address of physical memory in the direct map. Only RAM is mapped there.
#[inline]
pub const fn phys_to_virt(phys: u64) -> usize {
    DIRECT_MAP + phys as usize
}
