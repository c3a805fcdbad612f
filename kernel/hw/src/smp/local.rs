//! What every processor sets up for itself.
#![allow(unsafe_code)] // descriptor tables and the GS base

use crate::cpu::{self, Missing};
use crate::gdt::{self, IST_COUNT};
use crate::vm::{self, MapError};
use crate::{apic, idt, percpu, trace};
use core::sync::atomic::{AtomicU64, Ordering};
use pagurus_abi::layout::{MAX_CPUS, PAGE_SIZE};

/// Pages of a processor's kernel stack.
pub const KERNEL_STACK_PAGES: u64 = 8;
/// Pages of each interrupt stack.
const IST_PAGES: u64 = 2;

/// Tops of a processor's stacks, each above a page that is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stacks {
    /// The stack of system calls and interrupts.
    pub kernel: u64,
    /// The stacks of interrupts that cannot trust the one in use.
    pub ist: [u64; IST_COUNT],
}

impl Stacks {
    /// Takes memory for a processor's stacks.
    ///
    /// # Errors
    /// There is none, or boot is over.
    pub fn new() -> Result<Stacks, MapError> {
        let mut ist = [0; IST_COUNT];
        for top in &mut ist {
            *top = vm::map_stack(IST_PAGES)? as u64;
        }
        Ok(Stacks {
            kernel: vm::map_stack(KERNEL_STACK_PAGES)? as u64,
            ist,
        })
    }
}

static IST: [[AtomicU64; IST_COUNT]; MAX_CPUS] =
    [const { [const { AtomicU64::new(0) }; IST_COUNT] }; MAX_CPUS];

/// Keeps a processor's interrupt stacks until it comes up.
pub(super) fn set_stacks(index: usize, stacks: Stacks) {
    if let Some(tops) = IST.get(index) {
        for (place, top) in tops.iter().zip(stacks.ist) {
            place.store(top, Ordering::Relaxed);
        }
    }
}

/// Sets up the boot processor: its block, descriptor tables, and the ring of its log. The first step once
/// the kernel has its page tables and [`cpu::init`] has run; interrupt gates may be set before or after.
///
/// # Errors
/// There is no memory for its stacks.
pub fn init_boot_processor() -> Result<(), MapError> {
    let stacks = Stacks::new()?;
    set_stacks(0, stacks);
    if let Some(block) = percpu::prepare(0, initial_apic_id(), stacks.kernel) {
        load(block);
        block.set_online();
    }
    give_ring(0);
    Ok(())
}

/// Sets up another processor, after [`percpu::prepare`].
///
/// # Errors
/// Features of the boot processor that this one lacks; nothing is set up then.
pub(super) fn init_secondary(index: usize) -> Result<(), Missing> {
    cpu::init_secondary()?;
    if let Some(block) = percpu::get(index) {
        load(block);
    }
    apic::init_this();
    apic::timer::init_this();
    give_ring(index);
    Ok(())
}

fn load(block: &'static percpu::PerCpu) {
    let ist = core::array::from_fn(|n| IST[block.index()][n].load(Ordering::Relaxed));
    // SAFETY: the block and the stacks are this processor's own; this runs once on each.
    unsafe {
        gdt::load(block, block.stack_top.load(Ordering::Relaxed), ist);
        percpu::load(block);
    }
    idt::load();
}

/// The log of a processor without memory for it is just left out.
fn give_ring(index: usize) {
    let pages = (trace::HOME_BYTES / PAGE_SIZE) as u64;
    if let Ok(phys) = vm::alloc_boot_pages(pages) {
        // SAFETY: these pages were taken for this.
        unsafe { trace::set_home(index, vm::phys_to_virt(phys) as *mut u8, trace::HOME_BYTES) };
    }
}

/// The APIC identifier as CPUID says it, before the local APIC is set up: leaf 0xb where it exists, because
/// leaf 1 has only eight bits.
fn initial_apic_id() -> u32 {
    let id = x86::cpuid::CpuId::new();
    let wide = id
        .get_extended_topology_info()
        .and_then(|mut levels| levels.next())
        .map(|level| level.x2apic_id());
    wide.or_else(|| {
        id.get_feature_info()
            .map(|info| u32::from(info.initial_local_apic_id()))
    })
    .unwrap_or(0)
}
