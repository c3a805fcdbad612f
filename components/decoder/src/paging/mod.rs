//! The guest's own page tables: from linear to guest-physical addresses, and instruction bytes.
//!
//! References: SDM volume 3A, chapter 5 (paging); APM volume 2, chapter 5.

mod entry;
mod fetch;
mod walk;

pub use fetch::{Fetched, fetch};
pub use walk::translate;

use crate::width::Width;
use core::fmt;

/// CR0.WP: supervisor writes respect read-only pages.
pub const CR0_WP: u64 = 1 << 16;
/// CR0.PG: paging is on.
pub const CR0_PG: u64 = 1 << 31;
/// CR4.PSE: 4 MiB pages in 32-bit paging.
pub const CR4_PSE: u64 = 1 << 4;
/// CR4.PAE: entries of 64 bits.
pub const CR4_PAE: u64 = 1 << 5;
/// CR4.LA57: five levels in long mode.
pub const CR4_LA57: u64 = 1 << 12;
/// CR4.SMEP: the supervisor does not execute user pages.
pub const CR4_SMEP: u64 = 1 << 20;
/// CR4.SMAP: the supervisor does not touch user pages unless RFLAGS.AC is set.
pub const CR4_SMAP: u64 = 1 << 21;
/// EFER.LMA: long mode is active.
pub const EFER_LMA: u64 = 1 << 10;
/// EFER.NXE: pages can be made not executable.
pub const EFER_NXE: u64 = 1 << 11;

/// What decides how linear addresses are translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Control register 0.
    pub cr0: u64,
    /// Control register 3.
    pub cr3: u64,
    /// Control register 4.
    pub cr4: u64,
    /// Extended feature enable register.
    pub efer: u64,
    /// Bits of a guest-physical address (CPUID 0x8000_0008): higher ones are reserved in entries.
    pub physical_bits: u8,
}

/// Who accesses memory, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAccess {
    /// How.
    pub kind: AccessType,
    /// True if the current privilege level is 3.
    pub user: bool,
    /// RFLAGS.AC: lets the supervisor touch user pages in spite of SMAP.
    pub alignment_check: bool,
}

/// What is done to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessType {
    /// Data is read.
    Read,
    /// Data is written.
    Write,
    /// An instruction is fetched.
    Execute,
}

/// Where a linear address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes of the page in which it lies; 4 KiB if paging is off.
    pub page_size: u64,
    /// Entries in which a processor would set the accessed or dirty bit now.
    ///
    /// Whatever faulted has been walked by the processor itself. Who then accesses memory on the guest's
    /// behalf (the RAM side of a `movs`) sets these bits by an atomic OR, or the guest may lose a page that
    /// it takes for clean.
    pub updates: Updates,
}

/// Bits to be set in an entry of a page table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Guest-physical address of the entry; its lowest byte holds all the bits.
    pub address: u64,
    /// The bits; 0 for no update.
    pub set: u8,
}

/// At most one update per level.
pub type Updates = [Update; 5];

/// Why an address leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TranslateError {
    /// #PF with this error code; CR2 gets the linear address.
    PageFault(u32),
    /// The address is not canonical: #GP(0), or #SS(0) for the stack segment.
    NonCanonical,
    /// A page-table entry, or code to be fetched, lies here and not in RAM.
    NotInRam(u64),
}

impl fmt::Display for TranslateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TranslateError::PageFault(code) => write!(f, "page fault, error code {code:#x}"),
            TranslateError::NonCanonical => f.write_str("address not canonical"),
            TranslateError::NotInRam(address) => {
                write!(f, "page table or code at {address:#x} is not in RAM")
            }
        }
    }
}

impl core::error::Error for TranslateError {}

/// The guest's RAM, as far as the walker needs it.
pub trait GuestMemory {
    /// Reads a naturally aligned word; `None` if it is not in RAM.
    fn read(&self, address: u64, width: Width) -> Option<u64>;

    /// Copies bytes that lie within one page; false, and nothing copied, if they are not in RAM.
    fn copy(&self, address: u64, bytes: &mut [u8]) -> bool;
}

impl MemoryAccess {
    /// Fetching an instruction.
    pub const fn fetch(user: bool) -> MemoryAccess {
        MemoryAccess {
            kind: AccessType::Execute,
            user,
            alignment_check: false,
        }
    }
}
