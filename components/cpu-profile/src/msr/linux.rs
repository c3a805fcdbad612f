//! The registers that Linux 6.1 touches while it boots, and what it finds.
//!
//! From its sources (`arch/x86`), and from its own trace of accesses (`trace_event=msr:*`, which begins after the
//! earliest ones) under QEMU as a Skylake server, an EPYC Rome and an AMD processor of family 15. Where it reads
//! without minding a fault (`rdmsrl_safe`) refusing is an answer; where it does not, a register that is refused
//! would leave a warning in its log.

use super::{EFER, TSC, TSC_ADJUST, TSC_AUX};
use crate::kvm_clock::{SYSTEM_TIME, WALL_CLOCK};

/// When Linux touches a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// On every processor.
    Always,
    /// On Intel's kind.
    Intel,
    /// On AMD's kind.
    Amd,
    /// Never as things are: only if a feature that is not offered were there.
    WithFeature(&'static str),
}

/// A register that Linux touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinuxAccess {
    /// First register.
    pub first: u32,
    /// Last register.
    pub last: u32,
    /// Linux's name for it.
    pub name: &'static str,
    /// When.
    pub touched: Touched,
    /// True if Linux expects that the register may be missing.
    pub safe: bool,
}

const fn one(register: u32, name: &'static str, touched: Touched, safe: bool) -> LinuxAccess {
    range(register, register, name, touched, safe)
}

const fn range(
    first: u32,
    last: u32,
    name: &'static str,
    touched: Touched,
    safe: bool,
) -> LinuxAccess {
    LinuxAccess {
        first,
        last,
        name,
        touched,
        safe,
    }
}

use Touched::{Always, Amd, Intel, WithFeature};

/// All of them, in ascending order.
pub const LINUX: &[LinuxAccess] = &[
    one(TSC, "IA32_TSC", Always, false),
    one(0x17, "IA32_PLATFORM_ID", Intel, false),
    one(0x1b, "IA32_APICBASE", Always, false),
    one(0x34, "SMI_COUNT", Intel, true),
    one(0x3a, "IA32_FEAT_CTL", Intel, true),
    one(TSC_ADJUST, "IA32_TSC_ADJUST", Always, false),
    range(
        0x48,
        0x49,
        "IA32_SPEC_CTRL, IA32_PRED_CMD",
        WithFeature("spec_ctrl, ibpb"),
        false,
    ),
    one(0x4e, "PPIN_CTL", Intel, true),
    one(0x8b, "IA32_UCODE_REV, AMD64_PATCH_LEVEL", Always, false),
    range(0xc1, 0xc8, "IA32_PERFCTR0", Intel, true),
    one(0xce, "PLATFORM_INFO", Intel, true),
    range(
        0xe7,
        0xe8,
        "IA32_MPERF, IA32_APERF",
        WithFeature("aperfmperf"),
        false,
    ),
    one(0xfe, "MTRRcap", Always, false),
    one(
        0x10a,
        "IA32_ARCH_CAPABILITIES",
        WithFeature("arch_capabilities"),
        false,
    ),
    one(0x140, "MISC_FEATURES_ENABLES", Intel, true),
    range(0x174, 0x176, "IA32_SYSENTER_CS, _ESP, _EIP", Always, false),
    range(
        0x179,
        0x17b,
        "IA32_MCG_CAP, _STATUS, _CTL",
        WithFeature("mce, mca"),
        false,
    ),
    range(0x186, 0x18d, "P6_EVNTSEL0", Intel, true),
    range(
        0x19b,
        0x19c,
        "IA32_THERM_INTERRUPT, _STATUS",
        WithFeature("acpi"),
        false,
    ),
    one(0x1a0, "IA32_MISC_ENABLE", Intel, false),
    one(0x1b0, "IA32_ENERGY_PERF_BIAS", WithFeature("epb"), false),
    one(0x1d9, "IA32_DEBUGCTLMSR", Always, false),
    range(0x200, 0x20f, "MTRRphysBase, MTRRphysMask", Always, false),
    one(0x250, "MTRRfix64K", Always, false),
    range(0x258, 0x259, "MTRRfix16K", Always, false),
    range(0x268, 0x26f, "MTRRfix4K", Always, false),
    one(0x277, "IA32_CR_PAT", Always, false),
    one(0x2ff, "MTRRdefType", Always, false),
    range(
        0x38d,
        0x390,
        "CORE_PERF_FIXED_CTR_CTRL",
        WithFeature("arch_perfmon"),
        false,
    ),
    range(0x400, 0x47f, "IA32_MC0_CTL", WithFeature("mce, mca"), false),
    one(0x606, "RAPL_POWER_UNIT", Intel, true),
    one(0x64e, "PPERF", Intel, true),
    one(0x6e0, "IA32_TSC_DEADLINE", Always, false),
    range(0x800, 0x83f, "APIC_BASE_MSR", Always, false),
    one(0xda0, "IA32_XSS", WithFeature("xsaves"), false),
    one(WALL_CLOCK, "KVM_WALL_CLOCK_NEW", Always, false),
    one(SYSTEM_TIME, "KVM_SYSTEM_TIME_NEW", Always, false),
    one(EFER, "EFER", Always, false),
    range(
        0xc000_0081,
        0xc000_0084,
        "STAR, LSTAR, CSTAR, SYSCALL_MASK",
        Always,
        false,
    ),
    range(
        0xc000_0100,
        0xc000_0102,
        "FS_BASE, GS_BASE, KERNEL_GS_BASE",
        Always,
        false,
    ),
    one(TSC_AUX, "TSC_AUX", WithFeature("rdtscp"), false),
    range(
        0xc001_0000,
        0xc001_0007,
        "K7_EVNTSEL0, K7_PERFCTR0",
        Amd,
        true,
    ),
    one(0xc001_0010, "AMD64_SYSCFG", Amd, true),
    one(0xc001_0015, "K7_HWCR", Amd, false),
    one(0xc001_001f, "AMD64_NB_CFG", Amd, false),
    one(0xc001_0055, "K8_INT_PENDING_MSG", Amd, false),
    one(0xc001_0058, "FAM10H_MMIO_CONF_BASE", Amd, false),
    one(0xc001_0112, "K8_TSEG_ADDR", Amd, true),
    range(
        0xc001_0140,
        0xc001_0141,
        "AMD64_OSVW_ID_LENGTH, _STATUS",
        WithFeature("osvw"),
        false,
    ),
    range(
        0xc001_0200,
        0xc001_020b,
        "F15H_PERF_CTL",
        WithFeature("perfctr_core"),
        false,
    ),
    one(0xc001_1020, "AMD64_LS_CFG", Amd, true),
    one(0xc001_1021, "AMD64_IC_CFG", Amd, true),
    one(0xc001_1022, "AMD64_DC_CFG", Amd, true),
    one(0xc001_1023, "AMD64_BU_CFG", Amd, true),
    one(0xc001_1029, "AMD64_DE_CFG", Always, true),
    one(0xc001_102a, "AMD64_BU_CFG2", Amd, true),
];
