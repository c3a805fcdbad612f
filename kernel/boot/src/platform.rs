//! What firmware and loader left, in the kernel's own terms.

use crate::multiboot2::{Info, InfoError};
use crate::range::{PAGE, Range, RangeSet};
use core::fmt;
use heapless::{String, Vec};
use pagurus_abi::boot::{Framebuffer, MAX_MODULES};

/// Ranges that a set of memory can hold. Firmware reports some ten on BIOS machines and, after GRUB merged
/// them, some tens on UEFI ones.
pub const MAX_RANGES: usize = 128;

/// A set of physical memory.
pub type MemorySet = RangeSet<MAX_RANGES>;

/// The first MiB: real-mode memory that firmware may still use. The kernel takes no memory from here.
pub const LOW_MEMORY: Range = Range::new(0, 1 << 20);

/// Where processors can start (in real mode) without touching the interrupt table or video memory.
const TRAMPOLINES: Range = Range::new(0x1000, 0xa_0000);
/// The usual place.
const USUAL_TRAMPOLINE: Range = Range::new(0x8000, 0x9000);

/// What the firmware says about a range of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Ours to use.
    Ram,
    /// ACPI tables, firmware code and data, registers: whatever is not RAM for us.
    Firmware,
    /// Broken: nobody's.
    Defective,
}

/// An entry of the firmware's memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareRange {
    /// Where.
    pub range: Range,
    /// What.
    pub kind: MemoryKind,
}

/// A copy of the ACPI root pointer (ACPI 6.5, section 5.2.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rsdp {
    /// The structure itself; zero behind its length.
    pub bytes: [u8; Rsdp::V2_BYTES],
    /// Physical address of the RSDT.
    pub rsdt: u32,
    /// Physical address of the XSDT; 0 in version 1.
    pub xsdt: u64,
}

impl Rsdp {
    /// Bytes of version 1.
    pub const V1_BYTES: usize = 20;
    /// Bytes of version 2.
    pub const V2_BYTES: usize = 36;

    /// Reads the structure from `bytes`, of which there must be at least `least`.
    pub fn from_bytes(bytes: &[u8], least: usize) -> Option<Rsdp> {
        let length = bytes.len().min(Self::V2_BYTES);
        if length < least || !bytes.starts_with(b"RSD PTR ") {
            return None;
        }
        let mut copy = [0; Self::V2_BYTES];
        copy[..length].copy_from_slice(&bytes[..length]);
        let revision = copy[15];
        Some(Rsdp {
            bytes: copy,
            rsdt: u32::from_le_bytes(*copy[16..].first_chunk()?),
            xsdt: if revision >= 2 {
                u64::from_le_bytes(*copy[24..].first_chunk()?)
            } else {
                0
            },
        })
    }
}

/// A file that the loader brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// First word of its command line, cut to 47 bytes.
    pub name: String<47>,
    /// Where it lies: page aligned start, exact end.
    pub range: Range,
}

/// Why the machine cannot be used as the loader describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlatformError {
    /// The boot information is broken.
    Info(InfoError),
    /// A module does not start on a page boundary.
    ModuleMisaligned(Module),
    /// A module is empty, does not lie in RAM or overlaps the kernel or another module.
    ModuleMisplaced(Module),
    /// There are more modules than the kernel can describe.
    TooManyModules,
    /// The firmware reports no RAM above 1 MiB.
    NoRam,
    /// The memory map has more separate ranges than the kernel can hold.
    TooManyRanges,
    /// The kernel's image does not lie in RAM.
    ImageMisplaced(Range),
}

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlatformError::Info(error) => error.fmt(f),
            PlatformError::ModuleMisaligned(module) => write!(
                f,
                "module '{}' at {} is not page aligned; the loader must honour the module alignment tag",
                module.name, module.range
            ),
            PlatformError::ModuleMisplaced(module) => write!(
                f,
                "module '{}' at {} is empty, outside RAM or overlaps something else; check the file in the ISO",
                module.name, module.range
            ),
            PlatformError::TooManyModules => {
                write!(
                    f,
                    "more than {MAX_MODULES} boot modules; remove some from grub.cfg"
                )
            }
            PlatformError::NoRam => f.write_str("the firmware reports no memory above 1 MiB"),
            PlatformError::TooManyRanges => write!(
                f,
                "the firmware's memory map has more than {MAX_RANGES} separate ranges; update the firmware"
            ),
            PlatformError::ImageMisplaced(range) => {
                write!(f, "the loader put the kernel at {range}, which is not RAM")
            }
        }
    }
}

impl core::error::Error for PlatformError {}

impl From<InfoError> for PlatformError {
    fn from(error: InfoError) -> Self {
        PlatformError::Info(error)
    }
}

/// Everything the kernel needs to know from firmware and loader.
#[derive(Clone, Debug)]
pub struct Platform {
    /// The RAM, in whole pages, whatever is in it.
    pub ram: MemorySet,
    /// What is left of the RAM above 1 MiB without modules, kernel image and boot information.
    pub free: MemorySet,
    /// RAM that the firmware called usable and that the memory map kept from being used, and everything that
    /// is broken: no device memory either.
    pub withheld: MemorySet,
    /// The modules.
    pub modules: Vec<Module, MAX_MODULES>,
    /// The kernel's image.
    pub image: Range,
    /// The boot information itself, in whole pages. Its copy of the ACPI root pointer is what
    /// [`Platform::rsdp_address`] points to, so it stays as it is.
    pub information: Range,
    /// The ACPI root pointer.
    pub rsdp: Option<Rsdp>,
    /// Physical address of a copy of the ACPI root pointer, or 0.
    pub rsdp_address: u64,
    /// The screen.
    pub framebuffer: Option<Framebuffer>,
    /// The command line, cut to 255 bytes.
    pub command_line: String<255>,
}

impl Platform {
    /// Digests the multiboot2 information `bytes`, which lies at physical address `address`, for a kernel
    /// whose image lies at `image`.
    ///
    /// # Errors
    /// [`PlatformError`] tells what is wrong and what to do about it.
    pub fn from_multiboot2(
        bytes: &[u8],
        address: u64,
        image: Range,
    ) -> Result<Self, PlatformError> {
        let info = Info::parse(bytes)?;
        let (ram, withheld) = usable(|| info.memory())?;

        let information = Range::sized(address, bytes.len() as u64)
            .unwrap_or_default()
            .pages_touched();
        let mut free = ram.clone();
        free.remove(LOW_MEMORY);
        if free.ranges().is_empty() {
            return Err(PlatformError::NoRam);
        }
        if !ram.contains(image.pages_touched()) {
            return Err(PlatformError::ImageMisplaced(image));
        }
        // What a module may occupy: RAM in which nothing else lies.
        let mut room = ram.clone();
        for taken in [image.pages_touched(), information] {
            free.remove(taken);
            room.remove(taken);
        }

        let mut modules = Vec::new();
        for tag in info.modules() {
            let module = Module {
                name: cut(tag.name()),
                range: tag.range,
            };
            let pages = tag.range.pages_touched();
            if tag.range.start != pages.start {
                return Err(PlatformError::ModuleMisaligned(module));
            }
            if pages.is_empty() || !room.contains(pages) {
                return Err(PlatformError::ModuleMisplaced(module));
            }
            free.remove(pages);
            room.remove(pages);
            modules
                .push(module)
                .map_err(|_| PlatformError::TooManyModules)?;
        }

        Ok(Platform {
            ram,
            free,
            withheld,
            modules,
            image,
            information,
            rsdp: info.rsdp(),
            rsdp_address: match (info.rsdp(), info.rsdp_offset()) {
                (Some(_), Some(offset)) => address.saturating_add(offset as u64),
                _ => 0,
            },
            framebuffer: info.framebuffer(),
            command_line: cut(info.command_line()),
        })
    }

    /// The module with this name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }

    /// A page of RAM below 640 KiB in which other processors can start. It may be part of a module, because
    /// UEFI loaders use that memory too: whoever writes there restores it afterwards.
    pub fn trampoline(&self) -> Option<Range> {
        if self.ram.contains(USUAL_TRAMPOLINE) {
            return Some(USUAL_TRAMPOLINE);
        }
        self.ram.find(PAGE, PAGE, TRAMPOLINES)
    }

    /// The device space below `limit` (the end of physical addresses that the processor has): all that is
    /// neither RAM nor withheld nor in `exclusions`, which are the registers that the kernel keeps for itself;
    /// and the boot information, so that root can read the ACPI root pointer.
    pub fn device_space(&self, limit: u64, exclusions: &[Range]) -> MemorySet {
        let mut space = MemorySet::new();
        space.insert(Range::new(0, limit & !(PAGE - 1)));
        space.remove_all(&self.ram);
        space.remove_all(&self.withheld);
        for range in exclusions {
            space.remove(range.pages_touched());
        }
        space.insert(self.information);
        space
    }
}

/// The usable RAM in whole pages, and what is neither that nor device memory: pages that are RAM in part, and
/// broken ones. Where entries of the map contradict each other, the less useful kind wins, whatever their
/// order.
fn usable<I: Iterator<Item = FirmwareRange>>(
    map: impl Fn() -> Result<I, InfoError>,
) -> Result<(MemorySet, MemorySet), PlatformError> {
    let of = |kind: MemoryKind| {
        let entries = map()?.filter(move |entry| entry.kind == kind);
        Ok::<_, InfoError>(entries.map(|entry| entry.range))
    };
    let mut ram = MemorySet::new();
    let mut withheld = MemorySet::new();
    for range in of(MemoryKind::Ram)? {
        ram.insert(range.pages_inside());
        withheld.insert(range.pages_touched());
    }
    for range in of(MemoryKind::Firmware)? {
        ram.remove(range.pages_touched());
        withheld.remove(range.pages_inside());
    }
    for range in of(MemoryKind::Defective)? {
        ram.remove(range.pages_touched());
        withheld.insert(range.pages_touched());
    }
    if ram.lost() > 0 || withheld.lost() > 0 {
        return Err(PlatformError::TooManyRanges);
    }
    withheld.remove_all(&ram);
    if withheld.lost() > 0 {
        return Err(PlatformError::TooManyRanges);
    }
    Ok((ram, withheld))
}

fn cut<const N: usize>(text: &str) -> String<N> {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    String::try_from(&text[..end]).unwrap_or_default()
}
