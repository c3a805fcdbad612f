//! Groups of guest state, to and from the control block.

use super::vmcb::{EFER_SVME, NESTED_PAGING, Vmcb, intercept3, intercept4, vintr};
use crate::sanitise;
use pagurus_abi::vcpu::{
    Control, Debug, Intercepts, Interrupts, Segment, System, intercept, segment,
};

/// Instructions at which every guest is stopped.
const ALWAYS3: u32 = intercept3::INTR
    | intercept3::NMI
    | intercept3::SMI
    | intercept3::INIT
    | intercept3::CPUID
    | intercept3::HLT
    | intercept3::INVLPGA
    | intercept3::IOIO
    | intercept3::MSR
    | intercept3::TASK_SWITCH
    | intercept3::SHUTDOWN;
const ALWAYS4: u32 = intercept4::SVM
    | intercept4::MONITOR
    | intercept4::MWAIT
    | intercept4::MWAIT_ARMED
    | intercept4::XSETBV
    | intercept4::RDPRU;
/// The machine-check exception: the kernel's.
const MACHINE_CHECK: u32 = 1 << 18;
/// EFER bits that a guest may have: SCE, LME, LMA, NXE, FFXSR, TCE.
const EFER_GUEST: u64 = 1 | 1 << 8 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15;
/// Accesses to the debug registers: all of them.
const ALL_DEBUG: u16 = 0xffff;
/// The page attribute table after reset.
const PAT_RESET: u64 = 0x0007_0406_0007_0406;

impl Vmcb {
    /// Makes fresh memory the control block of a processor after reset (APM volume 2, 14.1.3), with permission maps at
    /// these physical addresses, each bit of which stops the guest.
    pub fn reset(&mut self, iopm: u64, msrpm: u64) {
        self.iopm_base = iopm;
        self.msrpm_base = msrpm;
        self.nested_control = NESTED_PAGING;
        self.vintr = vintr::MASKING;
        self.stop_at_debug_registers(true);
        self.set_intercepts(Intercepts::default());
        let data = Segment {
            selector: 0,
            attributes: 0x93,
            limit: 0xffff,
            base: 0,
        };
        let mut segments = [data; segment::COUNT];
        segments[segment::CS] = Segment {
            selector: 0xf000,
            attributes: 0x9b,
            base: 0xffff_0000,
            ..data
        };
        segments[segment::LDTR].attributes = 0x82;
        segments[segment::TR].attributes = 0x8b;
        for table in [segment::GDTR, segment::IDTR] {
            segments[table].attributes = 0;
        }
        self.set_segments(&segments);
        self.set_control(&Control {
            cr0: 0x6000_0010,
            ..Control::default()
        });
        self.set_debug(&Debug {
            dr6: 0xffff_0ff0,
            dr7: 0x400,
            ..Debug::default()
        });
        self.set_system(&System {
            pat: PAT_RESET,
            ..System::default()
        });
        self.rip = 0xfff0;
        self.rflags = 2;
    }

    /// The control registers but XCR0, which is not in the block.
    pub fn control(&self) -> Control {
        Control {
            cr0: self.cr0,
            cr2: self.cr2,
            cr3: self.cr3,
            cr4: self.cr4,
            cr8: self.vintr & 0xf,
            efer: self.efer & !EFER_SVME,
            xcr0: 0,
        }
    }

    /// Sets the control registers but XCR0.
    pub fn set_control(&mut self, c: &Control) {
        self.cr0 = c.cr0;
        self.cr2 = c.cr2;
        self.cr3 = c.cr3;
        self.cr4 = c.cr4;
        self.vintr = self.vintr & !vintr::TPR | c.cr8 & 0xf;
        self.efer = c.efer & EFER_GUEST | EFER_SVME;
    }

    /// Sets the segment and table registers. The privilege level is that of SS (APM volume 2, 15.5.1).
    pub fn set_segments(&mut self, segments: &[Segment; segment::COUNT]) {
        self.segments = *segments;
        self.cpl = (segments[segment::SS].attributes >> 5 & 3) as u8;
    }

    /// The registers of system calls and their like.
    pub fn system(&self) -> System {
        System {
            star: self.star,
            lstar: self.lstar,
            cstar: self.cstar,
            sfmask: self.sfmask,
            kernel_gs_base: self.kernel_gs_base,
            sysenter_cs: self.sysenter_cs,
            sysenter_esp: self.sysenter_esp,
            sysenter_eip: self.sysenter_eip,
            pat: self.guest_pat,
            tsc_offset: self.tsc_offset,
        }
    }

    /// Sets them. A page attribute table with types that do not exist is left as it was.
    pub fn set_system(&mut self, s: &System) {
        self.star = s.star;
        self.lstar = s.lstar;
        self.cstar = s.cstar;
        self.sfmask = s.sfmask;
        self.kernel_gs_base = s.kernel_gs_base;
        self.sysenter_cs = s.sysenter_cs;
        self.sysenter_esp = s.sysenter_esp;
        self.sysenter_eip = s.sysenter_eip;
        self.tsc_offset = s.tsc_offset;
        if sanitise::is_pat(s.pat) {
            self.guest_pat = s.pat;
        }
    }

    /// DR6 and DR7.
    pub fn debug(&self) -> Debug {
        Debug {
            dr: [0; 4],
            dr6: self.dr6,
            dr7: self.dr7,
        }
    }

    /// Sets DR6 and DR7; their upper halves must be zero.
    pub fn set_debug(&mut self, d: &Debug) {
        self.dr6 = d.dr6 & 0xffff_ffff;
        self.dr7 = d.dr7 & 0xffff_ffff;
    }

    /// What keeps interrupts away. The machine does not tell of non-maskable ones.
    pub fn interrupts(&self) -> Interrupts {
        Interrupts {
            shadow: self.interrupt_shadow & 1,
        }
    }

    /// Sets the interrupt shadow.
    pub fn set_interrupts(&mut self, i: &Interrupts) {
        self.interrupt_shadow = i.shadow & 1;
    }

    /// What the guest is stopped at beside what it always is.
    pub fn set_intercepts(&mut self, i: Intercepts) {
        let asked = |bit: u32, intercept: u32| {
            if i.instructions & bit != 0 {
                intercept
            } else {
                0
            }
        };
        self.intercept_exceptions = i.exceptions | MACHINE_CHECK;
        let window = self.intercept3 & intercept3::VINTR;
        self.intercept3 = ALWAYS3
            | window
            | asked(intercept::CR0, intercept3::CR0_SELECTIVE)
            | asked(intercept::PAUSE, intercept3::PAUSE)
            | asked(intercept::INVLPG, intercept3::INVLPG)
            | asked(intercept::RDTSC, intercept3::RDTSC)
            | asked(intercept::RDPMC, intercept3::RDPMC)
            | asked(intercept::WBINVD, intercept3::INVD);
        self.intercept4 = ALWAYS4
            | asked(intercept::RDTSC, intercept4::RDTSCP)
            | asked(intercept::WBINVD, intercept4::WBINVD);
        self.intercept_cr_writes =
            (asked(intercept::CR3, 1 << 3) | asked(intercept::CR4, 1 << 4)) as u16;
    }

    /// Whether accesses to debug registers stop the guest.
    pub fn stop_at_debug_registers(&mut self, stop: bool) {
        let mask = if stop { ALL_DEBUG } else { 0 };
        self.intercept_dr_reads = mask;
        self.intercept_dr_writes = mask;
    }

    /// Asks for an exit when the guest can take an interrupt, or no more: a virtual interrupt that is intercepted before it
    /// is delivered (APM volume 2, 15.21.4).
    pub fn set_window(&mut self, wanted: bool) {
        const REQUEST: u64 = vintr::IRQ | vintr::IGNORE_TPR;
        if wanted {
            self.vintr |= REQUEST;
            self.intercept3 |= intercept3::VINTR;
        } else {
            self.vintr &= !REQUEST;
            self.intercept3 &= !intercept3::VINTR;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::FromBytes;

    fn fresh() -> Vmcb {
        let mut block = Vmcb::read_from_bytes(&[0; 4096]).unwrap();
        block.reset(0x1000, 0x4000);
        block
    }

    #[test]
    fn what_was_set_is_read_back() {
        let mut block = fresh();
        let control = Control {
            cr0: 0x8005_0033,
            cr2: 2,
            cr3: 3,
            cr4: 0x620,
            cr8: 9,
            efer: 0xd01,
            xcr0: 0,
        };
        block.set_control(&control);
        assert_eq!(block.control(), control);
        let system = System {
            star: 1,
            lstar: 2,
            cstar: 3,
            sfmask: 4,
            kernel_gs_base: 5,
            sysenter_cs: 6,
            sysenter_esp: 7,
            sysenter_eip: 8,
            pat: 0x0606_0606_0606_0606,
            tsc_offset: 10,
        };
        block.set_system(&system);
        assert_eq!(block.system(), system);
        block.set_system(&System { pat: 2, ..system });
        assert_eq!(block.guest_pat, system.pat, "no such memory type");
        assert_eq!(block.vintr & vintr::MASKING, vintr::MASKING);
    }

    #[test]
    fn the_window_comes_and_goes_and_intercepts_leave_it_alone() {
        let mut block = fresh();
        let before = block;
        block.set_window(true);
        block.set_intercepts(Intercepts {
            exceptions: 1 << 14,
            instructions: intercept::ALL,
        });
        assert!(block.intercept3 & intercept3::VINTR != 0 && block.vintr & vintr::IRQ != 0);
        block.set_intercepts(Intercepts::default());
        block.set_window(false);
        assert_eq!(block, before);
    }

    proptest! {
        /// Nothing that a VMM writes takes away what protects the host.
        #[test]
        fn the_host_keeps_its_intercepts(
            control in prop::array::uniform7(any::<u64>()),
            system in prop::array::uniform10(any::<u64>()),
            exceptions: u32, instructions: u32, shadow: u64, dr6: u64, dr7: u64, window: bool,
            segments in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u32>(), any::<u64>()), segment::COUNT),
        ) {
            let mut block = fresh();
            let [cr0, cr2, cr3, cr4, cr8, efer, xcr0] = control;
            block.set_control(&Control { cr0, cr2, cr3, cr4, cr8, efer, xcr0 });
            let [star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, pat, tsc_offset] = system;
            block.set_system(&System {
                star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, pat, tsc_offset,
            });
            block.set_intercepts(Intercepts { exceptions, instructions });
            block.set_interrupts(&Interrupts { shadow });
            block.set_debug(&Debug { dr: [0; 4], dr6, dr7 });
            block.set_window(window);
            let segments: [Segment; segment::COUNT] = core::array::from_fn(|n| {
                let (selector, attributes, limit, base) = segments[n];
                Segment { selector, attributes, limit, base }
            });
            block.set_segments(&segments);
            prop_assert_eq!(block.intercept3 & ALWAYS3, ALWAYS3);
            prop_assert_eq!(block.intercept4 & ALWAYS4, ALWAYS4);
            prop_assert!(block.intercept_exceptions & MACHINE_CHECK != 0);
            prop_assert!(block.vintr & vintr::MASKING != 0);
            prop_assert_eq!(block.vintr >> 32, 0);
            prop_assert!(block.efer & EFER_SVME != 0);
            prop_assert_eq!((block.iopm_base, block.msrpm_base, block.nested_control), (0x1000, 0x4000, NESTED_PAGING));
            prop_assert!(block.cpl <= 3);
        }
    }
}
