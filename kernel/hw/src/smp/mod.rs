//! All processors but the first: INIT, two start-up interrupts, and the way up
//! (SDM volume 3, 10.4; MultiProcessor Specification 1.4, B.4).
//!
//! Processors start one after another. Each takes the offer that lies ready ([`offer`]); one that comes late
//! finds none and halts, so that nobody ever runs on another's stack.
#![allow(unsafe_code)] // start-up interrupts, and the page in which processors start

pub mod local;
pub mod offer;
mod trampoline;
pub mod warp;

use crate::acpi::Cpu;
use crate::apic::ipi::{self, SendError};
use crate::cpu::Missing;
use crate::percpu;
use crate::time;
use crate::vm::trampoline as page;
use crate::vm::{self, MapError};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use local::Stacks;
use offer::{OFFER, Offer};
use spin::Once;
use warp::WARP;

/// How long processors get after INIT, all at once.
const INIT_NS: u64 = 10_000_000;
/// How long it gets after the first start-up interrupt before the second.
const STARTUP_NS: u64 = 200_000;
/// How long it gets to take the offer, and again to come up.
const PATIENCE_NS: u64 = 1_000_000_000;

/// Why a processor does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It did not answer.
    Silent,
    /// It answered and then hung.
    Hung,
    /// It lacks features that the boot processor has.
    Missing(Missing),
    /// It cannot be sent interrupts.
    Send(SendError),
    /// There is no memory for its stacks, or none for the page in which processors start.
    Memory(MapError),
    /// The kernel cannot have more.
    TooMany,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Silent => f.write_str("it does not answer"),
            StartError::Hung => f.write_str("it answered and then hung"),
            StartError::Missing(missing) => missing.fmt(f),
            StartError::Send(error) => error.fmt(f),
            StartError::Memory(error) => error.fmt(f),
            StartError::TooMany => f.write_str("the kernel cannot have more"),
        }
    }
}

impl From<MapError> for StartError {
    fn from(error: MapError) -> Self {
        StartError::Memory(error)
    }
}

/// A processor that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its number.
    pub index: usize,
    /// By how many ticks its time stamp counter was seen behind or ahead of the boot processor's; 0 if
    /// time never ran backwards from one to the other.
    pub warp: u64,
}

/// What a started processor runs once it is set up, with its number.
pub type Main = fn(usize) -> !;

static MAIN: Once<Main> = Once::new();
/// Features that the processor which comes up lacks.
static MISSING: AtomicU32 = AtomicU32::new(0);

/// Starts the processors in `cpus` other than the calling one, and tells `report` about each. Their `main`
/// runs with interrupts off, with descriptor tables, local APIC and timer set up, but no system call entry.
///
/// Clock, local APIC, interrupt gates and the boot processor's own block come before this.
pub fn start_all(
    cpus: &[Cpu],
    main: Main,
    mut report: impl FnMut(&Cpu, Result<Started, StartError>),
) {
    let me = percpu::current().apic_id();
    let mut others = cpus.iter().filter(|cpu| cpu.apic_id != me).peekable();
    if others.peek().is_none() {
        return;
    }
    MAIN.call_once(|| main);
    let trampoline = match page::install(trampoline::write) {
        Ok(trampoline) => trampoline,
        Err(error) => {
            others.for_each(|cpu| report(cpu, Err(error.into())));
            return;
        }
    };
    for cpu in others.clone() {
        // SAFETY: the processor does not run kernel code. An error shows again at the start-up interrupt.
        let _ = unsafe { ipi::send_init(cpu.apic_id) };
    }
    time::spin_ns(INIT_NS);
    let mut next = 1;
    for cpu in others {
        let result = start(cpu, next, trampoline.page);
        match result {
            Ok(_) => next += 1,
            // SAFETY: back to where it waits for a start-up interrupt that never comes, wherever it may have
            // got to: its stack and its number are no other's yet. Failing that, nothing more can be done.
            Err(_) => _ = unsafe { ipi::send_init(cpu.apic_id) },
        }
        report(cpu, result);
    }
    page::remove();
}

fn start(cpu: &Cpu, index: usize, page: u32) -> Result<Started, StartError> {
    let stacks = Stacks::new()?;
    let block = percpu::prepare(index, cpu.apic_id, stacks.kernel).ok_or(StartError::TooMany)?;
    local::set_stacks(index, stacks);
    MISSING.store(0, Ordering::Relaxed);
    let ticket = OFFER.make(Offer {
        stack: stacks.kernel,
        tables: vm::kernel_pml4(),
        index: index as u64,
    });
    let answered = call(cpu.apic_id, (page >> 12) as u8);
    if let Err(error) = answered {
        OFFER.withdraw(ticket);
        return Err(StartError::Send(error));
    }
    if !wait(|| OFFER.is_taken(ticket)) && OFFER.withdraw(ticket) {
        return Err(StartError::Silent);
    }
    if !wait(|| block.is_online() || MISSING.load(Ordering::Acquire) != 0) {
        return Err(StartError::Hung);
    }
    match MISSING.load(Ordering::Acquire) {
        0 => Ok(Started {
            index,
            warp: WARP.measure(),
        }),
        missing => Err(StartError::Missing(Missing(
            crate::cpu::Features::from_bits_truncate(missing),
        ))),
    }
}

/// Start-up twice: the second is ignored by a processor that took the first.
fn call(apic_id: u32, page: u8) -> Result<(), SendError> {
    // SAFETY: the page holds the code to bring a processor up.
    unsafe {
        ipi::send_startup(apic_id, page)?;
        time::spin_ns(STARTUP_NS);
        ipi::send_startup(apic_id, page)
    }
}

/// Waits for `condition`; `false` if it does not come true in time.
fn wait(mut condition: impl FnMut() -> bool) -> bool {
    let start = time::now_tsc();
    let limit = time::ns_to_tsc(PATIENCE_NS);
    loop {
        if condition() {
            return true;
        }
        if time::now_tsc().wrapping_sub(start) > limit {
            return false;
        }
        core::hint::spin_loop();
    }
}

/// The first Rust code of a processor other than the first, on its own stack and the kernel's page tables.
extern "C" fn arrive(index: usize) -> ! {
    if let Err(Missing(features)) = local::init_secondary(index) {
        MISSING.store(features.bits(), Ordering::Release);
        crate::sync::park();
    }
    percpu::current().set_online();
    WARP.answer();
    match MAIN.get() {
        Some(main) => main(index),
        None => crate::sync::park(),
    }
}
