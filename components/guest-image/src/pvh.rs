//! ELF files that are entered as Xen's PVH guests are.
//!
//! References: Xen `docs/misc/pvh.pandoc`, `xen/include/public/arch-x86/hvm/start_info.h`.

use crate::bytes::{Writer, u32_at, u64_at};
use crate::elf_file::ElfFile;
use crate::error::ImageError;
use crate::guest::Guest;
use crate::image::Kind;
use crate::plan::{Builder, Plan, Source};
use crate::space::{GIB4, PAGE};
use crate::state::{InitialState, RBX};

/// XEN_ELFNOTE_PHYS32_ENTRY.
const PHYS32_ENTRY: u64 = 18;
/// XEN_HVM_START_MAGIC_VALUE: "xEn3" with the topmost bit of the E set.
const MAGIC: u32 = 0x336e_c578;
/// The version with a memory map.
const VERSION: u32 = 1;

/// True if the file has the note.
pub fn is(elf: &ElfFile<'_>) -> bool {
    elf.note("Xen", PHYS32_ENTRY).is_some()
}

/// Plans how the file is loaded.
pub fn plan(guest: &Guest<'_>, mut builder: Builder) -> Result<Plan, ImageError> {
    let elf = ElfFile::parse(guest.image)?;
    let entry = entry(&elf)?;
    elf.load(&mut builder, GIB4)?;
    if !elf.is_code(entry) {
        return Err(ImageError::Damaged("PVH note: entry point not in code"));
    }

    let mut modules = Writer::default();
    for (number, module) in guest.modules.iter().enumerate() {
        let address = builder
            .space
            .take_high("a module", module.length, PAGE, GIB4)?;
        builder.put(address, module.length, Source::Module(number));
        let line = string(&mut builder, module.command_line)?;
        modules.u64(address).u64(module.length).u64(line).u64(0);
    }
    let module_list = place(&mut builder, "the list of modules", modules)?;

    let mut map = Writer::default();
    let ranges = guest.memory_map()?;
    for range in &ranges {
        map.u64(range.start)
            .u64(range.length)
            .u32(range.kind as u32)
            .u32(0);
    }
    let map = place(&mut builder, "the memory map", map)?;
    let command_line = string(&mut builder, guest.command_line)?;

    let mut info = Writer::default();
    info.u32(MAGIC)
        .u32(VERSION)
        .u32(0)
        .u32(guest.modules.len() as u32)
        .u64(module_list)
        .u64(command_line)
        .u64(guest.rsdp.map_or(0, |rsdp| rsdp.address))
        .u64(map)
        .u32(ranges.len() as u32)
        .u32(0);
    let info = place(&mut builder, "the start information", info)?;

    let mut state = InitialState::protected(entry);
    state.general[RBX] = info;
    Ok(builder.finish(Kind::Pvh, state))
}

/// The physical address in the note, which has 32 or 64 bits.
fn entry(elf: &ElfFile<'_>) -> Result<u64, ImageError> {
    let note = elf
        .note("Xen", PHYS32_ENTRY)
        .ok_or(ImageError::Damaged("PVH note: there is none"))?;
    match note.len() {
        4 => u32_at(note, 0).map(u64::from),
        8 => u64_at(note, 0),
        _ => None,
    }
    .filter(|entry| *entry < GIB4)
    .ok_or(ImageError::Damaged("PVH note: entry point"))
}

/// Address 0 for nothing.
fn place(builder: &mut Builder, what: &'static str, table: Writer) -> Result<u64, ImageError> {
    if table.length() == 0 {
        return Ok(0);
    }
    builder.place_bytes(what, table.0, 8)
}

fn string(builder: &mut Builder, string: &str) -> Result<u64, ImageError> {
    let mut bytes = Writer::default();
    bytes.string(string);
    builder.place_bytes("a command line", bytes.0, 1)
}
