//! Page tables for the first steps: physical memory below 4 GiB, one to one.
//!
//! The loader's tables are in memory that the kernel is about to use, and a loader need not map more than the
//! kernel. These are in the kernel's image. Later they serve once more, when other processors start: see
//! [`trampoline`](crate::vm::trampoline).
#![allow(unsafe_code)] // Loads page tables.

use core::sync::atomic::{AtomicU64, Ordering};
use x86::controlregs;

/// Physical addresses below this are mapped.
pub const MAPPED: u64 = 1 << 32;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
/// Bytes of a large page.
const LARGE_BYTES: u64 = 2 << 20;

/// Number of the top-level table among [`TABLES`].
pub const ROOT: usize = 0;
/// Number of the table below it.
pub const DIRECTORY_POINTERS: usize = 1;
/// Number of the first of the four tables that map 1 GiB each.
pub const DIRECTORIES: usize = 2;
const COUNT: usize = DIRECTORIES + 4;

#[repr(C, align(4096))]
pub struct Table([AtomicU64; 512]);

impl Table {
    /// Stores an entry.
    pub fn set(&self, index: usize, entry: u64) {
        self.0[index].store(entry, Ordering::Relaxed);
    }

    /// Makes all entries zero.
    pub fn clear(&self) {
        for entry in &self.0 {
            entry.store(0, Ordering::Relaxed);
        }
    }
}

/// The tables.
pub static TABLES: [Table; COUNT] = [const { Table([const { AtomicU64::new(0) }; 512]) }; COUNT];

/// Physical address of table `number`, while the image runs at its physical address.
fn low_address(number: usize) -> u64 {
    (&raw const TABLES[number]).addr() as u64
}

/// Builds and loads the tables. Returns the entry of a top-level table that makes the same map.
///
/// # Safety
/// The image must run at its physical address below [`MAPPED`]; so must whatever else is in use.
pub unsafe fn enter() -> u64 {
    let identity = low_address(DIRECTORY_POINTERS) | PRESENT | WRITE;
    TABLES[ROOT].set(0, identity);
    for gib in 0..4 {
        let directory = DIRECTORIES + gib;
        TABLES[DIRECTORY_POINTERS].set(gib, low_address(directory) | PRESENT | WRITE);
        for index in 0..512 {
            let phys = (gib * 512 + index) as u64 * LARGE_BYTES;
            TABLES[directory].set(index, phys | PRESENT | WRITE | LARGE);
        }
    }
    // SAFETY: the tables map all of what the caller uses where it was before.
    unsafe { controlregs::cr3_write(low_address(ROOT)) };
    identity
}
