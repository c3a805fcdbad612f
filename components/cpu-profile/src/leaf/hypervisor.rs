//! Leaves for guests that know that they are guests.

use crate::cpu::Environment;

/// Our own interface.
const OWN: u32 = 0x4000_0000;
const OWN_NAME: &[u8; 12] = b"PagurusVMM\0\0";
/// Frequencies in kHz: time stamp counter, APIC timer.
const FREQUENCIES: u32 = OWN + 0x10;
/// KVM's clock.
const KVM: u32 = 0x4000_0100;
const KVM_NAME: &[u8; 12] = b"KVMKVMKVM\0\0\0";
const KVM_FEATURES: u32 = KVM + 1;

/// KVM_FEATURE_NOP_IO_DELAY: no delays by port 0x80.
const NOP_IO_DELAY: u32 = 1 << 1;
/// KVM_FEATURE_CLOCKSOURCE2: the clock's registers of [`crate::kvm_clock`].
const CLOCKSOURCE2: u32 = 1 << 3;
/// KVM_FEATURE_CLOCKSOURCE_STABLE_BIT: all processors see one time.
const CLOCKSOURCE_STABLE: u32 = 1 << 24;

/// The answer.
pub fn leaf(leaf: u32, environment: &Environment) -> [u32; 4] {
    match leaf {
        OWN => interface(FREQUENCIES, OWN_NAME),
        FREQUENCIES => [environment.tsc_khz, environment.apic_timer_khz, 0, 0],
        KVM if environment.kvm_clock => interface(KVM_FEATURES, KVM_NAME),
        KVM_FEATURES if environment.kvm_clock => {
            [NOP_IO_DELAY | CLOCKSOURCE2 | CLOCKSOURCE_STABLE, 0, 0, 0]
        }
        _ => [0; 4],
    }
}

fn interface(highest: u32, name: &[u8; 12]) -> [u32; 4] {
    let mut answer = [highest, 0, 0, 0];
    for (place, part) in answer[1..].iter_mut().zip(name.as_chunks().0) {
        *place = u32::from_le_bytes(*part);
    }
    answer
}
