//! Segments and task state of each processor.
#![allow(unsafe_code)] // descriptor tables

use crate::percpu::PerCpu;
use core::cell::UnsafeCell;
use core::mem::size_of;
use pagurus_abi::layout::MAX_CPUS;
use x86::Ring;
use x86::bits64::task::TaskStateSegment;
use x86::dtables::{DescriptorTablePointer, lgdt};
use x86::segmentation::{self, SegmentSelector};
use x86::task::load_tr;

/// Kernel code. `syscall` loads it, and kernel data from the next entry.
pub const KERNEL_CODE: u16 = 0x08;
/// Kernel data.
pub const KERNEL_DATA: u16 = 0x10;
/// User data, with the requested privilege level. `sysret` loads it from the entry after [`KERNEL_DATA`].
pub const USER_DATA: u16 = 0x18 | 3;
/// User code, with the requested privilege level. `sysret` loads it from the second entry after
/// [`KERNEL_DATA`].
pub const USER_CODE: u16 = 0x20 | 3;
/// Task state.
pub const TASK_STATE: u16 = 0x28;

/// IA32_STAR: the bases from which `syscall` and `sysret` compute their selectors (SDM volume 3, 6.8.8).
pub const STAR: u64 = ((KERNEL_DATA | 3) as u64) << 48 | (KERNEL_CODE as u64) << 32;

/// Interrupt stack of non-maskable interrupts.
pub const IST_NMI: u8 = 1;
/// Interrupt stack of double faults.
pub const IST_DOUBLE_FAULT: u8 = 2;
/// Interrupt stack of machine checks.
pub const IST_MACHINE_CHECK: u8 = 3;
/// Interrupt stack of debug exceptions.
pub const IST_DEBUG: u8 = 4;
/// How many interrupt stacks there are.
pub const IST_COUNT: usize = 4;

// Descriptors (SDM volume 3, 3.4.5), accessed bit set so that the processor need not write them.
const DESCRIPTOR_KERNEL_CODE: u64 = 0x00af_9b00_0000_ffff;
const DESCRIPTOR_KERNEL_DATA: u64 = 0x00cf_9300_0000_ffff;
const DESCRIPTOR_USER_DATA: u64 = 0x00cf_f300_0000_ffff;
const DESCRIPTOR_USER_CODE: u64 = 0x00af_fb00_0000_ffff;

const ENTRIES: usize = 7;

#[repr(C, align(64))]
struct Tables {
    gdt: UnsafeCell<[u64; ENTRIES]>,
    tss: UnsafeCell<TaskStateSegment>,
}

// SAFETY: each element is written only by the processor whose index it has, in `load`, before the processor
// can be interrupted.
unsafe impl Sync for Tables {}

static TABLES: [Tables; MAX_CPUS] = [const {
    Tables {
        gdt: UnsafeCell::new([0; ENTRIES]),
        tss: UnsafeCell::new(TaskStateSegment::new()),
    }
}; MAX_CPUS];

/// The two words of the descriptor of an available 64-bit TSS (SDM volume 3, 9.2.3).
const fn tss_descriptor(base: u64, limit: u32) -> [u64; 2] {
    const PRESENT_AVAILABLE: u64 = 0x89 << 40;
    [
        limit as u64 & 0xffff
            | (base & 0xff_ffff) << 16
            | PRESENT_AVAILABLE
            | (limit as u64 >> 16 & 0xf) << 48
            | (base >> 24 & 0xff) << 56,
        base >> 32,
    ]
}

/// The whole table, in the order of the selectors.
const fn descriptors([tss_low, tss_high]: [u64; 2]) -> [u64; ENTRIES] {
    [
        0,
        DESCRIPTOR_KERNEL_CODE,
        DESCRIPTOR_KERNEL_DATA,
        DESCRIPTOR_USER_DATA,
        DESCRIPTOR_USER_CODE,
        tss_low,
        tss_high,
    ]
}

/// Loads segments and task state on the calling processor.
///
/// # Safety
/// `percpu` must be that of the calling processor, with `stack_top` and the tops of the interrupt stacks
/// (`ist`) in mapped memory that nothing else uses. Call it once per processor, before `percpu::load`,
/// because loading a GS selector clears the GS base.
pub unsafe fn load(percpu: &PerCpu, stack_top: u64, ist: [u64; IST_COUNT]) {
    let Some(tables) = TABLES.get(percpu.index()) else {
        return;
    };
    const TSS_BYTES: usize = size_of::<TaskStateSegment>();
    let mut state = TaskStateSegment::new();
    state.rsp = [stack_top, 0, 0];
    state.ist = core::array::from_fn(|n| ist.get(n).copied().unwrap_or(0));
    // Beyond the limit: no port is open to user mode; components use IoPort capabilities.
    state.iomap_base = TSS_BYTES as u16;
    // SAFETY: only this processor touches this element, and it does not use it yet. The code segment that
    // is loaded has the same properties as the one in use; the selectors are those of this table. The
    // tables live for ever.
    unsafe {
        let tss = tables.tss.get();
        tss.write(state);
        let limit = TSS_BYTES as u32 - 1;
        let gdt = tables.gdt.get();
        gdt.write(descriptors(tss_descriptor(tss as u64, limit)));

        lgdt(&DescriptorTablePointer {
            limit: (ENTRIES * 8 - 1) as u16,
            base: gdt,
        });
        segmentation::load_cs(SegmentSelector::new(KERNEL_CODE / 8, Ring::Ring0));
        segmentation::load_ss(SegmentSelector::new(KERNEL_DATA / 8, Ring::Ring0));
        for null in [
            segmentation::load_ds,
            segmentation::load_es,
            segmentation::load_fs,
            segmentation::load_gs,
        ] {
            null(SegmentSelector::from_raw(0));
        }
        load_tr(SegmentSelector::new(TASK_STATE / 8, Ring::Ring0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tss_descriptor_has_base_and_limit_in_place() {
        let [low, high] = tss_descriptor(0xffff_8123_4567_89ab, 0x67);
        assert_eq!(low & 0xffff, 0x67);
        assert_eq!(low >> 16 & 0xff_ffff, 0x67_89ab);
        assert_eq!(low >> 40 & 0xff, 0x89);
        assert_eq!(low >> 56, 0x45);
        assert_eq!(high, 0xffff_8123);
    }

    #[test]
    fn syscall_and_sysret_find_their_segments() {
        let syscall = (STAR >> 32) as u16;
        assert_eq!((syscall, syscall + 8), (KERNEL_CODE, KERNEL_DATA));
        let sysret = (STAR >> 48) as u16;
        assert_eq!((sysret + 8, sysret + 16), (USER_DATA, USER_CODE));
    }

    #[test]
    fn selectors_find_their_descriptors() {
        let table = descriptors([77, 88]);
        let at = |selector: u16| table[selector as usize / 8];
        assert_eq!(at(KERNEL_CODE), DESCRIPTOR_KERNEL_CODE);
        assert_eq!(at(KERNEL_DATA), DESCRIPTOR_KERNEL_DATA);
        assert_eq!(at(USER_CODE), DESCRIPTOR_USER_CODE);
        assert_eq!(at(USER_DATA), DESCRIPTOR_USER_DATA);
        assert_eq!((at(TASK_STATE), at(TASK_STATE + 8)), (77, 88));
    }

    #[test]
    fn privilege_levels_are_in_the_descriptors() {
        let level = |descriptor: u64| descriptor >> 45 & 3;
        assert_eq!(level(DESCRIPTOR_KERNEL_CODE), 0);
        assert_eq!(level(DESCRIPTOR_KERNEL_DATA), 0);
        assert_eq!(level(DESCRIPTOR_USER_CODE), 3);
        assert_eq!(level(DESCRIPTOR_USER_DATA), 3);
    }
}
