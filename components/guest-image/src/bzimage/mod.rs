//! Linux bzImages by the 64-bit boot protocol.
//!
//! References: Linux `Documentation/arch/x86/boot.rst` (chapters "The Real-Mode Kernel Header" and "64-bit
//! Boot Protocol") and `Documentation/arch/x86/zero-page.rst`.

mod header;
mod zero_page;

use crate::error::ImageError;
use crate::guest::Guest;
use crate::image::Kind;
use crate::page_tables;
use crate::plan::{Builder, Plan, Source};
use crate::space::{GIB4, MIB, PAGE};
use crate::state::{DescriptorTable, InitialState, RSI, Segment};
use alloc::vec::Vec;
use header::SetupHeader;
use zero_page::ZeroPage;

pub use header::is;

/// Where a kernel of 64 bits is entered.
const ENTRY_64: u64 = 0x200;
/// The selectors that the protocol names.
const BOOT_CS: u16 = 0x10;
const BOOT_DS: u16 = 0x18;

/// Plans how a kernel is loaded.
pub fn plan(guest: &Guest<'_>, mut builder: Builder) -> Result<Plan, ImageError> {
    let header = SetupHeader::parse(guest.image)?;
    if guest.modules.len() > 1 {
        return Err(ImageError::TooManyModules {
            count: guest.modules.len(),
            limit: 1,
        });
    }
    let limit = u64::from(header.command_line_limit());
    let length = guest.command_line.len() as u64;
    if length > limit {
        return Err(ImageError::CommandLineTooLong { length, limit });
    }

    let kernel = place_kernel(&header, &mut builder)?;
    let initrd = match guest.modules.first() {
        Some(module) => {
            let below = u64::from(header.initrd_address_max()) + 1;
            let what = "the initial RAM file system";
            let address = builder
                .space
                .take_high(what, module.length, PAGE, below.min(GIB4))?;
            builder.put(address, module.length, Source::Module(0));
            Some((address, module.length))
        }
        None => None,
    };

    let mut line = Vec::from(guest.command_line.as_bytes());
    line.push(0);
    let command_line = builder.place_bytes("the command line", line, 16)?;
    let zero_page = ZeroPage {
        header: &header,
        memory: &guest.memory_map()?,
        kernel,
        command_line,
        initrd,
        rsdp: guest.rsdp.map_or(0, |rsdp| rsdp.address),
    };
    let zero_page = builder.place_bytes("the zero page", zero_page.bytes(), PAGE)?;
    let what = "page tables";
    let tables = builder.take_small(what, page_tables::BYTES, PAGE)?;
    builder.put_bytes(tables, page_tables::identity(tables));
    let gdt = gdt();
    let limit = (gdt.len() - 1) as u16;
    let gdt = builder.place_bytes("the descriptor table", gdt, 16)?;

    let mut state = InitialState::long(kernel + ENTRY_64, tables, BOOT_CS, BOOT_DS);
    state.general[RSI] = zero_page;
    state.gdtr = DescriptorTable { base: gdt, limit };
    Ok(builder.finish(Kind::Linux, state))
}

/// Two empty descriptors, code and data.
fn gdt() -> Vec<u8> {
    let code = Segment::code(BOOT_CS, true).descriptor();
    let data = Segment::data(BOOT_DS).descriptor();
    [0, 0, code, data]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect()
}

/// Finds a place for the kernel and for what it needs around itself while it unpacks.
fn place_kernel(header: &SetupHeader<'_>, builder: &mut Builder) -> Result<u64, ImageError> {
    let what = "the kernel";
    let preferred = header.preferred_address();
    let needed = header.memory();
    let at_preferred = preferred
        .checked_add(needed)
        .is_some_and(|end| end <= GIB4)
        .then(|| builder.space.take_at(what, preferred, needed));
    let address = match at_preferred {
        Some(Ok(address)) => address,
        _ if header.is_relocatable() => {
            // Below that address it would move itself there without asking.
            let from = preferred.max(MIB);
            let align = header.alignment();
            builder.space.take_low(what, needed, align, from, GIB4)?
        }
        _ => {
            return Err(ImageError::NotRam {
                what,
                start: preferred,
                end: preferred.saturating_add(needed),
            });
        }
    };
    let (offset, length) = header.kernel();
    builder.put(address, length, Source::Image { offset });
    Ok(address)
}
