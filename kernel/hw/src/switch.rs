//! What of a thread is in the processor: page tables, FPU registers, FS base.
//!
//! Most threads use neither FPU nor FS base; for them a switch is one comparison and, if the address space
//! differs, one write of CR3. The registers of threads that do are saved whenever another thread runs: none
//! ever waits in a processor to be found by the next one.
#![allow(unsafe_code)] // control registers and model-specific registers

use crate::percpu::{self, PerCpu};
use crate::{fpu, virt};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pagurus_ipc::thread::FPU_OFFSET;
use pagurus_ipc::{Thread, ThreadId};
use pagurus_vcpu::object;
use x86::controlregs;
use x86::msr;

/// What is in a processor. Only the processor itself touches it; atomic because it is shared memory to the
/// compiler.
#[derive(Debug)]
pub struct Residue {
    /// Page tables in use.
    cr3: AtomicU64,
    /// Area of the thread whose FPU registers these are, 0 if they are nobody's.
    fpu: AtomicU64,
    /// FS base.
    fs_base: AtomicU64,
}

impl Residue {
    /// A processor that just started.
    pub const fn new() -> Residue {
        Residue {
            cr3: AtomicU64::new(0),
            fpu: AtomicU64::new(0),
            fs_base: AtomicU64::new(0),
        }
    }
}

impl Default for Residue {
    fn default() -> Self {
        Residue::new()
    }
}

/// The kernel's own page tables, noted once because every switch to idle needs them.
static KERNEL_TABLES: AtomicU64 = AtomicU64::new(0);

/// Notes the kernel's page tables. Once, on the boot processor, before any other function here.
pub fn init() {
    KERNEL_TABLES.store(crate::vm::kernel_pml4(), Relaxed);
}

/// Makes the processor ready for its first thread.
pub fn init_this() {
    fpu::disable();
    leave();
}

/// Loads what `t` needs.
///
/// # Safety
/// `t` must be the thread with identifier `id`, with an address space whose upper half is the kernel's.
#[inline]
pub unsafe fn to_thread(cpu: &PerCpu, id: ThreadId, t: &Thread) {
    // SAFETY: the caller's promise.
    unsafe { address_space(cpu, t) };
    let residue = &cpu.residue;
    let occupied = cpu.resident.is_occupied();
    if t.special || occupied || residue.fpu.load(Relaxed) | residue.fs_base.load(Relaxed) != 0 {
        // SAFETY: as above.
        unsafe { special_state(cpu, id, t) };
    }
}

/// Loads the address space of `t`, which must need nothing else and follow one that needed nothing else.
///
/// # Safety
/// As for [`to_thread`].
#[inline(always)]
pub unsafe fn address_space(cpu: &PerCpu, t: &Thread) {
    let residue = &cpu.residue;
    if residue.cr3.load(Relaxed) != t.cr3 {
        residue.cr3.store(t.cr3, Relaxed);
        // SAFETY: the caller's promise; the kernel's half is the same in all tables.
        unsafe { controlregs::cr3_write(t.cr3) };
    }
}

/// # Safety
/// As for [`to_thread`].
#[cold]
unsafe fn special_state(cpu: &PerCpu, id: ThreadId, t: &Thread) {
    // SAFETY: the caller's promise; threads are loaded with the kernel's lock.
    unsafe { virt::to_vcpu(cpu, t) };
    let residue = &cpu.residue;
    let resident = residue.fpu.load(Relaxed);
    // A thread that runs a guest has the guest's registers as its own: they stay in the processor from exit to entry.
    let wanted = if t.vcpu != 0 {
        (t.vcpu + object::FPU_OFFSET) as u64
    } else if t.fpu {
        (id.address() + FPU_OFFSET) as u64
    } else {
        0
    };
    if resident != wanted {
        save(residue);
        if wanted != 0 {
            fpu::enable();
            // SAFETY: the area is part of a thread or virtual processor, prepared when that was made and written
            // by `fpu::save` alone.
            unsafe { fpu::restore(wanted as *const u8) };
            residue.fpu.store(wanted, Relaxed);
        }
    }
    if residue.fs_base.load(Relaxed) != t.fs_base {
        residue.fs_base.store(t.fs_base, Relaxed);
        // SAFETY: the kernel does not use FS; the system calls accept canonical addresses only.
        unsafe { msr::wrmsr(msr::IA32_FS_BASE, t.fs_base) };
    }
}

/// Saves the FPU registers to the thread whose they are and makes them fault.
fn save(residue: &Residue) {
    let area = residue.fpu.swap(0, Relaxed);
    if area != 0 {
        // SAFETY: the area belongs to a thread that was loaded here, and which cannot have ended since without
        // `leave` on this processor. Its registers are enabled, because they are resident.
        unsafe { fpu::save(area as *mut u8) };
        fpu::disable();
    }
}

/// Leaves nothing of any thread in the calling processor: FPU registers saved, the kernel's page tables in use, no
/// translation of user addresses cached.
pub fn leave() {
    let cpu = percpu::current();
    virt::leave(cpu);
    let residue = &cpu.residue;
    save(residue);
    let tables = KERNEL_TABLES.load(Relaxed);
    residue.cr3.store(tables, Relaxed);
    // SAFETY: the kernel runs on its own tables.
    unsafe { controlregs::cr3_write(tables) };
}

/// Drops the calling processor's translations of user addresses; what is loaded stays.
pub fn flush_user(virt: u64, bytes: u64) {
    /// Pages up to which dropping them one by one is cheaper than filling the cache again.
    const FEW: u64 = 8;
    const PAGE: u64 = 4096;
    if bytes <= FEW * PAGE {
        for page in 0..bytes / PAGE {
            crate::sync::flush_page(virt + page * PAGE);
        }
    } else {
        let tables = percpu::current().residue.cr3.load(Relaxed);
        // SAFETY: the tables that are in use already.
        unsafe { controlregs::cr3_write(tables) };
    }
}
