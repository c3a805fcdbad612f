//! The block device: every request, right and wrong.

mod common;

use common::*;
use pagurus_devices_virtio::block::*;
use pagurus_devices_virtio::*;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

const HEADER: u64 = 0x10_0000;
const DATA: u64 = 0x11_0000;
const STATUS: u64 = 0x18_0000;

fn options() -> BlockOptions {
    BlockOptions {
        discard: true,
        serial: *b"pagurus disk 0000042",
        ..BlockOptions::new(1000)
    }
}

struct Disk {
    machine: Machine<Block>,
    queues: Vec<DriverQueue<()>>,
}

impl Disk {
    fn new(options: BlockOptions, features: Features) -> Disk {
        let mut machine = Machine::new(Block::new(options));
        let queues = machine.start(features, 64);
        Disk { machine, queues }
    }

    fn header(&mut self, kind: u32, sector: u64) {
        let memory = &self.machine.memory;
        memory.put(HEADER, &kind.to_le_bytes());
        memory.put(HEADER + 4, &[0; 4]);
        memory.put(HEADER + 8, &sector.to_le_bytes());
        memory.put(STATUS, &[0xee]);
    }

    /// Makes a request of a header, data for the device, room for data from it, and a status byte.
    fn ask(&mut self, kind: u32, sector: u64, data: u32, room: u32) -> Option<Event> {
        self.header(kind, sector);
        let mut readable = vec![(HEADER, 16)];
        let mut writable = vec![(STATUS, 1)];
        if data != 0 {
            readable.push((DATA, data));
        }
        if room != 0 {
            writable.insert(0, (DATA, room));
        }
        self.raw(&readable, &writable)
    }

    fn raw(&mut self, readable: &[(u64, u32)], writable: &[(u64, u32)]) -> Option<Event> {
        let memory = &self.machine.memory;
        self.queues[0].add(memory, readable, writable, ()).unwrap();
        let event = self.machine.device.next_request(memory, 0);
        self.machine.settle();
        event
    }

    /// What the driver gets back: status and length.
    fn answer(&mut self) -> Option<(u8, u32)> {
        self.machine.settle();
        let ((), length) = self.queues[0].take_used(&self.machine.memory)?;
        Some((self.machine.memory.get(STATUS, 1)[0], length))
    }

    fn complete(&mut self, tag: Tag, result: Result<(), Failure>) -> (u8, u32) {
        let memory = &self.machine.memory;
        self.machine.device.complete(memory, tag, result).unwrap();
        self.answer().unwrap()
    }

    /// A request that the device answers itself.
    fn refused(&mut self, kind: u32, sector: u64, data: u32, room: u32) -> (u8, u32) {
        assert_eq!(self.ask(kind, sector, data, room), Some(Event::Answered));
        self.answer().unwrap()
    }
}

fn request(event: Option<Event>) -> Request {
    match event {
        Some(Event::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

const ALL: Features = Features::all();

#[test]
fn the_configuration_tells_of_the_disk() {
    let mut disk = Disk::new(
        BlockOptions {
            sectors: 0x12_3456_7890,
            block_size: 4096,
            read_only: true,
            queues: 4,
            ..options()
        },
        ALL,
    );
    let config = disk.machine.device_config();
    let word = |at: usize| u32::from_le_bytes(config[at..at + 4].try_into().unwrap());
    assert_eq!(config.len(), 60);
    assert_eq!(config[..8], 0x12_3456_7890_u64.to_le_bytes());
    assert_eq!(word(12), 254, "segments");
    assert_eq!(word(20), 4096, "block size");
    assert_eq!(config[34..36], [4, 0], "queues");
    assert_eq!((word(36), word(40), word(44)), (1 << 22, 1, 8), "discard");
    assert_eq!((word(48), word(52), config[56]), (1 << 22, 1, 1), "zeroes");
    let expected = FEATURE_SEG_MAX
        | FEATURE_READ_ONLY
        | FEATURE_BLOCK_SIZE
        | FEATURE_FLUSH
        | FEATURE_MULTI_QUEUE
        | FEATURE_DISCARD
        | FEATURE_WRITE_ZEROES
        | Features::COMMON;
    assert_eq!(disk.machine.offered(), expected);
    assert_eq!(disk.queues.len(), 4);

    let mut plain = Machine::new(Block::new(BlockOptions::new(1)));
    let expected = FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | Features::COMMON;
    assert_eq!(plain.offered(), expected);
}

#[test]
fn options_are_brought_within_limits() {
    let block = |block_size, queues| {
        let options = BlockOptions {
            block_size,
            queues,
            ..options()
        };
        let options = *Block::new(options).options();
        (options.block_size, options.queues)
    };
    assert_eq!(block(0, 0), (512, 1));
    assert_eq!(block(513, 1), (1024, 1));
    assert_eq!(block(u32::MAX, u16::MAX), (65536, MAX_QUEUES));
}

#[test]
fn reading_and_writing() {
    let mut disk = Disk::new(options(), ALL);
    let read = request(disk.ask(IN, 10, 0, 1024));
    assert_eq!(
        read.operation,
        Operation::Read {
            sector: 10,
            bytes: 1024
        }
    );
    assert_eq!(disk.answer(), None, "not before it is done");
    let places: Vec<_> = disk.machine.device.device().data(read.tag).collect();
    assert_eq!(places.len(), 1);
    assert_eq!((places[0].address, places[0].length), (DATA, 1024));
    assert_eq!(disk.complete(read.tag, Ok(())), (0, 1025));

    let write = request(disk.ask(OUT, 999, 512, 0));
    assert_eq!(
        write.operation,
        Operation::Write {
            sector: 999,
            bytes: 512,
            durable: false
        }
    );
    let places: Vec<_> = disk.machine.device.device().data(write.tag).collect();
    assert_eq!((places[0].address, places[0].length), (DATA, 512));
    assert_eq!(disk.complete(write.tag, Ok(())), (0, 1));
    let flush = request(disk.ask(FLUSH, 0, 0, 0));
    assert_eq!(flush.operation, Operation::Flush);
    assert_eq!(disk.complete(flush.tag, Ok(())), (0, 1));
    assert_eq!(disk.machine.device.device().data(flush.tag).count(), 0);
    assert!(disk.machine.faults.is_empty());
}

#[test]
fn failures_are_told_and_data_that_was_not_written_is_not_counted() {
    let mut disk = Disk::new(options(), ALL);
    let read = request(disk.ask(IN, 0, 0, 512));
    assert_eq!(disk.complete(read.tag, Err(Failure::Io)), (1, 0));
    let write = request(disk.ask(OUT, 0, 512, 0));
    assert_eq!(disk.complete(write.tag, Err(Failure::Io)), (1, 1));
    let flush = request(disk.ask(FLUSH, 0, 0, 0));
    assert_eq!(disk.complete(flush.tag, Err(Failure::Unsupported)), (2, 1));
}

#[test]
fn a_driver_that_does_not_flush_gets_durable_writes() {
    let mut disk = Disk::new(options(), ALL - FEATURE_FLUSH);
    let write = request(disk.ask(OUT, 0, 512, 0));
    assert!(matches!(
        write.operation,
        Operation::Write { durable: true, .. }
    ));
    let memory = &disk.machine.memory;
    memory.put(DATA, &[0; 16]);
    let zeroes = request(disk.ask(WRITE_ZEROES, 0, 16, 0));
    assert!(matches!(
        zeroes.operation,
        Operation::WriteZeroes { durable: true, .. }
    ));
}

#[test]
fn what_is_not_on_the_disk_is_refused() {
    let mut disk = Disk::new(options(), ALL);
    for (sector, bytes) in [
        (1000, 512),
        (999, 1024),
        (0, 511),
        (0, 513),
        (0, 1),
        (u64::MAX, 512),
        (u64::MAX - 1, 1024),
        (1 << 55, 512),
        (0, 1001 * 512),
    ] {
        assert_eq!(disk.refused(OUT, sector, bytes, 0), (1, 1), "{sector}");
        assert_eq!(disk.refused(IN, sector, 0, bytes), (1, 0), "{sector}");
    }
    let last = request(disk.ask(IN, 999, 0, 512));
    assert_eq!(disk.complete(last.tag, Ok(())), (0, 513));
    let nothing = request(disk.ask(IN, 1000, 0, 0));
    assert_eq!(disk.complete(nothing.tag, Ok(())), (0, 1));
    assert!(disk.machine.faults.is_empty());
}

#[test]
fn blocks_are_whole() {
    let mut disk = Disk::new(
        BlockOptions {
            block_size: 4096,
            ..options()
        },
        ALL,
    );
    for (sector, bytes) in [(0, 512), (1, 4096), (8, 4096 + 512)] {
        assert_eq!(disk.refused(OUT, sector, bytes, 0), (1, 1));
    }
    let write = request(disk.ask(OUT, 8, 8192, 0));
    assert_eq!(disk.complete(write.tag, Ok(())), (0, 1));
}

#[test]
fn a_disk_that_is_read_only_is_only_read() {
    let mut disk = Disk::new(
        BlockOptions {
            read_only: true,
            ..options()
        },
        ALL,
    );
    assert_eq!(disk.refused(OUT, 0, 512, 0), (1, 1));
    disk.machine.memory.put(DATA, &[0; 16]);
    assert_eq!(disk.refused(DISCARD, 0, 16, 0), (1, 1));
    assert_eq!(disk.refused(WRITE_ZEROES, 0, 16, 0), (1, 1));
    let read = request(disk.ask(IN, 0, 0, 512));
    assert_eq!(disk.complete(read.tag, Ok(())), (0, 513));
}

#[test]
fn the_name_is_told_as_far_as_there_is_room() {
    let mut disk = Disk::new(options(), ALL);
    for room in [20, 512, 7] {
        disk.machine.memory.put(DATA, &[0xaa; 32]);
        let length = room.min(20);
        let whole = if room <= 20 { length + 1 } else { length };
        assert_eq!(disk.refused(GET_ID, 0, 0, room), (0, whole));
        let got = disk.machine.memory.get(DATA, 32);
        let length = length as usize;
        assert_eq!(got[..length], b"pagurus disk 0000042"[..length]);
        assert!(got[length..].iter().all(|byte| *byte == 0xaa));
    }
    assert_eq!(disk.refused(GET_ID, 0, 0, 0), (0, 1));
}

#[test]
fn sectors_are_discarded_and_zeroed() {
    let mut disk = Disk::new(options(), ALL);
    let segment = |disk: &Disk, sector: u64, sectors: u32, flags: u32| {
        let memory = &disk.machine.memory;
        memory.put(DATA, &sector.to_le_bytes());
        memory.put(DATA + 8, &sectors.to_le_bytes());
        memory.put(DATA + 12, &flags.to_le_bytes());
    };
    segment(&disk, 5, 7, 0);
    let discard = request(disk.ask(DISCARD, 0, 16, 0));
    let (sector, sectors) = (5, 7);
    assert_eq!(discard.operation, Operation::Discard { sector, sectors });
    assert_eq!(disk.complete(discard.tag, Ok(())), (0, 1));
    for unmap in [false, true] {
        segment(&disk, 5, 7, u32::from(unmap));
        let zeroes = request(disk.ask(WRITE_ZEROES, 0, 16, 0));
        let expected = Operation::WriteZeroes {
            sector,
            sectors,
            unmap,
            durable: false,
        };
        assert_eq!(zeroes.operation, expected);
        assert_eq!(disk.complete(zeroes.tag, Ok(())), (0, 1));
    }
    // Flags that are not for it.
    segment(&disk, 5, 7, 1);
    assert_eq!(disk.refused(DISCARD, 0, 16, 0), (2, 1));
    segment(&disk, 5, 7, 2);
    assert_eq!(disk.refused(WRITE_ZEROES, 0, 16, 0), (2, 1));
    // Beyond the disk, too much, no or several segments.
    for (sector, sectors) in [(1000, 1), (u64::MAX, 1), (0, 1001), (0, u32::MAX)] {
        segment(&disk, sector, sectors, 0);
        assert_eq!(disk.refused(DISCARD, 0, 16, 0), (1, 1));
        assert_eq!(disk.refused(WRITE_ZEROES, 0, 16, 0), (1, 1));
    }
    for bytes in [0, 8, 15, 17, 32] {
        assert_eq!(disk.refused(DISCARD, 0, bytes, 0), (1, 1));
    }
    let mut disk = Disk::new(BlockOptions::new(1000), ALL);
    assert_eq!(disk.refused(DISCARD, 0, 16, 0), (2, 1));
    assert_eq!(disk.refused(WRITE_ZEROES, 0, 16, 0), (2, 1));
}

#[test]
fn unknown_requests_are_answered_so() {
    let mut disk = Disk::new(options(), ALL);
    for kind in [2, 3, 5, 7, 9, 10, 12, 14, 16, u32::MAX] {
        assert_eq!(disk.refused(kind, 0, 0, 0), (2, 1), "{kind}");
    }
}

#[test]
fn framing_does_not_matter() {
    let mut disk = Disk::new(options(), ALL);
    let header = |disk: &mut Disk, kind| {
        disk.header(kind, 3);
        let bytes = disk.machine.memory.get(HEADER, 16);
        // The same header in three places.
        disk.machine.memory.put(HEADER + 100, &bytes[..1]);
        disk.machine.memory.put(HEADER + 200, &bytes[1..15]);
        disk.machine.memory.put(HEADER + 300, &bytes[15..]);
    };
    header(&mut disk, OUT);
    let write = request(disk.raw(
        // The last byte of the header and all the data are contiguous.
        &[
            (HEADER + 100, 1),
            (HEADER + 200, 14),
            (HEADER + 300, 1 + 300),
            (DATA, 212),
        ],
        &[(STATUS, 1)],
    ));
    let places: Vec<_> = disk.machine.device.device().data(write.tag).collect();
    let places: Vec<_> = places.iter().map(|p| (p.address, p.length)).collect();
    assert_eq!(places, [(HEADER + 301, 300), (DATA, 212)]);
    assert_eq!(disk.complete(write.tag, Ok(())), (0, 1));

    // Data and status in one piece.
    header(&mut disk, IN);
    let read = request(disk.raw(&[(HEADER, 16)], &[(DATA, 100), (STATUS - 412, 413)]));
    let places: Vec<_> = disk.machine.device.device().data(read.tag).collect();
    let places: Vec<_> = places.iter().map(|p| (p.address, p.length)).collect();
    assert_eq!(places, [(DATA, 100), (STATUS - 412, 412)]);
    assert_eq!(disk.complete(read.tag, Ok(())), (0, 513));
}

#[test]
fn buffers_without_header_or_status_break_the_device() {
    for (readable, writable, cause) in [
        (
            &[(HEADER, 15)][..],
            &[(STATUS, 1)][..],
            BufferError::HeaderMissing { bytes: 15 },
        ),
        (&[], &[(STATUS, 1)], BufferError::HeaderMissing { bytes: 0 }),
        (&[(HEADER, 16)], &[], BufferError::NoRoom { bytes: 0 }),
    ] {
        let mut disk = Disk::new(options(), ALL);
        assert_eq!(disk.raw(readable, writable), None);
        let fault = Fault {
            queue: 0,
            cause: Cause::Buffer(cause),
        };
        assert_eq!(disk.machine.faults, [fault]);
        assert_eq!(disk.machine.status(), 15 | 64);
    }
}

#[test]
fn answers_out_of_order_and_for_nothing() {
    let mut disk = Disk::new(options(), ALL);
    let mut tags = Vec::new();
    for sector in 0..3 {
        tags.push(request(disk.ask(OUT, sector, 512, 0)).tag);
    }
    let pending: Vec<_> = disk.machine.device.device().requests().collect();
    assert_eq!(pending.len(), 3);
    assert_eq!(disk.machine.device.outstanding(), 3);
    assert_eq!(disk.machine.device.in_flight(0), 3);
    for tag in [tags[1], tags[2], tags[0]] {
        assert_eq!(Tag::from_number(tag.number()), tag);
        assert_eq!(disk.complete(tag, Ok(())), (0, 1));
        let memory = &disk.machine.memory;
        let again = disk.machine.device.complete(memory, tag, Ok(()));
        assert_eq!(again, Err(UnknownTag(tag)));
    }
    assert_eq!(disk.machine.device.outstanding(), 0);
    // The same buffer has another name the next time.
    let next = request(disk.ask(OUT, 0, 512, 0)).tag;
    let old = *tags
        .iter()
        .find(|tag| tag.number() as u32 == next.number() as u32)
        .unwrap();
    let memory = &disk.machine.memory;
    let late = disk.machine.device.complete(memory, old, Ok(()));
    assert_eq!(late, Err(UnknownTag(old)));
    assert_eq!(disk.complete(next, Ok(())), (0, 1));
    for number in [0, 1 << 16, 255, 256, u64::MAX, 1 << 32] {
        let tag = Tag::from_number(number);
        let memory = &disk.machine.memory;
        let result = disk.machine.device.complete(memory, tag, Ok(()));
        assert_eq!(result, Err(UnknownTag(tag)));
        assert_eq!(disk.machine.device.device().data(tag).count(), 0);
    }
}

#[test]
fn capacity_can_change() {
    let mut disk = Disk::new(options(), ALL);
    disk.machine.device.set_capacity(2000);
    disk.machine.settle();
    assert_eq!(disk.machine.messages.pop_front(), Some(0));
    assert_eq!(disk.machine.device_config()[..2], 2000_u16.to_le_bytes());
    let read = request(disk.ask(IN, 1999, 0, 512));
    assert_eq!(disk.complete(read.tag, Ok(())), (0, 513));
}
