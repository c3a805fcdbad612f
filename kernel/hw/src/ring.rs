//! A ring of bytes that holds whole frames. Pure: the memory is passed in.
//!
//! A frame becomes visible when it is complete; one for which there is no room is left out as a whole, so
//! that what is read always decodes. Old frames stay until they are read.

/// Positions in a ring. They count all bytes ever written, so that no distance is ambiguous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    /// First byte that was not read.
    start: u64,
    /// End of the last complete frame.
    end: u64,
    /// End of what is written of the frame that is open.
    open: u64,
    /// The open frame did not fit.
    dropped: bool,
    /// Bytes of frames that were left out.
    lost: u64,
}

impl Ring {
    /// An empty ring.
    pub const fn new() -> Ring {
        Ring {
            start: 0,
            end: 0,
            open: 0,
            dropped: false,
            lost: 0,
        }
    }

    /// Position of the first byte that was not read.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Position behind the last complete frame.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that can be read.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether nothing can be read.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of frames that were left out since the beginning.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Adds bytes to the open frame.
    pub fn write(&mut self, memory: &mut [u8], bytes: &[u8]) {
        let used = (self.open - self.start) as usize;
        if self.dropped || bytes.len() > memory.len() - used.min(memory.len()) {
            self.lost += bytes.len() as u64;
            self.dropped = true;
            return;
        }
        copy_in(memory, self.open, bytes);
        self.open += bytes.len() as u64;
    }

    /// Completes the open frame, or forgets it if it did not fit.
    pub fn commit(&mut self) {
        if self.dropped {
            self.lost += self.open - self.end;
            self.open = self.end;
            self.dropped = false;
        }
        self.end = self.open;
    }

    /// Moves the oldest bytes to `out`; returns how many. They may end inside a frame, whose rest comes next.
    pub fn read(&mut self, memory: &[u8], out: &mut [u8]) -> usize {
        let count = self.len().min(out.len());
        for (position, byte) in (self.start..).zip(&mut out[..count]) {
            *byte = memory[place(memory.len(), position)];
        }
        self.start += count as u64;
        count
    }

    /// Copies what can be read to other memory. If that is smaller, whole frames are left out, oldest first;
    /// a frame ends at a byte `delimiter`. No frame may be open.
    pub fn relocate(&mut self, from: &[u8], to: &mut [u8], delimiter: u8) {
        while self.len() > to.len() {
            let frame = (self.start..self.end)
                .position(|position| from[place(from.len(), position)] == delimiter)
                .map_or(self.len(), |at| at + 1);
            self.lost += frame as u64;
            self.start += frame as u64;
        }
        for position in self.start..self.end {
            to[place(to.len(), position)] = from[place(from.len(), position)];
        }
    }
}

fn place(capacity: usize, position: u64) -> usize {
    (position % capacity as u64) as usize
}

fn copy_in(memory: &mut [u8], position: u64, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let at = place(memory.len(), position);
    let (first, second) = bytes.split_at(bytes.len().min(memory.len() - at));
    memory[at..at + first.len()].copy_from_slice(first);
    memory[..second.len()].copy_from_slice(second);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn frame(ring: &mut Ring, memory: &mut [u8], bytes: &[u8]) {
        for piece in bytes.chunks(3) {
            ring.write(memory, piece);
        }
        ring.commit();
    }

    fn all(ring: &mut Ring, memory: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 1000];
        let count = ring.read(memory, &mut out);
        out.truncate(count);
        out
    }

    #[test]
    fn frames_wrap_around() {
        let (mut ring, mut memory) = (Ring::new(), [0; 8]);
        for round in 0..20u8 {
            let bytes = [round, round + 1, round + 2, round + 3, 0];
            frame(&mut ring, &mut memory, &bytes);
            assert_eq!(all(&mut ring, &memory), bytes);
        }
        assert_eq!(ring.lost(), 0);
    }

    #[test]
    fn a_frame_that_does_not_fit_is_left_out_whole() {
        let (mut ring, mut memory) = (Ring::new(), [0; 8]);
        frame(&mut ring, &mut memory, &[1, 1, 1, 1, 0]);
        frame(&mut ring, &mut memory, &[2, 2, 2, 2, 0]);
        frame(&mut ring, &mut memory, &[3, 3, 0]);
        assert_eq!(ring.lost(), 5);
        assert_eq!(all(&mut ring, &memory), [1, 1, 1, 1, 0, 3, 3, 0]);
        frame(&mut ring, &mut memory, &[4; 9]);
        assert_eq!((ring.lost(), ring.len()), (14, 0));
    }

    #[test]
    fn an_open_frame_cannot_be_read() {
        let (mut ring, mut memory) = (Ring::new(), [0; 8]);
        ring.write(&mut memory, &[1, 2]);
        assert!(ring.is_empty());
        ring.commit();
        assert_eq!(ring.len(), 2);
    }

    #[test]
    fn reading_piece_by_piece_loses_nothing() {
        let (mut ring, mut memory) = (Ring::new(), [0; 8]);
        frame(&mut ring, &mut memory, &[1, 2, 3, 4, 5, 0]);
        let mut out = [0; 4];
        assert_eq!(ring.read(&memory, &mut out), 4);
        frame(&mut ring, &mut memory, &[6, 7, 8, 0]);
        assert_eq!(ring.read(&memory, &mut out), 4);
        assert_eq!(out, [5, 0, 6, 7]);
        assert_eq!(ring.read(&memory, &mut out), 2);
        assert_eq!(ring.read(&memory, &mut out), 0);
    }

    #[test]
    fn without_memory_everything_is_lost() {
        let mut ring = Ring::new();
        frame(&mut ring, &mut [], &[1, 2, 3, 0]);
        assert_eq!((ring.len(), ring.lost()), (0, 4));
        assert_eq!(ring.read(&[], &mut [0; 4]), 0);
    }

    #[test]
    fn moving_to_less_memory_leaves_the_oldest_frames_out() {
        let (mut ring, mut memory) = (Ring::new(), [0; 16]);
        frame(&mut ring, &mut memory, &[9; 13]);
        all(&mut ring, &memory);
        for bytes in [&[1, 1, 1, 0][..], &[2, 2, 0], &[3, 3, 3, 3, 0]] {
            frame(&mut ring, &mut memory, bytes);
        }
        let mut small = [0; 8];
        ring.relocate(&memory, &mut small, 0);
        assert_eq!(ring.lost(), 4);
        assert_eq!(all(&mut ring, &small), [2, 2, 0, 3, 3, 3, 3, 0]);
    }

    proptest! {
        /// The ring holds exactly the frames that a queue with a limit would hold.
        #[test]
        fn it_behaves_like_a_queue_of_frames(
            capacity in 0usize..40,
            steps in prop::collection::vec((0usize..14, 0usize..20, prop::option::of(0usize..40)), 0..60),
        ) {
            let mut ring = Ring::new();
            let mut memory = vec![0xaa; capacity];
            let mut model: VecDeque<u8> = VecDeque::new();
            let (mut limit, mut lost, mut next) = (capacity, 0u64, 1u8);
            for (length, read, moved) in steps {
                let bytes: Vec<u8> = (0..length).map(|_| { next = next % 250 + 1; next }).chain([0]).collect();
                frame(&mut ring, &mut memory, &bytes);
                if model.len() + bytes.len() <= limit {
                    model.extend(&bytes);
                } else {
                    lost += bytes.len() as u64;
                }
                if let Some(capacity) = moved {
                    let mut other = vec![0xbb; capacity];
                    ring.relocate(&memory, &mut other, 0);
                    memory = other;
                    limit = capacity;
                    while model.len() > limit {
                        while let Some(byte) = model.pop_front() {
                            lost += 1;
                            if byte == 0 { break; }
                        }
                    }
                }
                let mut out = vec![0; read];
                let count = ring.read(&memory, &mut out);
                let expected: Vec<u8> = model.drain(..read.min(model.len())).collect();
                prop_assert_eq!(&out[..count], &expected[..]);
                prop_assert_eq!((ring.len(), ring.lost()), (model.len(), lost));
            }
        }
    }
}
