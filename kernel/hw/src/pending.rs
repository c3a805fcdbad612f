//! Interrupts that a processor took while it was in the kernel, until it gets round to them.
//!
//! Interrupts are off in the kernel but for preemption points and idling. There the handler only notes the
//! vector and quiets the source; what the interrupt means is dealt with under the kernel's lock.

use crate::percpu::PerCpu;
use crate::vectors::Vector;
use crate::{apic, ioapic, sync};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The vectors noted, a bit each. Only the processor itself touches it, interrupted or not.
#[derive(Debug)]
pub struct Pending {
    vectors: [AtomicU64; 4],
    /// How many bits are set: what is looked at most.
    count: AtomicU64,
}

impl Pending {
    /// None.
    pub const fn new() -> Pending {
        Pending {
            vectors: [const { AtomicU64::new(0) }; 4],
            count: AtomicU64::new(0),
        }
    }

    /// Whether there is any.
    #[inline]
    pub fn any(&self) -> bool {
        self.count.load(Relaxed) != 0
    }

    /// Takes one out.
    pub fn take(&self) -> Option<u8> {
        for (n, word) in self.vectors.iter().enumerate() {
            let bits = word.load(Relaxed);
            if bits != 0 {
                let bit = bits.trailing_zeros();
                word.fetch_and(!(1 << bit), Relaxed);
                self.count.fetch_sub(1, Relaxed);
                return Some((n as u32 * 64 + bit) as u8);
            }
        }
        None
    }

    fn note(&self, vector: u8) {
        let bit = 1 << (vector % 64);
        if self.vectors[vector as usize / 64].fetch_or(bit, Relaxed) & bit == 0 {
            self.count.fetch_add(1, Relaxed);
        }
    }
}

impl Default for Pending {
    fn default() -> Self {
        Pending::new()
    }
}

/// Takes notice of an interrupt (not an exception) on the calling processor. Interrupts are off.
pub fn note(cpu: &PerCpu, vector: u8) {
    match Vector::decode(vector) {
        // A level-triggered line would ring again at once; who deals with it opens it again.
        Vector::Irq(gsi) => ioapic::mask(gsi),
        Vector::Ipi => sync::service(),
        Vector::PicSpurious | Vector::Spurious => return,
        Vector::ApicError => {
            let _ = apic::clear_errors();
        }
        Vector::Timer | Vector::Unplanned(_) | Vector::Exception(_) => {}
    }
    apic::eoi();
    cpu.pending.note(vector);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_is_found_once() {
        let pending = Pending::new();
        assert!(!pending.any());
        for vector in [0, 63, 64, 127, 200, 255] {
            pending.note(vector);
            pending.note(vector);
        }
        let mut found = std::vec::Vec::new();
        while let Some(vector) = pending.take() {
            found.push(vector);
        }
        assert_eq!(found, [0, 63, 64, 127, 200, 255]);
        assert!(!pending.any());
    }
}
