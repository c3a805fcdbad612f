//! Moves the kernel's trace records from its rings to the second serial line, without ever waiting for either.

use pagurus_protocol::trace_stream::{HEADER_BYTES, Header, MAX_CHUNK};

/// The rings of the processors.
pub trait TraceSource {
    /// Number of rings.
    fn rings(&self) -> usize;
    /// Moves the oldest bytes of a ring to `out`; the number of bytes moved and the bytes lost so far.
    fn drain(&mut self, ring: usize, out: &mut [u8]) -> (usize, u64);
}

/// Takes bytes.
pub trait ByteSink {
    /// Takes as many bytes as it can without waiting, and returns how many.
    fn try_write(&mut self, bytes: &[u8]) -> usize;
}

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every ring was empty.
    Idle,
    /// The sink takes no more for now, or it was enough for one time.
    Unfinished,
}

/// Bytes written in one go: what comes after must not wait for ever behind trace records.
const BYTES_AT_ONCE: usize = 512;

/// The chunk on its way, and whose turn is next.
#[derive(Debug)]
pub struct TracePump {
    chunk: [u8; HEADER_BYTES + MAX_CHUNK],
    sent: usize,
    filled: usize,
    next_ring: usize,
}

impl Default for TracePump {
    fn default() -> Self {
        Self::new()
    }
}

impl TracePump {
    /// With nothing on its way.
    pub const fn new() -> Self {
        TracePump {
            chunk: [0; HEADER_BYTES + MAX_CHUNK],
            sent: 0,
            filled: 0,
            next_ring: 0,
        }
    }

    /// Moves what it can. After [`Progress::Unfinished`], call it again when the sink can take more.
    pub fn run(&mut self, source: &mut impl TraceSource, sink: &mut impl ByteSink) -> Progress {
        let mut budget = BYTES_AT_ONCE;
        loop {
            if self.sent == self.filled && !self.fetch(source) {
                return Progress::Idle;
            }
            let end = self.filled.min(self.sent + budget);
            let written = sink.try_write(&self.chunk[self.sent..end]);
            self.sent += written;
            budget -= written;
            if written == 0 || budget == 0 {
                return Progress::Unfinished;
            }
        }
    }

    /// Fills the chunk from the next ring that has something.
    fn fetch(&mut self, source: &mut impl TraceSource) -> bool {
        let rings = source.rings();
        for step in 0..rings {
            let ring = (self.next_ring + step) % rings;
            let (bytes, lost) = source.drain(ring, &mut self.chunk[HEADER_BYTES..]);
            if bytes == 0 {
                continue;
            }
            let header = Header {
                cpu: ring as u8,
                length: bytes as u16,
                lost: u32::try_from(lost).unwrap_or(u32::MAX),
            };
            self.chunk[..HEADER_BYTES].copy_from_slice(&header.encode());
            self.sent = 0;
            self.filled = HEADER_BYTES + bytes;
            self.next_ring = (ring + 1) % rings;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagurus_protocol::trace_stream::{Decoder, Event};
    use proptest::prelude::*;
    use std::collections::VecDeque;

    struct Rings(Vec<VecDeque<u8>>);

    impl TraceSource for Rings {
        fn rings(&self) -> usize {
            self.0.len()
        }

        fn drain(&mut self, ring: usize, out: &mut [u8]) -> (usize, u64) {
            let ring = &mut self.0[ring];
            let count = ring.len().min(out.len());
            for (place, byte) in out.iter_mut().zip(ring.drain(..count)) {
                *place = byte;
            }
            (count, 7)
        }
    }

    /// Takes at most `room` bytes until it is refilled.
    struct Line {
        room: usize,
        bytes: Vec<u8>,
    }

    impl ByteSink for Line {
        fn try_write(&mut self, bytes: &[u8]) -> usize {
            let count = bytes.len().min(self.room).min(16);
            self.room -= count;
            self.bytes.extend_from_slice(&bytes[..count]);
            count
        }
    }

    proptest! {
        #[test]
        fn every_byte_arrives_in_order_on_its_stream(
            rings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5_000), 1..5),
            rooms in prop::collection::vec(1usize..300, 1..20),
        ) {
            let mut source = Rings(rings.iter().map(|r| r.iter().copied().collect()).collect());
            let mut line = Line { room: 0, bytes: Vec::new() };
            let mut pump = TracePump::new();
            for room in rooms.iter().cycle() {
                line.room = *room;
                let before = line.bytes.len();
                let progress = pump.run(&mut source, &mut line);
                prop_assert!(line.bytes.len() - before <= BYTES_AT_ONCE);
                if progress == Progress::Idle {
                    break;
                }
                prop_assert!(line.bytes.len() > before, "stuck");
            }
            let mut streams = vec![Vec::new(); rings.len()];
            let mut decoder = Decoder::new();
            for byte in line.bytes {
                match decoder.push(byte) {
                    Some(Event::Byte { cpu, byte }) => streams[cpu as usize].push(byte),
                    Some(Event::Chunk(header)) => prop_assert_eq!(header.lost, 7),
                    None => {}
                }
            }
            prop_assert_eq!(decoder.skipped(), 0);
            prop_assert_eq!(streams, rings);
        }
    }

    #[test]
    fn a_busy_ring_does_not_starve_another() {
        let mut source = Rings(vec![
            VecDeque::from(vec![1; 100_000]),
            VecDeque::from(vec![2]),
        ]);
        let mut line = Line {
            room: usize::MAX,
            bytes: Vec::new(),
        };
        let mut pump = TracePump::new();
        while line.bytes.len() < 2 * (HEADER_BYTES + MAX_CHUNK) {
            pump.run(&mut source, &mut line);
        }
        assert!(source.0[1].is_empty());
    }

    #[test]
    fn a_machine_without_rings_is_idle() {
        let mut line = Line {
            room: 1,
            bytes: Vec::new(),
        };
        let idle = TracePump::new().run(&mut Rings(Vec::new()), &mut line);
        assert_eq!(idle, Progress::Idle);
    }
}
