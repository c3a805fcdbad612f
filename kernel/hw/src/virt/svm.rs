//! AMD's Secure Virtual Machine: detection and set-up.

use super::Support;
use crate::vm::layout::phys_to_virt;
use crate::{percpu, vm};
use core::arch::x86_64::__cpuid;
use core::sync::atomic::Ordering::Relaxed;
use pagurus_abi::layout::PAGE_SIZE;
use x86::msr;

/// Pages of the map of ports, and of that of model-specific registers (APM volume 2, 15.10 and 15.11).
const IOPM_PAGES: u64 = 3;
const MSRPM_PAGES: u64 = 2;
/// IA32_EFER.SVME.
const SVME: u64 = 1 << 12;
/// VM_CR, and its bit that says that the firmware keeps virtualisation off (APM volume 2, 15.30.1).
const VM_CR: u32 = 0xc001_0114;
const SVMDIS: u64 = 1 << 4;
/// VM_HSAVE_PA: where the processor keeps the host's state while a guest runs.
const VM_HSAVE_PA: u32 = 0xc001_0117;
/// Registers that guests read and write themselves: the processor swaps them with VMSAVE and VMLOAD.
const OWN_MSRS: [u32; 11] = [
    msr::IA32_SYSENTER_CS,
    msr::IA32_SYSENTER_ESP,
    msr::IA32_SYSENTER_EIP,
    msr::IA32_PAT,
    msr::IA32_STAR,
    msr::IA32_LSTAR,
    msr::IA32_CSTAR,
    msr::IA32_FMASK,
    msr::IA32_FS_BASE,
    msr::IA32_GS_BASE,
    msr::IA32_KERNEL_GSBASE,
];

/// What this machine can do; `None` without SVM, nested paging, or memory for the maps.
pub fn detect() -> Option<Support> {
    const SVM_LEAF: u32 = 0x8000_000a;
    let highest = __cpuid(0x8000_0000).eax;
    if highest < SVM_LEAF || __cpuid(0x8000_0001).ecx & 1 << 2 == 0 {
        return None;
    }
    let svm = __cpuid(SVM_LEAF);
    let nested_paging = svm.edx & 1 != 0;
    // SAFETY: the register is there with SVM.
    let disabled = unsafe { msr::rdmsr(VM_CR) } & SVMDIS != 0;
    if !nested_paging || disabled {
        return None;
    }
    let iopm = all_ones(IOPM_PAGES)?;
    let msrpm = all_ones(MSRPM_PAGES)?;
    for register in OWN_MSRS {
        permit(msrpm, register);
    }
    Some(Support {
        tags: svm.ebx,
        flush_by_tag: svm.edx & 1 << 6 != 0,
        iopm,
        msrpm,
    })
}

/// Memory of ones; its physical address.
fn all_ones(pages: u64) -> Option<u64> {
    let physical = vm::alloc_boot_pages(pages).ok()?;
    let start = phys_to_virt(physical) as *mut u8;
    // SAFETY: these pages were taken for this.
    unsafe { start.write_bytes(0xff, pages as usize * PAGE_SIZE) };
    Some(physical)
}

/// Lets guests read and write a register (APM volume 2, 15.11: two bits for each, in ranges of 2 KiB).
fn permit(msrpm: u64, register: u32) {
    let (range, index) = match register {
        0..=0x1fff => (0, register),
        0xc000_0000..=0xc000_1fff => (0x800, register & 0x1fff),
        _ => return,
    };
    let byte = phys_to_virt(msrpm + range + index as u64 / 4) as *mut u8;
    let mask = !(3u8 << (index % 4 * 2));
    // SAFETY: inside the map, which nobody uses yet.
    unsafe { *byte &= mask };
}

/// Turns SVM on in the calling processor; `false` if there is no memory for that.
pub fn enable(_: &Support) -> bool {
    let (Ok(save), Ok(host)) = (vm::alloc_boot_pages(1), vm::alloc_boot_pages(1)) else {
        return false;
    };
    // SAFETY: SVM is there, and the pages were taken for this.
    unsafe {
        msr::wrmsr(msr::IA32_EFER, msr::rdmsr(msr::IA32_EFER) | SVME);
        msr::wrmsr(VM_HSAVE_PA, save);
    }
    percpu::current().resident.host.store(host, Relaxed);
    true
}
