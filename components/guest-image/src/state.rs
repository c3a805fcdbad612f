//! The first vCPU as the guest finds it.

/// Registers of the first vCPU. Whatever is not named here is as after a reset, but for debug registers and
/// model-specific registers, which are 0 or what the CPU profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InitialState {
    /// General registers in the order of their numbers: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
    pub general: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags: only the bit that is always 1.
    pub rflags: u64,
    /// Control register 0.
    pub cr0: u64,
    /// Control register 3.
    pub cr3: u64,
    /// Control register 4.
    pub cr4: u64,
    /// Extended feature enable register.
    pub efer: u64,
    /// Code segment.
    pub cs: Segment,
    /// The segments ds, es, fs, gs and ss: all the same.
    pub data: Segment,
    /// Task register.
    pub tr: Segment,
    /// Local descriptor table register.
    pub ldtr: Segment,
    /// Global descriptor table.
    pub gdtr: DescriptorTable,
    /// Interrupt descriptor table: none.
    pub idtr: DescriptorTable,
}

/// A segment register with its hidden part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Selector.
    pub selector: u16,
    /// First linear address.
    pub base: u64,
    /// Last offset, in bytes.
    pub limit: u32,
    /// Type, bits 0 to 3 of the descriptor's access byte.
    pub kind: u8,
    /// True for code and data, false for system segments.
    pub code_or_data: bool,
    /// Privilege level.
    pub privilege: u8,
    /// False for a segment that must not be used.
    pub present: bool,
    /// 64-bit code.
    pub long: bool,
    /// 32-bit code or data.
    pub default_32: bool,
    /// The limit counts in pages.
    pub granularity: bool,
}

/// Address and limit of a descriptor table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorTable {
    /// Linear address.
    pub base: u64,
    /// Last offset, in bytes.
    pub limit: u16,
}

impl Segment {
    /// Code from 0 to 4 GiB; of 64 bits or of 32.
    pub const fn code(selector: u16, long: bool) -> Segment {
        Segment {
            // Code, readable, accessed.
            kind: 0xb,
            long,
            default_32: !long,
            ..Segment::data(selector)
        }
    }

    /// Data from 0 to 4 GiB.
    pub const fn data(selector: u16) -> Segment {
        Segment {
            selector,
            base: 0,
            limit: u32::MAX,
            // Data, writable, accessed.
            kind: 3,
            code_or_data: true,
            privilege: 0,
            present: true,
            long: false,
            default_32: true,
            granularity: true,
        }
    }

    /// A task state segment at 0, which processors demand and nobody uses.
    pub const fn task() -> Segment {
        Segment {
            limit: 0x67,
            // 32-bit or 64-bit TSS, busy.
            kind: 0xb,
            code_or_data: false,
            default_32: false,
            granularity: false,
            ..Segment::data(0)
        }
    }

    /// No segment.
    pub const fn unusable() -> Segment {
        Segment {
            limit: 0xffff,
            kind: 2,
            code_or_data: false,
            present: false,
            default_32: false,
            granularity: false,
            ..Segment::data(0)
        }
    }

    /// The attributes as a VMCB has them (APM volume 2, appendix B): the descriptor's bits 40 to 47 and 52 to
    /// 55 side by side.
    pub const fn vmcb_attributes(&self) -> u16 {
        self.low_attributes()
            | (self.long as u16) << 9
            | (self.default_32 as u16) << 10
            | (self.granularity as u16) << 11
    }

    /// The attributes as a VMCS has them (SDM volume 3C, section 25.4.1).
    pub const fn vmcs_attributes(&self) -> u32 {
        self.low_attributes() as u32
            | (self.long as u32) << 13
            | (self.default_32 as u32) << 14
            | (self.granularity as u32) << 15
            | (!self.present as u32) << 16
    }

    const fn low_attributes(&self) -> u16 {
        self.kind as u16
            | (self.code_or_data as u16) << 4
            | (self.privilege as u16) << 5
            | (self.present as u16) << 7
    }

    /// The descriptor in a table (SDM volume 3A, section 3.4.5).
    pub const fn descriptor(&self) -> u64 {
        let limit = if self.granularity {
            self.limit >> 12
        } else {
            self.limit
        } as u64;
        let attributes = self.vmcb_attributes() as u64;
        (limit & 0xffff)
            | (self.base & 0xff_ffff) << 16
            | (attributes & 0xff) << 40
            | (limit >> 16 & 0xf) << 48
            | (attributes >> 8) << 52
            | (self.base >> 24 & 0xff) << 56
    }
}

/// CR0.PE and CR0.ET.
const CR0_PROTECTED: u64 = 1 << 0 | 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
/// EFER.LME and EFER.LMA.
const EFER_LONG: u64 = 1 << 8 | 1 << 10;
/// The bit of RFLAGS that is always 1. Interrupts are off.
const RFLAGS: u64 = 1 << 1;

impl InitialState {
    /// 32-bit protected mode without paging, all segments flat.
    pub(crate) const fn protected(rip: u64) -> InitialState {
        InitialState {
            general: [0; 16],
            rip,
            rflags: RFLAGS,
            cr0: CR0_PROTECTED,
            cr3: 0,
            cr4: 0,
            efer: 0,
            cs: Segment::code(0x08, false),
            data: Segment::data(0x10),
            tr: Segment::task(),
            ldtr: Segment::unusable(),
            gdtr: DescriptorTable { base: 0, limit: 0 },
            idtr: DescriptorTable { base: 0, limit: 0 },
        }
    }

    /// 64-bit mode with these page tables, and with the code and data segments at these selectors.
    pub(crate) const fn long(rip: u64, cr3: u64, code: u16, data: u16) -> InitialState {
        InitialState {
            cr0: CR0_PROTECTED | CR0_PG,
            cr3,
            cr4: CR4_PAE,
            efer: EFER_LONG,
            cs: Segment::code(code, true),
            data: Segment::data(data),
            ..InitialState::protected(rip)
        }
    }
}

/// Register numbers.
pub(crate) const RAX: usize = 0;
pub(crate) const RBX: usize = 3;
pub(crate) const RSP: usize = 4;
pub(crate) const RSI: usize = 6;
pub(crate) const RDI: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors() {
        // The values that kernels write into their own tables.
        assert_eq!(
            Segment::code(0x10, true).descriptor(),
            0x00af_9b00_0000_ffff
        );
        assert_eq!(
            Segment::code(0x10, false).descriptor(),
            0x00cf_9b00_0000_ffff
        );
        assert_eq!(Segment::data(0x18).descriptor(), 0x00cf_9300_0000_ffff);
        assert_eq!(Segment::task().descriptor(), 0x0000_8b00_0000_0067);
    }

    #[test]
    fn attributes_of_both_vendors() {
        let code = Segment::code(8, true);
        assert_eq!(code.vmcb_attributes(), 0xa9b);
        assert_eq!(code.vmcs_attributes(), 0xa09b);
        assert_eq!(Segment::data(8).vmcb_attributes(), 0xc93);
        assert_eq!(Segment::task().vmcs_attributes(), 0x8b);
        assert_eq!(Segment::unusable().vmcs_attributes() & 1 << 16, 1 << 16);
    }
}
