//! The byte stream on the second serial line: the kernel's trace records, one stream for each processor.
//!
//! The log collector drains the trace buffers and writes what it finds in chunks; the host tool tells the
//! processors apart by the chunks' headers. A chunk is
//!
//! | byte | meaning |
//! | --- | --- |
//! | 0 | [`SYNC`] |
//! | 1 | processor |
//! | 2..4 | bytes that follow the header, little endian, at most [`MAX_CHUNK`] |
//! | 4..8 | bytes that this processor's buffer has lost so far, little endian, saturating |
//! | 8 | exclusive or of the bytes before, and [`CHECK`] |
//!
//! and then the bytes themselves, as they came from the buffer: a record may begin in one chunk and end in the next.
//! Whoever listens from the middle finds the next header by its first and last byte.

/// First byte of every chunk.
pub const SYNC: u8 = 0xd5;
/// Makes the check byte of an all-zero header differ from zero.
pub const CHECK: u8 = 0xa5;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 9;
/// Most bytes after a header: as many as one `TraceDrain` moves.
pub const MAX_CHUNK: usize = 1920;

/// What stands before the bytes of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Processor whose records follow.
    pub cpu: u8,
    /// Bytes that follow.
    pub length: u16,
    /// Bytes lost for want of room since the start.
    pub lost: u32,
}

impl Header {
    /// The header as it is sent. A length beyond [`MAX_CHUNK`] is the caller's mistake and is not decodable.
    pub const fn encode(self) -> [u8; HEADER_BYTES] {
        let length = self.length.to_le_bytes();
        let lost = self.lost.to_le_bytes();
        let mut bytes = [
            SYNC, self.cpu, length[0], length[1], lost[0], lost[1], lost[2], lost[3], 0,
        ];
        bytes[8] = check(&bytes);
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let length = u16::from_le_bytes([bytes[2], bytes[3]]);
        let valid = bytes[0] == SYNC && length as usize <= MAX_CHUNK && bytes[8] == check(bytes);
        valid.then_some(Header {
            cpu: bytes[1],
            length,
            lost: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
    }
}

const fn check(bytes: &[u8; HEADER_BYTES]) -> u8 {
    let mut sum = CHECK;
    let mut i = 0;
    while i < HEADER_BYTES - 1 {
        sum ^= bytes[i];
        i += 1;
    }
    sum
}

/// What a byte of the stream turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The last byte of a header: a chunk begins.
    Chunk(Header),
    /// A byte of a processor's stream.
    Byte {
        /// The processor.
        cpu: u8,
        /// The byte.
        byte: u8,
    },
}

/// Takes the stream apart, byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    header: [u8; HEADER_BYTES],
    filled: usize,
    cpu: u8,
    left: u16,
    skipped: u64,
}

impl Decoder {
    /// At the start of a stream, or anywhere inside one.
    pub const fn new() -> Self {
        Decoder {
            header: [0; HEADER_BYTES],
            filled: 0,
            cpu: 0,
            left: 0,
            skipped: 0,
        }
    }

    /// Takes the next byte.
    pub fn push(&mut self, byte: u8) -> Option<Event> {
        if self.left > 0 {
            self.left -= 1;
            return Some(Event::Byte {
                cpu: self.cpu,
                byte,
            });
        }
        self.header[self.filled] = byte;
        self.filled += 1;
        if self.filled == HEADER_BYTES {
            if let Some(header) = Header::decode(&self.header) {
                self.filled = 0;
                self.cpu = header.cpu;
                self.left = header.length;
                return Some(Event::Chunk(header));
            }
            self.drop_front();
        } else if self.header[0] != SYNC {
            self.drop_front();
        }
        None
    }

    /// Bytes that belonged to no chunk.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Drops bytes up to the next that may begin a header.
    fn drop_front(&mut self) {
        let rest = &self.header[1..self.filled];
        let skip = 1 + rest.iter().position(|b| *b == SYNC).unwrap_or(rest.len());
        self.header.copy_within(skip..self.filled, 0);
        self.filled -= skip;
        self.skipped += skip as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(cpu: u8, lost: u32, bytes: &[u8]) -> Vec<u8> {
        let header = Header {
            cpu,
            length: bytes.len() as u16,
            lost,
        };
        [&header.encode()[..], bytes].concat()
    }

    fn decode(stream: &[u8]) -> (Vec<(u8, u8)>, Vec<Header>, u64) {
        let mut decoder = Decoder::new();
        let (mut bytes, mut headers) = (Vec::new(), Vec::new());
        for &b in stream {
            match decoder.push(b) {
                Some(Event::Byte { cpu, byte }) => bytes.push((cpu, byte)),
                Some(Event::Chunk(header)) => headers.push(header),
                None => {}
            }
        }
        (bytes, headers, decoder.skipped())
    }

    #[test]
    fn processors_are_told_apart() {
        let stream = [
            chunk(0, 0, b"ab"),
            chunk(3, 17, &[SYNC; 20]),
            chunk(1, 0, &[]),
            chunk(0, 0, b"c"),
        ]
        .concat();
        let (bytes, headers, skipped) = decode(&stream);
        let of = |cpu| -> Vec<u8> {
            let mine = bytes.iter().filter(|(c, _)| *c == cpu);
            mine.map(|(_, b)| *b).collect()
        };
        assert_eq!(of(0), b"abc");
        assert_eq!(of(3), [SYNC; 20]);
        assert_eq!(headers.len(), 4);
        assert_eq!(headers[1].lost, 17);
        assert_eq!(skipped, 0);
    }

    /// Every place to start listening: at most what is left of the chunk in progress is lost, and never does
    /// a byte appear under a wrong processor in a later one.
    #[test]
    fn listening_from_the_middle_finds_the_next_chunk() {
        let first = chunk(1, 0, b"first");
        let stream = [&first[..], &chunk(2, 0, b"second")].concat();
        for start in 1..=first.len() {
            let (bytes, headers, skipped) = decode(&stream[start..]);
            assert_eq!(headers.len(), 1, "from {start}");
            assert_eq!(bytes.len(), 6);
            assert!(bytes.iter().all(|(cpu, _)| *cpu == 2));
            assert_eq!(skipped, (first.len() - start) as u64);
        }
    }

    #[test]
    fn noise_between_chunks_is_skipped() {
        for noise in [&[SYNC][..], &[SYNC, SYNC, 0, SYNC], &[0; 30], &[SYNC; 40]] {
            let stream = [noise, &chunk(5, 0, b"x")].concat();
            let (bytes, _, skipped) = decode(&stream);
            assert_eq!(bytes, [(5, b'x')], "{noise:?}");
            assert_eq!(skipped, noise.len() as u64);
        }
    }

    #[test]
    fn a_damaged_or_oversized_header_begins_no_chunk() {
        let good = chunk(1, 2, b"");
        for i in 0..HEADER_BYTES {
            let mut bad = good.clone();
            bad[i] ^= 0x10;
            assert_eq!(decode(&bad).1.len(), 0, "byte {i}");
        }
        let oversized = Header {
            cpu: 0,
            length: MAX_CHUNK as u16 + 1,
            lost: 0,
        };
        assert_eq!(decode(&oversized.encode()).1.len(), 0);
    }
}
