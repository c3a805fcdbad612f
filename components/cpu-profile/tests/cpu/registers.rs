//! Model-specific registers.

use crate::machine::{AMD, INTEL, cpu, environment, everything, qemu};
use pagurus_cpu_profile::msr::{
    EFER, LINUX, Msrs, Read, Refused, Rule, TSC, TSC_ADJUST, Touched, Write, rule,
};
use pagurus_cpu_profile::{Cpu, Environment, Profile, kvm_clock};
use proptest::prelude::*;

#[test]
fn linux_finds_what_it_does_not_mind_missing() {
    for vendor in [INTEL, AMD] {
        let cpu = cpu(&everything(vendor));
        let msrs = Msrs::new();
        let (other, name) = match vendor {
            INTEL => (Touched::Amd, "Intel"),
            _ => (Touched::Intel, "AMD"),
        };
        for access in LINUX {
            let absent = matches!(access.touched, Touched::WithFeature(_));
            if access.touched == other || absent {
                continue;
            }
            for register in access.first..=access.last {
                let answered = match rule(register) {
                    // Without an exit.
                    Rule::Kernel => true,
                    _ => msrs.read(&cpu, register).is_ok(),
                };
                assert!(
                    answered || access.safe,
                    "{} ({register:#x}) on {name}",
                    access.name
                );
            }
        }
    }
}

#[test]
fn what_is_not_offered_is_not_there() {
    let cpu = cpu(&everything(INTEL));
    let mut msrs = Msrs::new();
    for access in LINUX {
        if matches!(access.touched, Touched::WithFeature(_)) {
            for register in access.first..=access.last {
                assert_eq!(msrs.read(&cpu, register), Err(Refused), "{}", access.name);
                assert_eq!(
                    msrs.write(&cpu, register, 0),
                    Err(Refused),
                    "{}",
                    access.name
                );
            }
        }
    }
    // VMX, SVM, SGX, processor trace, shadow stacks, microcode update, Hyper-V.
    for register in [
        0x480,
        0xc001_0114,
        0xc001_0117,
        0x8c,
        0x570,
        0x6a0,
        0x79,
        0x4000_0000,
    ] {
        assert_eq!(msrs.read(&cpu, register), Err(Refused), "{register:#x}");
        assert_eq!(msrs.write(&cpu, register, 1), Err(Refused), "{register:#x}");
    }
}

#[test]
fn the_list_is_in_order() {
    assert!(LINUX.windows(2).all(|pair| pair[0].last < pair[1].first));
    assert!(LINUX.iter().all(|access| access.first <= access.last));
}

#[test]
fn values_that_linux_looks_at() {
    let (intel, amd) = (cpu(&everything(INTEL)), cpu(&everything(AMD)));
    let msrs = Msrs::new();
    let value = |cpu: &Cpu, register| match msrs.read(cpu, register) {
        Ok(Read::Value(value)) => value,
        other => panic!("{register:#x}: {other:?}"),
    };
    assert_eq!(
        value(&intel, 0x1a0) & 1,
        1,
        "fast string operations, or ERMS is dropped"
    );
    assert_eq!(value(&intel, 0x3a), 1, "feature control locked, all off");
    assert_eq!(value(&intel, 0x8b), 1 << 32);
    assert_eq!(value(&amd, 0x8b), 0x0100_0065);
    assert_eq!(
        value(&amd, 0xc001_0015) >> 24 & 1,
        1,
        "TSC counts with P0, or a firmware bug"
    );
    assert_eq!(value(&amd, 0xc001_1029) >> 1 & 1, 1, "LFENCE serialises");
    assert_eq!(value(&amd, TSC_ADJUST), 0, "or a firmware bug");
    // Memory types: on, write-back where nothing else is said.
    assert_eq!(value(&amd, 0xfe), 0x508);
    assert_eq!(value(&amd, 0x2ff), 0xc06);
    assert_eq!(value(&amd, 0x26f), 0x0606_0606_0606_0606);
    assert_eq!(value(&amd, 0x201), 0);
}

#[test]
fn others_answer_for_some() {
    let cpu = cpu(&qemu());
    let mut msrs = Msrs::new();
    assert_eq!(msrs.read(&cpu, TSC), Ok(Read::Tsc));
    assert_eq!(msrs.write(&cpu, TSC, 5), Ok(Write::Tsc(5)));
    for register in [0x1b, 0x6e0, 0x802, 0x83f, 0x8ff] {
        assert_eq!(msrs.read(&cpu, register), Ok(Read::LocalApic));
        assert_eq!(msrs.write(&cpu, register, 1), Ok(Write::LocalApic));
    }
    assert_eq!(msrs.read(&cpu, EFER), Ok(Read::Efer));
    assert_eq!(msrs.write(&cpu, EFER, 0xd01), Ok(Write::Efer(0xd01)));
    assert_eq!(msrs.write(&cpu, EFER, 1 << 12), Err(Refused), "SVME");
    assert_eq!(rule(0xc000_0102), Rule::Kernel);
    assert_eq!(
        msrs.read(&cpu, 0xc000_0102),
        Err(Refused),
        "never asked for"
    );
}

#[test]
fn the_time_stamp_counter_is_adjusted_by_differences() {
    let cpu = cpu(&qemu());
    let mut msrs = Msrs::new();
    assert_eq!(msrs.write(&cpu, TSC_ADJUST, 100), Ok(Write::AdjustTsc(100)));
    assert_eq!(msrs.write(&cpu, TSC_ADJUST, 40), Ok(Write::AdjustTsc(-60)));
    msrs.tsc_moved(-50);
    assert_eq!(msrs.read(&cpu, TSC_ADJUST), Ok(Read::Value(-10i64 as u64)));
    assert_eq!(
        msrs.write(&cpu, TSC_ADJUST, u64::MAX),
        Ok(Write::AdjustTsc(9))
    );
}

#[test]
fn the_clock_is_there_if_the_vmm_keeps_it() {
    let cpu = cpu(&qemu());
    let mut msrs = Msrs::new();
    let page = kvm_clock::SYSTEM_TIME;
    assert_eq!(
        msrs.write(&cpu, page, 0x1001),
        Ok(Write::SystemTime(Some(0x1000)))
    );
    assert_eq!(msrs.read(&cpu, page), Ok(Read::Value(0x1001)));
    assert_eq!(msrs.write(&cpu, page, 0x1003), Err(Refused), "not aligned");
    assert_eq!(msrs.write(&cpu, page, 0x1000), Ok(Write::SystemTime(None)));
    let wall = kvm_clock::WALL_CLOCK;
    assert_eq!(msrs.write(&cpu, wall, 0x2000), Ok(Write::WallClock(0x2000)));
    let without = Environment {
        kvm_clock: false,
        ..environment(1)
    };
    let without = Cpu::new(&Profile::default(), &without, &qemu()).expect("a processor");
    for register in [page, wall] {
        assert_eq!(msrs.read(&without, register), Err(Refused));
        assert_eq!(msrs.write(&without, register, 0x1001), Err(Refused));
    }
}

#[test]
fn memory_types_are_kept_if_they_make_sense() {
    let cpu = cpu(&qemu());
    let mut msrs = Msrs::new();
    for (register, good) in [
        (0x200, 0x8000_0000),
        (0x201, 0xff_8000_0800),
        (0x2ff, 0xc00),
        (0x250, 0),
    ] {
        assert_eq!(msrs.write(&cpu, register, good), Ok(Write::Done));
        assert_eq!(msrs.read(&cpu, register), Ok(Read::Value(good)));
    }
    for (register, bad) in [
        (0xfe, 0x508),
        (0x200, 2),
        (0x200, 1 << 40),
        (0x201, 0x400),
        (0x2ff, 1 << 8 | 6),
        (0x2ff, 7),
        (0x26f, 3),
    ] {
        assert_eq!(
            msrs.write(&cpu, register, bad),
            Err(Refused),
            "{register:#x} {bad:#x}"
        );
    }
    assert_eq!(msrs.read(&cpu, 0x210), Err(Refused), "eight ranges");
}

#[test]
fn constants_stay_what_they_are() {
    let cpu = cpu(&qemu());
    let mut msrs = Msrs::new();
    // Linux writes 0 before it asks for the microcode's revision.
    assert_eq!(msrs.write(&cpu, 0x8b, 0), Ok(Write::Done));
    assert_eq!(msrs.read(&cpu, 0x8b), Ok(Read::Value(0x0100_0065)));
    assert_eq!(msrs.write(&cpu, 0x17, 0), Err(Refused));
    assert_eq!(msrs.write(&cpu, 0x1d9, 0b100), Err(Refused));
    assert_eq!(
        msrs.write(&cpu, 0xc001_0015, 1 << 24 | 1 << 6),
        Ok(Write::Done)
    );
    assert_eq!(
        msrs.read(&cpu, 0xc001_0015),
        Ok(Read::Value(1 << 24 | 1 << 6))
    );
}

proptest! {
    /// What is written is read back, or was refused and changed nothing.
    #[test]
    fn any_register(register in prop_oneof![any::<u32>(), 0u32..0x900, 0xc000_0000u32..0xc001_2000], value in any::<u64>()) {
        let cpu = cpu(&qemu());
        let mut msrs = Msrs::new();
        let before = msrs.clone();
        match msrs.write(&cpu, register, value) {
            Err(Refused) => prop_assert_eq!(msrs, before),
            Ok(Write::Done) => {
                let kept = msrs.read(&cpu, register) == Ok(Read::Value(value));
                let constant = matches!(rule(register), Rule::Constant(_) | Rule::ByVendor { .. });
                prop_assert!(kept || constant);
            }
            Ok(_) => {}
        }
    }
}
