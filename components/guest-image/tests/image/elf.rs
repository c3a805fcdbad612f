//! ELF files of both classes, built part by part.

/// A segment: what, flags, physical and virtual address, contents, bytes in memory.
#[derive(Clone)]
pub struct Part {
    pub kind: u32,
    pub flags: u32,
    pub physical: u64,
    pub virt: u64,
    pub contents: Vec<u8>,
    pub memory: u64,
    pub align: u64,
}

/// Code or data to be loaded.
pub fn load(physical: u64, virt: u64, flags: u32, contents: &[u8], memory: u64) -> Part {
    Part {
        kind: 1,
        flags,
        physical,
        virt,
        contents: contents.to_vec(),
        memory,
        align: 0x1000,
    }
}

/// A note.
pub fn note(name: &str, kind: u32, contents: &[u8]) -> Part {
    let mut bytes = vec![];
    for word in [name.len() as u32 + 1, contents.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(name.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Part {
        kind: 4,
        flags: 4,
        physical: 0,
        virt: 0,
        memory: bytes.len() as u64,
        contents: bytes,
        align: 4,
    }
}

pub const READ_EXECUTE: u32 = 5;
pub const READ_WRITE: u32 = 6;

/// Where the contents of part `number` lie in the file.
pub fn offset(number: usize) -> usize {
    0x1000 * (number + 1)
}

/// A file of 64 or of 32 bits.
pub fn file(wide: bool, entry: u64, parts: &[Part]) -> Vec<u8> {
    let mut bytes = vec![];
    bytes.extend(b"\x7fELF");
    bytes.extend([if wide { 2 } else { 1 }, 1, 1, 0]);
    bytes.resize(16, 0);
    let word = |bytes: &mut Vec<u8>, value: u64| {
        bytes.extend(&value.to_le_bytes()[..if wide { 8 } else { 4 }]);
    };
    let half = |bytes: &mut Vec<u8>, value: u16| bytes.extend(value.to_le_bytes());
    half(&mut bytes, 2);
    half(&mut bytes, if wide { 62 } else { 3 });
    bytes.extend(1u32.to_le_bytes());
    word(&mut bytes, entry);
    word(&mut bytes, if wide { 64 } else { 52 });
    word(&mut bytes, 0);
    bytes.extend(0u32.to_le_bytes());
    let sizes = if wide { [64, 56] } else { [52, 32] };
    for value in [
        sizes[0],
        sizes[1],
        parts.len() as u16,
        if wide { 64 } else { 40 },
        0,
        0,
    ] {
        half(&mut bytes, value);
    }
    for (number, part) in parts.iter().enumerate() {
        bytes.extend(part.kind.to_le_bytes());
        if wide {
            bytes.extend(part.flags.to_le_bytes());
        }
        let fields = [
            offset(number) as u64,
            part.virt,
            part.physical,
            part.contents.len() as u64,
            part.memory,
        ];
        for field in fields {
            word(&mut bytes, field);
        }
        if !wide {
            bytes.extend(part.flags.to_le_bytes());
        }
        word(&mut bytes, part.align);
    }
    for (number, part) in parts.iter().enumerate() {
        assert!(bytes.len() <= offset(number));
        bytes.resize(offset(number), 0);
        bytes.extend(&part.contents);
    }
    bytes
}
