//! From the machine to root: its memory, and what it is told.

use crate::root::{Image, RootError};
use pagurus_abi::boot::{BOOT_INFO_BYTES, BOOT_MAGIC, BootInfo, CpuDesc, ROOT_MEMORY_BITS};
use pagurus_abi::layout::MAX_CPUS;
use pagurus_boot::{Platform as Boot, Range, untyped};
use pagurus_hw::acpi::Platform;
use pagurus_hw::{console, cpu, events, machine, percpu, time, vm};
use pagurus_syscall::boot::{Memory, Root};
use spin::Mutex;

/// Registers of the local APIC, which the kernel keeps.
const LOCAL_APIC: Range = Range::new(0xfee0_0000, 0xfee0_1000);
/// Bytes of an I/O APIC's registers.
const IO_APIC_BYTES: u64 = 4096;
/// I/O APICs and local APIC.
const MAX_EXCLUSIONS: usize = 24;
/// NUMA borders that are kept apart.
const MAX_CUTS: usize = 64;

/// Too large for a stack.
static INFO: Mutex<BootInfo> = Mutex::new(zerocopy::transmute!([0u8; BOOT_INFO_BYTES]));

/// Creates root from `image` and gives it everything.
///
/// # Errors
/// Memory does not suffice, or the kernel refuses something.
pub fn create_root(boot: &Boot, platform: &Platform, image: &Image<'_>) -> Result<(), RootError> {
    let mut guard = INFO.lock();
    let info = &mut *guard;
    describe_machine(info, boot, platform);

    let mut free = vm::finish().map_err(|_| RootError::NoMemory)?;
    let size = 1u64 << ROOT_MEMORY_BITS;
    let memory = free
        .find(size, size, Range::ALL)
        .ok_or(RootError::NoMemory)?;
    free.remove(memory);
    describe_memory(info, boot, platform, &free);

    for (module, desc) in boot.modules.iter().zip(&mut info.modules) {
        *desc = untyped::describe_module(module, 0);
        info.module_count += 1;
    }
    let root = Root {
        memory: memory.start,
        segments: &image.segments,
        entry: image.entry,
    };
    let mut frames = |module: usize, n: usize| {
        let block = untyped::module_frames(boot.modules.get(module)?).nth(n)?;
        Some(Memory {
            address: block.address,
            size_bits: block.size_bits,
        })
    };
    let mut kernel = machine::kernel().lock();
    kernel.enter(percpu::cpu_index());
    kernel.boot(&root, info, &mut frames)?;
    events::root_started(info.untyped_count as usize);
    Ok(())
}

fn describe_machine(info: &mut BootInfo, boot: &Boot, platform: &Platform) {
    info.magic = BOOT_MAGIC;
    info.tsc_khz = time::tsc_khz();
    info.rsdp = boot.rsdp_address;
    info.hpet_base = platform.hpet.unwrap_or(0);
    if let Some(pci) = platform.pci {
        info.mcfg_base = pci.base;
        info.mcfg_buses = pci.buses();
    }
    info.cpu_count = percpu::online_count() as u32;
    info.serial_port = console::serial_port().unwrap_or(0) as u32;
    info.framebuffer = boot.framebuffer.unwrap_or_default();
    let text = boot.command_line.as_bytes();
    info.command_line[..text.len()].copy_from_slice(text);
    for n in 0..MAX_CPUS {
        if let Some(block) = percpu::get(n).filter(|block| block.is_online()) {
            let apic_id = block.apic_id();
            let node = platform.cpus.iter().find(|cpu| cpu.apic_id == apic_id);
            info.cpus[n] = CpuDesc {
                apic_id,
                node: node.map_or(0, |cpu| cpu.node as u32),
            };
        }
    }
}

fn describe_memory(
    info: &mut BootInfo,
    boot: &Boot,
    platform: &Platform,
    free: &pagurus_boot::platform::MemorySet,
) {
    let mut exclusions = heapless::Vec::<Range, MAX_EXCLUSIONS>::new();
    // There is room: the I/O APICs are fewer.
    let _ = exclusions.push(LOCAL_APIC);
    for io in &platform.io_apics {
        let _ = exclusions.push(Range::new(io.address, io.address + IO_APIC_BYTES));
    }
    let limit = 1u64 << cpu::processor().physical_bits;
    let device = boot.device_space(limit, &exclusions);
    let mut cuts = heapless::Vec::<u64, MAX_CUTS>::new();
    for range in &platform.memory {
        for border in [range.base, range.base + range.length] {
            let _ = cuts.push(border);
        }
    }
    cuts.sort_unstable();
    let outcome = untyped::describe(free, &device, &cuts, &mut info.untyped);
    for desc in &mut info.untyped[..outcome.count] {
        desc.node = platform.node_of(desc.address);
    }
    info.untyped_count = outcome.count as u32;
    if outcome.dropped != 0 {
        console::print(format_args!(
            "{} pieces of memory left out ({} KiB of RAM)\n",
            outcome.dropped,
            outcome.dropped_normal / 1024
        ));
    }
}
