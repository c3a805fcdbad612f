//! Page sizes.

/// Size of a page, and the level of the table whose entry maps it: 0 for the lowest tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PageSize {
    /// 4 KiB.
    Size4K = 0,
    /// 2 MiB.
    Size2M = 1,
    /// 1 GiB; not every processor has it (CPUID 8000_0001h EDX bit 26, IA32_VMX_EPT_VPID_CAP bit 17).
    Size1G = 2,
}

impl PageSize {
    /// Every size, smallest first.
    pub const ALL: [PageSize; 3] = [PageSize::Size4K, PageSize::Size2M, PageSize::Size1G];

    /// log2 of the bytes.
    pub const fn bits(self) -> u32 {
        12 + 9 * self as u32
    }

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.bits()
    }

    /// The next smaller size; 512 of its pages make one of this.
    pub const fn smaller(self) -> Option<PageSize> {
        match self {
            PageSize::Size4K => None,
            PageSize::Size2M => Some(PageSize::Size4K),
            PageSize::Size1G => Some(PageSize::Size2M),
        }
    }

    /// The size that entries of tables at `level` map; the largest for levels that map nothing.
    pub(crate) const fn at_level(level: usize) -> PageSize {
        match level {
            0 => PageSize::Size4K,
            1 => PageSize::Size2M,
            _ => PageSize::Size1G,
        }
    }
}
