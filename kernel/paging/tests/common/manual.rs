//! How a processor reads an entry, with the bits as the manuals give them. Nothing here comes from the
//! crate under test.

use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;
use pagurus_paging::{Ept, Host, Npt, PageFormat};

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    Nothing,
    Table {
        at: u64,
        write: bool,
    },
    Page {
        phys: u64,
        perms: Rights,
        cache: CacheMode,
        accessed: bool,
        dirty: bool,
    },
}

/// A format as its manual describes it. Level 0 is the lowest table.
pub trait Manual: PageFormat + Copy + 'static {
    /// Position of the accessed bit.
    const ACCESSED_BIT: u32;
    /// Position of the dirty bit.
    const DIRTY_BIT: u32;
    /// Whether writable and executable pages are allowed.
    const WRITE_EXECUTE: bool;

    /// Decodes an entry of a table at `level`; a reserved bit that is set panics.
    fn decode(entry: u64, level: usize) -> Decoded;
}

/// Physical address of a page, whose reserved address bits must be clear.
fn frame(entry: u64, level: usize) -> u64 {
    let low = match level {
        0 => 0,
        1 => entry & 0x001f_f000,
        2 => entry & 0x3fff_f000,
        _ => panic!("a page in the root table: {entry:#x}"),
    };
    assert_eq!(low, 0, "reserved address bits in {entry:#x}");
    entry & 0x000f_ffff_ffff_f000
}

/// SDM volume 3, tables 4-15 to 4-20; APM volume 2, figures 5-20 to 5-27.
fn decode_x86(entry: u64, level: usize) -> Decoded {
    if entry & 1 == 0 {
        return Decoded::Nothing;
    }
    assert_ne!(entry & 4, 0, "a supervisor entry: {entry:#x}");
    let write = entry & 2 != 0;
    if level > 0 && entry & 0x80 == 0 {
        assert_eq!(entry >> 63, 0, "a table that forbids execution: {entry:#x}");
        let at = entry & 0x000f_ffff_ffff_f000;
        return Decoded::Table { at, write };
    }
    assert_eq!(entry & 0x100, 0, "a global page: {entry:#x}");
    assert_eq!(entry >> 52 & 0x7ff, 0, "key or software bits: {entry:#x}");
    let mut perms = Rights::READ;
    perms.set(Rights::WRITE, write);
    perms.set(Rights::EXECUTE, entry >> 63 == 0);
    // PAT, PCD, PWT select a byte of the PAT register.
    let pat_bit = if level == 0 { 7 } else { 12 };
    let select = (entry >> pat_bit & 1) << 2 | (entry >> 3 & 3);
    let cache = match pagurus_paging::PAT >> (8 * select) & 0xff {
        6 => CacheMode::Default,
        0 => CacheMode::Uncached,
        1 => CacheMode::WriteCombining,
        other => panic!("memory type {other} in {entry:#x}"),
    };
    Decoded::Page {
        phys: frame(entry, level),
        perms,
        cache,
        accessed: entry & 0x20 != 0,
        dirty: entry & 0x40 != 0,
    }
}

/// SDM volume 3, "Formats of EPT Paging-Structure Entries".
fn decode_ept(entry: u64, level: usize) -> Decoded {
    if entry & 7 == 0 {
        return Decoded::Nothing;
    }
    assert_ne!(entry & 3, 2, "misconfigured: writable, not readable");
    assert_ne!(entry & 1, 0, "execute-only");
    if level > 0 && entry & 0x80 == 0 {
        assert_eq!(entry & 0x78, 0, "reserved bits in {entry:#x}");
        assert_ne!(entry & 4, 0, "a table that forbids execution: {entry:#x}");
        let at = entry & 0x000f_ffff_ffff_f000;
        let write = entry & 2 != 0;
        return Decoded::Table { at, write };
    }
    assert_eq!(entry >> 52, 0, "software bits: {entry:#x}");
    assert_eq!(entry & 0x400, 0, "execute for user mode: {entry:#x}");
    let mut perms = Rights::READ;
    perms.set(Rights::WRITE, entry & 2 != 0);
    perms.set(Rights::EXECUTE, entry & 4 != 0);
    let ignore_pat = entry & 0x40 != 0;
    let cache = match (entry >> 3 & 7, ignore_pat) {
        (6, true) => CacheMode::Default,
        (0, false) => CacheMode::Uncached,
        (1, false) => CacheMode::WriteCombining,
        other => panic!("memory type {other:?} in {entry:#x}"),
    };
    Decoded::Page {
        phys: frame(entry, level),
        perms,
        cache,
        accessed: entry & 0x100 != 0,
        dirty: entry & 0x200 != 0,
    }
}

impl Manual for Host {
    const ACCESSED_BIT: u32 = 5;
    const DIRTY_BIT: u32 = 6;
    const WRITE_EXECUTE: bool = false;

    fn decode(entry: u64, level: usize) -> Decoded {
        decode_x86(entry, level)
    }
}

impl Manual for Npt {
    const ACCESSED_BIT: u32 = 5;
    const DIRTY_BIT: u32 = 6;
    const WRITE_EXECUTE: bool = true;

    fn decode(entry: u64, level: usize) -> Decoded {
        decode_x86(entry, level)
    }
}

impl Manual for Ept {
    const ACCESSED_BIT: u32 = 8;
    const DIRTY_BIT: u32 = 9;
    const WRITE_EXECUTE: bool = true;

    fn decode(entry: u64, level: usize) -> Decoded {
        decode_ept(entry, level)
    }
}
