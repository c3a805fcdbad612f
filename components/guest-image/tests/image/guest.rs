//! Guests, and carrying out their plans.

use pagurus_guest_image::{
    Guest, ImageError, MemoryKind, MemoryRange, Module, Plan, Rsdp, Source, plan,
};

pub const MIB: u64 = 1 << 20;

/// The memory of a small PC: RAM with the usual hole, ACPI tables at its end, ECAM beyond.
pub fn pc(mib: u64) -> Vec<MemoryRange> {
    let tables = mib * MIB - 0x1_0000;
    vec![
        range(0, 0xa_0000, MemoryKind::Ram),
        range(0xf_0000, MIB, MemoryKind::Reserved),
        range(MIB, mib * MIB, MemoryKind::Ram),
        range(tables, mib * MIB, MemoryKind::AcpiReclaimable),
        range(0xe000_0000, 0xf000_0000, MemoryKind::Reserved),
    ]
}

pub fn range(start: u64, end: u64, kind: MemoryKind) -> MemoryRange {
    MemoryRange {
        start,
        length: end - start,
        kind,
    }
}

/// A root pointer that is only copied.
pub const RSDP: [u8; 36] = *b"RSD PTR ....................(24)....";

/// A guest without anything but an image.
pub fn bare<'a>(image: &'a [u8], memory: &'a [MemoryRange]) -> Guest<'a> {
    Guest {
        image,
        kind: None,
        name: "guest.elf",
        command_line: "",
        modules: &[],
        memory,
        rsdp: None,
    }
}

/// The same with modules, a command line and ACPI.
pub fn full<'a>(
    image: &'a [u8],
    memory: &'a [MemoryRange],
    modules: &'a [Module<'a>],
) -> Guest<'a> {
    Guest {
        command_line: "console=ttyS0 quiet",
        modules,
        rsdp: Some(Rsdp {
            address: 0xfff_0000,
            bytes: &RSDP,
        }),
        ..bare(image, memory)
    }
}

pub fn module(length: u64, command_line: &str) -> Module<'_> {
    Module {
        length,
        command_line,
    }
}

/// What a module's content is in these tests.
pub fn module_bytes(number: usize, length: u64) -> Vec<u8> {
    (0..length)
        .map(|at| (at as u8) ^ (number as u8) << 5)
        .collect()
}

/// Guest memory after a plan was carried out. Bytes that nobody wrote are 0xcc.
pub struct Memory(Vec<u8>);

impl Memory {
    pub fn bytes(&self, address: u64, length: u64) -> &[u8] {
        &self.0[address as usize..(address + length) as usize]
    }

    pub fn u32(&self, address: u64) -> u32 {
        u32::from_le_bytes(*self.bytes(address, 4).first_chunk().expect("4 bytes"))
    }

    pub fn u64(&self, address: u64) -> u64 {
        u64::from_le_bytes(*self.bytes(address, 8).first_chunk().expect("8 bytes"))
    }

    pub fn string(&self, address: u64) -> &str {
        let rest = &self.0[address as usize..];
        let end = rest.iter().position(|byte| *byte == 0).expect("a zero");
        std::str::from_utf8(&rest[..end]).expect("UTF-8")
    }

    /// All of it, to stay for good.
    pub fn leak(self) -> &'static [u8] {
        self.0.leak()
    }
}

/// Checks that a plan keeps to RAM and does not overlap.
pub fn check(guest: &Guest<'_>, plan: &Plan) {
    let mut end = 0;
    for piece in &plan.pieces {
        let last = piece.address + piece.length;
        assert!(piece.length > 0);
        assert!(
            piece.address >= end,
            "pieces overlap or are out of order at {:#x}",
            piece.address
        );
        end = last;
        match &piece.source {
            Source::Image { offset } => {
                assert!(offset + piece.length <= guest.image.len() as u64);
            }
            Source::Module(number) => assert_eq!(piece.length, guest.modules[*number].length),
            Source::Bytes(bytes) => assert_eq!(piece.length, bytes.len() as u64),
            Source::Zero => {}
        }
        // Every byte in RAM, none in anything else.
        let mut at = piece.address;
        while at < last {
            let ram = guest.memory.iter().find(|range| {
                range.kind == MemoryKind::Ram
                    && (range.start..range.start + range.length).contains(&at)
            });
            at = ram.map(|range| range.start + range.length).expect("in RAM");
        }
        for other in guest
            .memory
            .iter()
            .filter(|range| range.kind != MemoryKind::Ram)
        {
            let apart = last <= other.start || other.start + other.length <= piece.address;
            assert!(apart, "piece at {:#x} in reserved memory", piece.address);
        }
    }
}

/// Plans and carries out.
pub fn load(guest: &Guest<'_>) -> (Plan, Memory) {
    let plan = plan(guest).expect("a good image");
    check(guest, &plan);
    let end = plan
        .pieces
        .last()
        .map_or(0, |piece| piece.address + piece.length);
    let mut memory = vec![0xcc; end as usize];
    for piece in &plan.pieces {
        let place = &mut memory[piece.address as usize..][..piece.length as usize];
        match &piece.source {
            Source::Image { offset } => {
                place.copy_from_slice(&guest.image[*offset as usize..][..piece.length as usize]);
            }
            Source::Module(number) => {
                place.copy_from_slice(&module_bytes(*number, piece.length));
            }
            Source::Bytes(bytes) => place.copy_from_slice(bytes),
            Source::Zero => place.fill(0),
        }
    }
    (plan, Memory(memory))
}

/// The error with which a guest is refused.
pub fn refused(guest: &Guest<'_>) -> ImageError {
    plan(guest).expect_err("a bad image")
}
