//! The processor's own format, and AMD's nested page tables, which are the same.

use crate::error::MapError;
use crate::format::PageFormat;
use pagurus_abi::Rights;
use pagurus_abi::layout::{USER_END, USER_START};
use pagurus_abi::method::CacheMode;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const NO_EXECUTE: u64 = 1 << 63;

/// What IA32_PAT (MSR 277h) must hold: the value after reset, but write-combining as type 1, which pages
/// choose by PWT alone (SDM volume 3, 12.12.4; APM volume 2, 7.8). Nested entries choose from it too
/// (APM volume 2, 15.25.8).
pub const PAT: u64 = 0x0007_0406_0007_0106;

/// Four-level paging for components: user pages, never global (SDM volume 3, 4.5; APM volume 2, 5.3).
/// The upper half of the root table is not touched. Needs EFER.NXE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host;

/// AMD nested paging: guest-physical addresses below 2^48. The processor's nested accesses are user
/// accesses (APM volume 2, 15.25.5). Needs the host's EFER.NXE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Npt;

impl PageFormat for Host {
    const START: u64 = USER_START;
    const END: u64 = USER_END;
    const PRESENT: u64 = PRESENT;
    const WRITE: u64 = WRITE;
    const ACCESSED: u64 = ACCESSED;
    const DIRTY: u64 = DIRTY;
    const TABLE: u64 = PRESENT | WRITE | USER;
    const PROTECTION: u64 = PRESENT | WRITE | USER | NO_EXECUTE;

    fn check(perms: Rights) -> Result<(), MapError> {
        if perms.contains(Rights::WRITE | Rights::EXECUTE) {
            return Err(MapError::WriteExecute);
        }
        readable(perms)
    }

    fn protection(perms: Rights) -> u64 {
        protection(perms)
    }

    fn perms(entry: u64) -> Rights {
        rights(entry)
    }

    fn memory_type(cache: CacheMode) -> u64 {
        memory_type(cache)
    }
}

impl PageFormat for Npt {
    const START: u64 = 0;
    const END: u64 = 1 << 48;
    const PRESENT: u64 = PRESENT;
    const WRITE: u64 = WRITE;
    const ACCESSED: u64 = ACCESSED;
    const DIRTY: u64 = DIRTY;
    const TABLE: u64 = PRESENT | WRITE | USER;
    const PROTECTION: u64 = PRESENT | WRITE | USER | NO_EXECUTE;

    fn check(perms: Rights) -> Result<(), MapError> {
        readable(perms)
    }

    fn protection(perms: Rights) -> u64 {
        protection(perms)
    }

    fn perms(entry: u64) -> Rights {
        rights(entry)
    }

    fn memory_type(cache: CacheMode) -> u64 {
        memory_type(cache)
    }
}

fn readable(perms: Rights) -> Result<(), MapError> {
    if perms.contains(Rights::READ) {
        Ok(())
    } else {
        Err(MapError::Unreadable)
    }
}

fn protection(perms: Rights) -> u64 {
    let mut bits = PRESENT | USER;
    if perms.contains(Rights::WRITE) {
        bits |= WRITE;
    }
    if !perms.contains(Rights::EXECUTE) {
        bits |= NO_EXECUTE;
    }
    bits
}

fn rights(entry: u64) -> Rights {
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
