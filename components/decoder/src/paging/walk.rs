//! The walk through the tables.

use super::entry::{
    ACCESSED, DIRTY, FAULT_FETCH, FAULT_PROTECTION, FAULT_RESERVED, FAULT_USER, FAULT_WRITE, LARGE,
    NO_EXECUTE, PRESENT, USER, WRITABLE, bits,
};
use super::{
    AccessType, CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE,
    GuestMemory, MemoryAccess, Paging, TranslateError, Translation, Update, Updates,
};
use crate::width::Width;

/// Translates a linear address, with the checks that a processor makes.
///
/// # Errors
/// [`TranslateError`]: the fault that the guest gets, or a table that is not in RAM. Protection keys, shadow
/// stacks and address tagging are not known: no guest is offered them.
pub fn translate(
    paging: &Paging,
    memory: &impl GuestMemory,
    linear: u64,
    access: MemoryAccess,
) -> Result<Translation, TranslateError> {
    if paging.cr0 & CR0_PG == 0 {
        return Ok(Translation {
            address: Width::Dword.truncate(linear),
            page_size: 4096,
            updates: Updates::default(),
        });
    }
    let format = Format::of(paging);
    let linear = format.linear(linear)?;
    let walk = Walk {
        paging,
        memory,
        access,
        format,
    };
    walk.run(linear)
}

/// The four kinds of paging.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Two levels of 32-bit entries.
    Bits32,
    /// Two levels of 64-bit entries under four pointers.
    Pae,
    /// Long mode.
    Levels4,
    /// Long mode with CR4.LA57.
    Levels5,
}

impl Format {
    fn of(paging: &Paging) -> Format {
        if paging.efer & EFER_LMA != 0 {
            if paging.cr4 & CR4_LA57 != 0 {
                Format::Levels5
            } else {
                Format::Levels4
            }
        } else if paging.cr4 & CR4_PAE != 0 {
            Format::Pae
        } else {
            Format::Bits32
        }
    }

    /// The address as far as it is translated.
    fn linear(self, address: u64) -> Result<u64, TranslateError> {
        let unused = match self {
            Format::Bits32 | Format::Pae => return Ok(Width::Dword.truncate(address)),
            Format::Levels4 => 16,
            Format::Levels5 => 7,
        };
        if ((address << unused) as i64 >> unused) as u64 == address {
            Ok(address)
        } else {
            Err(TranslateError::NonCanonical)
        }
    }

    const fn levels(self) -> u32 {
        match self {
            Format::Bits32 => 2,
            Format::Pae => 3,
            Format::Levels4 => 4,
            Format::Levels5 => 5,
        }
    }

    const fn entry_width(self) -> Width {
        match self {
            Format::Bits32 => Width::Dword,
            _ => Width::Qword,
        }
    }

    /// The lowest bit of the linear address that chooses an entry at this level.
    const fn shift(self, level: u32) -> u32 {
        12 + (level - 1) * self.index_bits()
    }

    const fn index_bits(self) -> u32 {
        match self {
            Format::Bits32 => 10,
            _ => 9,
        }
    }

    /// Physical address of the top table.
    const fn root(self, cr3: u64, physical_bits: u32) -> u64 {
        match self {
            Format::Bits32 => cr3 & 0xffff_f000,
            Format::Pae => cr3 & 0xffff_ffe0,
            _ => cr3 & bits(12, physical_bits),
        }
    }
}

struct Walk<'a, M> {
    paging: &'a Paging,
    memory: &'a M,
    access: MemoryAccess,
    format: Format,
}

impl<M: GuestMemory> Walk<'_, M> {
    fn run(&self, linear: u64) -> Result<Translation, TranslateError> {
        let format = self.format;
        let mut updates = Updates::default();
        let mut table = format.root(self.paging.cr3, self.physical_bits());
        // What every level allows.
        let mut allowed = USER | WRITABLE;
        let mut no_execute = 0;
        let mut level = format.levels();
        loop {
            let index = linear >> format.shift(level) & bits(0, format.index_bits());
            let address = table + index * u64::from(format.entry_width().bytes());
            let entry = self
                .memory
                .read(address, format.entry_width())
                .ok_or(TranslateError::NotInRam(address))?;
            if entry & PRESENT == 0 {
                return Err(self.fault(0));
            }
            let pointer = format == Format::Pae && level == 3;
            let leaf = level == 1 || self.is_large(entry, level);
            if entry & self.reserved(level, leaf) != 0 {
                return Err(self.fault(FAULT_PROTECTION | FAULT_RESERVED));
            }
            if !pointer {
                allowed &= entry;
                no_execute |= entry & NO_EXECUTE;
                let mut wanted = ACCESSED;
                if leaf && self.access.kind == AccessType::Write {
                    wanted |= DIRTY;
                }
                if let Some(update) = updates.get_mut((level - 1) as usize) {
                    *update = Update {
                        address,
                        set: (wanted & !entry) as u8,
                    };
                }
            }
            if leaf {
                if !self.permitted(allowed, no_execute != 0) {
                    return Err(self.fault(FAULT_PROTECTION));
                }
                let offset = bits(0, format.shift(level));
                return Ok(Translation {
                    address: self.page(entry, level) | linear & offset,
                    page_size: offset + 1,
                    updates: updates.map(|update| match update.set {
                        0 => Update::default(),
                        _ => update,
                    }),
                });
            }
            table = match format {
                Format::Bits32 => entry & 0xffff_f000,
                _ => entry & bits(12, self.physical_bits()),
            };
            level -= 1;
        }
    }

    fn physical_bits(&self) -> u32 {
        u32::from(self.paging.physical_bits).clamp(32, 52)
    }

    fn is_large(&self, entry: u64, level: u32) -> bool {
        if entry & LARGE == 0 {
            return false;
        }
        match self.format {
            Format::Bits32 => level == 2 && self.paging.cr4 & CR4_PSE != 0,
            Format::Pae => level == 2,
            Format::Levels4 | Format::Levels5 => level == 2 || level == 3,
        }
    }

    /// Address of the page that an entry maps.
    fn page(&self, entry: u64, level: u32) -> u64 {
        match self.format {
            // PSE-36: bits 13 to 20 are bits 32 to 39 of the address.
            Format::Bits32 if level == 2 => (entry & 0xffc0_0000) | (entry & bits(13, 21)) << 19,
            Format::Bits32 => entry & 0xffff_f000,
            format => entry & bits(format.shift(level), self.physical_bits()),
        }
    }

    /// Bits that must be 0.
    fn reserved(&self, level: u32, leaf: bool) -> u64 {
        let physical = self.physical_bits();
        let no_execute = if self.paging.efer & EFER_NXE == 0 {
            NO_EXECUTE
        } else {
            0
        };
        match self.format {
            Format::Bits32 if leaf && level == 2 => {
                // Bit 21, and the part of PSE-36 that is beyond the physical address.
                1 << 21 | bits(13 + physical.min(40) - 32, 21)
            }
            Format::Bits32 => 0,
            Format::Pae if level == 3 => 0b110 | bits(5, 9) | bits(physical, 64),
            Format::Pae => {
                let alignment = if leaf && level == 2 { bits(13, 21) } else { 0 };
                alignment | bits(physical, 63) | no_execute
            }
            Format::Levels4 | Format::Levels5 => {
                let size = match (level, leaf) {
                    (4 | 5, _) => LARGE,
                    (2 | 3, true) => bits(13, self.format.shift(level)),
                    _ => 0,
                };
                size | bits(physical, 52) | no_execute
            }
        }
    }

    fn permitted(&self, allowed: u64, no_execute: bool) -> bool {
        let Paging { cr0, cr4, .. } = *self.paging;
        let user_page = allowed & USER != 0;
        let user = self.access.user;
        if user && !user_page {
            return false;
        }
        match self.access.kind {
            AccessType::Execute => {
                let smep = !user && user_page && cr4 & CR4_SMEP != 0;
                !no_execute && !smep
            }
            kind => {
                let override_smap = self.access.alignment_check;
                if !user && user_page && cr4 & CR4_SMAP != 0 && !override_smap {
                    return false;
                }
                let read_only = allowed & WRITABLE == 0 && (user || cr0 & CR0_WP != 0);
                kind == AccessType::Read || !read_only
            }
        }
    }

    fn fault(&self, code: u32) -> TranslateError {
        let mut code = code;
        if self.access.user {
            code |= FAULT_USER;
        }
        match self.access.kind {
            AccessType::Read => {}
            AccessType::Write => code |= FAULT_WRITE,
            AccessType::Execute => {
                let no_execute = self.format != Format::Bits32 && self.paging.efer & EFER_NXE != 0;
                if no_execute || self.paging.cr4 & CR4_SMEP != 0 {
                    code |= FAULT_FETCH;
                }
            }
        }
        TranslateError::PageFault(code)
    }
}
