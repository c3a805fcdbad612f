//! A small payload, built field by field so that each can be broken.

/// File offsets of the parts.
pub const PROGRAM_HEADERS: usize = 64;
/// Number of program headers.
pub const SEGMENTS: usize = 4;
/// The two segments to load, the dynamic section and the note.
pub const CONSTANTS: usize = 0;
/// Code.
pub const CODE: usize = 1;
/// Dynamic section.
pub const DYNAMIC: usize = 2;
/// Note.
pub const NOTE: usize = 3;
/// Where the note lies.
pub const NOTE_AT: usize = 0x1000;
/// Where the dynamic section lies: four entries.
pub const DYNAMIC_AT: usize = 0x1020;
/// Where the relocations lie: two.
pub const RELOCATIONS_AT: usize = 0x1060;
/// Where the dynamic symbols lie: one.
pub const SYMBOLS_AT: usize = 0x10a0;
/// Where the section headers lie: two.
pub const SECTIONS: usize = 0x2100;
/// Bytes of the file.
pub const BYTES: usize = SECTIONS + 2 * 64;
/// Bytes of memory that it needs.
pub const MEMORY: u64 = 0x3000;

/// A file at a multiple of 8.
#[derive(Clone)]
pub struct Elf(Vec<u64>);

impl Elf {
    /// A payload that is in order.
    pub fn good() -> Elf {
        let mut elf = Elf(vec![0; BYTES / 8]);
        elf.put(0, b"\x7fELF\x02\x01\x01\xff");
        elf.u16(16, 3); // ET_DYN
        elf.u16(18, 62); // x86-64
        elf.u32(20, 1);
        elf.u64(24, 0x1010); // entry
        elf.u64(32, PROGRAM_HEADERS as u64);
        elf.u64(40, SECTIONS as u64);
        elf.u16(52, 64);
        elf.u16(54, 56);
        elf.u16(56, SEGMENTS as u16);
        elf.u16(58, 64);
        elf.u16(60, 2);

        elf.segment(CONSTANTS, (1, 4), 0x1000, 0, (0x1000, 0x1000), 0x1000);
        elf.segment(CODE, (1, 5), 0x2000, 0x1000, (0x100, 0x2000), 0x1000);
        elf.segment(DYNAMIC, (2, 4), DYNAMIC_AT as u64, 0x20, (64, 64), 8);
        elf.segment(NOTE, (4, 4), NOTE_AT as u64, 0, (24, 24), 4);

        elf.u32(NOTE_AT, 7);
        elf.u32(NOTE_AT + 4, 1);
        elf.u32(NOTE_AT + 8, 0x5a00);
        elf.put(NOTE_AT + 12, b"HERMIT\0\0\x04");

        for (i, (tag, value)) in [(7, 0x60), (8, 48), (9, 24), (0, 0)].iter().enumerate() {
            elf.u64(DYNAMIC_AT + 16 * i, *tag);
            elf.u64(DYNAMIC_AT + 16 * i + 8, *value);
        }
        for (i, (place, addend)) in [(0x2000, 0x1010), (0x2ff8, MEMORY)].iter().enumerate() {
            elf.u64(RELOCATIONS_AT + 24 * i, *place);
            elf.u64(RELOCATIONS_AT + 24 * i + 8, 8); // R_X86_64_RELATIVE
            elf.u64(RELOCATIONS_AT + 24 * i + 16, *addend);
        }
        elf.u32(SECTIONS + 64 + 4, 11); // SHT_DYNSYM
        elf.u64(SECTIONS + 64 + 24, SYMBOLS_AT as u64);
        elf.u64(SECTIONS + 64 + 32, 24);
        elf
    }

    fn segment(
        &mut self,
        number: usize,
        (kind, flags): (u32, u32),
        offset: u64,
        address: u64,
        (in_file, in_memory): (u64, u64),
        align: u64,
    ) {
        let at = PROGRAM_HEADERS + 56 * number;
        self.u32(at, kind);
        self.u32(at + 4, flags);
        for (i, value) in [offset, address, address, in_file, in_memory, align]
            .iter()
            .enumerate()
        {
            self.u64(at + 8 + 8 * i, *value);
        }
    }

    /// Changes field `field` (0 offset, 1 address, 3 bytes in the file, 4 in memory, 5 alignment) of a
    /// program header.
    pub fn header(mut self, number: usize, field: usize, value: u64) -> Elf {
        self.u64(PROGRAM_HEADERS + 56 * number + 8 + 8 * field, value);
        self
    }

    /// Changes 64 bits.
    pub fn with(mut self, at: usize, value: u64) -> Elf {
        self.u64(at, value);
        self
    }

    /// Changes 32 bits.
    pub fn with32(mut self, at: usize, value: u32) -> Elf {
        self.u32(at, value);
        self
    }

    /// Changes 16 bits.
    pub fn with16(mut self, at: usize, value: u16) -> Elf {
        self.u16(at, value);
        self
    }

    /// Changes bytes.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        for (i, byte) in bytes.iter().enumerate() {
            let shift = (at + i) % 8 * 8;
            let word = &mut self.0[(at + i) / 8];
            *word = *word & !(0xff << shift) | u64::from(*byte) << shift;
        }
    }

    fn u16(&mut self, at: usize, value: u16) {
        self.put(at, &value.to_le_bytes());
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// The bytes, at a multiple of 8.
    pub fn bytes(&self) -> &[u8] {
        zerocopy::IntoBytes::as_bytes(&self.0[..])
    }
}
