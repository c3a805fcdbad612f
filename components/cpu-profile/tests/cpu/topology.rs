//! Processors, cores, packages; caches.

use crate::machine::{AMD, INTEL, environment, everything, running};
use pagurus_cpu_profile::{Cpu, Environment, Profile, Topology};

fn arranged(vendor: &[u8; 12], packages: u8, cores: u8, threads: u8) -> Cpu {
    let topology = Topology {
        packages,
        cores,
        threads,
    };
    let environment = Environment {
        topology,
        ..environment(1)
    };
    Cpu::new(&Profile::default(), &environment, &everything(vendor)).expect("a processor")
}

/// Leaf 0xb as systems read it: shifts until a level of kind 0.
fn levels(cpu: &Cpu, leaf: u32, apic_id: u32) -> Vec<(u32, u32, u32)> {
    (0..)
        .map(|subleaf| cpu.cpuid(leaf, subleaf, &running(cpu, apic_id)))
        .inspect(|answer| assert_eq!(answer[3], apic_id))
        .map(|[shift, count, kind, _]| (shift, count, kind >> 8))
        .take_while(|(_, _, kind)| *kind != 0)
        .collect()
}

#[test]
fn intels_way() {
    let cpu = arranged(INTEL, 2, 3, 2);
    let last = cpu.topology().apic_id(11);
    assert_eq!(last, 13);
    assert_eq!(levels(&cpu, 0xb, last), [(1, 2, 1), (3, 6, 2)]);
    assert_eq!(levels(&cpu, 0x1f, last), levels(&cpu, 0xb, last));
    let leaf_1 = cpu.cpuid(1, 0, &running(&cpu, last));
    assert_eq!((leaf_1[1] >> 24, leaf_1[1] >> 16 & 0xff), (13, 6));
    assert_eq!(leaf_1[3] >> 28 & 1, 1);
    // Threads share the caches of their core, all of a package the last one; four core numbers.
    for (subleaf, sharing) in [(0, 1), (1, 1), (2, 1), (3, 7)] {
        let answer = cpu.cpuid(4, subleaf, &running(&cpu, 0));
        assert_eq!((answer[0] >> 14 & 0xfff, answer[0] >> 26), (sharing, 3));
        assert_eq!(answer[1..], [7, 63, 0]);
    }
    assert_eq!(cpu.cpuid(4, 4, &running(&cpu, 0)), [0; 4]);
    assert_eq!(cpu.cpuid(0x8000_001d, 0, &running(&cpu, 0)), [0; 4]);
    assert_eq!(cpu.cpuid(0x8000_001e, 0, &running(&cpu, 0)), [0; 4]);
}

#[test]
fn amds_way() {
    let cpu = arranged(AMD, 2, 4, 2);
    let last = cpu.topology().apic_id(15);
    assert_eq!(last, 15);
    let ask = |leaf, subleaf| cpu.cpuid(leaf, subleaf, &running(&cpu, last));
    assert_eq!(levels(&cpu, 0xb, last), [(1, 2, 1), (3, 8, 2)]);
    assert_eq!(ask(0x8000_0008, 0)[2], 7 | 3 << 12);
    assert_eq!(ask(0x8000_0001, 0)[2] >> 1 & 1, 1, "CMP_LEGACY");
    assert_eq!(ask(0x8000_0001, 0)[2] >> 22 & 1, 1, "TOPOEXT");
    // Core 3 of node 1, with two threads.
    assert_eq!(ask(0x8000_001e, 0), [15, 3 | 1 << 8, 1, 0]);
    for (subleaf, sharing) in [(0, 1), (2, 1), (3, 7)] {
        let eax = ask(0x8000_001d, subleaf)[0];
        assert_eq!((eax >> 14 & 0xfff, eax >> 26), (sharing, 0));
    }
    assert_eq!(ask(4, 0), [0; 4]);
    assert_eq!(ask(0x1f, 0), [0; 4], "beyond the highest leaf");
}

#[test]
fn one_processor_is_alone() {
    for vendor in [AMD, INTEL] {
        let cpu = arranged(vendor, 1, 1, 1);
        let state = running(&cpu, 0);
        assert_eq!(levels(&cpu, 0xb, 0), [(0, 1, 1), (0, 1, 2)]);
        assert_eq!(cpu.cpuid(1, 0, &state)[3] >> 28 & 1, 0);
        assert_eq!(cpu.cpuid(1, 0, &state)[1] >> 16, 0);
        assert_eq!(cpu.cpuid(0x8000_0008, 0, &state)[2], 0);
        assert_eq!(cpu.cpuid(4, 3, &state)[0] >> 14, 0);
    }
}
