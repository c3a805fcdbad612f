//! Caches, and which processors share them: leaf 4 of Intel's kind, leaf 0x8000_001d of AMD's. Both look the
//! same.

use crate::machine::{Machine, Vendor};
use crate::topology::Topology;

/// Caches that are told of: four is usual.
const MOST: usize = 8;
/// Leaf 4, eax: kind of cache in bits 0 to 4 (0: no more), level in bits 5 to 7.
const KIND: u32 = 0x1f;
/// From this level on caches are shared by a package, below by the threads of a core.
const SHARED_LEVEL: u32 = 3;

/// What is told of caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    intel: [[u32; 4]; MOST],
    amd: [[u32; 4]; MOST],
}

impl Caches {
    /// Those of the machine, shared as the processors of the VM are arranged.
    pub fn new(vendor: Vendor, topology: Topology, machine: &impl Machine) -> Caches {
        let mut caches = Caches::default();
        let (leaf, list, cores) = match vendor {
            Vendor::Intel => (4, &mut caches.intel, core_bits(topology) << 26),
            Vendor::Amd => (0x8000_001d, &mut caches.amd, 0),
        };
        if machine.cpuid(leaf & 0x8000_0000, 0)[0] < leaf {
            return caches;
        }
        for (subleaf, place) in (0..).zip(list) {
            let [eax, ebx, ecx, edx] = machine.cpuid(leaf, subleaf);
            if eax & KIND == 0 {
                break;
            }
            let shared = if eax >> 5 & 7 >= SHARED_LEVEL {
                (1 << topology.package_shift()) - 1
            } else {
                (1 << topology.thread_bits()) - 1
            };
            // Sharing in bits 14 to 25; 26 to 31 are Intel's cores of the package.
            *place = [eax & 0x3fff | shared << 14 | cores, ebx, ecx, edx];
        }
        caches
    }

    /// Leaf 4.
    pub fn deterministic(&self, subleaf: u32) -> [u32; 4] {
        self.intel
            .get(subleaf as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Leaf 0x8000_001d.
    pub fn amd(&self, subleaf: u32) -> [u32; 4] {
        self.amd.get(subleaf as usize).copied().unwrap_or_default()
    }
}

/// The highest number of a core, in the six bits that there are.
fn core_bits(topology: Topology) -> u32 {
    let bits = topology.package_shift() - topology.thread_bits();
    ((1u32 << bits) - 1).min(0x3f)
}
