//! What of a virtual processor is in a processor while its thread is loaded there.

use super::{SUPPORT, block, state};
use crate::percpu::PerCpu;
use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::Relaxed;
use pagurus_abi::layout::MAX_CPUS;
use pagurus_ipc::Thread;
use pagurus_vcpu::svm::vmcb::tlb_control;
use pagurus_vcpu::{Tags, TlbFlush, VcpuId};

/// The identifiers of the processors' translation caches. Each processor uses its own, with the kernel's lock.
struct AllTags(UnsafeCell<[Option<Tags>; MAX_CPUS]>);

// SAFETY: every processor touches its own element only.
unsafe impl Sync for AllTags {}

static TAGS: AllTags = AllTags(UnsafeCell::new([None; MAX_CPUS]));

/// A word of signals that is never set.
static NO_SIGNALS: u64 = 0;

/// Opens the way into the guest that `t`, which is being loaded, runs; without one, or one that lacks something, closes it.
///
/// # Safety
/// `t` must be the thread that this processor is about to run, the kernel's lock be held, and its virtual processor exist.
pub unsafe fn to_vcpu(cpu: &PerCpu, t: &Thread) {
    let resident = &cpu.resident;
    resident.vcpu.store(0, Relaxed);
    let (Some(id), Some(Some(support))) = (VcpuId::new(t.vcpu), SUPPORT.get()) else {
        return;
    };
    // SAFETY: its thread is loaded here and nowhere else.
    let (block, vcpu) = unsafe { (block(id), state(id)) };
    if vcpu.page == 0 || vcpu.tables == 0 || resident.host.load(Relaxed) == 0 {
        return;
    }
    // SAFETY: this processor's own element.
    let tags = unsafe { &mut (*TAGS.0.get())[cpu.index() % MAX_CPUS] };
    let tags = tags.get_or_insert(Tags::new(support.tags));
    let (tag, flush) = tags.prepare(&mut vcpu.tag, cpu.index() as u32, vcpu.generation);
    let own = flush == TlbFlush::Own || core::mem::take(&mut vcpu.flush);
    block.asid = tag;
    block.nested_cr3 = vcpu.tables;
    block.tlb_control |= match flush {
        TlbFlush::All => tlb_control::ALL,
        _ if own && support.flush_by_tag => tlb_control::THIS_ASID,
        _ if own => tlb_control::ALL,
        _ => tlb_control::NOTHING,
    };
    let signals = match t.notification {
        // The word is the first field.
        Some(notification) => notification.address(),
        None => &raw const NO_SIGNALS as usize,
    };
    resident.signals.store(signals as u64, Relaxed);
    resident.vcpu.store(id.address() as u64, Relaxed);
}

/// Closes the way into whatever guest was open.
#[inline(always)]
pub fn leave(cpu: &PerCpu) {
    cpu.resident.vcpu.store(0, Relaxed);
}
