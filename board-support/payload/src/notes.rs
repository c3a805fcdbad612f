//! The notes of a payload.

use crate::PayloadError;
use elf::segment::ProgramHeader;

/// Bytes of a note's header: sizes of name and descriptor, type.
const HEADER_BYTES: usize = 12;
/// `NT_HERMIT_ENTRY_VERSION`.
const ENTRY_VERSION: u32 = 0x5a00;

/// Walks the notes exactly as `KernelObject` does.
pub(crate) fn check(note: Option<ProgramHeader>, file: &[u8]) -> Result<(), PayloadError> {
    let header = note.ok_or(PayloadError::NoEntryVersion)?;
    let broken = PayloadError::Broken("note segment");
    let mut rest = crate::part(file, header.p_offset, header.p_filesz).ok_or(broken)?;
    // 4096, which some linkers make of it, would let the loader skip beyond the end.
    if !header.p_offset.is_multiple_of(4) || !matches!(header.p_align, 4 | 8) {
        return Err(PayloadError::Broken(
            "note segment: its alignment must be 4",
        ));
    }
    let align = header.p_align as usize;

    let mut found = false;
    while rest.len() >= HEADER_BYTES {
        let name_length = field(rest, 0) as usize;
        let length = field(rest, 4) as usize;
        let kind = field(rest, 8);

        let name = rest
            .get(HEADER_BYTES..HEADER_BYTES + name_length)
            .and_then(|name| name.split_last())
            .and_then(|(_zero, name)| core::str::from_utf8(name).ok())
            .ok_or(broken)?;
        let start = (HEADER_BYTES + name_length).next_multiple_of(align);
        let descriptor = rest.get(start..start + length).ok_or(broken)?;
        if name == "HERMIT" && kind == ENTRY_VERSION {
            if descriptor.is_empty() {
                return Err(broken);
            }
            found = true;
        }
        rest = rest
            .get((start + length).next_multiple_of(align)..)
            .ok_or(broken)?;
        // The next header is read in place.
        if !rest.as_ptr().addr().is_multiple_of(4) {
            return Err(broken);
        }
    }
    if found {
        Ok(())
    } else {
        Err(PayloadError::NoEntryVersion)
    }
}

fn field(bytes: &[u8], offset: usize) -> u32 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |field| u32::from_le_bytes(*field))
}
