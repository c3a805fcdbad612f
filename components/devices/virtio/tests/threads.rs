//! Driver and device at the same time, on two threads: nothing is lost, whatever the order in which memory changes.

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use common::*;
use pagurus_devices_virtio::queue::*;
use pagurus_devices_virtio::*;

const SIZE: u16 = 16;
const QUEUE: u64 = 0x1000;
const BUFFERS: u64 = 0x2_0000;
const ROUNDS: u64 = 150_000;
/// Nothing takes this long but waiting for what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Takes buffers, writes the readable number plus one to the writable part, and gives them back. Sleeps when there are
/// none, until it is notified.
fn device(
    memory: &TestMemory,
    mut ring: SplitRing,
    notified: Receiver<()>,
    interrupt: Sender<()>,
) -> u64 {
    let mut chain = Chain::default();
    let mut done = 0;
    while done < ROUNDS {
        while ring.pop(memory, &mut chain).unwrap() {
            let mut number = [0; 8];
            assert_eq!(chain.readable().read(memory, 0, &mut number), Ok(8));
            let answer = u64::from_le_bytes(number) + 1;
            let written = chain.writable().write(memory, 0, &answer.to_le_bytes());
            assert_eq!(written, Ok(8));
            let used = Used {
                id: chain.id(),
                written: 8,
            };
            ring.push(memory, &[used]).unwrap();
            done += 1;
            if ring.wants_interrupt(memory).unwrap() {
                interrupt.send(()).unwrap();
            }
        }
        if done < ROUNDS {
            notified
                .recv_timeout(PATIENCE)
                .expect("the device is notified of what it has not seen");
        }
    }
    done
}

/// Keeps the queue full, and sleeps when there is nothing to take until it is interrupted.
fn driver(
    memory: &TestMemory,
    mut queue: DriverQueue<u64>,
    notify: Sender<()>,
    interrupted: Receiver<()>,
) {
    let mut free: Vec<u64> = (0..u64::from(SIZE) / 2).map(|n| BUFFERS + 64 * n).collect();
    let (mut asked, mut answered) = (0u64, 0u64);
    while answered < ROUNDS {
        while asked < ROUNDS
            && let Some(place) = free.pop()
        {
            memory.put(place, &asked.to_le_bytes());
            memory.put(place + 8, &[0; 8]);
            queue
                .add(memory, &[(place, 8)], &[(place + 8, 8)], place)
                .unwrap();
            asked += 1;
            if queue.must_notify(memory) {
                // The device may have ended; what it has not seen, it would have waited for.
                let _ = notify.send(());
            }
        }
        queue.disable_interrupts(memory);
        loop {
            while let Some((place, length)) = queue.take_used(memory) {
                assert_eq!(length, 8);
                let number = |at| u64::from_le_bytes(memory.get(at, 8).try_into().unwrap());
                assert_eq!(number(place + 8), number(place) + 1);
                free.push(place);
                answered += 1;
            }
            if !free.is_empty() && asked < ROUNDS || answered == ROUNDS {
                break;
            }
            if queue.enable_interrupts(memory) {
                interrupted
                    .recv_timeout(PATIENCE)
                    .expect("the driver is interrupted for what it has not seen");
            }
            queue.disable_interrupts(memory);
        }
    }
}

fn run(features: Features) {
    let memory = TestMemory::new(256 << 10);
    let queue = DriverQueue::new(0, SIZE, QUEUE, features);
    let settings = QueueSettings {
        max_size: SIZE,
        size: SIZE,
        descriptor: queue.descriptor,
        driver: queue.driver,
        device: queue.device,
    };
    let ring = SplitRing::new(settings, features).unwrap();
    let (notify, notified) = channel();
    let (interrupt, interrupted) = channel();
    let memory = &memory;
    std::thread::scope(|scope| {
        let device = scope.spawn(move || device(memory, ring, notified, interrupt));
        driver(memory, queue, notify, interrupted);
        assert_eq!(device.join().unwrap(), ROUNDS);
    });
}

#[test]
fn with_event_indices() {
    run(Features::EVENT_IDX);
}

#[test]
fn with_flags() {
    run(Features::empty());
}

#[test]
fn with_indirect_tables() {
    run(Features::EVENT_IDX | Features::INDIRECT_DESC);
}
