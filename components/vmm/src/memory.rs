//! The guest's memory as we see it.

use pagurus_decoder::{Width, paging};

/// Where the guest's RAM begins, in guest-physical addresses.
pub const RAM_BASE: u64 = 0;

/// The guest's RAM. It may change under every access: guests run on other processors at the same time.
pub trait GuestMemory {
    /// Bytes of RAM, from address 0 on.
    fn bytes(&self) -> u64;
    /// Reads; false, and nothing read, if any of it is not RAM.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
    /// Writes; false, and nothing written, if any of it is not RAM.
    fn write(&mut self, address: u64, bytes: &[u8]) -> bool;
}

/// Guest memory as the decoder asks for it.
pub struct ForDecoder<'a, M>(pub &'a M);

impl<M: GuestMemory> paging::GuestMemory for ForDecoder<'_, M> {
    fn read(&self, address: u64, width: Width) -> Option<u64> {
        let mut bytes = [0; 8];
        let length = width.bytes() as usize;
        let bytes_read = self.0.read(address, &mut bytes[..length]);
        bytes_read.then(|| u64::from_le_bytes(bytes))
    }

    fn copy(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.0.read(address, bytes)
    }
}

#[cfg(test)]
impl GuestMemory for alloc::vec::Vec<u8> {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let range = address as usize..(address as usize).saturating_add(bytes.len());
        match self.get(range) {
            Some(found) => {
                bytes.copy_from_slice(found);
                true
            }
            None => false,
        }
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        let range = address as usize..(address as usize).saturating_add(bytes.len());
        match self.get_mut(range) {
            Some(found) => {
                found.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }
}
