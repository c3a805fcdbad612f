//! Bytes from one component to another through memory that both write.
//!
//! A [`ByteRing`] has one producer and one consumer, who do not trust each other. Each keeps its own position to itself
//! and publishes it; the other's position is only ever compared with it. Whatever the other side writes, and whenever,
//! a call ends after at most as many steps as bytes were passed to it, and touches nothing but the ring. The worst that
//! a side can do is to garble or lose what itself sends, or what is sent to itself.
//!
//! Positions count bytes since the beginning and wrap around at 2³².

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use zerocopy::FromBytes;

/// A ring of `N` bytes; `N` is a power of two. Zeroed memory is an empty one.
#[derive(Debug, FromBytes)]
#[repr(C)]
pub struct ByteRing<const N: usize> {
    produced: Produced,
    consumed: Consumed,
    bytes: [AtomicU8; N],
}

/// What the producer publishes; in a cache line of its own.
#[derive(Debug, FromBytes)]
#[repr(C, align(64))]
struct Produced {
    position: AtomicU32,
    /// Bytes that the producer had no room for.
    lost: AtomicU32,
}

/// What the consumer publishes.
#[derive(Debug, FromBytes)]
#[repr(C, align(64))]
struct Consumed {
    position: AtomicU32,
}

/// What became of bytes for the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// How many there was room for.
    pub taken: usize,
    /// The consumer had read everything before these, and may wait: it is to be signalled.
    pub wake: bool,
}

impl<const N: usize> ByteRing<N> {
    /// An empty ring.
    #[allow(clippy::new_without_default)] // rings lie in shared memory; only tests make them
    pub const fn new() -> Self {
        ByteRing {
            produced: Produced {
                position: AtomicU32::new(0),
                lost: AtomicU32::new(0),
            },
            consumed: Consumed {
                position: AtomicU32::new(0),
            },
            bytes: [const { AtomicU8::new(0) }; N],
        }
    }

    /// Bytes between two positions, or `None` if they do not belong together: one of the sides wrote nonsense.
    fn between(consumed: u32, produced: u32) -> Option<usize> {
        const { assert!(N.is_power_of_two() && N <= 1 << 30) };
        let bytes = produced.wrapping_sub(consumed) as usize;
        (bytes <= N).then_some(bytes)
    }

    /// The bytes from `position` on, around the end.
    fn from(&self, position: u32) -> impl Iterator<Item = &AtomicU8> {
        let (before, after) = self.bytes.split_at(position as usize % N);
        after.iter().chain(before)
    }
}

/// The side that writes. There is one of them for each ring at a time.
#[derive(Debug)]
pub struct Producer<'a, const N: usize> {
    ring: &'a ByteRing<N>,
    position: u32,
    lost: u32,
}

impl<'a, const N: usize> Producer<'a, N> {
    /// Goes on where the producer before stopped. If its position was nonsense, what was in the ring is lost.
    pub fn resume(ring: &'a ByteRing<N>) -> Self {
        let consumed = ring.consumed.position.load(Ordering::SeqCst);
        let mut position = ring.produced.position.load(Ordering::Relaxed);
        if ByteRing::<N>::between(consumed, position).is_none() {
            position = consumed;
        }
        ring.produced.position.store(position, Ordering::SeqCst);
        Producer {
            ring,
            position,
            lost: ring.produced.lost.load(Ordering::Relaxed),
        }
    }

    /// Bytes that there is room for; none, if the consumer's position is nonsense.
    pub fn room(&self) -> usize {
        let consumed = self.ring.consumed.position.load(Ordering::SeqCst);
        ByteRing::<N>::between(consumed, self.position).map_or(0, |used| N - used)
    }

    /// Appends as many of `bytes` as there is room for.
    pub fn push(&mut self, bytes: &[u8]) -> Pushed {
        let taken = bytes.len().min(self.room());
        for (place, byte) in self.ring.from(self.position).zip(&bytes[..taken]) {
            place.store(*byte, Ordering::Relaxed);
        }
        let before = self.position;
        self.position = before.wrapping_add(taken as u32);
        // The consumer stores its position before it looks at ours a last time: one of us sees the other's.
        self.ring
            .produced
            .position
            .store(self.position, Ordering::SeqCst);
        let consumed = self.ring.consumed.position.load(Ordering::SeqCst);
        Pushed {
            taken,
            wake: taken > 0 && consumed == before,
        }
    }

    /// Tells the consumer that `bytes` were thrown away.
    pub fn lose(&mut self, bytes: usize) {
        self.lost = self.lost.wrapping_add(bytes as u32);
        self.ring.produced.lost.store(self.lost, Ordering::Relaxed);
    }
}

/// The side that reads. There is one of them for each ring at a time.
#[derive(Debug)]
pub struct Consumer<'a, const N: usize> {
    ring: &'a ByteRing<N>,
    position: u32,
    lost: u32,
}

impl<'a, const N: usize> Consumer<'a, N> {
    /// Goes on where the consumer before stopped. If its position was nonsense, what is in the ring is skipped.
    pub fn resume(ring: &'a ByteRing<N>) -> Self {
        let mut consumer = Consumer {
            ring,
            position: ring.consumed.position.load(Ordering::Relaxed),
            lost: ring.produced.lost.load(Ordering::Relaxed),
        };
        consumer.waiting();
        consumer.publish();
        consumer
    }

    fn publish(&self) {
        self.ring
            .consumed
            .position
            .store(self.position, Ordering::SeqCst);
    }

    /// Bytes to be read. If the producer's position is nonsense, reading goes on there, with nothing.
    pub fn waiting(&mut self) -> usize {
        let produced = self.ring.produced.position.load(Ordering::SeqCst);
        ByteRing::<N>::between(self.position, produced).unwrap_or_else(|| {
            self.position = produced;
            self.publish();
            0
        })
    }

    /// Copies the next bytes into `buffer` and returns how many; they stay until [`Consumer::advance`].
    pub fn peek(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.waiting());
        for (byte, place) in buffer[..count]
            .iter_mut()
            .zip(self.ring.from(self.position))
        {
            *byte = place.load(Ordering::Relaxed);
        }
        count
    }

    /// Makes room: the next `count` bytes were used. Not more than are waiting.
    pub fn advance(&mut self, count: usize) {
        let count = count.min(self.waiting());
        self.position = self.position.wrapping_add(count as u32);
        self.publish();
    }

    /// Takes the next bytes into `buffer` and returns how many. The producer signals only what comes after 0 was
    /// returned.
    pub fn pop(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.peek(buffer);
        self.advance(count);
        count
    }

    /// Bytes that the producer lost since this was asked last, by its own account.
    pub fn newly_lost(&mut self) -> u32 {
        let lost = self.ring.produced.lost.load(Ordering::Relaxed);
        let new = lost.wrapping_sub(self.lost);
        self.lost = lost;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;
    use std::sync::mpsc;
    use std::time::Duration;

    const N: usize = 16;

    #[test]
    fn bytes_come_out_in_order_and_around_the_end() {
        let ring = ByteRing::<4>::new();
        let (mut producer, mut consumer) = (Producer::resume(&ring), Consumer::resume(&ring));
        let mut buffer = [0; 8];
        let pushed = |taken, wake| Pushed { taken, wake };
        assert_eq!(producer.push(b""), pushed(0, false));
        assert_eq!(producer.push(b"abc"), pushed(3, true));
        assert_eq!(producer.push(b"de"), pushed(1, false));
        assert_eq!(consumer.pop(&mut buffer[..2]), 2);
        assert_eq!(producer.push(b"fgh"), pushed(2, false));
        assert_eq!(consumer.peek(&mut buffer), 4);
        assert_eq!(consumer.pop(&mut buffer), 4);
        assert_eq!(&buffer[..4], b"cdfg");
        assert_eq!(producer.push(b"i"), pushed(1, true));
    }

    #[test]
    fn losses_are_told_once() {
        let ring = ByteRing::<N>::new();
        let (mut producer, mut consumer) = (Producer::resume(&ring), Consumer::resume(&ring));
        producer.lose(3);
        producer.lose(4);
        assert_eq!((consumer.newly_lost(), consumer.newly_lost()), (7, 0));
    }

    #[test]
    fn both_sides_go_on_after_a_restart() {
        let ring = ByteRing::<N>::new();
        Producer::resume(&ring).push(b"abcdef");
        Consumer::resume(&ring).advance(2);
        Producer::resume(&ring).push(b"g");
        let mut buffer = [0; N];
        assert_eq!(Consumer::resume(&ring).pop(&mut buffer), 5);
        assert_eq!(&buffer[..5], b"cdefg");
    }

    #[test]
    fn no_byte_and_no_signal_is_missed_between_threads() {
        const TOTAL: u32 = 300_000;
        let ring = ByteRing::<64>::new();
        let (ring_bell, bell) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut producer = Producer::resume(&ring);
                let (mut next, ring_bell) = (0u32, ring_bell);
                while next < TOTAL {
                    let count = (next % 23 + 1).min(TOTAL - next);
                    let bytes: Vec<u8> = (next..next + count).map(|n| (n % 251) as u8).collect();
                    let pushed = producer.push(&bytes);
                    next += pushed.taken as u32;
                    if pushed.wake {
                        ring_bell.send(()).unwrap();
                    }
                }
            });
            let mut consumer = Consumer::resume(&ring);
            let (mut next, mut buffer) = (0, [0; 17]);
            while next < TOTAL {
                let count = consumer.pop(&mut buffer);
                for byte in &buffer[..count] {
                    assert_eq!(*byte, (next % 251) as u8, "at {next}");
                    next += 1;
                }
                if count == 0 {
                    // Without a signal that was due this waits in vain.
                    bell.recv_timeout(Duration::from_secs(60)).unwrap();
                }
            }
        });
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<u8>),
        Pop(usize),
        Lose(usize),
        /// The other side writes what it likes.
        Produced(u32),
        Consumed(u32),
        Restart,
    }

    fn steps(hostile: bool) -> impl Strategy<Value = Vec<Step>> {
        let honest = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..2 * N).prop_map(Step::Push),
            (0..2 * N).prop_map(Step::Pop),
            Just(Step::Restart),
        ];
        let near = prop_oneof![any::<u32>(), 0..64u32, (u32::MAX - 64)..];
        let nonsense = prop_oneof![
            near.clone().prop_map(Step::Produced),
            near.prop_map(Step::Consumed),
            any::<usize>().prop_map(Step::Lose),
        ];
        let step = prop_oneof![3 => honest, u32::from(hostile) => nonsense];
        prop::collection::vec(step, 0..100)
    }

    proptest! {
        #[test]
        fn a_ring_is_a_queue(start in any::<u32>(), steps in steps(false)) {
            let ring = ByteRing::<N>::new();
            ring.produced.position.store(start, Ordering::Relaxed);
            ring.consumed.position.store(start, Ordering::Relaxed);
            let (mut producer, mut consumer) = (Producer::resume(&ring), Consumer::resume(&ring));
            let mut model = VecDeque::new();
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        let empty = model.is_empty();
                        let taken = bytes.len().min(N - model.len());
                        prop_assert_eq!(producer.room(), N - model.len());
                        let wake = empty && taken > 0;
                        prop_assert_eq!(producer.push(&bytes), Pushed { taken, wake });
                        model.extend(&bytes[..taken]);
                    }
                    Step::Pop(count) => {
                        let mut buffer = vec![0; count];
                        let count = consumer.pop(&mut buffer);
                        let expected: Vec<u8> = model.drain(..count).collect();
                        prop_assert_eq!(&buffer[..count], expected);
                        prop_assert!(count == buffer.len() || model.is_empty());
                    }
                    _ => {
                        producer = Producer::resume(&ring);
                        consumer = Consumer::resume(&ring);
                    }
                }
            }
        }

        #[test]
        fn the_other_side_can_write_anything(steps in steps(true), text in prop::collection::vec(any::<u8>(), 1..N)) {
            let ring = ByteRing::<N>::new();
            let (mut producer, mut consumer) = (Producer::resume(&ring), Consumer::resume(&ring));
            for step in steps {
                match step {
                    Step::Push(bytes) => prop_assert!(producer.push(&bytes).taken <= N.min(bytes.len())),
                    Step::Pop(count) => {
                        let mut buffer = vec![0; count];
                        prop_assert!(consumer.pop(&mut buffer) <= N.min(count));
                    }
                    Step::Lose(count) => {
                        producer.lose(count);
                        prop_assert_eq!(consumer.newly_lost(), count as u32);
                    }
                    Step::Produced(position) => ring.produced.position.store(position, Ordering::SeqCst),
                    Step::Consumed(position) => ring.consumed.position.store(position, Ordering::SeqCst),
                    Step::Restart => {
                        producer = Producer::resume(&ring);
                        consumer = Consumer::resume(&ring);
                    }
                }
                prop_assert!(producer.room() <= N && consumer.waiting() <= N);
            }
            // Honest sides that start after all this understand each other.
            let (mut producer, mut consumer) = (Producer::resume(&ring), Consumer::resume(&ring));
            consumer.advance(N);
            prop_assert_eq!(producer.push(&text), Pushed { taken: text.len(), wake: true });
            let mut buffer = [0; N];
            prop_assert_eq!(consumer.pop(&mut buffer), text.len());
            prop_assert_eq!(&buffer[..text.len()], &text[..]);
        }
    }
}
