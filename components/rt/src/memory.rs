//! Memory that is mapped at fixed addresses: frames that the component mapped itself, or that its parent did.
//!
//! On the host the memory is the test's machine's ([`host`](crate::host)).
// Pointers made from addresses.
#![allow(unsafe_code)]

use zerocopy::FromBytes;

#[cfg(target_os = "none")]
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

/// The `length` bytes at `address`.
///
/// # Safety
/// They are mapped readable, and written by nobody, for the lifetime that the caller chooses.
#[cfg(target_os = "none")]
pub unsafe fn bytes<'a>(address: u64, length: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(with_exposed_provenance(address as usize), length) }
}

/// A copy of the `length` bytes at `address`, which is never freed: tests are short.
///
/// # Safety
/// As on the machine.
#[cfg(not(target_os = "none"))]
pub unsafe fn bytes<'a>(address: u64, length: usize) -> &'a [u8] {
    let mut copy = std::vec![0; length];
    crate::host::read(address, &mut copy);
    copy.leak()
}

/// Copies `bytes` to `address`.
///
/// # Safety
/// That memory is mapped writable and nobody refers to it.
pub unsafe fn write(address: u64, bytes: &[u8]) {
    #[cfg(target_os = "none")]
    // SAFETY: the caller's promise.
    unsafe {
        let to = with_exposed_provenance_mut::<u8>(address as usize);
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
    }
    #[cfg(not(target_os = "none"))]
    crate::host::write(address, bytes);
}

/// What lies at `address` and other components change while it is used.
///
/// # Safety
/// `size_of::<T>()` bytes are mapped there, readable and writable, for the lifetime that the caller chooses; `address` is
/// aligned for a `T`; every field of a `T` is an atomic; and this component refers to the memory in no other way.
pub const unsafe fn shared<'a, T: FromBytes + Sync>(address: u64) -> &'a T {
    // SAFETY: the caller's promise; any bytes are a `T`.
    unsafe { &*core::ptr::with_exposed_provenance(address as usize) }
}

/// Words that are shared with other components: each is read and written whole, in no order to the others.
#[derive(Debug)]
pub struct SharedWords {
    address: u64,
    words: usize,
}

impl SharedWords {
    /// The memory at `address`, as 64-bit words.
    ///
    /// # Safety
    /// `words * 8` bytes are mapped at `address` for as long as this value is used, aligned to 8 bytes, writable if
    /// [`SharedWords::store`] is used, and this component refers to them in no other way.
    pub const unsafe fn new(address: u64, words: usize) -> Self {
        SharedWords { address, words }
    }

    /// Word `index`; `None` past the end.
    pub fn load(&self, index: usize) -> Option<u64> {
        let address = self.place(index)?;
        #[cfg(target_os = "none")]
        // SAFETY: mapped, aligned and used only as atomics (promise of `new`); the index is in range.
        unsafe {
            let word = with_exposed_provenance::<core::sync::atomic::AtomicU64>(address as usize);
            Some((*word).load(core::sync::atomic::Ordering::Relaxed))
        }
        #[cfg(not(target_os = "none"))]
        {
            let mut bytes = [0; 8];
            crate::host::read(address, &mut bytes);
            Some(u64::from_le_bytes(bytes))
        }
    }

    /// Sets word `index`; `false` past the end.
    pub fn store(&self, index: usize, value: u64) -> bool {
        let Some(address) = self.place(index) else {
            return false;
        };
        #[cfg(target_os = "none")]
        // SAFETY: as in `load`, and writable.
        unsafe {
            let word = with_exposed_provenance::<core::sync::atomic::AtomicU64>(address as usize);
            (*word).store(value, core::sync::atomic::Ordering::Relaxed);
        }
        #[cfg(not(target_os = "none"))]
        crate::host::write(address, &value.to_le_bytes());
        true
    }

    fn place(&self, index: usize) -> Option<u64> {
        (index < self.words).then(|| self.address + 8 * index as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Machine, with_machine};
    use crate::syscall::Registers;

    struct Page([u8; 64]);

    impl Machine for Page {
        fn enter(&mut self, registers: Registers) -> Registers {
            registers
        }

        fn read(&mut self, address: u64, bytes: &mut [u8]) {
            let at = (address - 0x1000) as usize;
            bytes.copy_from_slice(&self.0[at..at + bytes.len()]);
        }

        fn write(&mut self, address: u64, bytes: &[u8]) {
            let at = (address - 0x1000) as usize;
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn words_are_stored_within_their_bounds() {
        with_machine(Page([0; 64]), || {
            // SAFETY: the page above is the memory.
            let words = unsafe { SharedWords::new(0x1000, 8) };
            assert!(words.store(7, 0x0102_0304));
            assert!(!words.store(8, 1));
            assert_eq!(words.load(7), Some(0x0102_0304));
            assert_eq!(words.load(8), None);
            // SAFETY: as above.
            let seen = unsafe { bytes(0x1038, 4) };
            assert_eq!(seen, [4, 3, 2, 1]);
        });
    }
}
