//! A disk under a driver like Linux's: many thousand requests, answered in random order, every byte checked. Device and
//! driver act on notifications and interrupts only, so that a lost one is a standstill, which fails the test.

mod common;

use std::collections::HashSet;

use common::*;
use pagurus_devices_virtio::block::*;
use pagurus_devices_virtio::*;

const SECTORS: u64 = 4096;
const STATUS_OK: u8 = 0;

/// What the driver remembers of a request.
struct Asked {
    write: bool,
    sector: u64,
    sectors: u64,
    /// Where its memory begins: header, status, data.
    memory: u64,
    pieces: Vec<(u64, u32)>,
}

/// Bytes of memory that a request may take: header and status, then data with gaps.
const ARENA: u64 = 64 << 10;

struct Traffic {
    machine: Machine<Block>,
    queue: DriverQueue<Asked>,
    random: Random,
    /// The back end's disk.
    disk: Vec<u8>,
    /// What the driver thinks is on the disk.
    expected: Vec<u8>,
    /// Requests that the back end has.
    pending: Vec<Request>,
    arenas: Vec<u64>,
    busy: HashSet<u64>,
    written: u64,
    read: u64,
}

impl Traffic {
    fn new(features: Features, size: u16, msix: bool) -> Traffic {
        let mut machine = Machine::new(Block::new(BlockOptions::new(SECTORS)));
        let mut queues = match msix {
            true => machine.start(features, size),
            false => machine.start_without_msix(features, size),
        };
        let arenas = (0..48).map(|_| machine.alloc(ARENA)).collect();
        Traffic {
            machine,
            queue: queues.remove(0),
            random: Random::new(u64::from(size) ^ features.bits()),
            disk: vec![0; (SECTORS * SECTOR) as usize],
            expected: vec![0; (SECTORS * SECTOR) as usize],
            pending: Vec::new(),
            arenas,
            busy: HashSet::new(),
            written: 0,
            read: 0,
        }
    }

    /// Pieces of random length that together have so many bytes, none touching another.
    fn cut(&mut self, arena: u64, mut bytes: u64) -> Vec<(u64, u32)> {
        let mut pieces = Vec::new();
        let mut at = arena + 32;
        while bytes > 0 {
            let length = if pieces.len() == 9 {
                bytes
            } else {
                (1 + self.random.below(bytes)).min(bytes)
            };
            pieces.push((at, length as u32));
            at += length + 1 + self.random.below(7);
            bytes -= length;
        }
        pieces
    }

    /// Makes one request, if there is room and the sectors are not in use.
    fn ask(&mut self) -> bool {
        let sectors = self.random.below(9);
        let sector = self.random.below(SECTORS - sectors);
        let range = sector..sector + sectors;
        if self.queue.free() < 16 || range.clone().any(|sector| self.busy.contains(&sector)) {
            return false;
        }
        let Some(memory) = self.arenas.pop() else {
            return false;
        };
        let write = self.random.coin();
        let pieces = self.cut(memory, sectors * SECTOR);
        let guest = &self.machine.memory;
        guest.put(memory, &u32::from(write).to_le_bytes());
        guest.put(memory + 8, &sector.to_le_bytes());
        guest.put(memory + 16, &[0xee]);
        for (address, length) in &pieces {
            let bytes = self.random.bytes(*length as usize);
            guest.put(*address, &bytes);
        }
        if write {
            let data: Vec<u8> = gather(guest, &pieces);
            let start = (sector * SECTOR) as usize;
            self.expected[start..start + data.len()].copy_from_slice(&data);
        }
        let header = [(memory, 16)];
        let status = [(memory + 16, 1)];
        let (readable, writable) = if write {
            ([&header[..], &pieces].concat(), status.to_vec())
        } else {
            (header.to_vec(), [&pieces[..], &status].concat())
        };
        self.busy.extend(range);
        let asked = Asked {
            write,
            sector,
            sectors,
            memory,
            pieces,
        };
        let added = self.queue.add(guest, &readable, &writable, asked);
        assert!(added.is_ok());
        true
    }

    /// The device's side of a notification. Takes as much as the back end wants, which may not be all.
    fn serve(&mut self, most: usize) -> bool {
        for _ in 0..most {
            match self.machine.device.next_request(&self.machine.memory, 0) {
                Some(Event::Request(request)) => self.pending.push(request),
                Some(Event::Answered) => panic!("all requests are fine"),
                None => return false,
            }
        }
        true
    }

    /// The back end does one of the requests it has, any one.
    fn work(&mut self) {
        let index = self.random.below(self.pending.len() as u64) as usize;
        let request = self.pending.swap_remove(index);
        let places: Vec<_> = self.machine.device.device().data(request.tag).collect();
        let memory = &self.machine.memory;
        let (sector, bytes, write) = match request.operation {
            Operation::Read { sector, bytes } => (sector, bytes, false),
            Operation::Write { sector, bytes, .. } => (sector, bytes, true),
            other => panic!("{other:?}"),
        };
        let mut at = (sector * SECTOR) as usize;
        assert_eq!(
            places.iter().map(|p| u64::from(p.length)).sum::<u64>(),
            bytes
        );
        for piece in places {
            let range = at..at + piece.length as usize;
            at = range.end;
            if write {
                memory.read(piece.address, &mut self.disk[range]).unwrap();
            } else {
                memory.write(piece.address, &self.disk[range]).unwrap();
            }
        }
        self.machine
            .device
            .complete(memory, request.tag, Ok(()))
            .unwrap();
    }

    /// Another monitor takes over: it has the device's state and nothing else.
    fn take_over(&mut self) {
        let state = self.machine.device.clone();
        self.machine.device = state;
        let mut known: Vec<_> = self.pending.drain(..).map(|r| r.tag).collect();
        self.pending = self.machine.device.device().requests().collect();
        let mut found: Vec<_> = self.pending.iter().map(|r| r.tag).collect();
        known.sort();
        found.sort();
        assert_eq!(found, known);
    }

    /// The driver's interrupt handler.
    fn interrupt(&mut self) {
        self.queue.disable_interrupts(&self.machine.memory);
        loop {
            while let Some((asked, length)) = self.queue.take_used(&self.machine.memory) {
                self.done(asked, length);
            }
            if self.queue.enable_interrupts(&self.machine.memory) {
                break;
            }
            self.queue.disable_interrupts(&self.machine.memory);
        }
    }

    fn done(&mut self, asked: Asked, length: u32) {
        let guest = &self.machine.memory;
        assert_eq!(guest.get(asked.memory + 16, 1), [STATUS_OK]);
        let bytes = asked.sectors * SECTOR;
        if asked.write {
            assert_eq!(length, 1);
            self.written += bytes;
        } else {
            assert_eq!(u64::from(length), bytes + 1);
            let start = (asked.sector * SECTOR) as usize;
            let got = gather(guest, &asked.pieces);
            assert_eq!(got, self.expected[start..start + got.len()]);
            self.read += bytes;
        }
        for sector in asked.sector..asked.sector + asked.sectors {
            self.busy.remove(&sector);
        }
        self.arenas.push(asked.memory);
    }

    fn interrupted(&mut self) -> bool {
        let isr = self.machine.layout.isr;
        if self.machine.intx() {
            assert_eq!(self.machine.read(isr, 1), 1);
            return true;
        }
        let messages = std::mem::take(&mut self.machine.messages);
        assert!(messages.iter().all(|vector| *vector == 1));
        !messages.is_empty()
    }

    fn run(&mut self, requests: u64) {
        // The device has been told of something that it has not taken.
        let mut told = false;
        let mut asked = 0;
        let mut idle = 0;
        while self.queue.used < requests {
            let mut progress = false;
            for _ in 0..self.random.below(5) {
                if asked < requests && self.ask() {
                    asked += 1;
                    progress = true;
                }
            }
            if self.machine.notify(&mut self.queue) {
                told = true;
            }
            if told {
                let most = 1 + self.random.below(8) as usize;
                told = self.serve(most);
                progress = true;
            }
            for _ in 0..self.random.below(6) {
                if !self.pending.is_empty() {
                    self.work();
                    progress = true;
                }
            }
            if self.random.below(500) == 0 {
                self.take_over();
                // It cannot know what it was not told, so it looks.
                told = true;
            }
            self.machine.settle();
            if self.interrupted() {
                self.interrupt();
                progress = true;
            }
            // A round in which the dice say that nobody does anything is no standstill; a hundred are.
            idle = if progress { 0 } else { idle + 1 };
            assert!(
                idle < 100,
                "standstill: {} of {requests} done, {} outstanding",
                self.queue.used,
                self.queue.outstanding()
            );
        }
        assert_eq!(self.queue.outstanding(), 0);
        assert_eq!(self.machine.device.outstanding(), 0);
        assert_eq!(self.disk, self.expected);
        assert!(self.written > 0 && self.read > 0);
        assert!(self.machine.faults.is_empty());
    }
}

fn gather(memory: &TestMemory, pieces: &[(u64, u32)]) -> Vec<u8> {
    pieces
        .iter()
        .flat_map(|(address, length)| memory.get(*address, *length as usize))
        .collect()
}

#[test]
fn with_everything_offered_until_indices_wrap() {
    let mut traffic = Traffic::new(Features::all(), 256, true);
    traffic.run(70_000);
    assert_eq!(traffic.queue.seen, (70_000 % 65_536) as u16);
}

#[test]
fn without_indirect_tables() {
    Traffic::new(Features::all() - Features::INDIRECT_DESC, 256, true).run(5_000);
}

#[test]
fn without_event_indices() {
    Traffic::new(Features::all() - Features::EVENT_IDX, 64, true).run(5_000);
}

#[test]
fn with_nothing_but_version_1_and_intx() {
    Traffic::new(Features::VERSION_1, 32, false).run(5_000);
}

#[test]
fn a_standstill_would_be_noticed() {
    let mut traffic = Traffic::new(Features::all(), 64, true);
    // The driver never wants to be told.
    traffic.queue.disable_interrupts(&traffic.machine.memory);
    let used_event = traffic.queue.driver + 4 + 2 * 64;
    traffic.machine.memory.put_u16(used_event, 0x8000);
    let run = std::panic::AssertUnwindSafe(|| traffic.run(100));
    let panic = std::panic::catch_unwind(run).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("standstill"), "{text}");
}
