//! Driver and device at the same time, with every order of memory accesses that a weakly ordered processor allows the
//! device's stores: they wait in a buffer and leave it late, and out of order unless one is a release. Between any two
//! accesses of the device the driver may do something.
//!
//! Each side sleeps until it is told, so that a missing barrier or second look ends in a standstill sooner or later.

mod common;

use std::cell::{Cell, RefCell};

use common::*;
use pagurus_devices_virtio::queue::*;
use pagurus_devices_virtio::*;

const SIZE: u16 = 4;
const QUEUE: u64 = 0x1000;
const BUFFERS: u64 = 0x2000;
const ROUNDS: u64 = 300;

/// The driver, which does one thing at a time.
struct Driver {
    queue: DriverQueue<u64>,
    free: Vec<u64>,
    asked: u64,
    answered: u64,
    interrupted: bool,
    /// The device was notified, and has not noticed.
    notified: bool,
}

impl Driver {
    /// Does something, if there is something to do.
    fn step(&mut self, memory: &TestMemory) -> bool {
        if self.interrupted {
            self.interrupted = false;
            self.queue.disable_interrupts(memory);
            self.take(memory);
            self.interrupted = !self.queue.enable_interrupts(memory);
            return true;
        }
        if self.asked == ROUNDS {
            return false;
        }
        let Some(place) = self.free.pop() else {
            return false;
        };
        memory.put(place, &self.asked.to_le_bytes());
        memory.put(place + 8, &[0; 8]);
        let (readable, writable) = ([(place, 8)], [(place + 8, 8)]);
        self.queue.add(memory, &readable, &writable, place).unwrap();
        self.asked += 1;
        self.notified |= self.queue.must_notify(memory);
        true
    }

    fn take(&mut self, memory: &TestMemory) {
        while let Some((place, length)) = self.queue.take_used(memory) {
            assert_eq!(length, 8);
            let number = |at| u64::from_le_bytes(memory.get(at, 8).try_into().unwrap());
            assert_eq!(number(place + 8), number(place) + 1, "written before told");
            self.free.push(place);
            self.answered += 1;
        }
    }
}

/// A store that the driver does not see yet.
struct Store {
    address: u64,
    bytes: Vec<u8>,
    release: bool,
}

/// The memory as the device has it.
struct Shared {
    memory: TestMemory,
    driver: RefCell<Driver>,
    buffer: RefCell<Vec<Store>>,
    random: RefCell<Random>,
    /// What the driver did between accesses of the device.
    steps: Cell<u64>,
    /// Barriers do something.
    barriers: bool,
}

impl Shared {
    fn dice(&self, sides: u64) -> u64 {
        self.random.borrow_mut().below(sides)
    }

    /// Time passes.
    fn tick(&self) {
        if self.dice(4) == 0 {
            self.leave(None);
        }
        if self.dice(3) == 0 && self.driver.borrow_mut().step(&self.memory) {
            self.steps.set(self.steps.get() + 1);
        }
    }

    /// One store leaves the buffer: any, but a release only after all before it. `which` counts among these.
    fn leave(&self, which: Option<usize>) {
        let mut buffer = self.buffer.borrow_mut();
        let free: Vec<usize> = (0..buffer.len())
            .filter(|at| *at == 0 || !buffer[*at].release)
            .collect();
        if free.is_empty() {
            return;
        }
        let which = which.unwrap_or(self.dice(free.len() as u64) as usize);
        let store = buffer.remove(free[which]);
        self.memory.put(store.address, &store.bytes);
    }

    fn drain(&self) {
        while !self.buffer.borrow().is_empty() {
            self.leave(Some(0));
        }
    }

    fn store(&self, address: u64, bytes: &[u8], release: bool) -> Result<(), OutsideMemory> {
        self.tick();
        let length = bytes.len() as u64;
        if !self.memory.contains(address, length) {
            return Err(OutsideMemory { address, length });
        }
        // Stores to one place keep their order.
        let overlaps = |old: &Store| {
            old.address < address + length && address < old.address + old.bytes.len() as u64
        };
        if self.buffer.borrow().iter().any(overlaps) {
            self.drain();
        }
        self.buffer.borrow_mut().push(Store {
            address,
            bytes: bytes.to_vec(),
            release,
        });
        Ok(())
    }
}

impl GuestMemory for Shared {
    fn contains(&self, address: u64, length: u64) -> bool {
        self.memory.contains(address, length)
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
        self.tick();
        self.memory.read(address, bytes)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
        self.store(address, bytes, false)
    }

    fn load_u16(&self, address: u64) -> Result<u16, OutsideMemory> {
        self.tick();
        self.memory.load_u16(address)
    }

    fn store_u16(&self, address: u64, value: u16) -> Result<(), OutsideMemory> {
        self.store(address, &value.to_le_bytes(), true)
    }

    fn fence(&self) {
        if self.barriers {
            self.drain();
        }
    }
}

/// The device: takes all there is, answers, and sleeps. True if it did anything.
fn device(shared: &Shared, ring: &mut SplitRing) -> bool {
    if !std::mem::take(&mut shared.driver.borrow_mut().notified) {
        return false;
    }
    let mut chain = Chain::default();
    while ring.pop(shared, &mut chain).unwrap() {
        let mut number = [0; 8];
        assert_eq!(chain.readable().read(shared, 0, &mut number), Ok(8));
        let answer = u64::from_le_bytes(number) + 1;
        let result = chain.writable().write(shared, 0, &answer.to_le_bytes());
        assert_eq!(result, Ok(8));
        let used = Used {
            id: chain.id(),
            written: 8,
        };
        ring.push(shared, &[used]).unwrap();
        // Sometimes for several at once, as a monitor may.
        if shared.dice(3) > 0 && ring.wants_interrupt(shared).unwrap() {
            shared.driver.borrow_mut().interrupted = true;
        }
    }
    if ring.wants_interrupt(shared).unwrap() {
        shared.driver.borrow_mut().interrupted = true;
    }
    true
}

fn run(features: Features, seed: u64) -> u64 {
    run_with(features, seed, true)
}

fn run_with(features: Features, seed: u64, barriers: bool) -> u64 {
    let queue = DriverQueue::new(0, SIZE, QUEUE, features);
    let settings = QueueSettings {
        max_size: SIZE,
        size: SIZE,
        descriptor: queue.descriptor,
        driver: queue.driver,
        device: queue.device,
    };
    let mut ring = SplitRing::new(settings, features).unwrap();
    let shared = Shared {
        memory: TestMemory::new(32 << 10),
        driver: RefCell::new(Driver {
            queue,
            free: (0..u64::from(SIZE) / 2).map(|n| BUFFERS + 64 * n).collect(),
            asked: 0,
            answered: 0,
            interrupted: false,
            notified: false,
        }),
        buffer: RefCell::new(Vec::new()),
        random: RefCell::new(Random::new(seed)),
        steps: Cell::new(0),
        barriers,
    };
    while shared.driver.borrow().answered < ROUNDS {
        let device = device(&shared, &mut ring);
        let driver = shared.driver.borrow_mut().step(&shared.memory);
        if !device && !driver {
            // Nobody is going to do anything, whatever leaves the buffer now.
            shared.drain();
            let driver = shared.driver.borrow();
            assert!(
                driver.notified || driver.interrupted,
                "standstill with seed {seed}: {} of {} answered",
                driver.answered,
                driver.asked
            );
        }
    }
    shared.steps.get()
}

fn run_many(features: Features) {
    let steps: u64 = (0..300).map(|seed| run(features, seed)).sum();
    assert!(steps > 10_000, "the driver got in between {steps} times");
}

#[test]
fn with_flags() {
    run_many(Features::empty());
}

#[test]
fn with_event_indices() {
    run_many(Features::EVENT_IDX);
}

#[test]
fn with_indirect_tables() {
    run_many(Features::EVENT_IDX | Features::INDIRECT_DESC);
}

#[test]
fn missing_barriers_would_be_noticed() {
    for features in [Features::empty(), Features::EVENT_IDX] {
        let stuck = (0..300).any(|seed| {
            let run = || run_with(features, seed, false);
            std::panic::catch_unwind(run).is_err_and(|panic| {
                let text = panic.downcast_ref::<String>().unwrap();
                assert!(text.starts_with("standstill"), "{text}");
                true
            })
        });
        assert!(stuck);
    }
}
