//! Fetching the bytes of an instruction.

use super::{GuestMemory, MemoryAccess, Paging, TranslateError, translate};
use crate::MAX_LENGTH;
use crate::width::CodeSize;

const PAGE: u64 = 4096;

/// Bytes of the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    bytes: [u8; MAX_LENGTH],
    length: usize,
    /// Why there are fewer than 15: the fault to inject if the instruction does not end before it, and the
    /// linear address that belongs in CR2.
    pub stopped: Option<(u64, TranslateError)>,
}

impl Fetched {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Fetches up to 15 bytes at a linear address (code segment base plus instruction pointer).
///
/// The next page is looked at only if the instruction may reach into it. If it cannot be reached, that is
/// an error only if the instruction does, which the caller knows when it has decoded what is there.
///
/// # Errors
/// [`TranslateError`], if not even the first byte can be fetched.
pub fn fetch(
    paging: &Paging,
    memory: &impl GuestMemory,
    linear: u64,
    code: CodeSize,
    user: bool,
) -> Result<Fetched, TranslateError> {
    let access = MemoryAccess::fetch(user);
    let linear = code.truncate_linear(linear);
    let mut fetched = Fetched {
        bytes: [0; MAX_LENGTH],
        length: 0,
        stopped: None,
    };
    while fetched.length < MAX_LENGTH {
        let here = code.truncate_linear(linear.wrapping_add(fetched.length as u64));
        let in_page = (PAGE - here % PAGE).min((MAX_LENGTH - fetched.length) as u64) as usize;
        let part = &mut fetched.bytes[fetched.length..fetched.length + in_page];
        let copied = translate(paging, memory, here, access).and_then(|translation| {
            if memory.copy(translation.address, part) {
                Ok(())
            } else {
                Err(TranslateError::NotInRam(translation.address))
            }
        });
        match copied {
            Ok(()) => fetched.length += in_page,
            Err(error) if fetched.length == 0 => return Err(error),
            Err(error) => {
                fetched.stopped = Some((here, error));
                break;
            }
        }
    }
    Ok(fetched)
}
