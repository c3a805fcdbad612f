//! What processor a virtual machine sees.
//!
//! A [`Profile`] declares which features of a processor a VM may have. Together with the [`Machine`] that it
//! runs on and with what the VMM provides ([`Environment`]) it becomes a [`Cpu`], which answers CPUID, says
//! which bits of control registers and XCR0 a guest may set, and which model-specific registers there are
//! ([`msr`]). Only what is listed in [`Feature`] is ever offered: virtualisation of its own (SVM, VMX), safer
//! mode, SGX, TSX, processor trace, performance counters, protection keys and shadow stacks are not.
//!
//! # What Linux makes of the clock
//!
//! CPUID has two interfaces for guests: the VMM's own at 0x4000_0000, and one that is compatible with KVM's
//! clock at 0x4000_0100. Linux looks for KVM's signature in steps of 0x100 (`hypervisor_cpuid_base`), so it
//! finds it there, and then
//!
//! - takes the frequency of the time stamp counter from the clock page ([`kvm_clock`]; features
//!   CLOCKSOURCE2 and CLOCKSOURCE_STABLE), sets `TSC_KNOWN_FREQ` and calibrates nothing against PIT, HPET or
//!   PM timer;
//! - uses `kvm-clock` (rating 299) until the invariant time stamp counter (rating 300) takes over, which is not
//!   watched by another clock since TSC_ADJUST is there too (`tsc_clocksource_reliable`);
//! - uses x2APIC without interrupt remapping (`x2apic_hyper_available`), which it does only for hypervisors
//!   that it knows, and the TSC deadline timer without calibration;
//! - leaves out the delays by port 0x80 (feature NOP_IO_DELAY), each of which would be an exit.
//!
//! Other systems find the frequencies in leaf 0x4000_0010 (FreeBSD, macOS) or, on Intel processors, in leaves
//! 0x15 and 0x16 (Linux without KVM's signature, Windows).
//!
//! References: SDM volume 2A (CPUID) and volume 4 (model-specific registers); APM volume 3, appendix E;
//! Linux `Documentation/virt/kvm/x86/cpuid.rst` and `msr.rst`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpu;
mod error;
mod feature;
pub mod kvm_clock;
mod leaf;
mod machine;
pub mod msr;
mod profile;
mod topology;

pub use cpu::{Cpu, Environment, State};
pub use error::ProfileError;
pub use feature::{Feature, FeatureSet, Register};
pub use machine::{Machine, Vendor};
pub use profile::{Level, Profile};
pub use topology::Topology;
