//! The balloon.

mod common;

use common::memory::HIGH;
use common::*;
use pagurus_devices_virtio::balloon::*;
use pagurus_devices_virtio::*;

struct Ballooned {
    machine: Machine<Balloon>,
    queues: Vec<DriverQueue<()>>,
}

impl Ballooned {
    fn new() -> Ballooned {
        let mut machine = Machine::new(Balloon::new(false));
        let queues = machine.start(Features::all(), 16);
        Ballooned { machine, queues }
    }

    /// Makes a buffer of page numbers, cut anywhere.
    fn give(&mut self, queue: u16, numbers: &[u32], cut: usize) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.raw(queue, &bytes, cut);
    }

    fn raw(&mut self, queue: u16, bytes: &[u8], cut: usize) {
        let at = self.machine.alloc(bytes.len() as u64 + 16);
        self.machine.memory.put(at, &bytes[..cut]);
        self.machine.memory.put(at + cut as u64 + 3, &bytes[cut..]);
        let pieces = [
            (at, cut as u32),
            (at + cut as u64 + 3, (bytes.len() - cut) as u32),
        ];
        self.queues[usize::from(queue)]
            .add(&self.machine.memory, &pieces, &[], ())
            .unwrap();
    }

    fn next(&mut self, queue: u16) -> Option<Event> {
        let event = self.machine.device.next_pages(&self.machine.memory, queue);
        self.machine.settle();
        event
    }

    fn used(&mut self, queue: u16) -> bool {
        self.queues[usize::from(queue)]
            .take_used(&self.machine.memory)
            .is_some()
    }
}

#[test]
fn the_target_is_told_and_what_the_guest_reached_is_heard() {
    let mut guest = Ballooned::new();
    assert_eq!(guest.machine.device_config(), [0; 8]);
    guest.machine.device.set_target(0x1234);
    guest.machine.settle();
    assert_eq!(guest.machine.messages.pop_front(), Some(0));
    assert_eq!(
        guest.machine.device_config(),
        [0x34, 0x12, 0, 0, 0, 0, 0, 0]
    );
    let config = guest.machine.layout.config.unwrap();
    guest.machine.write(config + 4, 4, 0x1000);
    assert_eq!(guest.machine.effects.pop_back(), Some(Effect::Configured));
    assert_eq!(guest.machine.device.device().actual(), 0x1000);
    assert_eq!(guest.machine.read(config + 4, 4), 0x1000);
    guest.machine.write(config, 4, 7);
    guest.machine.write(config + 4, 2, 7);
    assert_eq!(guest.machine.device.device().target(), 0x1234);
    assert_eq!(guest.machine.device.device().actual(), 0x1000);
    guest.machine.set_status(0);
    assert_eq!(guest.machine.device.device().target(), 0x1234);
    assert_eq!(guest.machine.device.device().actual(), 0);
}

#[test]
fn pages_are_told_in_runs_and_the_buffer_goes_back_at_the_end() {
    let mut guest = Ballooned::new();
    assert_eq!(guest.next(INFLATE), None);
    let numbers = [5, 6, 7, 100, 99, 98, 97, 3, 3, 0x10_0000, 0];
    for cut in [0, 1, 4, 17, 44] {
        for queue in [INFLATE, DEFLATE] {
            guest.give(queue, &numbers, cut);
            for (first, pages) in [(5, 3), (97, 4), (3, 1), (3, 1), (0x10_0000, 1), (0, 1)] {
                assert!(!guest.used(queue));
                let address = first * PAGE;
                let expected = match queue {
                    INFLATE => Event::Inflate { address, pages },
                    _ => Event::Deflate { address, pages },
                };
                assert_eq!(guest.next(queue), Some(expected));
            }
            assert!(!guest.used(queue));
            assert_eq!(guest.next(queue), Some(Event::Done));
            assert!(guest.used(queue));
            assert_eq!(guest.next(queue), None);
        }
    }
    assert_eq!(0x10_0000 * PAGE, HIGH);
}

#[test]
fn long_and_odd_buffers() {
    let mut guest = Ballooned::new();
    // More than is read at a time.
    let numbers: Vec<u32> = (0..300).collect();
    guest.give(INFLATE, &numbers, 10);
    let mut told = 0;
    loop {
        match guest.next(INFLATE).unwrap() {
            Event::Inflate { address, pages } => {
                assert_eq!(address, told * PAGE);
                told += u64::from(pages);
            }
            Event::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 300);
    // A rest of less than a number.
    guest.raw(INFLATE, &[1, 0, 0, 0, 2, 0, 0], 2);
    let (address, pages) = (PAGE, 1);
    assert_eq!(guest.next(INFLATE), Some(Event::Inflate { address, pages }));
    assert_eq!(guest.next(INFLATE), Some(Event::Done));
    guest.raw(INFLATE, &[], 0);
    assert_eq!(guest.next(INFLATE), Some(Event::Done));
    assert!(guest.machine.faults.is_empty());
}

#[test]
fn pages_outside_memory_break_the_device() {
    for numbers in [
        &[2048][..],
        &[u32::MAX],
        &[2047, 2048],
        &[0xf_ffff, 0x10_0000],
        &[u32::MAX, 0],
    ] {
        let mut guest = Ballooned::new();
        guest.give(INFLATE, numbers, 0);
        assert_eq!(guest.next(INFLATE), None);
        let fault = Fault {
            queue: INFLATE,
            cause: Cause::Buffer(BufferError::PageNumber { number: numbers[0] }),
        };
        assert_eq!(guest.machine.faults, [fault], "{numbers:x?}");
        assert_eq!(guest.next(INFLATE), None);
        assert!(!guest.used(INFLATE));
    }
}

#[test]
fn both_queues_are_worked_through_at_the_same_time() {
    let mut guest = Ballooned::new();
    guest.give(INFLATE, &[1, 3], 0);
    guest.give(DEFLATE, &[7, 9], 0);
    let inflate = |n: u64| {
        Some(Event::Inflate {
            address: n * PAGE,
            pages: 1,
        })
    };
    let deflate = |n: u64| {
        Some(Event::Deflate {
            address: n * PAGE,
            pages: 1,
        })
    };
    assert_eq!(guest.next(INFLATE), inflate(1));
    assert_eq!(guest.next(DEFLATE), deflate(7));
    assert_eq!(guest.next(INFLATE), inflate(3));
    assert_eq!(guest.next(DEFLATE), deflate(9));
    assert_eq!(guest.next(STATISTICS), None, "not a queue of pages");
    // The guest gives up; nothing more is believed of it.
    guest.give(INFLATE, &[11, 13], 0);
    assert_eq!(guest.next(INFLATE), Some(Event::Done));
    assert_eq!(guest.next(INFLATE), inflate(11));
    guest.machine.set_status(0x80);
    assert_eq!(guest.next(INFLATE), None);
    // A reset forgets where it was.
    guest.machine.set_status(0);
    assert_eq!(guest.next(INFLATE), None);
    guest.queues = guest.machine.start(Features::all(), 16);
    assert_eq!(guest.next(INFLATE), None);
}

#[test]
fn statistics_are_asked_for_and_come() {
    let mut guest = Ballooned::new();
    let entry = |tag: u16, value: u64| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(value.to_le_bytes());
        bytes
    };
    let next = |guest: &mut Ballooned| guest.machine.device.next_statistics(&guest.machine.memory);
    assert_eq!(next(&mut guest), None);
    let memory = &guest.machine.memory;
    assert!(!guest.machine.device.request_statistics(memory));
    // The driver's first buffer; some tags, one unknown, a rest that is no entry.
    let first = [
        entry(4, 1 << 40),
        entry(5, u64::MAX),
        entry(777, 1),
        vec![9; 5],
    ]
    .concat();
    guest.raw(STATISTICS, &first, 7);
    let expected = Statistics {
        free: Some(1 << 40),
        total: Some(u64::MAX),
        ..Statistics::default()
    };
    assert_eq!(next(&mut guest), Some(expected));
    assert_eq!(next(&mut guest), None);
    assert!(!guest.used(STATISTICS), "kept until more is wanted");
    let memory = &guest.machine.memory;
    assert!(guest.machine.device.request_statistics(memory));
    assert!(!guest.machine.device.request_statistics(memory), "once");
    assert!(guest.used(STATISTICS));
    let all: Vec<u8> = (0..10)
        .flat_map(|tag| entry(tag, 100 + u64::from(tag)))
        .collect();
    guest.raw(STATISTICS, &all, 0);
    let expected = Statistics {
        swap_in: Some(100),
        swap_out: Some(101),
        major_faults: Some(102),
        minor_faults: Some(103),
        free: Some(104),
        total: Some(105),
        available: Some(106),
        caches: Some(107),
        huge_pages_given: Some(108),
        huge_pages_refused: Some(109),
    };
    assert_eq!(next(&mut guest), Some(expected));
    // A driver that gives a second one gets the first back.
    guest.raw(STATISTICS, &entry(0, 7), 0);
    assert!(!guest.used(STATISTICS));
    assert_eq!(next(&mut guest).unwrap().swap_in, Some(7));
    assert!(guest.used(STATISTICS));
    assert!(!guest.used(STATISTICS));
}
