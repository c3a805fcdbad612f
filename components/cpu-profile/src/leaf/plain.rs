//! Leaves that depend on the leaf only.

use crate::cpu::Environment;
use crate::feature::{FeatureSet, Register};
use crate::machine::{Machine, Vendor};

/// Answers for the lowest basic leaves.
const BASIC: usize = 0x20;
/// Answers for the lowest extended leaves.
const EXTENDED: usize = 0x22;
const FIRST_EXTENDED: u32 = 0x8000_0000;

/// Highest leaves: of Intel's kind with frequencies and both topologies, of AMD's with frequencies.
const HIGHEST_INTEL: u32 = 0x1f;
const HIGHEST_AMD: u32 = 0x16;
const LEAST_EXTENDED: u32 = 0x8000_0008;
const HIGHEST_EXTENDED: u32 = 0x8000_0021;
const TOPOLOGY_EXTENSIONS: u32 = 0x8000_001e;

/// What the VMM emulates, whatever the machine has.
mod ours {
    /// Leaf 1, ecx: x2APIC, TSC deadline, hypervisor.
    pub const ECX_1: u32 = 1 << 21 | 1 << 24 | 1 << 31;
    /// Leaf 1, edx: APIC, MTRR.
    pub const EDX_1: u32 = 1 << 9 | 1 << 12;
    /// Leaf 1, edx: more than one processor in a package.
    pub const HTT: u32 = 1 << 28;
    /// Leaf 6, eax: the APIC timer runs in every power state.
    pub const ARAT: u32 = 1 << 2;
    /// Leaf 7, ebx: TSC_ADJUST.
    pub const TSC_ADJUST: u32 = 1 << 1;
    /// Leaf 0x8000_0001, ecx: leaf 1's processor count means cores.
    pub const CMP_LEGACY: u32 = 1 << 1;
    /// Leaf 0x8000_0001, ecx: leaves 0x8000_001d and 0x8000_001e.
    pub const TOPOEXT: u32 = 1 << 22;
    /// Leaf 0x8000_0007, edx.
    pub const INVARIANT_TSC: u32 = 1 << 8;
}

/// Leaf 7, ebx: how the x87 unit behaves, which is no feature to be hidden (FDP_EXCPTN_ONLY, ZERO_FCS_FDS).
const X87_BEHAVIOUR: u32 = 1 << 6 | 1 << 13;
/// Leaf 1, ebx: bytes that CLFLUSH flushes, in units of 8.
const CLFLUSH_SIZE: u32 = 0xff00;
/// What leaf 0x8000_0001 of AMD repeats of leaf 1's edx.
const REPEATED: u32 = 0x0183_f3ff;
/// Bits of linear addresses.
const LINEAR_BITS: u32 = 48;

/// Answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    basic: [[u32; 4]; BASIC],
    extended: [[u32; 4]; EXTENDED],
    /// Leaf 7, subleaf 1.
    structured_1: [u32; 4],
}

impl Plain {
    /// The answer; 0 beyond the highest leaf.
    pub fn get(&self, leaf: u32) -> [u32; 4] {
        let (leaves, index): (&[_], u32) = if leaf >= FIRST_EXTENDED {
            (&self.extended, leaf - FIRST_EXTENDED)
        } else {
            (&self.basic, leaf)
        };
        leaves.get(index as usize).copied().unwrap_or_default()
    }

    /// Leaf 7.
    pub fn structured(&self, subleaf: u32) -> [u32; 4] {
        match subleaf {
            0 => self.get(7),
            1 => self.structured_1,
            _ => [0; 4],
        }
    }

    /// Whether there is such a leaf.
    pub fn reaches(&self, leaf: u32) -> bool {
        leaf <= self.get(leaf & FIRST_EXTENDED)[0]
    }

    /// Whether leaf 0x8000_001e is there.
    pub fn has_topology_extensions(&self) -> bool {
        self.get(0x8000_0001)[Register::Ecx as usize] & ours::TOPOEXT != 0
    }

    fn set(&mut self, leaf: u32, answer: [u32; 4]) {
        let (leaves, index): (&mut [_], u32) = if leaf >= FIRST_EXTENDED {
            (&mut self.extended, leaf - FIRST_EXTENDED)
        } else {
            (&mut self.basic, leaf)
        };
        if let Some(place) = leaves.get_mut(index as usize) {
            *place = answer;
        }
    }
}

/// The bits that features have in a leaf.
fn bits(features: FeatureSet, leaf: u32, subleaf: u32) -> [u32; 4] {
    let mut answer = [0; 4];
    for feature in features.iter() {
        let (of, sub, register, bit) = feature.bit();
        if (of, sub) == (leaf, subleaf) {
            answer[register as usize] |= 1 << bit;
        }
    }
    answer
}

/// Works all answers out.
pub fn plain(
    vendor: Vendor,
    features: FeatureSet,
    physical_bits: u8,
    environment: &Environment,
    machine: &impl Machine,
) -> Plain {
    let mut plain = Plain {
        basic: [[0; 4]; BASIC],
        extended: [[0; 4]; EXTENDED],
        structured_1: bits(features, 7, 1),
    };
    let amd = vendor == Vendor::Amd;
    let count = environment.topology.per_package();

    let [_, name_0, name_1, name_2] = machine.cpuid(0, 0);
    let highest = if amd { HIGHEST_AMD } else { HIGHEST_INTEL };
    plain.set(0, [highest, name_0, name_1, name_2]);

    let [signature, host, _, _] = machine.cpuid(1, 0);
    let [_, _, ecx, edx] = bits(features, 1, 0);
    let (mut edx_1, mut many) = (edx | ours::EDX_1, 0);
    if count > 1 {
        edx_1 |= ours::HTT;
        many = count << 16;
    }
    let ebx = host & CLFLUSH_SIZE | many;
    plain.set(1, [signature, ebx, ecx | ours::ECX_1, edx_1]);
    if !amd {
        // Descriptors of caches.
        plain.set(2, machine.cpuid(2, 0));
    }
    plain.set(6, [ours::ARAT, 0, 0, 0]);
    let [_, ebx, ecx, edx] = bits(features, 7, 0);
    let behaviour = machine.cpuid(7, 0)[Register::Ebx as usize] & X87_BEHAVIOUR;
    let subleaves = u32::from(plain.structured_1 != [0; 4]);
    plain.set(7, [subleaves, ebx | ours::TSC_ADJUST | behaviour, ecx, edx]);
    clock(&mut plain, environment);

    let host_highest = machine.cpuid(FIRST_EXTENDED, 0)[0];
    let highest = host_highest.clamp(LEAST_EXTENDED, HIGHEST_EXTENDED);
    let [_, name_0, name_1, name_2] = machine.cpuid(FIRST_EXTENDED, 0);
    plain.set(FIRST_EXTENDED, [highest, name_0, name_1, name_2]);
    let [signature, package, _, _] = machine.cpuid(0x8000_0001, 0);
    let [_, _, mut ecx, mut edx] = bits(features, 0x8000_0001, 0);
    if amd {
        edx |= edx_1 & REPEATED;
        if count > 1 {
            ecx |= ours::CMP_LEGACY;
        }
        if host_highest >= TOPOLOGY_EXTENSIONS {
            ecx |= ours::TOPOEXT;
        }
    }
    plain.set(0x8000_0001, [signature, package, ecx, edx]);
    // Name, and on AMD caches.
    for leaf in 0x8000_0002..=0x8000_0006 {
        if leaf <= host_highest {
            plain.set(leaf, machine.cpuid(leaf, 0));
        }
    }
    if environment.invariant_tsc {
        plain.set(0x8000_0007, [0, 0, 0, ours::INVARIANT_TSC]);
    }
    let addresses = u32::from(physical_bits) | LINEAR_BITS << 8;
    let [_, ebx, _, _] = bits(features, 0x8000_0008, 0);
    let cores = if amd && count > 1 {
        (count - 1) | environment.topology.package_shift() << 12
    } else {
        0
    };
    plain.set(0x8000_0008, [addresses, ebx, cores, 0]);
    if amd {
        // Translation caches of 1 GiB pages, width of the vector units.
        for leaf in [0x8000_0019, 0x8000_001a] {
            if leaf <= host_highest {
                plain.set(leaf, machine.cpuid(leaf, 0));
            }
        }
    }
    let [eax, _, _, _] = bits(features, 0x8000_0021, 0);
    plain.set(0x8000_0021, [eax, 0, 0, 0]);
    plain
}

/// Leaves 0x15 and 0x16: the time stamp counter as a multiple of the clock that the APIC timer counts.
fn clock(plain: &mut Plain, environment: &Environment) {
    let (tsc, timer) = (environment.tsc_khz, environment.apic_timer_khz);
    let divisor = greatest_common_divisor(tsc, timer);
    let hertz = timer.saturating_mul(1000);
    plain.set(0x15, [timer / divisor, tsc / divisor, hertz, 0]);
    plain.set(0x16, [tsc / 1000, tsc / 1000, timer / 1000, 0]);
}

/// Of two numbers that are not 0.
fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
