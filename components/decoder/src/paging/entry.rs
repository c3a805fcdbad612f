//! Bits of page-table entries and of page-fault error codes.

pub const PRESENT: u64 = 1 << 0;
pub const WRITABLE: u64 = 1 << 1;
pub const USER: u64 = 1 << 2;
pub const ACCESSED: u64 = 1 << 5;
pub const DIRTY: u64 = 1 << 6;
/// In a directory: the entry maps a large page.
pub const LARGE: u64 = 1 << 7;
pub const NO_EXECUTE: u64 = 1 << 63;

/// Error code: the page was present.
pub const FAULT_PROTECTION: u32 = 1 << 0;
/// Error code: a write.
pub const FAULT_WRITE: u32 = 1 << 1;
/// Error code: at privilege level 3.
pub const FAULT_USER: u32 = 1 << 2;
/// Error code: a reserved bit was set.
pub const FAULT_RESERVED: u32 = 1 << 3;
/// Error code: an instruction fetch.
pub const FAULT_FETCH: u32 = 1 << 4;

/// Bits `low` up to but not including `high`.
pub const fn bits(low: u32, high: u32) -> u64 {
    if high <= low {
        0
    } else {
        (u64::MAX >> (64 - (high - low))) << low
    }
}
