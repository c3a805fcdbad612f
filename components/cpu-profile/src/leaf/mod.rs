//! The leaves of CPUID.

pub mod cache;
pub mod hypervisor;
mod plain;
pub mod state;

pub use plain::{Plain, plain};

use crate::topology::Topology;
use cache::Caches;
use state::ExtendedState;

/// All leaves, worked out once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves {
    /// Those that depend on nothing but the leaf, or nearly so.
    pub plain: Plain,
    /// Leaves 4 and 0x8000_001d.
    pub caches: Caches,
    /// Leaf 0xd.
    pub state: ExtendedState,
}

/// Leaves 0xb and 0x1f: threads, then cores.
pub fn topology(topology: Topology, subleaf: u32, apic_id: u32) -> [u32; 4] {
    const THREAD: u32 = 1 << 8;
    const CORE: u32 = 2 << 8;
    let level = subleaf & 0xff;
    let [eax, ebx, kind] = match subleaf {
        0 => [topology.thread_bits(), topology.threads.into(), THREAD],
        1 => [topology.package_shift(), topology.per_package(), CORE],
        _ => [0; 3],
    };
    [eax, ebx, kind | level, apic_id]
}

/// Leaf 0x8000_001e: where a processor is.
pub fn amd_processor(topology: Topology, apic_id: u32) -> [u32; 4] {
    let within = apic_id & ((1 << topology.package_shift()) - 1);
    let core = within >> topology.thread_bits();
    let package = apic_id >> topology.package_shift();
    let threads = u32::from(topology.threads) - 1;
    [apic_id, core | threads << 8, package & 0xff, 0]
}
