//! The virtual machine control block (APM volume 2, appendix B).

use core::mem::offset_of;
use pagurus_abi::vcpu::{Segment, segment};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The control block: what the processor stops the guest at, and the guest's state while it does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
#[allow(missing_docs)] // the names are the manual's
pub struct Vmcb {
    pub intercept_cr_reads: u16,
    pub intercept_cr_writes: u16,
    pub intercept_dr_reads: u16,
    pub intercept_dr_writes: u16,
    pub intercept_exceptions: u32,
    /// Bits of [`intercept3`].
    pub intercept3: u32,
    /// Bits of [`intercept4`].
    pub intercept4: u32,
    pub intercept5: u32,
    reserved_018: [u32; 9],
    pub pause_filter_threshold: u16,
    pub pause_filter_count: u16,
    pub iopm_base: u64,
    pub msrpm_base: u64,
    pub tsc_offset: u64,
    pub asid: u32,
    pub tlb_control: u32,
    /// Bits of [`vintr`].
    pub vintr: u64,
    pub interrupt_shadow: u64,
    pub exit_code: u64,
    pub exit_info1: u64,
    pub exit_info2: u64,
    pub exit_int_info: u64,
    pub nested_control: u64,
    reserved_098: [u64; 2],
    pub event_injection: u64,
    pub nested_cr3: u64,
    pub lbr_control: u64,
    pub clean: u64,
    pub next_rip: u64,
    pub fetched: u8,
    pub instruction: [u8; 15],
    reserved_0e0: [u64; 100],
    /// Segment and table registers, in the order of [`segment`].
    pub segments: [Segment; segment::COUNT],
    reserved_4a0: [u8; 43],
    pub cpl: u8,
    reserved_4cc: u32,
    pub efer: u64,
    reserved_4d8: [u64; 14],
    pub cr4: u64,
    pub cr3: u64,
    pub cr0: u64,
    pub dr7: u64,
    pub dr6: u64,
    pub rflags: u64,
    pub rip: u64,
    reserved_580: [u64; 11],
    pub rsp: u64,
    reserved_5e0: [u64; 3],
    pub rax: u64,
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub sfmask: u64,
    pub kernel_gs_base: u64,
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub cr2: u64,
    reserved_648: [u64; 4],
    pub guest_pat: u64,
    reserved_670: [u64; 306],
}

const _: () = {
    assert!(size_of::<Vmcb>() == 4096);
    assert!(offset_of!(Vmcb, intercept3) == 0x0c);
    assert!(offset_of!(Vmcb, iopm_base) == 0x40);
    assert!(offset_of!(Vmcb, asid) == 0x58);
    assert!(offset_of!(Vmcb, vintr) == 0x60);
    assert!(offset_of!(Vmcb, exit_code) == 0x70);
    assert!(offset_of!(Vmcb, nested_control) == 0x90);
    assert!(offset_of!(Vmcb, event_injection) == 0xa8);
    assert!(offset_of!(Vmcb, nested_cr3) == 0xb0);
    assert!(offset_of!(Vmcb, next_rip) == 0xc8);
    assert!(offset_of!(Vmcb, fetched) == 0xd0);
    assert!(offset_of!(Vmcb, segments) == 0x400);
    assert!(offset_of!(Vmcb, cpl) == 0x4cb);
    assert!(offset_of!(Vmcb, efer) == 0x4d0);
    assert!(offset_of!(Vmcb, cr4) == 0x548);
    assert!(offset_of!(Vmcb, cr0) == 0x558);
    assert!(offset_of!(Vmcb, rflags) == 0x570);
    assert!(offset_of!(Vmcb, rip) == 0x578);
    assert!(offset_of!(Vmcb, rsp) == 0x5d8);
    assert!(offset_of!(Vmcb, rax) == 0x5f8);
    assert!(offset_of!(Vmcb, star) == 0x600);
    assert!(offset_of!(Vmcb, cr2) == 0x640);
    assert!(offset_of!(Vmcb, guest_pat) == 0x668);
};

/// Bits of [`Vmcb::intercept3`].
#[allow(missing_docs)]
pub mod intercept3 {
    pub const INTR: u32 = 1;
    pub const NMI: u32 = 1 << 1;
    pub const SMI: u32 = 1 << 2;
    pub const INIT: u32 = 1 << 3;
    pub const VINTR: u32 = 1 << 4;
    pub const CR0_SELECTIVE: u32 = 1 << 5;
    pub const RDTSC: u32 = 1 << 14;
    pub const RDPMC: u32 = 1 << 15;
    pub const CPUID: u32 = 1 << 18;
    pub const INVD: u32 = 1 << 22;
    pub const PAUSE: u32 = 1 << 23;
    pub const HLT: u32 = 1 << 24;
    pub const INVLPG: u32 = 1 << 25;
    pub const INVLPGA: u32 = 1 << 26;
    pub const IOIO: u32 = 1 << 27;
    pub const MSR: u32 = 1 << 28;
    pub const TASK_SWITCH: u32 = 1 << 29;
    pub const SHUTDOWN: u32 = 1 << 31;
}

/// Bits of [`Vmcb::intercept4`].
#[allow(missing_docs)]
pub mod intercept4 {
    /// VMRUN, VMMCALL, VMLOAD, VMSAVE, STGI, CLGI, SKINIT.
    pub const SVM: u32 = 0x7f;
    pub const RDTSCP: u32 = 1 << 7;
    pub const WBINVD: u32 = 1 << 9;
    pub const MONITOR: u32 = 1 << 10;
    pub const MWAIT: u32 = 1 << 11;
    pub const MWAIT_ARMED: u32 = 1 << 12;
    pub const XSETBV: u32 = 1 << 13;
    pub const RDPRU: u32 = 1 << 14;
}

/// Bits of [`Vmcb::vintr`].
#[allow(missing_docs)]
pub mod vintr {
    pub const TPR: u64 = 0xff;
    pub const IRQ: u64 = 1 << 8;
    pub const IGNORE_TPR: u64 = 1 << 20;
    /// The guest's interrupt flag is its own; the host's decides about interrupts of the machine.
    pub const MASKING: u64 = 1 << 24;
}

/// Values of [`Vmcb::tlb_control`].
#[allow(missing_docs)]
pub mod tlb_control {
    pub const NOTHING: u32 = 0;
    pub const ALL: u32 = 1;
    /// Only with flush-by-ASID.
    pub const THIS_ASID: u32 = 3;
}

/// [`Vmcb::nested_control`]: nested paging.
pub const NESTED_PAGING: u64 = 1;
/// EFER: virtualisation is on. The processor enters no guest without it.
pub const EFER_SVME: u64 = 1 << 12;
