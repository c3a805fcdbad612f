//! Looking for mappings that the kernel must not have.

use super::image::Segments;
use super::layout::IMAGE;
use super::{MapError, format, image, with};
use core::fmt;
use pagurus_boot::Range;
use pagurus_paging::PhysMem;
use pagurus_paging::format::{ADDRESS, ENTRIES, LARGE, LEVELS};

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const NO_EXECUTE: u64 = 1 << 63;

/// A mapping that the kernel must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Writable and executable.
    WritableExecutable {
        /// Virtual address.
        virt: usize,
    },
    /// Accessible in user mode.
    UserAccessible {
        /// Virtual address.
        virt: usize,
    },
    /// Executable, but not the kernel's code.
    ForeignCode {
        /// Virtual address.
        virt: usize,
    },
    /// A second, writable mapping of the kernel's code or constants.
    WritableConstant {
        /// Virtual address.
        virt: usize,
    },
    /// Something is mapped in the lower half.
    LowerHalf {
        /// Virtual address.
        virt: usize,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, virt) = match self {
            Violation::WritableExecutable { virt } => ("writable and executable", virt),
            Violation::UserAccessible { virt } => ("accessible in user mode", virt),
            Violation::ForeignCode { virt } => ("executable, but not the kernel's code", virt),
            Violation::WritableConstant { virt } => ("a writable view of code or constants", virt),
            Violation::LowerHalf { virt } => ("in the lower half", virt),
        };
        write!(f, "the mapping at {virt:#x} is {what}")
    }
}

/// Walks the kernel's live page tables. Returns the first mapping that breaks a rule: no page is writable and
/// executable, none is accessible in user mode, nothing but the kernel's code is executable, its code and
/// constants are writable nowhere, and the lower half is empty.
///
/// # Errors
/// [`MapError::NotReady`] before there are such tables.
pub fn wx_audit() -> Result<Option<Violation>, MapError> {
    with(|vm| {
        let segments = image::segments();
        Ok(audit(
            &vm.memory,
            vm.tables.root(),
            vm.image.start,
            &segments,
        ))
    })
}

/// The same for any tables: `root` is the top-level one, `image` the physical address of the kernel's image.
pub(super) fn audit(
    memory: &impl PhysMem,
    root: u64,
    image: u64,
    segments: &Segments,
) -> Option<Violation> {
    let (text, text_end) = segments.text;
    let walk = Walk {
        memory,
        text: Range::new(IMAGE as u64 + text, IMAGE as u64 + text_end),
        constant: Range::new(image, image + segments.data),
    };
    walk.table(root, LEVELS - 1, 0, WRITE | USER)
}

struct Walk<'a, M> {
    memory: &'a M,
    /// Virtual addresses of the kernel's code.
    text: Range,
    /// Physical addresses of its code and constants.
    constant: Range,
}

impl<M: PhysMem> Walk<'_, M> {
    /// Looks at a table at `level` that maps from `base` on. `permitted` are the permissions that the entries
    /// above leave: write, user, and no-execute as a prohibition.
    fn table(&self, table: u64, level: usize, base: u64, permitted: u64) -> Option<Violation> {
        (0..ENTRIES).find_map(|index| {
            let entry = self.memory.read(table, index);
            if entry & PRESENT == 0 {
                return None;
            }
            let address = base + ((index as u64) << (12 + 9 * level));
            let effective =
                (permitted & entry & (WRITE | USER)) | ((permitted | entry) & NO_EXECUTE);
            if level > 0 && entry & LARGE == 0 {
                self.table(entry & ADDRESS, level - 1, address, effective)
            } else {
                let bytes = 1 << (12 + 9 * level);
                // Bit 12 of a large page's entry is its memory type.
                let phys = entry & ADDRESS & !(bytes - 1);
                self.page(address, phys, bytes, effective)
            }
        })
    }

    fn page(&self, address: u64, phys: u64, bytes: u64, effective: u64) -> Option<Violation> {
        let virt = format::canonical(address);
        let executable = effective & NO_EXECUTE == 0;
        let writable = effective & WRITE != 0;
        let code = Range::new(virt as u64, (virt as u64).saturating_add(bytes));
        if address >> 47 == 0 {
            Some(Violation::LowerHalf { virt })
        } else if effective & USER != 0 {
            Some(Violation::UserAccessible { virt })
        } else if writable && executable {
            Some(Violation::WritableExecutable { virt })
        } else if executable && !self.text.contains(code) {
            Some(Violation::ForeignCode { virt })
        } else if writable && self.constant.overlaps(Range::new(phys, phys + bytes)) {
            Some(Violation::WritableConstant { virt })
        } else {
            None
        }
    }
}
