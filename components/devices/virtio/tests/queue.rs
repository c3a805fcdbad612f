//! Split virtqueues: everything that a driver can do right and wrong.

mod common;

use common::driver::{INDIRECT, NEXT, WRITE};
use common::memory::HIGH;
use common::*;
use pagurus_devices_virtio::queue::*;
use pagurus_devices_virtio::*;

const SIZE: u16 = 8;
const DESCRIPTOR: u64 = 0x1000;
const DRIVER: u64 = 0x2000;
const DEVICE: u64 = 0x3000;
const TABLE: u64 = 0x4000;
const BUFFER: u64 = 0x8000;

fn settings() -> QueueSettings {
    QueueSettings {
        max_size: 16,
        size: SIZE,
        descriptor: DESCRIPTOR,
        driver: DRIVER,
        device: DEVICE,
    }
}

fn ring(features: Features) -> (TestMemory, SplitRing) {
    let ring = SplitRing::new(settings(), features).unwrap();
    (TestMemory::new(64 << 10), ring)
}

fn descriptor(address: u64, length: u32, flags: u16, next: u16) -> Descriptor {
    Descriptor {
        address,
        length,
        flags,
        next,
    }
}

/// Puts descriptors into the table and makes `head` available as the first buffer.
fn offer(memory: &TestMemory, head: u16, table: &[Descriptor]) {
    for (n, descriptor) in (0..).zip(table) {
        descriptor.store(memory, DESCRIPTOR + 16 * n);
    }
    memory.put_u16(DRIVER + 4, head);
    memory.put_u16(DRIVER + 2, 1);
}

fn pop_of(features: Features, head: u16, table: &[Descriptor]) -> Result<Chain, QueueError> {
    let (memory, mut ring) = ring(features);
    offer(&memory, head, table);
    let mut chain = Chain::default();
    assert!(ring.pop(&memory, &mut chain)?);
    Ok(chain)
}

fn pieces(pieces: &Pieces) -> Vec<(u64, u32)> {
    pieces
        .as_slice()
        .iter()
        .map(|piece| (piece.address, piece.length))
        .collect()
}

#[test]
fn an_empty_queue_gives_nothing() {
    for features in [Features::empty(), Features::EVENT_IDX] {
        let (memory, mut ring) = ring(features);
        let before = memory.contents();
        for _ in 0..3 {
            assert_eq!(ring.pop(&memory, &mut Chain::default()), Ok(false));
        }
        assert_eq!(memory.contents(), before, "already asked for notifications");
        assert!(!ring.has_news());
        assert_eq!(ring.wants_interrupt(&memory), Ok(false));
    }
}

#[test]
fn a_chain_is_taken_in_order() {
    let chain = pop_of(
        Features::empty(),
        3,
        &[
            descriptor(BUFFER + 100, 7, NEXT | WRITE, 1),
            descriptor(HIGH, 9, WRITE, 99),
            descriptor(BUFFER + 50, 2, NEXT, 0),
            descriptor(BUFFER, 16, NEXT, 2),
        ],
    )
    .unwrap();
    assert_eq!(chain.id(), 3);
    assert_eq!(pieces(chain.readable()), [(BUFFER, 16), (BUFFER + 50, 2)]);
    assert_eq!(pieces(chain.writable()), [(BUFFER + 100, 7), (HIGH, 9)]);
    assert_eq!(chain.readable().bytes(), 18);
    assert_eq!(chain.writable().bytes(), 16);
}

#[test]
fn empty_descriptors_leave_nothing_and_memory_ends_where_it_ends() {
    let end = 64 << 10;
    let chain = pop_of(
        Features::empty(),
        0,
        &[
            descriptor(u64::MAX, 0, NEXT, 1),
            descriptor(end - 1, 1, NEXT, 2),
            descriptor(0, 1, WRITE, 0),
        ],
    )
    .unwrap();
    assert_eq!(pieces(chain.readable()), [(end - 1, 1)]);
    assert_eq!(pieces(chain.writable()), [(0, 1)]);
    for (address, length) in [
        (end - 1, 2),
        (end, 1),
        (HIGH - 1, 1),
        (HIGH - 1, 2),
        (u64::MAX, 1),
        (u64::MAX, u32::MAX),
        (0, u32::MAX),
    ] {
        let result = pop_of(
            Features::empty(),
            0,
            &[descriptor(address, length, WRITE, 0)],
        );
        let length = u64::from(length);
        assert_eq!(
            result,
            Err(QueueError::Memory(OutsideMemory { address, length }))
        );
    }
}

#[test]
fn heads_and_links_beyond_the_table_are_refused() {
    for head in [SIZE, SIZE + 1, u16::MAX] {
        let entries = u32::from(SIZE);
        assert_eq!(
            pop_of(Features::empty(), head, &[]),
            Err(QueueError::DescriptorIndex {
                index: head,
                entries
            })
        );
        assert_eq!(
            pop_of(Features::empty(), 0, &[descriptor(BUFFER, 1, NEXT, head)]),
            Err(QueueError::DescriptorIndex {
                index: head,
                entries
            })
        );
    }
}

#[test]
fn loops_end() {
    let limit = settings().max_size;
    for flags in [NEXT, NEXT | WRITE] {
        for table in [
            &[descriptor(BUFFER, 1, flags, 0)][..],
            &[
                descriptor(BUFFER, 1, flags, 1),
                descriptor(BUFFER, 0, flags, 0),
            ],
        ] {
            assert_eq!(
                pop_of(Features::empty(), 0, table),
                Err(QueueError::ChainTooLong { limit })
            );
        }
    }
}

#[test]
fn readable_after_writable_is_refused() {
    assert_eq!(
        pop_of(
            Features::empty(),
            0,
            &[
                descriptor(BUFFER, 1, NEXT | WRITE, 1),
                descriptor(BUFFER, 1, 0, 0)
            ]
        ),
        Err(QueueError::Order)
    );
}

#[test]
fn more_bytes_than_a_chain_may_have_are_refused() {
    /// All addresses are memory and read as the table that is wanted.
    struct Endless(TestMemory);
    impl GuestMemory for Endless {
        fn contains(&self, _: u64, _: u64) -> bool {
            true
        }
        fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), OutsideMemory> {
            self.0.read(address, bytes)
        }
        fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutsideMemory> {
            self.0.write(address, bytes)
        }
        fn load_u16(&self, address: u64) -> Result<u16, OutsideMemory> {
            self.0.load_u16(address)
        }
        fn store_u16(&self, address: u64, value: u16) -> Result<(), OutsideMemory> {
            self.0.store_u16(address, value)
        }
    }
    for (last, expected) in [(1, Ok(true)), (2, Err(QueueError::TooManyBytes))] {
        let (memory, mut ring) = ring(Features::empty());
        offer(
            &memory,
            0,
            &[
                descriptor(0, u32::MAX, NEXT, 1),
                descriptor(0, last, WRITE, 0),
            ],
        );
        assert_eq!(ring.pop(&Endless(memory), &mut Chain::default()), expected);
    }
}

#[test]
fn indirect_tables_of_every_form() {
    let features = Features::INDIRECT_DESC;
    let with_table = |descriptors: &[Descriptor], entry: Descriptor| {
        let (memory, mut ring) = ring(features);
        for (n, descriptor) in (0..).zip(descriptors) {
            descriptor.store(&memory, TABLE + 16 * n);
        }
        offer(&memory, 0, &[entry, descriptor(TABLE, 16, INDIRECT, 0)]);
        let mut chain = Chain::default();
        ring.pop(&memory, &mut chain).map(|some| {
            assert!(some);
            chain
        })
    };
    // The first entry is where it begins, whatever order the links give. WRITE on the outer one means nothing.
    let chain = with_table(
        &[
            descriptor(BUFFER, 1, NEXT, 2),
            descriptor(BUFFER + 2, 3, WRITE, 0),
            descriptor(BUFFER + 1, 2, NEXT, 1),
        ],
        descriptor(TABLE, 48, INDIRECT | WRITE, 0),
    )
    .unwrap();
    assert_eq!(pieces(chain.readable()), [(BUFFER, 1), (BUFFER + 1, 2)]);
    assert_eq!(pieces(chain.writable()), [(BUFFER + 2, 3)]);

    // Direct ones first, then a table.
    let chain = with_table(
        &[descriptor(BUFFER + 8, 4, WRITE, 0)],
        descriptor(BUFFER, 8, NEXT, 1),
    )
    .unwrap();
    assert_eq!(pieces(chain.readable()), [(BUFFER, 8)]);
    assert_eq!(pieces(chain.writable()), [(BUFFER + 8, 4)]);

    // As long as the device takes, and one more.
    let limit = settings().max_size;
    let mut long: Vec<Descriptor> = (1..=limit)
        .map(|n| descriptor(BUFFER, 1, NEXT, n))
        .collect();
    long.push(descriptor(BUFFER, 1, 0, 0));
    let length = 16 * long.len() as u32;
    assert_eq!(
        with_table(&long, descriptor(TABLE, length, INDIRECT, 0)),
        Err(QueueError::ChainTooLong { limit })
    );
    long[usize::from(limit) - 1].flags = 0;
    let chain = with_table(&long, descriptor(TABLE, length, INDIRECT, 0)).unwrap();
    assert_eq!(chain.readable().bytes(), u64::from(limit));

    let one = [descriptor(BUFFER, 1, 0, 0)];
    for length in [0, 1, 15, 17, u32::MAX] {
        assert_eq!(
            with_table(&one, descriptor(TABLE, length, INDIRECT, 0)),
            Err(QueueError::IndirectLength { length })
        );
    }
    assert_eq!(
        with_table(&one, descriptor(TABLE, 16, INDIRECT | NEXT, 1)),
        Err(QueueError::IndirectFlag)
    );
    assert_eq!(
        with_table(
            &[descriptor(TABLE, 16, INDIRECT, 0)],
            descriptor(TABLE, 16, INDIRECT, 0)
        ),
        Err(QueueError::IndirectFlag),
        "a table in a table"
    );
    assert_eq!(
        with_table(
            &[descriptor(BUFFER, 1, NEXT, 1)],
            descriptor(TABLE, 16, INDIRECT, 0)
        ),
        Err(QueueError::DescriptorIndex {
            index: 1,
            entries: 1
        })
    );
    assert_eq!(
        with_table(
            &[descriptor(BUFFER, 1, NEXT, 0)],
            descriptor(TABLE, 16, INDIRECT, 0)
        ),
        Err(QueueError::ChainTooLong { limit }),
        "a loop in a table"
    );
    for address in [64 << 10, HIGH - 16, u64::MAX, u64::MAX - 15] {
        assert!(matches!(
            with_table(&one, descriptor(address, 16, INDIRECT, 0)),
            Err(QueueError::Memory(_))
        ));
    }
    // A huge table is no problem as long as the chain stays in memory.
    assert!(with_table(&one, descriptor(TABLE, 0xffff_fff0, INDIRECT, 0)).is_ok());
    // Nothing of this without the feature.
    assert_eq!(
        pop_of(Features::empty(), 0, &[descriptor(TABLE, 16, INDIRECT, 0)]),
        Err(QueueError::IndirectFlag)
    );
}

#[test]
fn an_available_index_that_jumps_is_refused() {
    for (index, fine) in [
        (1, true),
        (SIZE, true),
        (SIZE + 1, false),
        (u16::MAX, false),
    ] {
        let (memory, mut ring) = ring(Features::empty());
        offer(&memory, 0, &[descriptor(BUFFER, 1, 0, 0)]);
        memory.put_u16(DRIVER + 2, index);
        let expected = match fine {
            true => Ok(true),
            false => Err(QueueError::AvailableIndex { index, expected: 0 }),
        };
        assert_eq!(ring.pop(&memory, &mut Chain::default()), expected);
    }
    // Backwards.
    let (memory, mut ring) = ring(Features::empty());
    offer(&memory, 0, &[descriptor(BUFFER, 1, 0, 0)]);
    assert_eq!(ring.pop(&memory, &mut Chain::default()), Ok(true));
    memory.put_u16(DRIVER + 2, 0);
    assert_eq!(
        ring.pop(&memory, &mut Chain::default()),
        Err(QueueError::AvailableIndex {
            index: 0,
            expected: 1
        })
    );
}

#[test]
fn a_buffer_cannot_be_taken_twice_nor_given_back_twice() {
    let (memory, mut ring) = ring(Features::empty());
    offer(&memory, 2, &[descriptor(BUFFER, 1, 0, 0); 3]);
    memory.put_u16(DRIVER + 6, 2);
    memory.put_u16(DRIVER + 2, 2);
    let mut chain = Chain::default();
    assert_eq!(ring.pop(&memory, &mut chain), Ok(true));
    assert_eq!(ring.in_flight(), 1);
    let mut again = ring.clone();
    assert_eq!(
        again.pop(&memory, &mut chain),
        Err(QueueError::InFlight { id: 2 })
    );
    let used = |id| [Used { id, written: 0 }];
    assert_eq!(ring.push(&memory, &used(2)), Ok(()));
    assert_eq!(ring.in_flight(), 0);
    assert_eq!(ring.pop(&memory, &mut chain), Ok(true), "used in between");
    assert_eq!(ring.push(&memory, &used(2)), Ok(()));
    for id in [2, 1, SIZE, 1023, 1024, u16::MAX] {
        let mut ring = ring.clone();
        assert_eq!(
            ring.push(&memory, &used(id)),
            Err(QueueError::NotInFlight { id })
        );
    }
}

#[test]
fn what_was_taken_can_be_put_back_in_reverse_order() {
    let (memory, mut ring) = ring(Features::empty());
    offer(&memory, 0, &[descriptor(BUFFER, 1, 0, 0); 2]);
    memory.put_u16(DRIVER + 6, 1);
    memory.put_u16(DRIVER + 2, 2);
    let fresh = ring.clone();
    let (mut a, mut b) = (Chain::default(), Chain::default());
    assert_eq!(ring.pop(&memory, &mut a), Ok(true));
    assert_eq!(ring.pop(&memory, &mut b), Ok(true));
    assert_eq!(ring.pop(&memory, &mut Chain::default()), Ok(false));
    ring.undo_pop(&b).unwrap();
    ring.undo_pop(&a).unwrap();
    assert_eq!(ring.in_flight(), fresh.in_flight());
    assert_eq!(ring.undo_pop(&a), Err(QueueError::NotInFlight { id: 0 }));
    for expected in [&a, &b] {
        let mut chain = Chain::default();
        assert_eq!(ring.pop(&memory, &mut chain), Ok(true));
        assert_eq!(&chain, expected);
    }
}

#[test]
fn used_buffers_appear_together_and_in_order() {
    let (memory, mut ring) = ring(Features::empty());
    offer(&memory, 0, &[descriptor(BUFFER, 9, WRITE, 0); 3]);
    memory.put_u16(DRIVER + 6, 1);
    memory.put_u16(DRIVER + 8, 2);
    memory.put_u16(DRIVER + 2, 3);
    for _ in 0..3 {
        assert_eq!(ring.pop(&memory, &mut Chain::default()), Ok(true));
    }
    let used = [(2, 9), (0, 4), (1, 0)].map(|(id, written)| Used { id, written });
    ring.push(&memory, &used).unwrap();
    assert_eq!(memory.get_u16(DEVICE + 2), 3);
    let elements: Vec<(u32, u32)> = (0..3)
        .map(|n| DEVICE + 4 + 8 * n)
        .map(|at| (memory.get_u32(at), memory.get_u32(at + 4)))
        .collect();
    assert_eq!(elements, [(2, 9), (0, 4), (1, 0)]);
}

#[test]
fn rings_outside_memory_are_errors_at_every_access() {
    let outside = 0x10_0000;
    for (descriptor_area, driver, device) in [
        (outside, DRIVER, DEVICE),
        (DESCRIPTOR, outside, DEVICE),
        (DESCRIPTOR, DRIVER, outside),
        // The end of memory lies within the ring.
        (DESCRIPTOR, DRIVER, (64 << 10) - 4),
        (DESCRIPTOR, (64 << 10) - 4, DEVICE),
        (!0xfff, DRIVER, DEVICE),
    ] {
        let memory = TestMemory::new(64 << 10);
        offer(&memory, 0, &[descriptor(BUFFER, 1, 0, 0)]);
        if memory.contains(driver, 4) {
            memory.put_u16(driver + 2, 1);
        }
        let settings = QueueSettings {
            descriptor: descriptor_area,
            driver,
            device,
            ..settings()
        };
        let mut ring = SplitRing::new(settings, Features::empty()).unwrap();
        let popped = ring.pop(&memory, &mut Chain::default());
        let result = popped.and_then(|_| ring.push(&memory, &[Used { id: 0, written: 0 }]));
        assert!(
            matches!(result, Err(QueueError::Memory(_))),
            "{result:?} with {settings:x?}"
        );
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for size in [0, 3, 12, 32, 1 << 15, u16::MAX] {
        let settings = QueueSettings { size, ..settings() };
        assert_eq!(
            settings.check(),
            Err(QueueError::Size { size, max: 16 }),
            "{size}"
        );
    }
    let huge = QueueSettings {
        size: 2048,
        ..QueueSettings::new(2048)
    };
    assert!(huge.check().is_err(), "greater than any queue may be");
    for (field, alignment) in [(0, 16), (1, 2), (2, 4)] {
        for offset in [1, alignment / 2, alignment] {
            let mut settings = settings();
            *[
                &mut settings.descriptor,
                &mut settings.driver,
                &mut settings.device,
            ][field] += offset;
            assert_eq!(settings.check().is_ok(), offset == alignment);
        }
        let mut settings = settings();
        *[
            &mut settings.descriptor,
            &mut settings.driver,
            &mut settings.device,
        ][field] = !15;
        assert!(matches!(settings.check(), Err(QueueError::Memory(_))));
    }
}

#[test]
fn bytes_are_where_they_were_put() {
    let memory = TestMemory::new(64);
    let mut expected = [0; 64];
    let mut random = Random::new(9);
    for _ in 0..1000 {
        let start = random.below(64) as usize;
        let length = random.below(65 - start as u64) as usize;
        let bytes = random.bytes(length);
        memory.put(HIGH + start as u64, &bytes);
        expected[start..start + length].copy_from_slice(&bytes);
        assert_eq!(memory.get(HIGH, 64), expected);
        assert_eq!(memory.get(HIGH + start as u64, length), bytes);
    }
}
