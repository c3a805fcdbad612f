//! Tests of the local APIC, by theme.

mod delivery;
mod ipi;
mod msr;
mod page;
mod random;
mod timer;

use super::*;
use crate::{DeliveryMode, Destination, Trigger};

/// 2 GHz: two ticks in a nanosecond.
const CLOCK: Clock = Clock {
    tsc_khz: 2_000_000,
    tsc_offset: 0,
};

const TPR: u64 = 0x080;
const EOI: u64 = 0x0b0;
const SVR: u64 = 0x0f0;
const ESR: u64 = 0x280;
const ICR: u64 = 0x300;
const ICR_HIGH: u64 = 0x310;
const LVT_TIMER: u64 = 0x320;
const LVT_PERFORMANCE: u64 = 0x340;
const LVT_LINT0: u64 = 0x350;
const LVT_LINT1: u64 = 0x360;
const LVT_ERROR: u64 = 0x370;
const INITIAL: u64 = 0x380;
const CURRENT: u64 = 0x390;
const DIVIDE: u64 = 0x3e0;
const MASKED: u64 = 1 << 16;

fn config(id: u32, bootstrap: bool) -> Config {
    Config {
        id,
        bootstrap,
        x2apic: true,
        tsc_deadline: true,
        physical_bits: 40,
    }
}

/// A bootstrap processor's, enabled.
fn enabled() -> Lapic {
    let mut apic = Lapic::new(config(1, true));
    apic.set(SVR, 0x1ff);
    apic
}

/// The same in x2APIC mode.
fn x2apic() -> Lapic {
    let mut apic = enabled();
    apic.write_msr(APIC_BASE, 0xfee0_0d00, 0, CLOCK).unwrap();
    apic
}

fn fixed(vector: u8, trigger: Trigger) -> Message {
    Message {
        destination: Destination::Physical(1),
        mode: DeliveryMode::Fixed,
        vector,
        trigger,
    }
}

fn signal(mode: DeliveryMode, vector: u8) -> Message {
    Message {
        mode,
        ..fixed(vector, Trigger::Edge)
    }
}

/// Accesses to the register page at time 0.
impl Lapic {
    fn get(&mut self, offset: u64) -> u64 {
        self.read_mmio(offset, 4, 0)
    }

    fn set(&mut self, offset: u64, value: u64) -> Option<Request> {
        self.write_mmio(offset, 4, value, 0, CLOCK)
    }

    fn take(&mut self) -> Option<u8> {
        let vector = self.deliverable()?;
        self.begin(vector);
        Some(vector)
    }
}
