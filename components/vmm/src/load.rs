//! Putting a guest into its memory and its first processor into the state that the image asks for.

use crate::memory::GuestMemory;
use core::fmt;
use pagurus_abi::vcpu::{Segment, VcpuPage, segment};
use pagurus_guest_image::{self as image, InitialState, Plan, Source};

/// Why a plan could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A piece of it lies outside of RAM, or of the files.
    Piece {
        /// Guest-physical address.
        address: u64,
        /// Bytes.
        length: u64,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LoadError::Piece { address, length } = self;
        write!(
            f,
            "{length} bytes at guest address {address:#x} have no place"
        )
    }
}

/// Copies the pieces of `plan` into the guest's memory, which is zero.
///
/// # Errors
/// [`LoadError`], for a plan that was made for another guest.
pub fn load<M: GuestMemory>(
    memory: &mut M,
    plan: &Plan,
    file: &[u8],
    modules: &[&[u8]],
) -> Result<(), LoadError> {
    for piece in &plan.pieces {
        let wrong = LoadError::Piece {
            address: piece.address,
            length: piece.length,
        };
        let length = usize::try_from(piece.length).map_err(|_| wrong)?;
        let bytes = match &piece.source {
            Source::Image { offset } => usize::try_from(*offset)
                .ok()
                .and_then(|offset| file.get(offset..)?.get(..length)),
            Source::Module(n) => modules.get(*n).and_then(|module| module.get(..length)),
            Source::Bytes(bytes) => bytes.get(..length),
            Source::Zero => continue,
        };
        if !memory.write(piece.address, bytes.ok_or(wrong)?) {
            return Err(wrong);
        }
    }
    Ok(())
}

fn segment_of(s: &image::Segment) -> Segment {
    Segment {
        selector: s.selector,
        attributes: s.vmcb_attributes(),
        limit: s.limit,
        base: s.base,
    }
}

/// Sets the page of the first processor to the state in which the guest starts.
pub fn enter(page: &mut VcpuPage, state: &InitialState) {
    page.gpr = state.general;
    page.rip = state.rip;
    page.rflags = state.rflags;
    page.control.cr0 = state.cr0;
    page.control.cr3 = state.cr3;
    page.control.cr4 = state.cr4;
    page.control.efer = state.efer;
    let data = segment_of(&state.data);
    for n in [
        segment::ES,
        segment::SS,
        segment::DS,
        segment::FS,
        segment::GS,
    ] {
        page.segments[n] = data;
    }
    page.segments[segment::CS] = segment_of(&state.cs);
    page.segments[segment::TR] = segment_of(&state.tr);
    page.segments[segment::LDTR] = segment_of(&state.ldtr);
    for (n, table) in [(segment::GDTR, state.gdtr), (segment::IDTR, state.idtr)] {
        page.segments[n] = Segment {
            limit: table.limit.into(),
            base: table.base,
            ..Segment::default()
        };
    }
}
