//! What the processor can do, and the control registers that turn it on.
#![allow(unsafe_code)] // control registers and model-specific registers

use crate::xstate::{self, Component};
use bitflags::bitflags;
use core::fmt;
use pagurus_paging::PAT;
use spin::Once;
use x86::controlregs::{self, Cr0, Cr4, Xcr0};
use x86::cpuid::CpuId;
use x86::msr;

bitflags! {
    /// Features of the processor that the kernel uses where they exist.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Features: u32 {
        /// Pages that cannot be executed. Required.
        const NX = 1 << 0;
        /// SYSCALL and SYSRET. Required.
        const SYSCALL = 1 << 1;
        /// FXSAVE. Required.
        const FXSAVE = 1 << 2;
        /// A local APIC. Required.
        const APIC = 1 << 3;
        /// Translations that survive a change of the page tables. Required.
        const GLOBAL_PAGES = 1 << 4;
        /// Memory types by page. Required.
        const PAT = 1 << 5;
        /// No execution of user pages in kernel mode.
        const SMEP = 1 << 6;
        /// No access to user pages in kernel mode.
        const SMAP = 1 << 7;
        /// No SGDT, SIDT, SLDT, SMSW and STR in user mode.
        const UMIP = 1 << 8;
        /// RDFSBASE and its like in user mode.
        const FSGSBASE = 1 << 9;
        /// XSAVE.
        const XSAVE = 1 << 10;
        /// XSAVEOPT.
        const XSAVEOPT = 1 << 11;
        /// Local APIC by model-specific registers, with 32-bit identifiers.
        const X2APIC = 1 << 12;
        /// Local APIC timer by absolute time.
        const TSC_DEADLINE = 1 << 13;
        /// The time stamp counter runs at one rate in all power states.
        const INVARIANT_TSC = 1 << 14;
        /// Pages of 1 GiB.
        const PAGES_1G = 1 << 15;
        /// Process-context identifiers.
        const PCID = 1 << 16;
        /// Machine-check exceptions.
        const MACHINE_CHECK = 1 << 17;
    }
}

impl Features {
    /// Without these the kernel does not start.
    pub const REQUIRED: Features = Features::NX
        .union(Features::SYSCALL)
        .union(Features::FXSAVE)
        .union(Features::APIC)
        .union(Features::GLOBAL_PAGES)
        .union(Features::PAT);
}

/// The processor as the kernel uses it: equal on all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Its features.
    pub features: Features,
    /// State that threads may use, or 0 without XSAVE.
    pub xcr0: u64,
    /// Bytes of the area that saves this state; at most [`xstate::LIMIT`].
    pub fpu_bytes: usize,
    /// Bits of a physical address.
    pub physical_bits: u8,
}

/// Features that the kernel needs and the processor lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub Features);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this processor lacks what the kernel needs:")?;
        for (name, _) in self.0.iter_names() {
            write!(f, " {name}")?;
        }
        f.write_str(
            "; enable it in the firmware set-up or choose another CPU model of the emulator",
        )
    }
}

static PROCESSOR: Once<Processor> = Once::new();

/// The processor's features, found by [`init`]. Nothing before.
pub fn processor() -> Processor {
    PROCESSOR.get().copied().unwrap_or_default()
}

/// XCR0 as the kernel and threads have it, 0 without XSAVE.
#[inline(always)]
pub fn host_xcr0() -> u64 {
    PROCESSOR.get().map_or(0, |processor| processor.xcr0)
}

/// Whether the processor has all of `features`.
pub fn has(features: Features) -> bool {
    processor().features.contains(features)
}

/// Detects the boot processor's features and turns them on.
///
/// # Errors
/// Required features that are missing; nothing has been changed then.
pub fn init() -> Result<Processor, Missing> {
    let found = detect();
    check(found.features, Features::REQUIRED)?;
    enable(&found);
    Ok(*PROCESSOR.call_once(|| found))
}

/// Turns the boot processor's features on in another processor.
///
/// # Errors
/// Features of the boot processor that this one lacks.
pub fn init_secondary() -> Result<(), Missing> {
    let wanted = processor();
    check(detect().features, wanted.features)?;
    enable(&wanted);
    Ok(())
}

fn check(found: Features, wanted: Features) -> Result<(), Missing> {
    let missing = wanted.difference(found);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Missing(missing))
    }
}

fn detect() -> Processor {
    let id = CpuId::new();
    let mut found = Features::empty();
    if let Some(info) = id.get_feature_info() {
        found.set(Features::FXSAVE, info.has_fxsave_fxstor());
        found.set(Features::APIC, info.has_apic());
        found.set(Features::GLOBAL_PAGES, info.has_pge());
        found.set(Features::PAT, info.has_pat());
        found.set(Features::XSAVE, info.has_xsave());
        found.set(Features::X2APIC, info.has_x2apic());
        found.set(Features::TSC_DEADLINE, info.has_tsc_deadline());
        found.set(Features::PCID, info.has_pcid());
        found.set(Features::MACHINE_CHECK, info.has_mce());
    }
    if let Some(info) = id.get_extended_feature_info() {
        found.set(Features::SMEP, info.has_smep());
        found.set(Features::SMAP, info.has_smap());
        found.set(Features::UMIP, info.has_umip());
        found.set(Features::FSGSBASE, info.has_fsgsbase());
    }
    if let Some(info) = id.get_extended_processor_and_feature_identifiers() {
        found.set(Features::NX, info.has_execute_disable());
        found.set(Features::SYSCALL, info.has_syscall_sysret());
        found.set(Features::PAGES_1G, info.has_1gib_pages());
    }
    if let Some(info) = id.get_advanced_power_mgmt_info() {
        found.set(Features::INVARIANT_TSC, info.has_invariant_tsc());
    }
    let (xcr0, fpu_bytes) = extended_state(&id, &mut found);
    Processor {
        features: found,
        xcr0,
        fpu_bytes,
        physical_bits: id
            .get_processor_capacity_feature_info()
            .map_or(36, |info| info.physical_address_bits()),
    }
}

fn extended_state(id: &CpuId, found: &mut Features) -> (u64, usize) {
    let info = id
        .get_extended_state_info()
        .filter(|_| found.contains(Features::XSAVE));
    let Some(info) = info else {
        found.remove(Features::XSAVE);
        return (0, xstate::FXSAVE);
    };
    found.set(Features::XSAVEOPT, info.has_xsaveopt());
    let components = info
        .iter()
        .filter(|state| state.is_in_xcr0())
        .map(|state| Component {
            bit: state.subleaf,
            offset: state.offset(),
            size: state.size(),
        });
    let choice = xstate::choose(components, xstate::LIMIT);
    (choice.xcr0, choice.bytes)
}

fn enable(processor: &Processor) {
    let has = |feature| processor.features.contains(feature);
    // Written whole rather than changed: an application processor comes with caches off, and the boot
    // processor with whatever the loader wanted.
    let cr0 = Cr0::CR0_PROTECTED_MODE
        | Cr0::CR0_MONITOR_COPROCESSOR
        | Cr0::CR0_EXTENSION_TYPE
        | Cr0::CR0_NUMERIC_ERROR
        | Cr0::CR0_WRITE_PROTECT
        | Cr0::CR0_ENABLE_PAGING;
    let mut cr4 = Cr4::CR4_ENABLE_PAE
        | Cr4::CR4_ENABLE_GLOBAL_PAGES
        | Cr4::CR4_ENABLE_SSE
        | Cr4::CR4_UNMASKED_SSE;
    for (feature, flag) in [
        (Features::MACHINE_CHECK, Cr4::CR4_ENABLE_MACHINE_CHECK),
        (Features::SMEP, Cr4::CR4_ENABLE_SMEP),
        (Features::SMAP, Cr4::CR4_ENABLE_SMAP),
        (Features::UMIP, Cr4::CR4_ENABLE_UMIP),
        (Features::FSGSBASE, Cr4::CR4_ENABLE_FSGSBASE),
        (Features::XSAVE, Cr4::CR4_ENABLE_OS_XSAVE),
    ] {
        cr4.set(flag, has(feature));
    }
    // SAFETY: the features are there as CPUID says, so no reserved bit is written. Paging, PAE and long mode
    // stay on; the kernel's pages are not user pages, so SMEP and SMAP do not concern them; its read-only
    // pages are not written. EFER keeps long mode and gets what the features promise.
    unsafe {
        let efer = msr::rdmsr(msr::IA32_EFER);
        msr::wrmsr(msr::IA32_EFER, efer | EFER_SCE | EFER_NXE);
        controlregs::cr0_write(cr0);
        controlregs::cr4_write(cr4);
        msr::wrmsr(msr::IA32_PAT, PAT);
        if has(Features::XSAVE) {
            controlregs::xcr0_write(Xcr0::from_bits_truncate(processor.xcr0));
        }
    }
}

/// EFER: SYSCALL enable.
const EFER_SCE: u64 = 1 << 0;
/// EFER: no-execute enable.
const EFER_NXE: u64 = 1 << 11;

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_missing_is_named() {
        let error = check(
            Features::REQUIRED - Features::NX - Features::PAT,
            Features::REQUIRED,
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(" NX") && text.contains(" PAT"), "{text}");
        assert!(!text.contains("SYSCALL"), "{text}");
        assert_eq!(check(Features::all(), Features::REQUIRED), Ok(()));
    }

    /// Runs on whatever x86-64 processor the tests run on: all of them have what the kernel requires.
    #[test]
    fn the_processor_of_the_tests_has_what_is_required() {
        let found = detect();
        assert_eq!(check(found.features, Features::REQUIRED), Ok(()));
        assert!(found.fpu_bytes >= xstate::FXSAVE && found.fpu_bytes <= xstate::LIMIT);
        assert!((36..=52).contains(&found.physical_bits));
    }
}
