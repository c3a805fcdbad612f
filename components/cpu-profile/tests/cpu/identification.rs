//! What CPUID says, and above all what it does not.

use crate::machine::{AMD, INTEL, Table, cpu, environment, everything, qemu, running};
use pagurus_cpu_profile::{
    Cpu, Environment, Feature, FeatureSet, Profile, ProfileError, State, Vendor,
};
use proptest::prelude::*;

const EAX: usize = 0;
const EBX: usize = 1;
const ECX: usize = 2;
const EDX: usize = 3;

/// What no guest gets: leaf, subleaf, register, bit, name.
const FORBIDDEN: [(u32, u32, usize, u32, &str); 37] = [
    (1, 0, ECX, 2, "DTES64"),
    (1, 0, ECX, 3, "MONITOR"),
    (1, 0, ECX, 4, "DS-CPL"),
    (1, 0, ECX, 5, "VMX"),
    (1, 0, ECX, 6, "SMX"),
    (1, 0, ECX, 7, "EIST"),
    (1, 0, ECX, 15, "PDCM"),
    (1, 0, ECX, 17, "PCID"),
    (1, 0, EDX, 7, "MCE"),
    (1, 0, EDX, 14, "MCA"),
    (1, 0, EDX, 21, "DS"),
    (1, 0, EDX, 22, "ACPI"),
    (7, 0, EBX, 2, "SGX"),
    (7, 0, EBX, 4, "HLE"),
    (7, 0, EBX, 10, "INVPCID"),
    (7, 0, EBX, 11, "RTM"),
    (7, 0, EBX, 12, "PQM"),
    (7, 0, EBX, 14, "MPX"),
    (7, 0, EBX, 15, "PQE"),
    (7, 0, EBX, 25, "PT"),
    (7, 0, ECX, 3, "PKU"),
    (7, 0, ECX, 5, "WAITPKG"),
    (7, 0, ECX, 7, "CET_SS"),
    (7, 0, ECX, 16, "LA57"),
    (7, 0, ECX, 22, "RDPID"),
    (7, 0, ECX, 30, "SGX_LC"),
    (7, 0, EDX, 20, "CET_IBT"),
    (7, 0, EDX, 22, "AMX-BF16"),
    (7, 0, EDX, 26, "SPEC_CTRL"),
    (7, 0, EDX, 29, "ARCH_CAPABILITIES"),
    (0xd, 1, EAX, 3, "XSAVES"),
    (0x8000_0001, 0, ECX, 2, "SVM"),
    (0x8000_0001, 0, ECX, 10, "IBS"),
    (0x8000_0001, 0, ECX, 12, "SKINIT"),
    (0x8000_0001, 0, ECX, 23, "PERFCTR_CORE"),
    (0x8000_0001, 0, ECX, 29, "MWAITX"),
    (
        0x8000_0001,
        0,
        EDX,
        27,
        "RDTSCP, whose register nobody switches",
    ),
];

fn check(cpu: &Cpu, machine: &Table) {
    let state = running(cpu, 0);
    for (leaf, subleaf, register, bit, name) in FORBIDDEN {
        let answer = cpu.cpuid(leaf, subleaf, &state)[register];
        assert_eq!(answer >> bit & 1, 0, "{name}");
    }
    // Virtualisation, memory encryption, performance monitoring, tracing, resource control.
    for leaf in [
        5,
        9,
        0xa,
        0xf,
        0x10,
        0x12,
        0x14,
        0x18,
        0x1c,
        0x8000_000a,
        0x8000_001b,
        0x8000_001f,
    ] {
        assert_eq!(cpu.cpuid(leaf, 0, &state), [0; 4], "{leaf:#x}");
    }
    for feature in Feature::ALL {
        let (leaf, subleaf, register, bit) = feature.bit();
        let shown = cpu.cpuid(leaf, subleaf, &state)[register as usize] >> bit & 1 != 0;
        let there = cpu.features().contains(*feature);
        assert_eq!(shown, there, "{}", feature.name());
        let has = pagurus_cpu_profile::Machine::cpuid(machine, leaf, subleaf)[register as usize];
        assert!(
            !there || has >> bit & 1 != 0,
            "{} comes from nowhere",
            feature.name()
        );
    }
}

#[test]
fn on_a_machine_with_everything() {
    for vendor in [AMD, INTEL] {
        let machine = everything(vendor);
        let cpu = cpu(&machine);
        check(&cpu, &machine);
        let missing = FeatureSet::ALL.difference(cpu.features());
        assert_eq!(missing, [Feature::Rdtscp].into_iter().collect());
    }
}

#[test]
fn on_qemus_machine() {
    let machine = qemu();
    let cpu = cpu(&machine);
    check(&cpu, &machine);
    assert_eq!(cpu.vendor(), Vendor::Amd);
    assert_eq!(cpu.physical_bits(), 40);
    assert!(cpu.features().contains(Feature::Avx2) && cpu.features().contains(Feature::Smap));
    let state = running(&cpu, 0);
    let leaf_1 = cpu.cpuid(1, 0, &state);
    assert_eq!(leaf_1[EAX], 0x0006_0fb1);
    for (bit, name) in [
        (21, "x2APIC"),
        (24, "TSC deadline"),
        (27, "OSXSAVE"),
        (31, "hypervisor"),
    ] {
        assert_eq!(leaf_1[ECX] >> bit & 1, 1, "{name}");
    }
    assert_eq!(leaf_1[EDX] >> 9 & 1 & leaf_1[EDX] >> 12, 1, "APIC and MTRR");
    assert_eq!(leaf_1[EDX] >> 28 & 1, 0, "one processor");
    assert_eq!(cpu.cpuid(6, 0, &state)[EAX], 4);
    assert_eq!(cpu.cpuid(7, 0, &state)[EBX] >> 1 & 1, 1, "TSC_ADJUST");
    assert_eq!(cpu.cpuid(0x8000_0007, 0, &state)[EDX], 1 << 8);
    assert_eq!(cpu.cpuid(0x8000_0008, 0, &state), [40 | 48 << 8, 0, 0, 0]);
    // What AMD repeats.
    let repeated = cpu.cpuid(0x8000_0001, 0, &state)[EDX] & 0x0183_f3ff;
    assert_eq!(repeated, leaf_1[EDX] & 0x0183_f3ff);
    assert_eq!(
        cpu.cpuid(0x8000_0001, 0, &state)[ECX] >> 22 & 1,
        0,
        "no leaf 0x8000_001e"
    );
}

#[test]
fn names_are_the_machines() {
    let machine = everything(INTEL);
    let cpu = cpu(&machine);
    let state = State::default();
    assert_eq!(cpu.cpuid(0, 0, &state)[1..], machine.leaves[&(0, 0)][1..]);
    assert_eq!(cpu.cpuid(0, 0, &state)[0], 0x1f);
    assert_eq!(cpu.cpuid(0x8000_0003, 0, &state), [u32::MAX; 4]);
    assert_eq!(cpu.cpuid(0x8000_0000, 0, &state)[0], 0x8000_0021);
    assert_eq!(
        cpu.cpuid(1, 0, &state)[ECX] >> 27 & 1,
        0,
        "OSXSAVE follows CR4"
    );
}

#[test]
fn the_clock_is_told_three_ways() {
    let machine = everything(INTEL);
    let cpu = cpu(&machine);
    let ask = |leaf| cpu.cpuid(leaf, 0, &State::default());
    assert_eq!(ask(0x4000_0010)[..2], [2_300_000, 1_000_000]);
    let [denominator, numerator, hertz, _] = ask(0x15);
    assert_eq!((denominator, numerator, hertz), (10, 23, 1_000_000_000));
    assert_eq!(ask(0x16)[..3], [2300, 2300, 1000]);
    let text = |leaf: u32| -> Vec<u8> {
        ask(leaf)[1..]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    };
    assert_eq!(text(0x4000_0000), b"PagurusVMM\0\0");
    assert_eq!(ask(0x4000_0000)[EAX], 0x4000_0010);
    assert_eq!(text(0x4000_0100), b"KVMKVMKVM\0\0\0");
    assert_eq!(ask(0x4000_0100)[EAX], 0x4000_0101);
    assert_eq!(ask(0x4000_0101), [1 << 1 | 1 << 3 | 1 << 24, 0, 0, 0]);
    // Whoever scans in steps of 0x100 finds nothing else.
    for base in (0x4000_0200..0x4001_0000).step_by(0x100) {
        assert_eq!(ask(base), [0; 4]);
    }
}

#[test]
fn without_a_clock_page_there_is_no_kvm() {
    let without = Environment {
        kvm_clock: false,
        invariant_tsc: false,
        ..environment(1)
    };
    let cpu = Cpu::new(&Profile::default(), &without, &qemu()).expect("a processor");
    assert_eq!(cpu.cpuid(0x4000_0100, 0, &State::default()), [0; 4]);
    assert_eq!(cpu.cpuid(0x4000_0101, 0, &State::default()), [0; 4]);
    assert_eq!(cpu.cpuid(0x8000_0007, 0, &State::default()), [0; 4]);
}

#[test]
fn bad_environments_are_refused() {
    let machine = qemu();
    let new = |profile: Profile, environment| Cpu::new(&profile, &environment, &machine).err();
    let good = environment(1);
    let stopped = Environment { tsc_khz: 0, ..good };
    assert_eq!(new(Profile::default(), stopped), Some(ProfileError::Clock));
    assert_eq!(
        new(Profile::default(), environment(0)),
        Some(ProfileError::Topology)
    );
    for bits in [35, 41] {
        let profile = Profile {
            physical_bits: Some(bits),
            ..Profile::default()
        };
        assert_eq!(new(profile, good), Some(ProfileError::PhysicalBits(bits)));
    }
    let profile = Profile {
        physical_bits: Some(36),
        ..Profile::default()
    };
    let cpu = Cpu::new(&profile, &good, &machine).expect("a processor");
    assert_eq!(cpu.physical_bits(), 36);
    assert_eq!(
        Cpu::new(&Profile::default(), &good, &Table::default()),
        Err(ProfileError::TooOld)
    );
}

proptest! {
    /// Whatever the machine says, nothing forbidden gets through, and what is offered is consistent.
    #[test]
    fn on_any_machine(
        words in prop::collection::vec(any::<u32>(), 64),
        highest in (0u32..0x30, 0u32..0x30),
        xcr0 in any::<u64>(),
        amd in any::<bool>(),
        leaf in any::<u32>(),
        subleaf in 0u32..70,
    ) {
        let mut machine = everything(if amd { AMD } else { INTEL });
        let mut words = words.into_iter().cycle();
        for (place, answer) in &mut machine.leaves {
            if place.0 & 0x7fff_ffff != 0 {
                answer.iter_mut().for_each(|word| *word = words.next().unwrap_or(0));
            }
        }
        for leaf in [1, 2, 0x8000_0001, 0x8000_0002, 0x8000_0021, 0x8000_0008] {
            let answer = core::array::from_fn(|_| words.next().unwrap_or(0));
            machine.leaves.insert((leaf, 0), answer);
        }
        let mut set = |leaf, value| {
            if let Some(answer) = machine.leaves.get_mut(&(leaf, 0)) {
                answer[0] = value;
            }
        };
        set(0, highest.0);
        set(0x8000_0000, 0x8000_0000 | highest.1);
        machine.xcr0 = xcr0;
        if let Ok(cpu) = Cpu::new(&Profile::default(), &environment(3), &machine) {
            check(&cpu, &machine);
            let state = running(&cpu, 2);
            cpu.cpuid(leaf, subleaf, &state);
            prop_assert_eq!(cpu.xcr0() & !xcr0, 0);
        }
    }
}
