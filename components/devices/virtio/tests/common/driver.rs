//! The driver's side of a split virtqueue, in the manner of Linux: free descriptors in a list, indirect tables where they
//! save entries, event indices, notifications only where asked for.

use std::collections::HashMap;

use pagurus_devices_virtio::{Features, GuestMemory};

use super::memory::TestMemory;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A descriptor as it lies in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    pub address: u64,
    pub length: u32,
    pub flags: u16,
    pub next: u16,
}

impl Descriptor {
    pub fn store(self, memory: &TestMemory, at: u64) {
        memory.put(at, &self.address.to_le_bytes());
        memory.put(at + 8, &self.length.to_le_bytes());
        memory.put(at + 12, &self.flags.to_le_bytes());
        memory.put(at + 14, &self.next.to_le_bytes());
    }
}

/// What the driver has outstanding under a head.
struct Outstanding<T> {
    token: T,
    descriptors: Vec<u16>,
    table: Option<u64>,
}

/// A queue; `T` is what the caller wants to remember of a buffer.
pub struct DriverQueue<T> {
    pub index: u16,
    pub size: u16,
    pub descriptor: u64,
    pub driver: u64,
    pub device: u64,
    event_index: bool,
    indirect: bool,
    free: Vec<u16>,
    /// Places for indirect tables.
    tables: Vec<u64>,
    outstanding: HashMap<u16, Outstanding<T>>,
    available: u16,
    /// Available index when the device was last notified or need not be.
    told: u16,
    pub seen: u16,
    interrupts: bool,
    /// Buffers that went through.
    pub used: u64,
}

/// Descriptors in an indirect table at most.
const TABLE: u64 = 64;

impl<T> DriverQueue<T> {
    /// Bytes that a queue takes.
    pub fn bytes(size: u16) -> u64 {
        let size = u64::from(size);
        let rings = 16 * size + (6 + 2 * size).next_multiple_of(4) + 6 + 8 * size;
        rings.next_multiple_of(16) + size * TABLE * 16
    }

    /// A queue at `base`, 16-aligned, in memory that is zero.
    pub fn new(index: u16, size: u16, base: u64, features: Features) -> DriverQueue<T> {
        let entries = u64::from(size);
        let driver = base + 16 * entries;
        let device = (driver + 6 + 2 * entries).next_multiple_of(4);
        let tables = (device + 6 + 8 * entries).next_multiple_of(16);
        DriverQueue {
            index,
            size,
            descriptor: base,
            driver,
            device,
            event_index: features.contains(Features::EVENT_IDX),
            indirect: features.contains(Features::INDIRECT_DESC),
            free: (0..size).rev().collect(),
            tables: (0..entries).map(|n| tables + n * TABLE * 16).collect(),
            outstanding: HashMap::new(),
            available: 0,
            told: 0,
            seen: 0,
            interrupts: true,
            used: 0,
        }
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    pub fn free(&self) -> usize {
        self.free.len()
    }

    /// Makes a buffer available: what the device reads, then what it writes. Gives the token back if there is no room.
    pub fn add(
        &mut self,
        memory: &TestMemory,
        readable: &[(u64, u32)],
        writable: &[(u64, u32)],
        token: T,
    ) -> Result<u16, T> {
        let pieces: Vec<Descriptor> = readable
            .iter()
            .map(|piece| (piece, 0))
            .chain(writable.iter().map(|piece| (piece, WRITE)))
            .map(|((address, length), flags)| Descriptor {
                address: *address,
                length: *length,
                flags,
                next: 0,
            })
            .collect();
        assert!(!pieces.is_empty());
        let indirect = self.indirect && pieces.len() > 1;
        let needed = if indirect { 1 } else { pieces.len() };
        if self.free.len() < needed {
            return Err(token);
        }
        let descriptors: Vec<u16> = (0..needed).map(|_| self.free.pop().unwrap()).collect();
        let head = descriptors[0];
        let mut table = None;
        if indirect {
            let place = self.tables.pop().unwrap();
            for (n, piece) in pieces.iter().enumerate() {
                let last = n + 1 == pieces.len();
                Descriptor {
                    flags: piece.flags | if last { 0 } else { NEXT },
                    next: n as u16 + 1,
                    ..*piece
                }
                .store(memory, place + 16 * n as u64);
            }
            Descriptor {
                address: place,
                length: 16 * pieces.len() as u32,
                flags: INDIRECT,
                next: 0,
            }
            .store(memory, self.descriptor + 16 * u64::from(head));
            table = Some(place);
        } else {
            for (n, piece) in pieces.iter().enumerate() {
                let next = descriptors.get(n + 1);
                Descriptor {
                    flags: piece.flags | if next.is_some() { NEXT } else { 0 },
                    next: next.copied().unwrap_or(0),
                    ..*piece
                }
                .store(memory, self.descriptor + 16 * u64::from(descriptors[n]));
            }
        }
        let entry = self.driver + 4 + 2 * u64::from(self.available % self.size);
        memory.put_u16(entry, head);
        self.available = self.available.wrapping_add(1);
        memory.store_u16(self.driver + 2, self.available).unwrap();
        let before = self.outstanding.insert(
            head,
            Outstanding {
                token,
                descriptors,
                table,
            },
        );
        assert!(before.is_none());
        Ok(head)
    }

    /// Whether the device is to be notified of what was added since the last time.
    pub fn must_notify(&mut self, memory: &TestMemory) -> bool {
        memory.fence();
        let (old, new) = (self.told, self.available);
        self.told = new;
        if old == new {
            return false;
        }
        if self.event_index {
            let event = memory
                .load_u16(self.device + 4 + 8 * u64::from(self.size))
                .unwrap();
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            memory.load_u16(self.device).unwrap() & 1 == 0
        }
    }

    /// The next buffer that the device is done with, and how many bytes it says it wrote.
    pub fn take_used(&mut self, memory: &TestMemory) -> Option<(T, u32)> {
        if memory.load_u16(self.device + 2).unwrap() == self.seen {
            return None;
        }
        let element = self.device + 4 + 8 * u64::from(self.seen % self.size);
        let (id, length) = (memory.get_u32(element), memory.get_u32(element + 4));
        let id = u16::try_from(id).expect("used id is an index");
        let done = self
            .outstanding
            .remove(&id)
            .expect("used id is outstanding");
        self.free.extend(done.descriptors);
        self.tables.extend(done.table);
        self.seen = self.seen.wrapping_add(1);
        self.used += 1;
        if self.event_index && self.interrupts {
            self.set_used_event(memory, self.seen);
        }
        Some((done.token, length))
    }

    /// Takes what the used ring says, as far as it makes sense: for queues whose memory may hold anything.
    pub fn collect(&mut self, memory: &TestMemory) {
        let index = memory.load_u16(self.device + 2).unwrap();
        for _ in 0..index.wrapping_sub(self.seen).min(self.size) {
            let element = self.device + 4 + 8 * u64::from(self.seen % self.size);
            self.seen = self.seen.wrapping_add(1);
            let id = memory.get_u32(element) as u16;
            if let Some(done) = self.outstanding.remove(&id) {
                self.free.extend(done.descriptors);
                self.tables.extend(done.table);
            }
        }
        self.seen = index;
    }

    fn set_used_event(&self, memory: &TestMemory, value: u16) {
        memory
            .store_u16(self.driver + 4 + 2 * u64::from(self.size), value)
            .unwrap();
    }

    /// Asks for no interrupts while used buffers are looked through.
    pub fn disable_interrupts(&mut self, memory: &TestMemory) {
        self.interrupts = false;
        if !self.event_index {
            memory.store_u16(self.driver, 1).unwrap();
        }
    }

    /// Asks for an interrupt at the next used buffer. False if there is one already.
    pub fn enable_interrupts(&mut self, memory: &TestMemory) -> bool {
        self.interrupts = true;
        if self.event_index {
            self.set_used_event(memory, self.seen);
        } else {
            memory.store_u16(self.driver, 0).unwrap();
        }
        memory.fence();
        memory.load_u16(self.device + 2).unwrap() == self.seen
    }
}
