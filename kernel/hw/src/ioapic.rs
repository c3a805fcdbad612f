//! The I/O APICs: which interrupt line goes to which vector of which processor
//! (Intel 82093AA data sheet; SDM volume 3, 12).
#![allow(unsafe_code)] // memory-mapped registers

use crate::events;
use crate::vectors;
use crate::vm;
use core::fmt;
use heapless::Vec;
use spin::mutex::SpinMutex;

/// I/O APICs that the kernel can use.
pub const MAX: usize = 16;

/// Bytes of the registers that are mapped.
const REGISTER_BYTES: u64 = 4096;
/// Offset of the register that selects.
const SELECT: usize = 0x00;
/// Offset of the window to the selected register.
const WINDOW: usize = 0x10;
/// Register: version, and the number of the last line in bits 16..24.
const VERSION: u32 = 0x01;
/// Register: low half of the first redirection entry.
const REDIRECTION: u32 = 0x10;
/// The most lines that the register numbers have room for.
const MAX_LINES: u32 = (0x100 - REDIRECTION) / 2;
/// Redirection entry: masked.
const MASKED: u32 = 1 << 16;
/// Redirection entry: level-triggered.
const LEVEL: u32 = 1 << 15;
/// Redirection entry: active low.
const LOW: u32 = 1 << 13;
/// The largest APIC identifier that fits a redirection entry; 0xff means all.
const MAX_DESTINATION: u32 = 0xfe;

/// How a line says that it wants attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// As long as the level lasts, rather than once at an edge.
    pub level: bool,
    /// Low rather than high.
    pub active_low: bool,
}

/// Why a line cannot be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// No I/O APIC has this line.
    NoSuchLine,
    /// There are not enough vectors for it.
    NoVector,
    /// The processor's APIC identifier does not fit.
    Destination,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RouteError::NoSuchLine => "no interrupt controller has this line",
            RouteError::NoVector => "no interrupt vector is left for this line",
            RouteError::Destination => "interrupts of devices cannot reach this processor",
        })
    }
}

/// Why an I/O APIC cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// Its registers cannot be mapped.
    Map(vm::MapError),
    /// There are too many.
    TooMany,
    /// Its lines overlap another one's.
    Overlap,
    /// Nothing answers at its address.
    Absent,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddError::Map(error) => write!(f, "its registers cannot be mapped: {error}"),
            AddError::TooMany => write!(f, "the kernel can use {MAX} at most"),
            AddError::Overlap => f.write_str("it claims lines of another one"),
            AddError::Absent => f.write_str("nothing answers at its address"),
        }
    }
}

struct IoApic {
    registers: *mut u8,
    first: u32,
    lines: u32,
}

// SAFETY: the registers belong to this value alone; the lock around all of them keeps select and window
// together.
unsafe impl Send for IoApic {}

impl IoApic {
    fn read(&self, register: u32) -> u32 {
        // SAFETY: the page of registers is mapped for ever.
        unsafe {
            self.registers
                .add(SELECT)
                .cast::<u32>()
                .write_volatile(register);
            self.registers.add(WINDOW).cast::<u32>().read_volatile()
        }
    }

    fn write(&mut self, register: u32, value: u32) {
        // SAFETY: the page of registers is mapped for ever; callers write what the register is for.
        unsafe {
            self.registers
                .add(SELECT)
                .cast::<u32>()
                .write_volatile(register);
            self.registers
                .add(WINDOW)
                .cast::<u32>()
                .write_volatile(value);
        }
    }

    fn contains(&self, gsi: u32) -> bool {
        gsi.wrapping_sub(self.first) < self.lines
    }

    /// Register of the low half of the line's entry.
    fn entry(&self, gsi: u32) -> u32 {
        REDIRECTION + 2 * (gsi - self.first)
    }
}

static ALL: SpinMutex<Vec<IoApic, MAX>> = SpinMutex::new(Vec::new());

/// Takes the I/O APIC whose registers are at physical address `address` and whose first line is global
/// system interrupt `first`, and masks all its lines. Returns how many it has.
///
/// # Errors
/// See [`AddError`].
pub fn add(address: u64, first: u32) -> Result<u32, AddError> {
    let registers = vm::map_device(address, REGISTER_BYTES).map_err(AddError::Map)?;
    let mut new = IoApic {
        registers,
        first,
        lines: 0,
    };
    let version = new.read(VERSION);
    if version == u32::MAX {
        return Err(AddError::Absent);
    }
    new.lines = ((version >> 16 & 0xff) + 1).min(MAX_LINES);
    let lines = new.lines;
    let mut all = ALL.lock();
    let end = first.checked_add(lines).ok_or(AddError::Overlap)?;
    if all
        .iter()
        .any(|other| first < other.first + other.lines && other.first < end)
    {
        return Err(AddError::Overlap);
    }
    for gsi in first..end {
        let entry = new.entry(gsi);
        new.write(entry, MASKED);
        new.write(entry + 1, 0);
    }
    all.push(new).map_err(|_| AddError::TooMany)?;
    events::io_apic(address, first, lines);
    Ok(lines)
}

/// Whether an I/O APIC has this line and a vector is there for it.
pub fn exists(gsi: u32) -> bool {
    vectors::irq_vector(gsi).is_some() && ALL.lock().iter().any(|apic| apic.contains(gsi))
}

/// Sends line `gsi` to the processor with APIC identifier `apic_id`, at [`vectors::irq_vector`]. The line is
/// masked afterwards.
///
/// # Errors
/// See [`RouteError`].
pub fn route(gsi: u32, apic_id: u32, line: Line) -> Result<(), RouteError> {
    let vector = vectors::irq_vector(gsi).ok_or(RouteError::NoVector)?;
    if apic_id > MAX_DESTINATION {
        return Err(RouteError::Destination);
    }
    with(gsi, |apic| {
        let entry = apic.entry(gsi);
        // Masked first: the halves cannot be written together.
        apic.write(entry, MASKED);
        apic.write(entry + 1, apic_id << 24);
        apic.write(entry, low_half(vector, line) | MASKED);
    })
    .ok_or(RouteError::NoSuchLine)
}

/// Lets no interrupt of this line through. An interrupt that is on its way still arrives.
pub fn mask(gsi: u32) {
    with(gsi, |apic| {
        let entry = apic.entry(gsi);
        let value = apic.read(entry);
        apic.write(entry, value | MASKED);
    });
}

/// Lets interrupts of this line through. A level that is active now interrupts at once; an edge that came
/// while the line was masked is lost.
pub fn unmask(gsi: u32) {
    with(gsi, |apic| {
        let entry = apic.entry(gsi);
        let value = apic.read(entry);
        apic.write(entry, value & !MASKED);
    });
}

fn low_half(vector: u8, line: Line) -> u32 {
    u32::from(vector) | if line.level { LEVEL } else { 0 } | if line.active_low { LOW } else { 0 }
}

fn with(gsi: u32, f: impl FnOnce(&mut IoApic)) -> Option<()> {
    ALL.lock().iter_mut().find(|apic| apic.contains(gsi)).map(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_say_vector_trigger_and_polarity() {
        let pci = Line {
            level: true,
            active_low: true,
        };
        assert_eq!(low_half(0x31, pci), 0xa031);
        assert_eq!(low_half(0x24, Line::default()), 0x24);
    }

    #[test]
    fn lines_belong_to_the_apic_whose_range_has_them() {
        let apic = IoApic {
            registers: core::ptr::null_mut(),
            first: 24,
            lines: 32,
        };
        assert!(!apic.contains(23) && apic.contains(24) && apic.contains(55) && !apic.contains(56));
        assert_eq!((apic.entry(24), apic.entry(55)), (0x10, 0x4e));
    }
}
