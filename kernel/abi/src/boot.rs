//! What root, the first component, finds when it starts.
//!
//! Root starts at its ELF entry with `rdi` = address of its [`IpcBuffer`](crate::IpcBuffer), `rsi` = address
//! of its [`BootInfo`] (read-only) and a stack of [`ROOT_STACK_BYTES`](crate::layout::ROOT_STACK_BYTES).

use crate::layout::MAX_CPUS;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Fixed places in root's capability space.
pub mod slot {
    /// Root's CNode itself, with all rights.
    pub const CNODE: u32 = 1;
    /// Root's address space.
    pub const ADDRESS_SPACE: u32 = 2;
    /// Root's thread.
    pub const THREAD: u32 = 3;
    /// Root's time.
    pub const SCHED_CONTEXT: u32 = 4;
    /// Makes interrupt handlers.
    pub const IRQ_CONTROL: u32 = 5;
    /// All I/O ports.
    pub const IO_PORTS: u32 = 6;
    /// Control of the kernel.
    pub const KERNEL_CONTROL: u32 = 7;
    /// The frame of root's IPC buffer.
    pub const IPC_BUFFER: u32 = 8;
    /// The frame of the boot information.
    pub const BOOT_INFO: u32 = 9;
    /// The first processor; processor `n` is at `FIRST_CPU + n`.
    pub const FIRST_CPU: u32 = 16;
    /// The first of the slots that [`BootInfo`](super::BootInfo) describes: modules, untyped memory, then nothing.
    pub const FIRST_DYNAMIC: u32 = FIRST_CPU + crate::layout::MAX_CPUS as u32;
}

/// `BootInfo::magic`: "PAGURUS1" in little endian.
pub const BOOT_MAGIC: u64 = u64::from_le_bytes(*b"PAGURUS1");
/// log2 of the slots in root's CNode.
pub const ROOT_CNODE_BITS: u8 = 14;
/// log2 of the memory in bytes that the kernel takes for root's first objects.
pub const ROOT_MEMORY_BITS: u8 = 23;
/// log2 of root's address space object in bytes: tables for 500 MiB in 4 KiB pages.
pub const ROOT_ADDRESS_SPACE_BITS: u8 = 20;
/// Untyped regions that the kernel can describe.
pub const MAX_UNTYPED: usize = 384;
/// Boot modules that the kernel can describe.
pub const MAX_MODULES: usize = 64;

/// A piece of physical memory, as an Untyped capability.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct UntypedDesc {
    /// Physical address.
    pub address: u64,
    /// Index of its capability in root's CNode.
    pub slot: u32,
    /// log2 of its size in bytes.
    pub size_bits: u8,
    /// 1 for device memory: registers, firmware tables, framebuffers.
    pub device: u8,
    /// NUMA node (SRAT), or 0.
    pub node: u8,
    /// Zero.
    pub reserved: u8,
}

/// A file that the boot loader brought.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ModuleDesc {
    /// Its name: the first word of its command line, cut to 47 bytes, padded with zeros.
    pub name: [u8; 48],
    /// Physical address, 4 KiB aligned.
    pub address: u64,
    /// Length in bytes.
    pub length: u64,
    /// First of its Frame capabilities (read-only) in root's CNode. They cover the module in ascending order
    /// without gaps, each of the largest power of two that its address and the rest allow.
    pub first_slot: u32,
    /// How many.
    pub slot_count: u32,
}

/// A processor.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CpuDesc {
    /// Local APIC identifier.
    pub apic_id: u32,
    /// NUMA node (SRAT), or 0.
    pub node: u32,
}

/// The screen, if the firmware set one up.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Framebuffer {
    /// Physical address, 0 if there is none.
    pub address: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Pixels in a line, or characters in text mode.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits of a pixel; 16 in text mode.
    pub bits_per_pixel: u8,
    /// 1 for colour pixels, 2 for VGA text.
    pub kind: u8,
    /// Bit positions of red, green and blue in a pixel (each 8 bits wide).
    pub shifts: [u8; 3],
    /// Zero.
    pub reserved: [u8; 7],
}

/// What the kernel found, for root.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct BootInfo {
    /// [`BOOT_MAGIC`].
    pub magic: u64,
    /// Frequency of the time stamp counter in kHz.
    pub tsc_khz: u64,
    /// Physical address of the ACPI root pointer, or 0.
    pub rsdp: u64,
    /// Physical address of the PCI configuration space of bus 0 (MCFG), or 0.
    pub mcfg_base: u64,
    /// Physical address of the HPET, or 0.
    pub hpet_base: u64,
    /// Buses that the PCI configuration space covers.
    pub mcfg_buses: u32,
    /// Processors that run.
    pub cpu_count: u32,
    /// Entries in `untyped`.
    pub untyped_count: u32,
    /// Entries in `modules`.
    pub module_count: u32,
    /// First empty slot in root's CNode; every slot from here on is empty.
    pub first_free_slot: u32,
    /// log2 of the slots in root's CNode.
    pub cnode_bits: u32,
    /// Base port of the first serial line, or 0.
    pub serial_port: u32,
    /// Zero.
    pub reserved: u32,
    /// The screen.
    pub framebuffer: Framebuffer,
    /// The kernel's command line, padded with zeros.
    pub command_line: [u8; 256],
    /// The processors.
    pub cpus: [CpuDesc; MAX_CPUS],
    /// The memory.
    pub untyped: [UntypedDesc; MAX_UNTYPED],
    /// The modules.
    pub modules: [ModuleDesc; MAX_MODULES],
    /// Zero.
    pub padding: [u64; 595],
}

/// Bytes of the boot information.
pub const BOOT_INFO_BYTES: usize = 16 * 1024;

const _: () = {
    assert!(core::mem::size_of::<BootInfo>() == BOOT_INFO_BYTES);
    assert!(core::mem::size_of::<UntypedDesc>() == 16);
    assert!(core::mem::size_of::<ModuleDesc>() == 72);
};

impl ModuleDesc {
    /// The name up to the first zero; empty if it is not UTF-8.
    pub fn name(&self) -> &str {
        text(&self.name)
    }
}

impl BootInfo {
    /// The command line up to the first zero; empty if it is not UTF-8.
    pub fn command_line(&self) -> &str {
        text(&self.command_line)
    }

    /// The modules there are.
    pub fn modules(&self) -> &[ModuleDesc] {
        &self.modules[..(self.module_count as usize).min(MAX_MODULES)]
    }

    /// The memory there is.
    pub fn untyped(&self) -> &[UntypedDesc] {
        &self.untyped[..(self.untyped_count as usize).min(MAX_UNTYPED)]
    }
}

fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..end]).unwrap_or("")
}
