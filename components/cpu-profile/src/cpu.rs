//! A declared processor on a given machine.

use crate::error::ProfileError;
use crate::feature::{Feature, FeatureSet};
use crate::leaf::cache::Caches;
use crate::leaf::state::ExtendedState;
use crate::leaf::{Leaves, hypervisor};
use crate::machine::{Machine, Vendor};
use crate::profile::Profile;
use crate::topology::Topology;

/// What the VMM and the kernel provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// How the processors are arranged.
    pub topology: Topology,
    /// Frequency of the guest's time stamp counter in kHz.
    pub tsc_khz: u32,
    /// Frequency at which the local APIC's timer counts with divider 1, in kHz.
    pub apic_timer_khz: u32,
    /// True if the time stamp counter never changes its speed or stops.
    pub invariant_tsc: bool,
    /// True if the VMM keeps clock pages for guests ([`crate::kvm_clock`]).
    pub kvm_clock: bool,
    /// True if the kernel switches the TSC_AUX register, without which there is no RDTSCP.
    pub tsc_aux: bool,
}

/// What CPUID depends on beside leaf and subleaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// ID of the local APIC.
    pub apic_id: u32,
    /// Control register 4.
    pub cr4: u64,
    /// Extended control register 0.
    pub xcr0: u64,
}

/// A processor as a VM's guests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    vendor: Vendor,
    features: FeatureSet,
    physical_bits: u8,
    environment: Environment,
    leaves: Leaves,
}

/// CR4.OSXSAVE.
const CR4_OSXSAVE: u64 = 1 << 18;
/// Bits of physical addresses if nothing is said.
const PHYSICAL_BITS: u8 = 40;
/// The least that processors have.
const LEAST_PHYSICAL_BITS: u8 = 36;

/// Components of extended state.
pub(crate) const XCR0_LEGACY: u64 = 0b11;
pub(crate) const XCR0_AVX: u64 = 1 << 2;
pub(crate) const XCR0_AVX512: u64 = 0b111 << 5;

impl Cpu {
    /// The processor that `profile` declares, on this machine.
    ///
    /// # Errors
    /// [`ProfileError`] names what the machine lacks.
    pub fn new(
        profile: &Profile,
        environment: &Environment,
        machine: &impl Machine,
    ) -> Result<Cpu, ProfileError> {
        environment.topology.check()?;
        if environment.tsc_khz == 0 || environment.apic_timer_khz == 0 {
            return Err(ProfileError::Clock);
        }
        let features = profile.select(available(environment, machine))?;
        let has = machine_physical_bits(machine);
        let physical_bits = profile.physical_bits.unwrap_or(PHYSICAL_BITS.min(has));
        if !(LEAST_PHYSICAL_BITS..=has.min(52)).contains(&physical_bits) {
            return Err(ProfileError::PhysicalBits(physical_bits));
        }
        let vendor = Vendor::of(machine.cpuid(0, 0));
        Ok(Cpu {
            vendor,
            features,
            physical_bits,
            environment: *environment,
            leaves: Leaves {
                plain: crate::leaf::plain(vendor, features, physical_bits, environment, machine),
                caches: Caches::new(vendor, environment.topology, machine),
                state: ExtendedState::new(features, machine),
            },
        })
    }

    /// What CPUID answers: eax, ebx, ecx, edx. Leaves that do not exist are 0.
    pub fn cpuid(&self, leaf: u32, subleaf: u32, state: &State) -> [u32; 4] {
        let topology = self.environment.topology;
        let plain = self.leaves.plain.get(leaf);
        match leaf {
            1 => {
                let [eax, ebx, ecx, edx] = plain;
                let open = self.features.contains(Feature::Xsave) && state.cr4 & CR4_OSXSAVE != 0;
                let ecx = ecx | u32::from(open) << 27;
                [eax, ebx | state.apic_id << 24, ecx, edx]
            }
            4 => self.leaves.caches.deterministic(subleaf),
            7 => self.leaves.plain.structured(subleaf),
            0xb => crate::leaf::topology(topology, subleaf, state.apic_id),
            0x1f if self.leaves.plain.reaches(0x1f) => {
                crate::leaf::topology(topology, subleaf, state.apic_id)
            }
            0xd => self.leaves.state.leaf(subleaf, state.xcr0),
            0x4000_0000..=0x4fff_ffff => hypervisor::leaf(leaf, &self.environment),
            0x8000_001d if self.leaves.plain.reaches(leaf) => self.leaves.caches.amd(subleaf),
            0x8000_001e if self.leaves.plain.has_topology_extensions() => {
                crate::leaf::amd_processor(topology, state.apic_id)
            }
            _ => plain,
        }
    }

    /// Who made the processor.
    pub const fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// The features that it has.
    pub const fn features(&self) -> FeatureSet {
        self.features
    }

    /// How the processors are arranged.
    pub const fn topology(&self) -> Topology {
        self.environment.topology
    }

    /// What the VMM provides.
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Bits of physical addresses.
    pub const fn physical_bits(&self) -> u8 {
        self.physical_bits
    }

    /// Bits of XCR0 that a guest may set.
    pub const fn xcr0(&self) -> u64 {
        self.leaves.state.xcr0()
    }

    /// Whether a guest may write this to XCR0; else XSETBV raises #GP(0) (SDM volume 1, section 13.3).
    pub const fn xcr0_is_valid(&self, value: u64) -> bool {
        let avx = value & XCR0_AVX != 0;
        let avx512 = value & XCR0_AVX512;
        value & !self.xcr0() == 0
            && value & 1 != 0
            && (!avx || value & XCR0_LEGACY == XCR0_LEGACY)
            && (avx512 == 0 || (avx512 == XCR0_AVX512 && avx))
    }

    /// Bits of CR4 that a guest may set; a write of others raises #GP(0).
    pub fn cr4(&self) -> u64 {
        // TSD and PCE have no feature bits.
        1 << 2
            | 1 << 8
            | self.if_has(Feature::Vme, 0b11)
            | self.if_has(Feature::De, 1 << 3)
            | self.if_has(Feature::Pse, 1 << 4)
            | self.if_has(Feature::Pae, 1 << 5)
            | self.if_has(Feature::Pge, 1 << 7)
            | self.if_has(Feature::Fxsr, 1 << 9)
            | self.if_has(Feature::Sse, 1 << 10)
            | self.if_has(Feature::Umip, 1 << 11)
            | self.if_has(Feature::Fsgsbase, 1 << 16)
            | self.if_has(Feature::Xsave, CR4_OSXSAVE)
            | self.if_has(Feature::Smep, 1 << 20)
            | self.if_has(Feature::Smap, 1 << 21)
    }

    /// Bits of EFER that a guest may set, LMA included, which follows from LME and paging.
    pub fn efer(&self) -> u64 {
        self.if_has(Feature::Syscall, 1)
            | self.if_has(Feature::Lm, 1 << 8 | 1 << 10)
            | self.if_has(Feature::Nx, 1 << 11)
            | self.if_has(Feature::FxsrOpt, 1 << 14)
    }

    fn if_has(&self, feature: Feature, bits: u64) -> u64 {
        if self.features.contains(feature) {
            bits
        } else {
            0
        }
    }
}

/// The features of the machine that can be given to guests.
fn available(environment: &Environment, machine: &impl Machine) -> FeatureSet {
    let highest = |first: u32| machine.cpuid(first, 0)[0];
    let (basic, extended) = (highest(0), highest(0x8000_0000));
    let structured = machine.cpuid(7, 0)[0];
    let xcr0 = machine.xcr0();
    let there = |feature: &Feature| {
        let (leaf, subleaf, register, bit) = feature.bit();
        let reached = match leaf {
            0x8000_0000.. => leaf <= extended,
            7 => leaf <= basic && subleaf <= structured,
            _ => leaf <= basic,
        };
        let kept = match feature {
            // State that the kernel does not save for guests.
            Feature::Xsave => xcr0 & XCR0_LEGACY == XCR0_LEGACY,
            Feature::Avx => xcr0 & XCR0_AVX != 0,
            Feature::Avx512f => xcr0 & XCR0_AVX512 == XCR0_AVX512,
            Feature::Rdtscp => environment.tsc_aux,
            _ => true,
        };
        let value = || machine.cpuid(leaf, subleaf)[register as usize];
        reached && kept && value() >> bit & 1 != 0
    };
    let all = Feature::ALL.iter().copied();
    all.filter(there).collect()
}

/// Bits of physical addresses of the machine.
fn machine_physical_bits(machine: &impl Machine) -> u8 {
    if machine.cpuid(0x8000_0000, 0)[0] < 0x8000_0008 {
        return LEAST_PHYSICAL_BITS;
    }
    machine.cpuid(0x8000_0008, 0)[0] as u8
}
