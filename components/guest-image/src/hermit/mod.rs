//! Hermit unikernels.
//!
//! `hermit-entry` decides whether a file is a Hermit kernel of the right version ([`KernelObject::parse`], of
//! files that [`pagurus_payload::check`] let pass, for it panics on damaged ones). Loading is done here: its
//! own `load_kernel` wants the guest's memory at hand, and would put a copy of the whole image through this
//! plan. The tests compare both byte by byte.
//!
//! References: `hermit-entry` 0.10, modules `boot_info` and `elf`; the Hermit kernel's
//! `src/arch/x86_64/kernel/start.rs`.

mod boot_info;
mod device_tree;
mod relocate;

use crate::elf_file::ElfFile;
use crate::error::ImageError;
use crate::guest::Guest;
use crate::image::Kind;
use crate::multiboot::information;
use crate::page_tables;
use crate::plan::{Builder, Plan, Source};
use crate::space::{GIB4, PAGE, Space};
use crate::state::{DescriptorTable, InitialState, RDI, RSI, RSP, Segment};
use alloc::vec::Vec;
use boot_info::BootInfo;
use device_tree::DeviceTree;
use hermit_entry::elf::KernelObject;
use relocate::Image;

/// NT_HERMIT_ENTRY_VERSION.
const ENTRY_VERSION: u64 = 0x5a00;
/// Images lie at a multiple of large pages, and above the first one, in which there is much else.
const ALIGN: u64 = 2 << 20;
/// The first stack of the kernel, which expects its lower end in `rsp`.
const STACK: u64 = 32 << 10;
/// Selectors: the kernel loads this data segment before it has a table of its own.
const CODE: u16 = 0x08;
const DATA: u16 = 0x10;

/// True if the file has the note.
pub fn is(elf: &ElfFile<'_>) -> bool {
    elf.note("HERMIT", ENTRY_VERSION).is_some()
}

/// Plans how a unikernel is loaded.
pub fn plan(guest: &Guest<'_>, mut builder: Builder) -> Result<Plan, ImageError> {
    if guest.modules.len() > 1 {
        return Err(ImageError::TooManyModules {
            count: guest.modules.len(),
            limit: 1,
        });
    }
    let payload = pagurus_payload::check(guest.image).map_err(ImageError::Hermit)?;
    KernelObject::parse(guest.image).map_err(|_| ImageError::HermitVersion)?;
    let elf = ElfFile::parse(guest.image)?;

    let what = "the unikernel";
    let memory = payload.memory.next_multiple_of(PAGE);
    let base = builder.space.take_low(what, memory, ALIGN, ALIGN, GIB4)?;
    let image = Image::new(&elf, base, payload.memory)?;
    image.load(&mut builder)?;

    // The kernel never uses memory below its own end. What lies above is in the device tree.
    let initrd = match guest.modules.first() {
        Some(module) => {
            let what = "the module";
            let address = builder.space.take_high(what, module.length, PAGE, GIB4)?;
            builder.put(address, module.length, Source::Module(0));
            Some((address, module.length))
        }
        None => None,
    };
    let tree = DeviceTree {
        memory: &guest.memory_map()?,
        command_line: guest.command_line,
        rsdp: guest.rsdp.map(|rsdp| rsdp.address),
        initrd,
    };
    builder.small_below = base;
    let device_tree = builder.place_bytes("the device tree", tree.bytes()?, 8)?;
    let line = guest.command_line.as_bytes().to_vec();
    let command_line = builder.place_bytes("the command line", line, 1)?;
    // For kernels from before the device tree.
    let multiboot = information::place(guest, &mut builder, guest.command_line, &[])?;
    let info = BootInfo {
        physical: Space::new(guest.memory)?.end(),
        device_tree,
        image: base..base + payload.memory,
        thread_local: image.thread_local(),
        command_line: (command_line, guest.command_line.len() as u64),
        multiboot,
    };
    let info = builder.place_bytes("boot information", info.bytes(), 8)?;
    let tables = builder.take_small("page tables", page_tables::BYTES, PAGE)?;
    builder.put_bytes(tables, page_tables::identity(tables));
    let stack = builder.take_small("the first stack", STACK, PAGE)?;
    builder.put(stack, STACK, Source::Zero);
    let gdt: Vec<u8> = [
        0,
        Segment::code(CODE, true).descriptor(),
        Segment::data(DATA).descriptor(),
    ]
    .into_iter()
    .flat_map(u64::to_le_bytes)
    .collect();
    let limit = (gdt.len() - 1) as u16;
    let gdt = builder.place_bytes("the descriptor table", gdt, 8)?;

    let mut state = InitialState::long(image.entry(), tables, CODE, DATA);
    state.general[RDI] = info;
    // The number of the processor.
    state.general[RSI] = 0;
    state.general[RSP] = stack;
    state.gdtr = DescriptorTable { base: gdt, limit };
    Ok(builder.finish(Kind::Hermit, state))
}
