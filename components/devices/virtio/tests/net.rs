//! The network device.

mod common;

use std::collections::VecDeque;

use common::*;
use pagurus_devices_virtio::net::*;
use pagurus_devices_virtio::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];
const HEADER: u32 = 12;

type Buffer = Vec<(u64, u32)>;

struct Guest {
    machine: Machine<Net>,
    queues: Vec<DriverQueue<Buffer>>,
    /// Where the buffers began that frames were received in.
    taken: Vec<u64>,
}

impl Guest {
    fn new(features: Features, mtu: u16) -> Guest {
        let mut machine = Machine::new(Net::new(MAC, mtu));
        let queues = machine.start(features, 256);
        Guest {
            machine,
            queues,
            taken: Vec::new(),
        }
    }

    /// The guest sends a frame behind a header, in pieces of at most so many bytes.
    fn send(&mut self, frame: &[u8], piece: usize) {
        let bytes = [&[0; HEADER as usize][..], frame].concat();
        let mut pieces = Vec::new();
        for part in bytes.chunks(piece) {
            let at = self.machine.alloc(part.len() as u64);
            self.machine.memory.put(at, part);
            pieces.push((at, part.len() as u32));
        }
        self.queues[usize::from(TRANSMIT)]
            .add(&self.machine.memory, &pieces, &[], Vec::new())
            .unwrap();
    }

    /// The guest gives a buffer of these pieces.
    fn offer(&mut self, lengths: &[u32]) {
        let pieces: Vec<_> = lengths
            .iter()
            .map(|length| (self.machine.alloc(u64::from(*length)), *length))
            .collect();
        for (at, length) in &pieces {
            let fill = vec![0xaa; *length as usize];
            self.machine.memory.put(*at, &fill);
        }
        self.queues[usize::from(RECEIVE)]
            .add(&self.machine.memory, &[], &pieces, pieces.clone())
            .unwrap();
    }

    /// The next frame that the guest has got, and in how many buffers.
    fn got(&mut self) -> Option<(Vec<u8>, u16)> {
        let mut bytes = Vec::new();
        let mut buffers = 1;
        let mut taken = 0;
        while taken < buffers {
            let used = self.queues[usize::from(RECEIVE)].take_used(&self.machine.memory);
            let Some((pieces, length)) = used else {
                assert_eq!(taken, 0, "all buffers of a frame come together");
                return None;
            };
            self.taken.push(pieces[0].0);
            let room: u32 = pieces.iter().map(|piece| piece.1).sum();
            let mut buffer: Vec<u8> = pieces
                .iter()
                .flat_map(|(at, length)| self.machine.memory.get(*at, *length as usize))
                .collect();
            assert!(buffer[length as usize..].iter().all(|byte| *byte == 0xaa));
            buffer.truncate(length as usize);
            if taken == 0 {
                assert_eq!(buffer[..10], [0; 10]);
                buffers = u16::from_le_bytes([buffer[10], buffer[11]]);
                buffer.drain(..HEADER as usize);
            }
            taken += 1;
            assert!(taken == buffers || length == room, "full but the last");
            bytes.extend(buffer);
        }
        Some((bytes, buffers))
    }

    fn receive(&mut self, frame: &[u8]) -> Result<(), ReceiveError> {
        let result = self.machine.device.receive(&self.machine.memory, frame);
        self.machine.settle();
        result
    }
}

#[test]
fn the_configuration_tells_address_link_and_mtu() {
    let mut guest = Guest::new(Features::all(), 1500);
    let config = guest.machine.device_config();
    assert_eq!(config, [0x52, 0x54, 0, 1, 2, 3, 1, 0, 1, 0, 0xdc, 5]);
    guest.machine.device.set_link(false);
    guest.machine.settle();
    assert_eq!(guest.machine.messages.pop_front(), Some(0));
    assert_eq!(guest.machine.device_config()[6..8], [0, 0]);
    guest.offer(&[2000]);
    assert_eq!(guest.receive(&[0; 60]), Err(ReceiveError::NotRunning));
    guest.machine.device.set_link(true);
    assert_eq!(guest.receive(&[0; 60]), Ok(()));
    assert_eq!(Net::new(MAC, 0).max_frame(), 1280 + 18);
}

#[test]
fn frames_from_the_guest_whatever_the_pieces() {
    let mut guest = Guest::new(Features::all(), 1500);
    let mut random = Random::new(1);
    let mut buffer = [0; 2000];
    assert_eq!(
        guest
            .machine
            .device
            .transmit(&guest.machine.memory, &mut buffer),
        None
    );
    for (length, piece) in [
        (14, 2000),
        (60, 1),
        (1518, 100),
        (1518, 12),
        (1000, 13),
        (1, 2000),
    ] {
        let frame = random.bytes(length);
        guest.send(&frame, piece);
        let memory = &guest.machine.memory;
        let got = guest.machine.device.transmit(memory, &mut buffer);
        assert_eq!(got, Some(length));
        assert_eq!(buffer[..length], frame);
        let used = guest.queues[1].take_used(memory);
        assert_eq!(used, Some((Vec::new(), 0)));
    }
    let counters = guest.machine.device.device().counters();
    assert_eq!((counters.transmitted, counters.transmit_dropped), (6, 0));
}

#[test]
fn frames_that_are_too_long_are_dropped() {
    let mut guest = Guest::new(Features::all(), 1500);
    guest.send(&[1; 1519], 2000);
    guest.send(&[2; 1518], 2000);
    guest.send(&[3; 60], 2000);
    let memory = &guest.machine.memory;
    let mut buffer = [0; 100];
    let device = &mut guest.machine.device;
    assert_eq!(device.transmit(memory, &mut buffer), Some(0));
    assert_eq!(device.transmit(memory, &mut buffer), Some(0), "for us");
    assert_eq!(device.transmit(memory, &mut buffer), Some(60));
    assert_eq!(device.transmit(memory, &mut buffer), None);
    let counters = device.device().counters();
    assert_eq!((counters.transmitted, counters.transmit_dropped), (1, 2));
    for _ in 0..3 {
        assert!(guest.queues[1].take_used(memory).is_some());
    }
}

#[test]
fn frames_can_stay_in_the_guests_memory_and_go_back_in_any_order() {
    let mut guest = Guest::new(Features::all(), 1500);
    for n in 0..3 {
        guest.send(&[n; 100], 40);
    }
    let memory = &guest.machine.memory;
    let device = &mut guest.machine.device;
    let frames: Vec<Frame> = (0..3).map(|_| device.next_frame(memory).unwrap()).collect();
    assert_eq!(device.next_frame(memory), None);
    assert_eq!(device.outstanding(), 3);
    for (n, frame) in (0u8..).zip(&frames) {
        assert_eq!((frame.len(), frame.is_empty()), (100, false));
        let bytes: Vec<u8> = frame
            .pieces()
            .flat_map(|piece| memory.get(piece.address, piece.length as usize))
            .collect();
        assert_eq!(bytes, [n; 100]);
        let mut start = [0xff; 10];
        assert_eq!(frame.copy_to(memory, &mut start), Ok(10));
        assert_eq!(start, [n; 10]);
    }
    let mut frames = frames.into_iter();
    device.sent(memory, frames.next_back().unwrap());
    assert_eq!(device.outstanding(), 2);
    assert!(guest.queues[1].take_used(memory).is_some());
    // A reset waits for the others.
    device.reset();
    assert!(device.is_resetting());
    for frame in frames {
        assert!(device.is_resetting());
        device.sent(memory, frame);
    }
    assert!(!device.is_resetting());
    assert!(guest.queues[1].take_used(memory).is_none());
    // One that was given up comes too late.
    guest.queues = guest.machine.start(Features::all(), 16);
    guest.send(&[7; 100], 200);
    let memory = &guest.machine.memory;
    let device = &mut guest.machine.device;
    let frame = device.next_frame(memory).unwrap();
    device.reset();
    device.abandon();
    guest.queues = guest.machine.start(Features::all(), 16);
    guest.send(&[8; 100], 200);
    let memory = &guest.machine.memory;
    let device = &mut guest.machine.device;
    let other = device.next_frame(memory).unwrap();
    device.sent(memory, frame);
    assert_eq!(device.outstanding(), 1);
    assert!(guest.queues[1].take_used(memory).is_none());
    device.sent(memory, other);
    assert!(guest.queues[1].take_used(memory).is_some());
}

#[test]
fn a_frame_without_header_breaks_the_device() {
    for bytes in [0, 11] {
        let mut guest = Guest::new(Features::all(), 1500);
        let at = guest.machine.alloc(64);
        let memory = &guest.machine.memory;
        let (readable, writable) = ([(at, bytes)], [(at, 64)]);
        guest.queues[1]
            .add(memory, &readable, &writable, Vec::new())
            .unwrap();
        assert_eq!(guest.machine.device.next_frame(memory), None);
        guest.machine.settle();
        let bytes = u64::from(bytes);
        let cause = Cause::Buffer(BufferError::HeaderMissing { bytes });
        assert_eq!(guest.machine.faults, [Fault { queue: 1, cause }]);
    }
}

#[test]
fn frames_to_the_guest_in_one_buffer() {
    let mut guest = Guest::new(Features::all(), 1500);
    let frame = Random::new(2).bytes(1518);
    assert_eq!(guest.receive(&frame), Err(ReceiveError::NoBuffers));
    guest.offer(&[2048]);
    guest.offer(&[5, 7, 100, 1418]);
    guest.offer(&[2048]);
    for length in [60, 1518, 1] {
        assert_eq!(guest.receive(&frame[..length]), Ok(()));
        assert_eq!(guest.got(), Some((frame[..length].to_vec(), 1)));
    }
    assert_eq!(guest.receive(&[0; 1519]), Err(ReceiveError::TooLong));
    assert_eq!(guest.machine.device.device().counters().received, 3);
    assert_eq!(guest.machine.messages.pop_front(), Some(1));
}

#[test]
fn frames_to_the_guest_over_several_buffers() {
    let mut guest = Guest::new(Features::all(), 9000);
    let frame = Random::new(3).bytes(9018);
    for _ in 0..5 {
        guest.offer(&[1500, 300]);
    }
    // Five are 9,000 bytes, and 9,030 are needed: nothing is taken.
    assert_eq!(guest.receive(&frame), Err(ReceiveError::NoBuffers));
    assert_eq!(guest.machine.device.in_flight(RECEIVE), 0);
    assert_eq!(guest.got(), None);
    assert_eq!(guest.receive(&frame[..60]), Ok(()));
    assert_eq!(guest.got(), Some((frame[..60].to_vec(), 1)));
    guest.offer(&[1800]);
    assert!(
        guest.machine.notify(&mut guest.queues[0]),
        "the device wants to know"
    );
    guest.offer(&[12]);
    guest.offer(&[18]);
    assert_eq!(guest.receive(&frame), Ok(()));
    assert_eq!(guest.got(), Some((frame, 7)));
}

#[test]
fn a_guest_that_does_not_merge_buffers() {
    let mut guest = Guest::new(Features::all() - FEATURE_MERGE_RECEIVE_BUFFERS, 1500);
    guest.offer(&[100]);
    guest.offer(&[100]);
    assert_eq!(guest.receive(&[1; 89]), Err(ReceiveError::TooLong));
    assert_eq!(guest.receive(&[1; 88]), Ok(()));
    assert_eq!(guest.got(), Some((vec![1; 88], 1)));
    assert!(guest.machine.faults.is_empty());
}

#[test]
fn buffers_too_short_for_a_header_break_the_device() {
    for lengths in [&[11][..], &[100, 11]] {
        let mut guest = Guest::new(Features::all(), 1500);
        for length in lengths {
            guest.offer(&[*length]);
        }
        assert_eq!(guest.receive(&[1; 200]), Err(ReceiveError::NotRunning));
        let cause = Cause::Buffer(BufferError::NoRoom { bytes: 11 });
        assert_eq!(guest.machine.faults, [Fault { queue: 0, cause }]);
        assert_eq!(guest.got(), None);
    }
}

#[test]
fn a_queue_full_of_tiny_buffers_never_suffices() {
    let mut machine = Machine::new(Net::new(MAC, 9000));
    let queues = machine.start(Features::all(), 16);
    let mut guest = Guest {
        machine,
        queues,
        taken: Vec::new(),
    };
    for _ in 0..16 {
        guest.offer(&[100]);
    }
    assert_eq!(guest.receive(&[1; 1589]), Err(ReceiveError::TooLong));
    assert_eq!(guest.receive(&[1; 1588]), Ok(()));
    assert_eq!(guest.got(), Some((vec![1; 1588], 16)));
}

/// Bytes of memory for one buffer of the test below.
const PLACE: u64 = 2048;

#[test]
fn two_guests_exchange_frames() {
    // As a switch does it, from one guest's memory to the other's, until indices have wrapped. Whoever has nothing to do
    // waits to be told.
    let mut a = Guest::new(Features::all(), 1500);
    let mut b = Guest::new(Features::all(), 1500);
    let mut places_a: Vec<u64> = (0..100).map(|_| a.machine.alloc(PLACE)).collect();
    let mut places_b: Vec<u64> = (0..100).map(|_| b.machine.alloc(PLACE)).collect();
    let mut random = Random::new(4);
    let mut buffer = [0; 1518];
    let mut held: Option<usize> = None;
    let (mut awake, mut idle) = (false, 0);
    let mut sent = VecDeque::new();
    let mut seen = 0;
    while seen < 70_000 {
        idle += 1;
        assert!(idle < 100, "standstill: {seen} frames seen");
        for _ in 0..random.below(20) {
            let Some(place) = places_a.pop() else { break };
            let length = random.below(1519);
            let frame = random.bytes(length as usize);
            a.machine.memory.put(place, &[0; HEADER as usize]);
            a.machine.memory.put(place + u64::from(HEADER), &frame);
            let cut = random.below(u64::from(HEADER) + length);
            let pieces = [
                (place, cut as u32),
                (place + cut, (u64::from(HEADER) + length - cut) as u32),
            ];
            a.queues[1]
                .add(&a.machine.memory, &pieces, &[], vec![(place, 0)])
                .unwrap();
            sent.push_back(frame);
        }
        for _ in 0..random.below(20) {
            let Some(place) = places_b.pop() else { break };
            let room = HEADER + random.below(1500) as u32;
            let pieces = vec![(place, room)];
            b.machine.memory.put(place, &vec![0xaa; room as usize]);
            b.queues[0]
                .add(&b.machine.memory, &[], &pieces, pieces.clone())
                .unwrap();
        }
        awake |= a.machine.notify(&mut a.queues[1]);
        awake |= b.machine.notify(&mut b.queues[0]);
        while awake {
            let memory = &a.machine.memory;
            held = held.or_else(|| a.machine.device.transmit(memory, &mut buffer));
            awake = match held {
                None => false,
                Some(length) => match b.receive(&buffer[..length]) {
                    Ok(()) => {
                        held = None;
                        true
                    }
                    Err(error) => {
                        assert_eq!(error, ReceiveError::NoBuffers);
                        false
                    }
                },
            };
            idle = 0;
        }
        a.machine.settle();
        b.machine.settle();
        if a.machine.messages.drain(..).count() > 0 {
            while let Some((token, _)) = a.queues[1].take_used(&a.machine.memory) {
                places_a.push(token[0].0);
            }
        }
        if b.machine.messages.drain(..).count() > 0 {
            while let Some((frame, _)) = b.got() {
                assert_eq!(Some(frame), sent.pop_front());
                seen += 1;
            }
            places_b.append(&mut b.taken);
        }
    }
    assert!(a.machine.faults.is_empty() && b.machine.faults.is_empty());
    assert!(b.queues[0].used > 1 << 16, "indices have wrapped");
}
