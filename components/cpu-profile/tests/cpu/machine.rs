//! Machines.

use pagurus_cpu_profile::{Cpu, Environment, Machine, Profile, State, Topology};
use std::collections::BTreeMap;

/// A machine with answers for some leaves.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub leaves: BTreeMap<(u32, u32), [u32; 4]>,
    /// The answer for leaves that are not in the table.
    pub other: u32,
    pub xcr0: u64,
}

impl Machine for Table {
    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let answer = self.leaves.get(&(leaf, subleaf));
        answer.copied().unwrap_or([self.other; 4])
    }

    fn xcr0(&self) -> u64 {
        self.xcr0
    }
}

pub const AMD: &[u8; 12] = b"AuthenticAMD";
pub const INTEL: &[u8; 12] = b"GenuineIntel";

fn name(vendor: &[u8; 12]) -> [u32; 3] {
    // ebx, edx, ecx make up the name.
    let word = |at: usize| u32::from_le_bytes(*vendor[at..].first_chunk().expect("4 bytes"));
    [word(0), word(8), word(4)]
}

/// A machine that has everything, every bit of it.
pub fn everything(vendor: &[u8; 12]) -> Table {
    let [ebx, ecx, edx] = name(vendor);
    let mut leaves = BTreeMap::from([
        ((0, 0), [0x20, ebx, ecx, edx]),
        ((7, 0), [2, u32::MAX, u32::MAX, u32::MAX]),
        ((0xd, 2), [256, 576, 0, 0]),
        ((0xd, 5), [64, 1088, 0, 0]),
        ((0xd, 6), [512, 1152, 2, 0]),
        ((0xd, 7), [1024, 1664, 2, 0]),
        ((0x8000_0000, 0), [0x8000_0028, ebx, ecx, edx]),
        (
            (0x8000_0008, 0),
            [48 | 57 << 8, u32::MAX, u32::MAX, u32::MAX],
        ),
    ]);
    // Two first-level caches, a second and a third.
    for leaf in [4, 0x8000_001d] {
        for (subleaf, kind, level) in [(0, 1, 1), (1, 2, 1), (2, 3, 2), (3, 3, 3)] {
            leaves.insert((leaf, subleaf), [kind | level << 5 | 0xffff_c000, 7, 63, 0]);
        }
        leaves.insert((leaf, 4), [0; 4]);
    }
    Table {
        leaves,
        other: u32::MAX,
        xcr0: 0xe7,
    }
}

/// QEMU's emulated processor (TCG, `-cpu max`, version 7.2), in what matters.
pub fn qemu() -> Table {
    let [ebx, ecx, edx] = name(AMD);
    Table {
        leaves: BTreeMap::from([
            ((0, 0), [0xd, ebx, ecx, edx]),
            ((1, 0), [0x0006_0fb1, 0x0000_0800, 0xfeda_3203, 0x078b_fbff]),
            ((7, 0), [0, 0x219c_47ab, 0x0041_0204, 0]),
            ((0xd, 0), [0x207, 0x340, 0x340, 0]),
            ((0xd, 1), [5, 0, 0, 0]),
            ((0xd, 2), [0x100, 0x240, 0, 0]),
            ((0x8000_0000, 0), [0x8000_000a, ebx, ecx, edx]),
            ((0x8000_0001, 0), [0x0006_0fb1, 0, 0x0000_0075, 0xefd3_fbff]),
            ((0x8000_0008, 0), [0x3028, 0, 0, 0]),
        ]),
        other: 0,
        xcr0: 7,
    }
}

/// What a VMM with everything provides to `cores` processors.
pub fn environment(cores: u8) -> Environment {
    Environment {
        topology: Topology::cores(cores),
        tsc_khz: 2_300_000,
        apic_timer_khz: 1_000_000,
        invariant_tsc: true,
        kvm_clock: true,
        tsc_aux: false,
    }
}

pub fn cpu(machine: &Table) -> Cpu {
    Cpu::new(&Profile::default(), &environment(1), machine).expect("a processor")
}

/// A processor in 64-bit mode, with all state enabled that there is.
pub fn running(cpu: &Cpu, apic_id: u32) -> State {
    State {
        apic_id,
        cr4: 1 << 18,
        xcr0: cpu.xcr0(),
    }
}
