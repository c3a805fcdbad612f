//! Intel's extended page tables.

use crate::error::MapError;
use crate::format::PageFormat;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const EXECUTE: u64 = 1 << 2;
const WRITE_COMBINING: u64 = 1 << 3;
const WRITE_BACK: u64 = 6 << 3;
const IGNORE_PAT: u64 = 1 << 6;
const ACCESSED: u64 = 1 << 8;
const DIRTY: u64 = 1 << 9;

/// Intel extended page tables: guest-physical addresses below 2^48 (SDM volume 3, 28.3.2). Accessed and
/// dirty bits need bit 6 of the EPT pointer.
///
/// Ordinary memory is write-back whatever the guest's PAT says; for the other memory types the guest may
/// choose a weaker one (write-combining for a framebuffer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ept;

impl PageFormat for Ept {
    const START: u64 = 0;
    const END: u64 = 1 << 48;
    const PRESENT: u64 = READ;
    const WRITE: u64 = WRITE;
    const ACCESSED: u64 = ACCESSED;
    const DIRTY: u64 = DIRTY;
    const TABLE: u64 = READ | WRITE | EXECUTE;
    const PROTECTION: u64 = READ | WRITE | EXECUTE;

    /// Writable and unreadable is an EPT misconfiguration, and executable only is not on every processor
    /// (SDM volume 3, 28.3.3.1).
    fn check(perms: Rights) -> Result<(), MapError> {
        if perms.contains(Rights::READ) {
            Ok(())
        } else {
            Err(MapError::Unreadable)
        }
    }

    fn protection(perms: Rights) -> u64 {
        let mut bits = READ;
        if perms.contains(Rights::WRITE) {
            bits |= WRITE;
        }
        if perms.contains(Rights::EXECUTE) {
            bits |= EXECUTE;
        }
        bits
    }

    fn perms(entry: u64) -> Rights {
        let mut perms = Rights::READ;
        perms.set(Rights::WRITE, entry & WRITE != 0);
        perms.set(Rights::EXECUTE, entry & EXECUTE != 0);
        perms
    }

    fn memory_type(cache: CacheMode) -> u64 {
        match cache {
            CacheMode::Default => WRITE_BACK | IGNORE_PAT,
            CacheMode::Uncached => 0,
            CacheMode::WriteCombining => WRITE_COMBINING,
        }
    }
}
