//! Making other processors notice: wake-ups, and waiting until each has entered the kernel and flushed its
//! translations.
//!
//! The kernel runs with interrupts off. A processor that waits, for a lock or for others, therefore serves
//! the requests of others itself, so that no two can wait for each other.
#![allow(unsafe_code)] // control registers

use crate::apic::ipi;
use crate::mailbox::Mailbox;
use crate::{percpu, switch};
use core::sync::atomic::{AtomicBool, Ordering};
use pagurus_abi::layout::MAX_CPUS;
use spin::RelaxStrategy;
use spin::mutex::{TicketMutex, TicketMutexGuard};
use x86::controlregs::{self, Cr4};

pub use crate::mailbox::Flush;

/// Rounds of waiting after which an interprocessor interrupt is sent again. QEMU's emulation can lose one
/// around VMRUN; on a sound machine a second one does no harm.
const ROUNDS_BEFORE_RESEND: u32 = 200_000;

static MAILBOXES: [Mailbox; MAX_CPUS] = [const { Mailbox::new() }; MAX_CPUS];
static FROZEN: AtomicBool = AtomicBool::new(false);

/// Waiting for a lock while serving the requests of other processors.
pub struct ServiceRelax;

impl RelaxStrategy for ServiceRelax {
    #[inline]
    fn relax() {
        service();
        core::hint::spin_loop();
    }
}

/// The lock for the kernel's state: fair, and whoever waits serves requests.
pub type BigLock<T> = TicketMutex<T, ServiceRelax>;
/// The right to use what a [`BigLock`] guards.
pub type BigLockGuard<'a, T> = TicketMutexGuard<'a, T, ServiceRelax>;

/// Serves the requests to the calling processor. Call it at the interprocessor interrupt; it is cheap when
/// there is none.
#[inline]
pub fn service() {
    let mailbox = &MAILBOXES[percpu::cpu_index() % MAX_CPUS];
    if mailbox.has_request() {
        serve(mailbox);
    }
}

#[cold]
fn serve(mailbox: &Mailbox) {
    if FROZEN.load(Ordering::Acquire) {
        park();
    }
    mailbox.serve(flush_this);
}

/// Interrupts processor `cpu`, so that it looks at its ready queue. Does nothing to a processor that does
/// not run.
pub fn kick(cpu: usize) {
    if let Some(target) = percpu::get(cpu).filter(|target| target.is_online()) {
        // An APIC that is stuck has nothing pending that could be waited for either; who waits sends again.
        let _ = ipi::send(target.apic_id());
    }
}

/// Waits until every processor in `mask` that runs has entered the kernel and done `flush` since the call
/// began. What the caller wrote before, page tables say, is in force there afterwards. The calling
/// processor's own bit makes it flush too.
pub fn synchronise(mask: u64, flush: Flush) {
    let me = percpu::cpu_index();
    if mask & 1 << me != 0 {
        flush_this(flush);
    }
    let mut waiting = mask & percpu::online() & !(1 << me);
    for cpu in bits(waiting) {
        MAILBOXES[cpu].request(me, flush);
        kick(cpu);
    }
    let mut rounds = 0u32;
    while waiting != 0 {
        for cpu in bits(waiting) {
            if MAILBOXES[cpu].is_served(me) {
                waiting &= !(1 << cpu);
            }
        }
        ServiceRelax::relax();
        rounds += 1;
        if rounds.is_multiple_of(ROUNDS_BEFORE_RESEND) {
            bits(waiting).for_each(kick);
        }
    }
}

/// Stops all other processors for good, at the latest when they next enter or wait in the kernel. For a
/// panic: it does not wait for them.
pub fn freeze_others() {
    // Before the boot processor has its block there are no others, and no own number to be asked for.
    if percpu::online() == 0 {
        return;
    }
    let me = percpu::cpu_index();
    if FROZEN.swap(true, Ordering::AcqRel) {
        return;
    }
    for cpu in bits(percpu::online() & !(1 << me)) {
        MAILBOXES[cpu].request(me, Flush::Nothing);
        kick(cpu);
    }
}

/// Stops the calling processor for good.
pub fn park() -> ! {
    loop {
        // SAFETY: with interrupts off nothing but a reset or a non-maskable interrupt goes on from here,
        // and after the latter it halts again.
        unsafe {
            x86::irq::disable();
            x86::halt();
        }
    }
}

/// Does on the calling processor what a request asks for. A flush of user memory is more than that: the tables
/// in use may be about to go, and the thread to run elsewhere, so the processor leaves both.
pub fn flush_this(flush: Flush) {
    if flush >= Flush::User {
        switch::leave();
    }
    if flush == Flush::All {
        // SAFETY: dropping translations is always sound. Toggling CR4.PGE drops the global ones as well
        // (SDM volume 3, 5.10.4.1); it is on in the kernel.
        unsafe {
            let cr4 = controlregs::cr4();
            controlregs::cr4_write(cr4 & !Cr4::CR4_ENABLE_GLOBAL_PAGES);
            controlregs::cr4_write(cr4 | Cr4::CR4_ENABLE_GLOBAL_PAGES);
        }
    }
}

/// Drops the calling processor's translation of the page at `address`.
#[inline]
pub fn flush_page(address: u64) {
    // SAFETY: dropping translations is always sound.
    unsafe { x86::tlb::flush(address as usize) };
}

/// The numbers of the bits that are set, in ascending order.
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let lowest = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (lowest < u64::BITS).then_some(lowest as usize)
    })
}

const _: () = assert!(MAX_CPUS == u64::BITS as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn bits_are_numbered_from_the_lowest() {
        assert_eq!(bits(1 << 63 | 0b101).collect::<Vec<_>>(), [0, 2, 63]);
        assert_eq!(bits(0).count(), 0);
    }
}
