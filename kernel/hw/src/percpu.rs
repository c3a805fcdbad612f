//! What each processor has for itself, reached through GS.
//!
//! In the kernel the GS base is the address of the processor's [`PerCpu`]; IA32_KERNEL_GS_BASE holds the
//! user's. The entry and exit code swaps them.
#![allow(unsafe_code)] // GS

use crate::pending::Pending;
use crate::switch::Residue;
use crate::virt::Resident;
use core::arch::asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use pagurus_abi::layout::MAX_CPUS;
use x86::msr;

/// A processor's own block. The assembly of the kernel's entry relies on the first offsets.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct PerCpu {
    this: AtomicU64,
    /// Address of the register area of the thread that runs.
    pub current: AtomicU64,
    /// Top of the kernel stack.
    pub stack_top: AtomicU64,
    /// Room for one register of the entry code.
    pub scratch: AtomicU64,
    index: AtomicU32,
    apic_id: AtomicU32,
    /// What of a thread is in the processor.
    pub residue: Residue,
    /// What of a virtual processor is in the processor.
    pub resident: Resident,
    /// Interrupts noted and not dealt with.
    pub pending: Pending,
}

/// Offset of the block's own address.
pub const OFFSET_THIS: usize = 0;
/// Offset of [`PerCpu::current`].
pub const OFFSET_CURRENT: usize = 8;
/// Offset of [`PerCpu::stack_top`].
pub const OFFSET_STACK_TOP: usize = 16;
/// Offset of [`PerCpu::scratch`].
pub const OFFSET_SCRATCH: usize = 24;
/// Offset of the processor's index (32 bits).
pub const OFFSET_INDEX: usize = 32;

const _: () = {
    assert!(offset_of!(PerCpu, this) == OFFSET_THIS);
    assert!(offset_of!(PerCpu, current) == OFFSET_CURRENT);
    assert!(offset_of!(PerCpu, stack_top) == OFFSET_STACK_TOP);
    assert!(offset_of!(PerCpu, scratch) == OFFSET_SCRATCH);
    assert!(offset_of!(PerCpu, index) == OFFSET_INDEX);
};

static BLOCKS: [PerCpu; MAX_CPUS] = [const {
    PerCpu {
        this: AtomicU64::new(0),
        current: AtomicU64::new(0),
        stack_top: AtomicU64::new(0),
        scratch: AtomicU64::new(0),
        index: AtomicU32::new(0),
        apic_id: AtomicU32::new(0),
        residue: Residue::new(),
        resident: Resident::new(),
        pending: Pending::new(),
    }
}; MAX_CPUS];

/// The processors that run, as bits by number.
static ONLINE: AtomicU64 = AtomicU64::new(0);

impl PerCpu {
    /// The processor's number, from 0 (the boot processor).
    #[inline]
    pub fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed) as usize
    }

    /// The identifier of its local APIC.
    #[inline]
    pub fn apic_id(&self) -> u32 {
        self.apic_id.load(Ordering::Relaxed)
    }

    /// Whether it runs kernel code.
    #[inline]
    pub fn is_online(&self) -> bool {
        // A block that was never prepared has no number of its own yet.
        self.this.load(Ordering::Relaxed) != 0 && online() & 1 << self.index() != 0
    }

    /// Says that this processor runs: from now on it answers interprocessor interrupts.
    pub fn set_online(&self) {
        ONLINE.fetch_or(1 << self.index(), Ordering::Release);
    }
}

/// The block of a processor, whether it runs or not.
#[inline]
pub fn get(index: usize) -> Option<&'static PerCpu> {
    BLOCKS.get(index)
}

/// Gives block `index` its identity. Call it before the processor starts.
pub fn prepare(index: usize, apic_id: u32, stack_top: u64) -> Option<&'static PerCpu> {
    let block = BLOCKS.get(index)?;
    block
        .this
        .store(block as *const PerCpu as u64, Ordering::Relaxed);
    block.index.store(index as u32, Ordering::Relaxed);
    block.apic_id.store(apic_id, Ordering::Relaxed);
    block.stack_top.store(stack_top, Ordering::Relaxed);
    Some(block)
}

/// Makes `block` the calling processor's own.
///
/// # Safety
/// Every processor must have another block, and [`prepare`] must have been called for it.
pub unsafe fn load(block: &'static PerCpu) {
    // SAFETY: the kernel uses GS only through this block.
    unsafe {
        msr::wrmsr(msr::IA32_GS_BASE, block as *const PerCpu as u64);
        msr::wrmsr(msr::IA32_KERNEL_GSBASE, 0);
    }
}

/// The calling processor's block. [`load`] must have run on it.
#[inline]
pub fn current() -> &'static PerCpu {
    let address: u64;
    // SAFETY: in the kernel the GS base is the block's address, and the first word is that address too.
    // Blocks live for ever and are never exclusively borrowed.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) address, options(nostack, preserves_flags, pure, readonly));
        &*(address as *const PerCpu)
    }
}

/// The calling processor's number. [`load`] must have run on it.
#[inline]
pub fn cpu_index() -> usize {
    let index: u32;
    // SAFETY: as in `current`.
    unsafe {
        asm!("mov {:e}, gs:[32]", out(reg) index, options(nostack, preserves_flags, pure, readonly));
    }
    index as usize
}

/// The processors that run, as bits by number.
#[inline]
pub fn online() -> u64 {
    ONLINE.load(Ordering::Acquire)
}

/// How many processors run.
pub fn online_count() -> usize {
    online().count_ones() as usize
}

const _: () = assert!(MAX_CPUS <= u64::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prepared_processors_that_said_so_are_online() {
        let block = prepare(7, 70, 0x7000).unwrap();
        assert_eq!((block.index(), block.apic_id()), (7, 70));
        assert!(!block.is_online());
        prepare(0, 1, 0x1000).unwrap().set_online();
        block.set_online();
        let running = (0..MAX_CPUS).filter(|n| get(*n).is_some_and(PerCpu::is_online));
        assert_eq!(running.fold(0, |mask, n| mask | 1 << n), 1 << 7 | 1);
        assert_eq!((online(), online_count()), (1 << 7 | 1, 2));
        assert!(get(MAX_CPUS).is_none() && prepare(MAX_CPUS, 0, 0).is_none());
    }
}
