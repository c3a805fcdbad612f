//! The guest's RAM, mapped for us.
#![allow(unsafe_code)] // memory that the guest writes at the same time

use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use vmm::GuestMemory;

/// RAM at guest-physical address 0, seen at `window`.
pub struct Ram {
    window: u64,
    bytes: u64,
}

impl Ram {
    /// The RAM that is mapped at `window`.
    ///
    /// # Safety
    /// `bytes` bytes must be mapped there, readable and writable, as long as the value lives, and used as nothing else here.
    pub unsafe fn new(window: u64, bytes: u64) -> Ram {
        Ram { window, bytes }
    }

    fn place(&self, address: u64, length: usize) -> Option<usize> {
        let end = address.checked_add(length as u64)?;
        (end <= self.bytes).then_some((self.window + address) as usize)
    }
}

impl GuestMemory for Ram {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(place) = self.place(address, bytes.len()) else {
            return false;
        };
        // SAFETY: inside the window. The guest may write it meanwhile: whatever is read is only ever data.
        unsafe {
            core::ptr::copy_nonoverlapping(
                with_exposed_provenance::<u8>(place),
                bytes.as_mut_ptr(),
                bytes.len(),
            );
        }
        true
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        let Some(place) = self.place(address, bytes.len()) else {
            return false;
        };
        // SAFETY: inside the window, to which nothing of ours refers.
        unsafe {
            core::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                with_exposed_provenance_mut::<u8>(place),
                bytes.len(),
            );
        }
        true
    }
}
