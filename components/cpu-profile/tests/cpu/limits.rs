//! Extended state and control registers.

use crate::machine::{INTEL, cpu, environment, everything, qemu, running};
use pagurus_cpu_profile::{Cpu, Feature, FeatureSet, Profile, State};

fn hiding(features: &[Feature]) -> Cpu {
    let profile = Profile {
        hide: FeatureSet::of(features),
        ..Profile::default()
    };
    Cpu::new(&profile, &environment(1), &everything(INTEL)).expect("a processor")
}

#[test]
fn extended_state_is_what_kernel_and_features_allow() {
    assert_eq!(cpu(&qemu()).xcr0(), 0b111);
    assert_eq!(cpu(&everything(INTEL)).xcr0(), 0xe7);
    assert_eq!(hiding(&[Feature::Avx512f]).xcr0(), 0b111);
    assert_eq!(hiding(&[Feature::Avx]).xcr0(), 0b11);
    assert_eq!(hiding(&[Feature::Xsave]).xcr0(), 0);
    // A kernel that saves no AVX state.
    let mut machine = everything(INTEL);
    machine.xcr0 = 0b11;
    let without = cpu(&machine);
    assert_eq!(without.xcr0(), 0b11);
    assert!(!without.features().contains(Feature::Avx2));
    machine.xcr0 = 0x67;
    assert_eq!(
        cpu(&machine).xcr0(),
        0b111,
        "AVX-512 is whole or not at all"
    );
}

#[test]
fn leaf_d_counts_bytes() {
    let cpu = cpu(&everything(INTEL));
    let ask = |subleaf, xcr0| {
        let state = State {
            xcr0,
            ..running(&cpu, 0)
        };
        cpu.cpuid(0xd, subleaf, &state)
    };
    assert_eq!(ask(0, 0b1), [0xe7, 576, 2688, 0]);
    assert_eq!(ask(0, 0b111), [0xe7, 832, 2688, 0]);
    assert_eq!(ask(0, 0xe7), [0xe7, 2688, 2688, 0]);
    // Compacted: 576 + 256 + 64, then at multiples of 64.
    assert_eq!(ask(1, 0xe7), [0b111, 896 + 512 + 1024, 0, 0]);
    assert_eq!(ask(1, 0b11), [0b111, 576, 0, 0]);
    assert_eq!(ask(2, 0b111), [256, 576, 0, 0]);
    assert_eq!(ask(6, 0b111), [512, 1152, 2, 0]);
    assert_eq!(ask(9, 0xe7), [0; 4], "protection keys");
    assert_eq!(ask(63, 0xe7), [0; 4]);
    // Bits that the guest cannot have set count for nothing.
    assert_eq!(ask(0, u64::MAX)[1], 2688);
    let none = hiding(&[Feature::Xsave]);
    assert_eq!(none.cpuid(0xd, 0, &running(&none, 0)), [0; 4]);
    assert_eq!(none.cpuid(1, 0, &running(&none, 0))[2] >> 26 & 3, 0);
}

#[test]
fn xcr0_has_its_rules() {
    let cpu = cpu(&everything(INTEL));
    for good in [0b1, 0b11, 0b111, 0xe7] {
        assert!(cpu.xcr0_is_valid(good), "{good:#x}");
    }
    for bad in [0, 0b10, 0b101, 0b110, 0x27, 0xe3, 0x207, 1 << 63 | 1] {
        assert!(!cpu.xcr0_is_valid(bad), "{bad:#x}");
    }
    assert!(!hiding(&[Feature::Avx]).xcr0_is_valid(0b111));
}

#[test]
fn control_registers() {
    let all = cpu(&everything(INTEL));
    assert_eq!(all.cr4(), 0x0035_0fbf);
    assert_eq!(all.efer(), 0x4d01);
    for (bit, name) in [
        (6, "MCE"),
        (12, "LA57"),
        (13, "VMXE"),
        (14, "SMXE"),
        (17, "PCIDE"),
        (22, "PKE"),
        (23, "CET"),
    ] {
        assert_eq!(all.cr4() >> bit & 1, 0, "{name}");
    }
    let less = hiding(&[Feature::Smap, Feature::Umip, Feature::Nx]);
    assert_eq!(all.cr4() & !less.cr4(), 1 << 21 | 1 << 11);
    assert_eq!(all.efer() & !less.efer(), 1 << 11);
    assert_eq!(all.efer() >> 12 & 1, 0, "SVME");
}
