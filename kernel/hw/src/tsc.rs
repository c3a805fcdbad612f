//! The rate of the time stamp counter, from whatever reference the machine has.
#![allow(unsafe_code)] // I/O ports and the HPET's registers

use crate::calibrate::{self, Error, Reference};
use crate::time;
use core::fmt;
use core::ptr::NonNull;
use x86::cpuid::CpuId;
use x86::io::{inb, inl, outb};

/// Where the rate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Measured against the high precision event timer.
    Hpet,
    /// Measured against the ACPI power management timer.
    PmTimer,
    /// Measured against the programmable interval timer.
    Pit,
    /// Stated by CPUID; nothing to measure against works.
    Cpuid,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Hpet => "HPET",
            Source::PmTimer => "PM timer",
            Source::Pit => "PIT",
            Source::Cpuid => "CPUID",
        })
    }
}

/// The rate of the time stamp counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In kHz.
    pub khz: u64,
    /// Where it came from.
    pub source: Source,
}

/// Finds the rate: by the HPET at virtual address `hpet`, else by the PM timer at port `pm_timer`, else by
/// the PIT, else as CPUID says. A rate that CPUID states (leaf 0x15) replaces a measured one that it agrees
/// with.
///
/// # Errors
/// The last reference's error, if CPUID says nothing either.
///
/// # Safety
/// `hpet` must be the mapped registers of an HPET and `pm_timer` the port of a PM timer; nothing else may
/// use the HPET or channel 2 of the PIT meanwhile.
pub unsafe fn calibrate(hpet: Option<NonNull<u8>>, pm_timer: Option<u16>) -> Result<Rate, Error> {
    let stated = CpuId::new()
        .get_tsc_info()
        .and_then(|info| info.tsc_frequency())
        .map(|hz| hz / 1000);
    let rate = |khz, source| Rate {
        khz: calibrate::prefer_stated(khz, stated),
        source,
    };
    // SAFETY: the caller vouches for the devices.
    unsafe {
        if let Some(base) = hpet
            && let Ok(khz) = by_hpet(base)
        {
            return Ok(rate(khz, Source::Hpet));
        }
        if let Some(port) = pm_timer
            && let Ok(khz) = by_pm_timer(port)
        {
            return Ok(rate(khz, Source::PmTimer));
        }
        match by_pit() {
            Ok(khz) => Ok(rate(khz, Source::Pit)),
            Err(error) => stated_by_cpuid(stated).ok_or(error),
        }
    }
}

/// Leaf 0x15, or the base frequency of leaf 0x16, if plausible.
fn stated_by_cpuid(stated: Option<u64>) -> Option<Rate> {
    let base = || {
        CpuId::new()
            .get_processor_frequency_info()
            .map(|info| u64::from(info.processor_base_frequency()) * 1000)
    };
    let khz = stated.or_else(base)?;
    (calibrate::MIN_KHZ..=calibrate::MAX_KHZ)
        .contains(&khz)
        .then_some(Rate {
            khz,
            source: Source::Cpuid,
        })
}

/// HPET registers (IA-PC HPET specification 1.0a, 2.3).
mod hpet {
    /// Femtoseconds of a tick, upper half of the capabilities.
    pub const PERIOD: usize = 0x04;
    /// General configuration; bit 0 lets the counter run.
    pub const CONFIG: usize = 0x10;
    /// Lower half of the main counter.
    pub const COUNTER: usize = 0xf0;
    /// The longest period that the specification allows.
    pub const MAX_PERIOD: u32 = 100_000_000;
}

/// # Safety
/// `base` must be the mapped registers of an HPET.
unsafe fn by_hpet(base: NonNull<u8>) -> Result<u64, Error> {
    // SAFETY: the offsets lie in the HPET's 1 KiB of registers and are aligned.
    let register = |offset: usize| unsafe { base.as_ptr().add(offset).cast::<u32>() };
    // SAFETY: reading and writing these registers only concerns the HPET.
    let period = unsafe {
        let config = register(hpet::CONFIG);
        config.write_volatile(config.read_volatile() | 1);
        register(hpet::PERIOD).read_volatile()
    };
    if period == 0 || period > hpet::MAX_PERIOD {
        return Err(Error::Stopped);
    }
    let reference = Reference {
        hz: 1_000_000_000_000_000 / u64::from(period),
        mask: 0xffff_ffff,
    };
    let counter = register(hpet::COUNTER);
    // SAFETY: reading the counter has no effect.
    calibrate::measure(
        reference,
        || u64::from(unsafe { counter.read_volatile() }),
        time::now_tsc,
    )
}

/// # Safety
/// `port` must be the port of a PM timer.
unsafe fn by_pm_timer(port: u16) -> Result<u64, Error> {
    // 24 bits are there in any case, 32 only in some machines (ACPI 6.5, 4.8.3.3).
    let reference = Reference {
        hz: 3_579_545,
        mask: 0xff_ffff,
    };
    // SAFETY: reading the counter has no effect.
    calibrate::measure(reference, || u64::from(unsafe { inl(port) }), time::now_tsc)
}

/// # Safety
/// Nothing else may use channel 2 of the PIT.
unsafe fn by_pit() -> Result<u64, Error> {
    /// Bit 0 opens the gate of channel 2, bit 1 the speaker.
    const GATE: u16 = 0x61;
    const CHANNEL2: u16 = 0x42;
    const COMMAND: u16 = 0x43;
    /// Channel 2, both bytes, rate generator, binary: counts down from 65,536 again and again.
    const FREE_RUNNING: u8 = 0b1011_0100;
    const LATCH: u8 = 0b1000_0000;

    let reference = Reference {
        hz: 1_193_182,
        mask: 0xffff,
    };
    // SAFETY: programs channel 2, which has no other user, with the speaker off.
    unsafe {
        outb(GATE, inb(GATE) & !0b10 | 0b01);
        outb(COMMAND, FREE_RUNNING);
        outb(CHANNEL2, 0);
        outb(CHANNEL2, 0);
    }
    let read = || {
        // SAFETY: latches and reads the count.
        let count = unsafe {
            outb(COMMAND, LATCH);
            let low = inb(CHANNEL2);
            u16::from_le_bytes([low, inb(CHANNEL2)])
        };
        u64::from(count.wrapping_neg())
    };
    let result = calibrate::measure(reference, read, time::now_tsc);
    // SAFETY: closes the gate: the channel stops.
    unsafe { outb(GATE, inb(GATE) & !0b11) };
    result
}
