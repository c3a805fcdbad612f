//! The machine's own processor.

/// What the machine says of its processor.
pub trait Machine {
    /// CPUID: eax, ebx, ecx, edx.
    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4];

    /// XCR0 as the kernel has set it: the state that it saves for guests. 0 without XSAVE.
    fn xcr0(&self) -> u64;
}

/// Who made the processor, or whose processors it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Intel and Zhaoxin.
    Intel,
    /// AMD and Hygon.
    Amd,
}

impl Vendor {
    /// From leaf 0. Unknown ones are taken for Intel's kind, which has fewer leaves.
    pub(crate) fn of(leaf_0: [u32; 4]) -> Vendor {
        let [_, ebx, ecx, edx] = leaf_0;
        let mut name = [0; 12];
        for (place, part) in name.chunks_exact_mut(4).zip([ebx, edx, ecx]) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        match &name {
            b"AuthenticAMD" | b"HygonGenuine" => Vendor::Amd,
            _ => Vendor::Intel,
        }
    }
}
