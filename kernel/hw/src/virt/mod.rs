//! Virtualisation by the processor: turning it on, what of a virtual processor is in a processor, entering a guest.
//!
//! [`pagurus_vcpu`] knows what control blocks and exits mean; here are the instructions.
#![allow(unsafe_code)] // model-specific registers, control blocks

mod enter;
mod load;
mod svm;

pub use enter::enter_guest;
pub use load::{leave, to_vcpu};

use crate::fpu;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pagurus_abi::vcpu::Groups;
use pagurus_syscall::Nested;
use pagurus_vcpu::svm::Vmcb;
use pagurus_vcpu::{Vcpu, VcpuId, object};
use spin::Once;

/// What the machine can do. The same on all processors.
#[derive(Clone, Copy, Debug)]
struct Support {
    /// Identifiers of the nested translation caches.
    tags: u32,
    /// It can forget the translations of one identifier only.
    flush_by_tag: bool,
    /// Physical addresses of the maps of ports and model-specific registers at which guests are stopped: all.
    iopm: u64,
    msrpm: u64,
}

static SUPPORT: Once<Option<Support>> = Once::new();

/// What of a virtual processor is in a processor. Only the processor itself touches it.
#[derive(Debug)]
pub struct Resident {
    /// Address of the virtual processor whose guest can be entered, 0 if none can.
    vcpu: AtomicU64,
    /// Address of the word of signals at which its guest is not entered.
    signals: AtomicU64,
    /// Physical address of the processor's own state while a guest runs.
    host: AtomicU64,
}

impl Resident {
    /// Nothing.
    pub const fn new() -> Resident {
        Resident {
            vcpu: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            host: AtomicU64::new(0),
        }
    }

    /// Whether a virtual processor is in this processor.
    #[inline(always)]
    pub fn is_occupied(&self) -> bool {
        self.vcpu.load(Relaxed) != 0
    }
}

impl Default for Resident {
    fn default() -> Self {
        Resident::new()
    }
}

/// Turns virtualisation on in the calling processor, the boot processor first. A machine without it runs no guests.
pub fn init_this() {
    SUPPORT.call_once(svm::detect);
    if let Some(Some(support)) = SUPPORT.get()
        && !svm::enable(support)
    {
        crate::events::no_virtualisation(crate::percpu::cpu_index());
    }
}

/// How the machine runs guests.
pub fn nested() -> Option<Nested> {
    SUPPORT.get().copied().flatten().map(|_| Nested::Npt)
}

/// The control block of a virtual processor.
///
/// # Safety
/// `id` must name a virtual processor that exists, and nobody else may use its block while the reference lives: the caller
/// has the kernel's lock and no processor is in the guest, or it is the processor that has loaded its thread.
unsafe fn block<'a>(id: VcpuId) -> &'a mut Vmcb {
    // SAFETY: the first page of the object, which is page aligned; every bit pattern is a control block.
    unsafe { &mut *(id.address() as *mut Vmcb) }
}

/// What the kernel knows of a virtual processor.
///
/// # Safety
/// As for [`block`].
unsafe fn state<'a>(id: VcpuId) -> &'a mut Vcpu {
    // SAFETY: the place in the object that is its; `object` keeps the layout.
    unsafe { &mut *((id.address() + object::STATE_OFFSET) as *mut Vcpu) }
}

/// Makes a fresh virtual processor one after reset; its control block is at this physical address.
///
/// # Safety
/// `id` must name a new object of zeroes.
pub unsafe fn reset(id: VcpuId, physical: u64) {
    let Some(Some(support)) = SUPPORT.get() else {
        return;
    };
    // SAFETY: the caller's promise.
    let (block, vcpu) = unsafe { (block(id), state(id)) };
    block.reset(support.iopm, support.msrpm);
    vcpu.block = physical;
    // x87 alone, as after reset.
    vcpu.xcr0 = 1;
    // SAFETY: zeroed, aligned to 64, and as large as the area of a thread.
    unsafe { fpu::init((id.address() + object::FPU_OFFSET) as *mut u8) };
}

/// Loads groups of state from its page.
///
/// # Safety
/// No processor may be in its guest, it must have a page, and the caller the kernel's lock.
pub unsafe fn load_state(id: VcpuId, groups: Groups) {
    // SAFETY: the caller's promise.
    let (block, vcpu) = unsafe { (block(id), state(id)) };
    // SAFETY: as above.
    let page = unsafe { enter::Page::new(vcpu.page) };
    enter::load(block, vcpu, &page, groups);
}

/// Stores groups of state into its page.
///
/// # Safety
/// As for [`load_state`].
pub unsafe fn store_state(id: VcpuId, groups: Groups) {
    // SAFETY: the caller's promise.
    let (block, vcpu) = unsafe { (block(id), state(id)) };
    // SAFETY: as above.
    let page = unsafe { enter::Page::new(vcpu.page) };
    enter::store(block, vcpu, &page, groups);
}

/// Tells the VMM, by the page, of signals that ended a run.
///
/// # Safety
/// As for [`load_state`].
pub unsafe fn signalled(id: VcpuId, word: u64) {
    // SAFETY: the caller's promise.
    unsafe { enter::Page::new(state(id).page).signalled(word) };
}
