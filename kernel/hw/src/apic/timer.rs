//! The local APIC's timer: one interrupt ([`vectors::TIMER`]) at a time of the time stamp counter.
#![allow(unsafe_code)] // model-specific registers

use super::{LVT_MASKED, read, write};
use crate::calibrate::{self, Reference};
use crate::cpu::{self, Features};
use crate::time::{self, Ratio};
use crate::vectors;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Once;
use x86::apic::xapic;
use x86::msr;

/// Local vector table: fire when the time stamp counter reaches the deadline.
const LVT_TSC_DEADLINE: u32 = 0b10 << 17;
/// Divide configuration: count at the full rate.
const DIVIDE_BY_1: u32 = 0b1011;

/// Timer ticks for each tick of the time stamp counter, where there is no deadline mode.
static TICKS: Once<Ratio> = Once::new();
/// Rate of the timer in kHz, or 0 in deadline mode.
static KHZ: AtomicU64 = AtomicU64::new(0);

/// Measures the timer, if it must be, and prepares that of the boot processor. [`time::init`] comes first.
///
/// Returns `false` if the timer does not count, or not evenly, so that nothing can be timed.
pub fn init() -> bool {
    if !cpu::has(Features::TSC_DEADLINE) {
        write(
            xapic::XAPIC_LVT_TIMER,
            LVT_MASKED | u32::from(vectors::TIMER),
        );
        write(xapic::XAPIC_TIMER_DIV_CONF, DIVIDE_BY_1);
        write(xapic::XAPIC_TIMER_INIT_COUNT, u32::MAX);
        let reference = Reference {
            hz: time::tsc_khz() * 1000,
            mask: u64::MAX,
        };
        let ticks = || u64::from(u32::MAX - read(xapic::XAPIC_TIMER_CURRENT_COUNT));
        let measured = calibrate::measure(reference, time::now_tsc, ticks);
        write(xapic::XAPIC_TIMER_INIT_COUNT, 0);
        let ratio = measured
            .ok()
            .and_then(|khz| Ratio::new(khz, time::tsc_khz()));
        let Some(ratio) = ratio else {
            return false;
        };
        TICKS.call_once(|| ratio);
        KHZ.store(ratio.apply(time::tsc_khz()), Ordering::Relaxed);
    }
    init_this();
    true
}

/// Prepares the calling processor's timer, unarmed. [`init`] on the boot processor comes first.
pub fn init_this() {
    let vector = u32::from(vectors::TIMER);
    if TICKS.is_completed() {
        write(xapic::XAPIC_TIMER_DIV_CONF, DIVIDE_BY_1);
        write(xapic::XAPIC_LVT_TIMER, vector);
    } else {
        write(xapic::XAPIC_LVT_TIMER, LVT_TSC_DEADLINE | vector);
        // The mode must be set before the first deadline is (SDM volume 3, 12.5.4.1).
        x86::fence::mfence();
    }
    disarm();
}

/// Rate of the timer in kHz, or `None` if it takes deadlines of the time stamp counter.
pub fn khz() -> Option<u64> {
    match KHZ.load(Ordering::Relaxed) {
        0 => None,
        khz => Some(khz),
    }
}

/// Asks for an interrupt when the time stamp counter of the calling processor reaches `deadline`, or at once
/// if it has. Replaces an earlier deadline. The interrupt may come early, when a timer without deadline mode
/// cannot count that far (4 seconds at 1 GHz), so look at the time and arm it again.
#[inline]
pub fn arm(deadline: u64) {
    match TICKS.get() {
        None => {
            // 0 would disarm it.
            let deadline = deadline.max(1);
            // SAFETY: the timer is in deadline mode.
            unsafe { msr::wrmsr(msr::IA32_TSC_DEADLINE, deadline) };
        }
        Some(ticks) => write(
            xapic::XAPIC_TIMER_INIT_COUNT,
            count(*ticks, deadline, time::now_tsc()),
        ),
    }
}

/// Takes the deadline back. An interrupt that is already on its way still arrives.
#[inline]
pub fn disarm() {
    if TICKS.is_completed() {
        write(xapic::XAPIC_TIMER_INIT_COUNT, 0);
    } else {
        // SAFETY: the timer is in deadline mode.
        unsafe { msr::wrmsr(msr::IA32_TSC_DEADLINE, 0) };
    }
}

/// Timer ticks from `now` to `deadline`: at least 1, because 0 stops the timer, and at most what it can
/// count.
#[inline]
fn count(ticks: Ratio, deadline: u64, now: u64) -> u32 {
    let ticks = ticks.apply(deadline.saturating_sub(now)).max(1);
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_never_zero_and_never_wrap() {
        let third = Ratio::new(1, 3).unwrap();
        assert_eq!(count(third, 3_000, 0), 999);
        assert_eq!(count(third, 10, 20), 1);
        assert_eq!(count(third, 21, 20), 1);
        assert_eq!(count(third, u64::MAX, 0), u32::MAX);
        assert_eq!(count(Ratio::new(40, 1).unwrap(), u64::MAX, 0), u32::MAX);
    }
}
