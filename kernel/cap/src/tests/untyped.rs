//! Untyped memory: what is handed out is zero, apart, and comes back.

use super::world::*;
use crate::slot::{Flags, Slots};
use crate::untyped::{Request, plan, watermark};
use pagurus_abi::{Error, Kind};

fn request(kind: Kind, size_bits: u8, index: u64, count: u64) -> Request {
    Request {
        kind,
        size_bits,
        dest: root(),
        index,
        count,
    }
}

#[test]
fn memory_skipped_for_alignment_is_not_taken_for_zero() {
    let mut w = World::new();
    let memory = w.at(MEMORY_SLOT);
    // One granule in use; a big frame is being zeroed behind it and the operation is given up half-way.
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
    let big = request(Kind::Frame, 15, FREE + 1, 1);
    assert_eq!(w.retype_in_steps(memory, &big, 1), Ok(None));
    // Something small is made next: all of it must be zero, whatever was zeroed beyond it.
    w.retype(MEMORY_SLOT, Kind::CNode, 4, FREE + 2, 1).unwrap();
    let cnode = w.cnode(FREE + 2);
    for index in 1..16 {
        assert!(w.s.slot(cnode.at(index).unwrap()).is_empty());
    }
    w.check();
}

#[test]
fn an_interrupted_retype_goes_on_where_it_stopped_and_does_the_same() {
    let whole = {
        let mut w = World::new();
        w.retype(MEMORY_SLOT, Kind::CNode, 7, FREE, 4).unwrap();
        w
    };
    let mut w = World::new();
    let memory = w.at(MEMORY_SLOT);
    let r = request(Kind::CNode, 7, FREE, 4);
    let mut calls = 1;
    while w.retype_in_steps(memory, &r, 0).unwrap().is_none() {
        calls += 1;
        w.check();
    }
    assert_eq!(calls, 8, "32 KiB, 4 KiB at a time");
    assert!(*w.s == *whole.s, "the same state");
}

#[test]
fn an_abandoned_retype_leaves_no_claim_once_the_memory_was_used() {
    let mut w = World::new();
    let memory = w.at(MEMORY_SLOT);
    let big = request(Kind::Frame, 15, FREE, 1);
    assert_eq!(w.retype_in_steps(memory, &big, 2), Ok(None));
    assert!(w.get(MEMORY_SLOT).flags.has(Flags::ZEROING));
    // Untyped memory is not zeroed, and whoever has it may use it for anything.
    w.retype(MEMORY_SLOT, Kind::Untyped, 13, FREE, 1).unwrap();
    w.retype(FREE, Kind::CNode, 6, FREE + 1, 1).unwrap();
    w.delete(w.at(FREE));
    assert_eq!(watermark(&*w.s, memory), 0);
    w.retype(MEMORY_SLOT, Kind::CNode, 6, FREE, 1).unwrap();
    let cnode = w.cnode(FREE);
    assert!((1..64).all(|n| w.s.slot(cnode.at(n).unwrap()).is_empty()));
    w.check();
}

#[test]
fn all_memory_can_be_used_and_comes_back() {
    let mut w = World::new();
    let memory = w.at(MEMORY_SLOT);
    for _ in 0..3 {
        w.retype(MEMORY_SLOT, Kind::Frame, 12, FREE, 16).unwrap();
        for n in 0..16 {
            assert_eq!(w.get(FREE + n).object, MEMORY + (n as usize) * 4096);
        }
        let more = request(Kind::Endpoint, 0, FREE + 16, 1);
        assert_eq!(plan(&*w.s, memory, &more), Err(Error::OutOfMemory));
        w.check();
        // As long as one object is left nothing is free: the watermark never goes back in part.
        for n in 0..15 {
            w.delete(w.at(FREE + n));
            assert_eq!(plan(&*w.s, memory, &more), Err(Error::OutOfMemory));
        }
        w.delete(w.at(FREE + 15));
        assert_eq!(watermark(&*w.s, memory), 0);
        assert!(plan(&*w.s, memory, &more).is_ok());
    }
}

#[test]
fn objects_are_aligned_to_their_size_and_lie_in_their_memory() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
    w.retype(MEMORY_SLOT, Kind::Frame, 13, FREE + 1, 2).unwrap();
    w.retype(MEMORY_SLOT, Kind::Notification, 0, FREE + 3, 1)
        .unwrap();
    w.retype(MEMORY_SLOT, Kind::AddressSpace, 14, FREE + 4, 1)
        .unwrap();
    let objects = [0, 1, 2, 3, 4].map(|n| w.get(FREE + n).object - MEMORY);
    assert_eq!(objects, [0, 0x2000, 0x4000, 0x6000, 0x8000]);
    w.check();
}

#[test]
fn device_memory_becomes_frames_and_untyped_memory_only_and_is_never_zeroed() {
    for kind in Kind::ALL {
        let mut w = World::new();
        let before = w.s.clone();
        let bits = match kind {
            Kind::Frame | Kind::Untyped | Kind::TraceBuffer => 12,
            Kind::AddressSpace => 14,
            Kind::CNode => 4,
            _ => 0,
        };
        let made = w.retype(DEVICE_SLOT, kind, bits, FREE, 1);
        match kind {
            Kind::Frame | Kind::Untyped => {
                assert_eq!(made, Ok(()));
                assert!(w.get(FREE).is_device());
                let first = crate::SlotId::new(DEVICE).unwrap();
                let touched = (0..128).any(|n| before.slot(first.nth(n)) != w.s.slot(first.nth(n)));
                assert!(!touched, "device registers were written");
            }
            _ if kind.object_bits(bits).is_none() => {
                assert_eq!(made, Err(Error::InvalidArgument));
            }
            _ => assert_eq!(made, Err(Error::DeviceMemory)),
        }
        w.check();
    }
    // And what is made from it stays device memory.
    let mut w = World::new();
    w.retype(DEVICE_SLOT, Kind::Untyped, 12, FREE, 1).unwrap();
    w.retype(FREE, Kind::Frame, 12, FREE + 1, 1).unwrap();
    assert!(w.get(FREE + 1).is_device());
    w.copy(FREE + 1, FREE + 2).unwrap();
    assert!(w.get(FREE + 2).is_device());
    let thread = w.retype(FREE, Kind::Thread, 0, FREE + 3, 1);
    assert_eq!(thread, Err(Error::DeviceMemory));
}

#[test]
fn refused_requests_say_why_and_change_nothing() {
    let mut w = World::new();
    w.retype(MEMORY_SLOT, Kind::Endpoint, 0, FREE, 1).unwrap();
    let before = w.s.clone();
    let (memory, last) = (w.at(MEMORY_SLOT), (1 << ROOT_BITS) - 1);
    let cases = [
        (
            request(Kind::Frame, 11, FREE + 1, 1),
            Error::InvalidArgument,
        ),
        (request(Kind::Empty, 0, FREE + 1, 1), Error::InvalidArgument),
        (request(Kind::Cpu, 0, FREE + 1, 1), Error::InvalidArgument),
        (
            request(Kind::IrqHandler, 0, FREE + 1, 1),
            Error::InvalidArgument,
        ),
        (
            request(Kind::Endpoint, 1, FREE + 1, 1),
            Error::InvalidArgument,
        ),
        (
            request(Kind::Endpoint, 0, FREE + 1, 0),
            Error::InvalidArgument,
        ),
        (
            request(Kind::Endpoint, 0, FREE + 1, 257),
            Error::InvalidArgument,
        ),
        (
            request(Kind::Endpoint, 0, FREE + 1, u64::MAX),
            Error::InvalidArgument,
        ),
        (request(Kind::Frame, 17, FREE + 1, 1), Error::OutOfMemory),
        (request(Kind::Frame, 46, FREE + 1, 256), Error::OutOfMemory),
        (request(Kind::Frame, 16, FREE + 1, 1), Error::OutOfMemory),
        (request(Kind::Frame, 12, FREE + 1, 16), Error::OutOfMemory),
        (request(Kind::Endpoint, 0, 0, 1), Error::InvalidIndex),
        (request(Kind::Endpoint, 0, last, 2), Error::InvalidIndex),
        (request(Kind::Endpoint, 0, u64::MAX, 2), Error::InvalidIndex),
        (request(Kind::Endpoint, 0, u64::MAX, 1), Error::InvalidIndex),
        (request(Kind::Endpoint, 0, FREE, 1), Error::OccupiedSlot),
        (request(Kind::Endpoint, 0, FREE - 1, 2), Error::OccupiedSlot),
    ];
    for (r, error) in cases {
        let got = w.retype_in_steps(memory, &r, usize::MAX);
        assert_eq!(got, Err(error), "{r:?}");
        assert!(*w.s == *before, "{r:?} changed something");
    }
    let r = request(Kind::Endpoint, 0, FREE + 1, 1);
    let frame = w.at(FREE);
    assert_eq!(w.retype_in_steps(frame, &r, 0), Err(Error::WrongKind));
}
