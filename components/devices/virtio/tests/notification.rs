//! When either side of a split virtqueue is told of what the other did.

mod common;

use common::*;
use pagurus_devices_virtio::queue::*;
use pagurus_devices_virtio::*;

const SIZE: u16 = 8;
const QUEUE: u64 = 0x1000;
const BUFFER: u64 = 0x8000;

/// Both sides of one queue.
fn pair(features: Features) -> (TestMemory, DriverQueue<()>, SplitRing) {
    let queue = DriverQueue::new(0, SIZE, QUEUE, features);
    let settings = QueueSettings {
        max_size: SIZE,
        size: SIZE,
        descriptor: queue.descriptor,
        driver: queue.driver,
        device: queue.device,
    };
    let ring = SplitRing::new(settings, features).unwrap();
    (TestMemory::new(64 << 10), queue, ring)
}

/// Takes the next buffer and gives it back.
fn echo(ring: &mut SplitRing, memory: &TestMemory) -> bool {
    let mut chain = Chain::default();
    let some = ring.pop(memory, &mut chain).unwrap();
    if some {
        let used = Used {
            id: chain.id(),
            written: 0,
        };
        ring.push(memory, &[used]).unwrap();
    }
    some
}

#[test]
fn notifications_are_asked_for_only_while_the_queue_is_empty() {
    for features in [Features::empty(), Features::EVENT_IDX] {
        let (memory, mut queue, mut ring) = pair(features);
        for round in 0..70_000 {
            let serving = round % 2 == 0;
            let mut notified = 0;
            for _ in 0..3 {
                queue.add(&memory, &[(BUFFER, 4)], &[], ()).unwrap();
                notified += u32::from(queue.must_notify(&memory));
                if serving {
                    assert!(echo(&mut ring, &memory));
                }
            }
            while echo(&mut ring, &memory) {}
            // A device that has begun is not told. One that has not is told every time, unless it can say at which
            // index it wants to be.
            let once = serving || features.contains(Features::EVENT_IDX);
            assert_eq!(notified, if once { 1 } else { 3 });
            for _ in 0..3 {
                queue.take_used(&memory).unwrap();
            }
        }
        assert_eq!(queue.used, 210_000, "indices have wrapped");
    }
}

#[test]
fn interrupts_come_when_the_driver_wants_them() {
    for features in [Features::empty(), Features::EVENT_IDX] {
        let (memory, mut queue, mut ring) = pair(features);
        for _ in 0..70_000 {
            for _ in 0..4 {
                queue.add(&memory, &[(BUFFER, 4)], &[], ()).unwrap();
            }
            assert!(queue.enable_interrupts(&memory));
            assert!(echo(&mut ring, &memory));
            assert!(ring.has_news());
            assert_eq!(ring.wants_interrupt(&memory), Ok(true));
            assert!(!ring.has_news());
            assert_eq!(ring.wants_interrupt(&memory), Ok(false), "asked already");
            queue.disable_interrupts(&memory);
            assert!(echo(&mut ring, &memory));
            assert_eq!(ring.wants_interrupt(&memory), Ok(false));
            assert!(!queue.enable_interrupts(&memory), "there is more to take");
            for _ in 0..2 {
                queue.take_used(&memory).unwrap();
            }
            // Two together are one interrupt.
            assert!(queue.enable_interrupts(&memory));
            assert!(echo(&mut ring, &memory) && echo(&mut ring, &memory));
            assert_eq!(ring.wants_interrupt(&memory), Ok(true));
            for _ in 0..2 {
                queue.take_used(&memory).unwrap();
            }
        }
        assert_eq!(queue.used, 280_000);
    }
}

#[test]
fn more_used_buffers_than_indices_count_are_told_of() {
    let features = Features::EVENT_IDX;
    let (memory, mut queue, mut ring) = pair(features);
    // Nobody asks for 65,536 buffers: the index is where it was.
    queue.disable_interrupts(&memory);
    for _ in 0..1 << 16 {
        queue.add(&memory, &[(BUFFER, 4)], &[], ()).unwrap();
        assert!(echo(&mut ring, &memory));
        queue.take_used(&memory).unwrap();
    }
    assert_eq!(memory.get_u16(queue.device + 2), 0);
    assert_eq!(ring.wants_interrupt(&memory), Ok(true));
}
