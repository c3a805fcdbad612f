//! The entropy device.

mod common;

use common::*;
use pagurus_devices_virtio::entropy::*;
use pagurus_devices_virtio::*;

#[test]
fn requests_are_filled_as_far_as_there_are_bytes() {
    let mut machine = Machine::new(Entropy);
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    let at = machine.alloc(256);
    let memory = &machine.memory;
    assert_eq!(
        machine.device.fill(memory, b"0123456789"),
        None,
        "no request"
    );
    let pieces = [(at, 3), (at + 100, 3)];
    for (bytes, expected) in [(&b"0123456789"[..], 6), (b"abcd", 4), (b"x", 1)] {
        let memory = &machine.memory;
        queues[0].add(memory, &[], &pieces, ()).unwrap();
        assert_eq!(machine.device.fill(memory, b""), None, "not even taken");
        assert_eq!(machine.device.fill(memory, bytes), Some(expected));
        machine.settle();
        assert_eq!(machine.messages.pop_front(), Some(1));
        let memory = &machine.memory;
        assert_eq!(queues[0].take_used(memory), Some(((), expected as u32)));
        let mut got = memory.get(at, 3);
        got.extend(memory.get(at + 100, 3));
        assert_eq!(got[..expected], bytes[..expected]);
    }
}

#[test]
fn a_request_for_nothing_breaks_the_device() {
    let mut machine = Machine::new(Entropy);
    let mut queues: Vec<DriverQueue<()>> = machine.start(Features::all(), 16);
    let at = machine.alloc(16);
    queues[0].add(&machine.memory, &[(at, 8)], &[], ()).unwrap();
    assert_eq!(machine.device.fill(&machine.memory, b"abc"), None);
    machine.settle();
    let cause = Cause::Buffer(BufferError::NoRoom { bytes: 0 });
    assert_eq!(machine.faults, [Fault { queue: 0, cause }]);
}
