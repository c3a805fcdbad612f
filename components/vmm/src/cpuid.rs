//! What CPUID tells the guest: what the machine has, less what a guest must not see.

use pagurus_abi::vcpu::Control;

/// The machine's CPUID.
pub type Host = fn(leaf: u32, subleaf: u32) -> [u32; 4];

const CR4_OSXSAVE: u64 = 1 << 18;
const OSXSAVE: u32 = 1 << 27;
const X2APIC: u32 = 1 << 21;
const TSC_DEADLINE: u32 = 1 << 24;
const HYPERVISOR: u32 = 1 << 31;
/// Leaf 1, ecx: SSE3, PCLMULQDQ, SSSE3, FMA, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND.
const LEAF_1_ECX: u32 = 1
    | 1 << 1
    | 1 << 9
    | 1 << 12
    | 1 << 13
    | 1 << 19
    | 1 << 20
    | 1 << 22
    | 1 << 23
    | 1 << 25
    | 1 << 26
    | 1 << 28
    | 1 << 29
    | 1 << 30;
/// Leaf 1, edx: without machine checks, memory type ranges, debug store, thermal control, hyper-threading.
const LEAF_1_EDX: u32 = 0x07ff_ffff & !(1 << 7 | 1 << 12 | 1 << 14 | 1 << 18 | 1 << 21 | 1 << 22);
/// Leaf 7, ebx: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
const LEAF_7_EBX: u32 = 1
    | 1 << 3
    | 1 << 5
    | 1 << 7
    | 1 << 8
    | 1 << 9
    | 1 << 18
    | 1 << 19
    | 1 << 20
    | 1 << 23
    | 1 << 24
    | 1 << 29;
/// Leaf 0x8000_0001, ecx: LAHF, ABM, SSE4A, MISALIGNSSE, PREFETCHW.
const EXTENDED_ECX: u32 = 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8;
/// Leaf 0x8000_0001, edx: what leaf 1 has there too, SYSCALL, NX, MMXEXT, FXSR, 1 GiB pages, long mode.
const EXTENDED_EDX: u32 =
    0x0183_f3ff & LEAF_1_EDX | 1 << 11 | 1 << 20 | 1 << 22 | 1 << 25 | 1 << 26 | 1 << 29;
/// State that guests may have XSAVE keep: x87, SSE, AVX.
const XCR0: u64 = 7;
/// Bits of physical and of linear addresses.
const ADDRESS_BITS: u32 = super::processor::PHYSICAL_BITS as u32 | 48 << 8;

/// CPUID of one processor.
#[derive(Clone, Copy, Debug)]
pub struct Identification {
    host: Host,
    apic_id: u32,
}

impl Identification {
    /// Processor with this APIC identifier on a machine with this CPUID.
    pub const fn new(host: Host, apic_id: u32) -> Identification {
        Identification { host, apic_id }
    }

    /// The bits of XCR0 that the guest may set.
    pub fn xcr0(&self) -> u64 {
        let [eax, _, _, edx] = (self.host)(0xd, 0);
        (u64::from(eax) | u64::from(edx) << 32) & XCR0
    }

    /// The answer: eax, ebx, ecx, edx.
    pub fn answer(&self, leaf: u32, subleaf: u32, control: &Control) -> [u32; 4] {
        let host = |subleaf| (self.host)(leaf, subleaf);
        match leaf {
            0 => {
                let [highest, ebx, ecx, edx] = host(0);
                [highest.min(0xd), ebx, ecx, edx]
            }
            1 => {
                let [eax, ebx, ecx, edx] = host(0);
                let mut ecx = ecx & LEAF_1_ECX | X2APIC | TSC_DEADLINE | HYPERVISOR;
                if control.cr4 & CR4_OSXSAVE != 0 {
                    ecx |= OSXSAVE;
                }
                [
                    eax,
                    self.apic_id << 24 | 1 << 16 | ebx & 0xff00,
                    ecx,
                    edx & LEAF_1_EDX,
                ]
            }
            // The local APIC's timer runs in every power state.
            6 => [4, 0, 0, 0],
            7 if subleaf == 0 => [0, host(0)[1] & LEAF_7_EBX, 0, 0],
            0xb => [0, 1, subleaf & 0xff, self.apic_id],
            0xd => self.extended_state(subleaf, control),
            0x8000_0000 => {
                let [highest, ebx, ecx, edx] = host(0);
                [highest.min(0x8000_0008), ebx, ecx, edx]
            }
            0x8000_0001 => {
                let [eax, ebx, ecx, edx] = host(0);
                [eax, ebx, ecx & EXTENDED_ECX, edx & EXTENDED_EDX]
            }
            0x8000_0002..=0x8000_0006 => host(0),
            // The time stamp counter is invariant.
            0x8000_0007 => [0, 0, 0, 1 << 8],
            0x8000_0008 => [ADDRESS_BITS, 0, 0, 0],
            _ => [0; 4],
        }
    }

    fn extended_state(&self, subleaf: u32, control: &Control) -> [u32; 4] {
        let component = |n: u32| (self.host)(0xd, n);
        let size_of = |mask: u64| {
            (2..64u32)
                .filter(|n| mask >> n & 1 != 0)
                .map(&component)
                .map(|[size, offset, _, _]| size + offset)
                .fold(576, u32::max)
        };
        let xcr0 = self.xcr0();
        match subleaf {
            0 => [xcr0 as u32, size_of(control.xcr0 & xcr0), size_of(xcr0), 0],
            // XSAVEOPT, and nothing that needs IA32_XSS.
            1 => [component(1)[0] & 1, 0, 0, 0],
            n if n < 64 && xcr0 >> n & 1 != 0 => component(n),
            _ => [0; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with everything.
    fn full(leaf: u32, subleaf: u32) -> [u32; 4] {
        match (leaf, subleaf) {
            (0, _) => [0x20, 1, 2, 3],
            (0xd, 2) => [256, 576, 0, 0],
            (0xd, 5) => [64, 832, 0, 0],
            _ => [u32::MAX; 4],
        }
    }

    #[test]
    fn what_a_guest_must_not_see() {
        let id = Identification::new(full, 3);
        let control = Control::default();
        let [_, ebx, ecx, edx] = id.answer(1, 0, &control);
        assert_eq!(ebx >> 24, 3);
        for (name, bit) in [
            ("VMX", 5),
            ("SMX", 6),
            ("MONITOR", 3),
            ("PCID", 17),
            ("OSXSAVE", 27),
        ] {
            assert_eq!(ecx >> bit & 1, 0, "{name}");
        }
        assert_eq!(edx >> 7 & 1 | edx >> 14 & 1, 0, "machine checks");
        let [_, _, ecx, edx] = id.answer(0x8000_0001, 0, &control);
        assert_eq!(ecx >> 2 & 1, 0, "SVM");
        assert_eq!(edx >> 27 & 1, 0, "RDTSCP, whose register is the host's");
        let open = Control {
            cr4: CR4_OSXSAVE,
            ..control
        };
        assert_eq!(id.answer(1, 0, &open)[2] >> 27 & 1, 1);
        assert_eq!(id.answer(0, 0, &control)[0], 0xd);
        assert_eq!(id.answer(0x4000_0000, 0, &control), [0; 4]);
    }

    #[test]
    fn extended_state_is_what_the_guest_may_use() {
        let id = Identification::new(full, 0);
        let control = Control {
            xcr0: 3,
            ..Control::default()
        };
        assert_eq!(id.xcr0(), 7);
        assert_eq!(id.answer(0xd, 0, &control), [7, 576, 832, 0]);
        assert_eq!(id.answer(0xd, 2, &control), [256, 576, 0, 0]);
        assert_eq!(id.answer(0xd, 5, &control), [0; 4]);
    }
}
