//! What the formats have in common, and the trait for where they differ.

use crate::error::MapError;
use crate::size::PageSize;
use pagurus_abi::Rights;
use pagurus_abi::method::CacheMode;

/// Levels of tables; the root is at level `LEVELS - 1`, the tables that map 4 KiB pages at level 0.
pub const LEVELS: usize = 4;
/// Entries of a table.
pub const ENTRIES: usize = 512;
/// Physical address in an entry: bits 12..52.
pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// End of the physical addresses that an entry can hold.
pub const PHYS_END: u64 = 1 << 52;
/// Bit 7: the entry maps a page although its table is not of the lowest level.
pub const LARGE: u64 = 1 << 7;
/// Bit 11, ignored by every processor: write permission is withheld here, see
/// [`Tables::write_protect`](crate::Tables::write_protect).
pub const WITHHELD: u64 = 1 << 11;
/// Bits 52..62 of an entry that refers to a table, ignored by every processor: how many entries of that
/// table are in use (SDM volume 3, tables 4-15 to 4-19 and 28-2 to 28-6; APM volume 2, 5.3.3).
pub const COUNT: u64 = 0x3ff * COUNT_ONE;
/// One entry in [`COUNT`].
pub const COUNT_ONE: u64 = 1 << 52;

/// One format of page-table entries: four levels of 512 entries, addresses in [`ADDRESS`], large pages by
/// [`LARGE`].
///
/// An entry is in use if it has the bit [`PRESENT`](Self::PRESENT), else it is zero. Entries that refer to
/// tables permit everything; pages restrict.
pub trait PageFormat {
    /// First address that may be mapped.
    const START: u64;
    /// End of the addresses that may be mapped; at most 2^48.
    const END: u64;
    /// The bit that is set in every entry in use.
    const PRESENT: u64;
    /// The bit that permits writing.
    const WRITE: u64;
    /// The bit that the processor sets when it uses the entry.
    const ACCESSED: u64;
    /// The bit that the processor sets in the entry of a page that it writes.
    const DIRTY: u64;
    /// Attributes of an entry that refers to a table.
    const TABLE: u64;
    /// Every bit that [`protection`](Self::protection) may set.
    const PROTECTION: u64;

    /// Whether pages may have these permissions.
    fn check(perms: Rights) -> Result<(), MapError>;

    /// The bits of an entry that stand for `perms`, which [`check`](Self::check) allows.
    fn protection(perms: Rights) -> u64;

    /// The permissions in the entry of a page.
    fn perms(entry: u64) -> Rights;

    /// The bits of an entry that stand for a memory type. [`CacheMode::Default`] is write-back: whoever
    /// knows that a frame is device memory asks for [`CacheMode::Uncached`].
    fn memory_type(cache: CacheMode) -> u64;
}

/// Whether `entry` is in use.
pub(crate) fn is_present<F: PageFormat>(entry: u64) -> bool {
    entry & F::PRESENT != 0
}

/// Whether `entry`, in a table above the lowest level, refers to a table.
pub(crate) fn is_table<F: PageFormat>(entry: u64) -> bool {
    entry & (F::PRESENT | LARGE) == F::PRESENT
}

/// The entries in use that an entry counts for its table.
pub(crate) const fn count(entry: u64) -> u64 {
    (entry & COUNT) / COUNT_ONE
}

/// The bit that tells a page of this size from a table.
pub(crate) const fn large(size: PageSize) -> u64 {
    match size {
        PageSize::Size4K => 0,
        PageSize::Size2M | PageSize::Size1G => LARGE,
    }
}
