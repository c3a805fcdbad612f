//! Entries of the kernel's own page tables.

use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::{MapError, PageFormat};

/// Position of the upper half in the 48-bit addresses that the walker takes.
const UPPER_HALF: u64 = 1 << 47;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;

/// Four-level paging for the kernel: supervisor pages of the upper half, the same in every address space and
/// therefore global (SDM volume 3, 4.5 and 4.10.2.4).
///
/// Accessed and dirty are set from the start: nobody looks at them, and the processor need not write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFormat;

impl PageFormat for KernelFormat {
    const START: u64 = UPPER_HALF;
    const END: u64 = 1 << 48;
    const PRESENT: u64 = PRESENT;
    const WRITE: u64 = WRITE;
    const ACCESSED: u64 = ACCESSED;
    const DIRTY: u64 = DIRTY;
    const TABLE: u64 = PRESENT | WRITE | ACCESSED;
    const PROTECTION: u64 = PRESENT | WRITE | ACCESSED | DIRTY | GLOBAL | NO_EXECUTE;

    fn check(perms: Rights) -> Result<(), MapError> {
        if perms.contains(Rights::WRITE | Rights::EXECUTE) {
            return Err(MapError::WriteExecute);
        }
        if !perms.contains(Rights::READ) {
            return Err(MapError::Unreadable);
        }
        Ok(())
    }

    fn protection(perms: Rights) -> u64 {
        let mut bits = PRESENT | ACCESSED | DIRTY | GLOBAL;
        if perms.contains(Rights::WRITE) {
            bits |= WRITE;
        }
        if !perms.contains(Rights::EXECUTE) {
            bits |= NO_EXECUTE;
        }
        bits
    }

    fn perms(entry: u64) -> Rights {
        let mut perms = Rights::READ;
        perms.set(Rights::WRITE, entry & WRITE != 0);
        perms.set(Rights::EXECUTE, entry & NO_EXECUTE == 0);
        perms
    }

    fn memory_type(cache: CacheMode) -> u64 {
        match cache {
            CacheMode::Default => 0,
            CacheMode::WriteCombining => WRITE_THROUGH,
            CacheMode::Uncached => WRITE_THROUGH | CACHE_DISABLE,
        }
    }
}

/// A canonical address of the upper half as the walker takes it.
pub(super) const fn walker_address(virt: usize) -> u64 {
    virt as u64 & ((1 << 48) - 1)
}

/// The opposite of [`walker_address`].
pub(super) const fn canonical(address: u64) -> usize {
    if address & UPPER_HALF == 0 {
        address as usize
    } else {
        (address | !((1 << 48) - 1)) as usize
    }
}
