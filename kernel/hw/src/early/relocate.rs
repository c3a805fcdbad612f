//! Relocating the image for its final address.
#![allow(unsafe_code)] // Writes to the image.

use super::StartError;
use crate::vm::image;

/// System V ABI, AMD64 supplement, table 4.10: base plus addend, 64 bits.
const R_X86_64_RELATIVE: u32 = 8;

/// An entry of the relocation table (ELF-64 Object File Format, figure 6).
#[repr(C)]
struct Rela {
    offset: u64,
    info: u64,
    addend: u64,
}

/// Relocates the running image for `base`. It runs on where it is.
///
/// # Safety
/// The whole image must be writable, and it must be mapped both where it runs and at `base`.
pub unsafe fn relocate(base: usize) -> Result<(), StartError> {
    let here = image::current_base();
    let (start, end) = image::segments().relocations;
    let count = (end - start) as usize / size_of::<Rela>();
    let entries = (here + start as usize) as *const Rela;

    for i in 0..count {
        // SAFETY: the linker script puts nothing but the table between its symbols.
        let kind = unsafe { (*entries.add(i)).info } as u32;
        if kind != R_X86_64_RELATIVE {
            return Err(StartError::Relocation(kind));
        }
    }
    for i in 0..count {
        // SAFETY: as above; the linker made the table, so each place is a pointer in the image, which is
        // writable. The table itself is not relocated.
        unsafe {
            let entry = entries.add(i);
            let place = (here + (*entry).offset as usize) as *mut u64;
            place.write_unaligned(base as u64 + (*entry).addend);
        }
    }
    Ok(())
}
