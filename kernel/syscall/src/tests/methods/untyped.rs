//! Untyped memory.

use crate::sim::system::{DEVICE, DEVICE_BITS, DEVICE_SLOT, UNTYPED, UNTYPED_SLOT};
use crate::sim::{Preemption, Setup, System, retype_info};
use crate::tests::scene::*;
use pagurus_abi::method::Method::{self, UntypedInfo, UntypedRetype};
use pagurus_abi::{Error, Kind, Rights};

#[test]
fn every_reason_to_refuse() {
    let mut scene = Scene::new(1);
    let (at, frame) = (scene.slot(), scene.make(Kind::Frame, 12));
    let read_only = scene.copy(CNODE, Rights::READ);
    let kind = |kind: Kind, bits| retype_info(kind, bits);
    let endpoint = kind(Kind::Endpoint, 0);
    let cases = [
        (
            Kind::ALL.len() as u64,
            [CNODE, at, 0, 1],
            Error::InvalidArgument,
        ),
        (endpoint, [CNODE, at, 0, 0], Error::InvalidArgument),
        (endpoint, [CNODE, at, 0, 257], Error::InvalidArgument),
        (
            kind(Kind::Frame, 11),
            [CNODE, at, 0, 1],
            Error::InvalidArgument,
        ),
        (endpoint, [1 << 14, at, 0, 1], Error::InvalidIndex),
        (endpoint, [CNODE, 0, 0, 1], Error::InvalidIndex),
        (endpoint, [CNODE, (1 << 14) - 1, 0, 2], Error::InvalidIndex),
        (endpoint, [0, at, 0, 1], Error::EmptySlot),
        (endpoint, [frame, at, 0, 1], Error::WrongKind),
        (endpoint, [read_only, at, 0, 1], Error::MissingRights),
        (endpoint, [CNODE, frame, 0, 1], Error::OccupiedSlot),
        (kind(Kind::Frame, 30), [CNODE, at, 0, 1], Error::OutOfMemory),
        (kind(Kind::Frame, 21), [CNODE, at, 0, 2], Error::OutOfMemory),
    ];
    for (p, a, error) in cases {
        scene.refuse(UNTYPED_SLOT, UntypedRetype, p, a, error);
    }
    scene.refuse(
        DEVICE_SLOT,
        UntypedRetype,
        endpoint,
        [CNODE, at, 0, 1],
        Error::DeviceMemory,
    );
    // Memory in memory in memory.
    let mut memory = scene.make(Kind::Untyped, 20);
    let root = scene.s.root;
    while scene.capability(memory).depth < u8::MAX {
        let next = scene.slot();
        scene
            .s
            .retype(root, memory, Kind::Untyped, 20, (CNODE, next), 1)
            .unwrap();
        memory = next;
    }
    let at = scene.slot();
    scene.refuse(
        memory,
        UntypedRetype,
        endpoint,
        [CNODE, at, 0, 1],
        Error::TooDeep,
    );
    scene.all_refused(&[(
        UntypedRetype,
        &[
            Error::InvalidArgument,
            Error::InvalidIndex,
            Error::EmptySlot,
            Error::WrongKind,
            Error::MissingRights,
            Error::OccupiedSlot,
            Error::OutOfMemory,
            Error::DeviceMemory,
            Error::TooDeep,
        ],
    )]);
}

#[test]
fn address_space_identifiers_run_out_and_come_back() {
    let mut system = System::boot(Setup {
        untyped_bits: 25,
        check_every: 1024,
        ..Setup::default()
    });
    let root = system.root;
    let first = crate::sim::system::FREE_SLOT;
    // Root has one of the 1,023.
    let made = crate::asid::ASIDS as u64 - 2;
    for at in (0..made).step_by(200) {
        let count = (made - at).min(200);
        let dest = (CNODE, first + at);
        system
            .retype(root, UNTYPED_SLOT, Kind::AddressSpace, 14, dest, count)
            .unwrap();
    }
    let one_more = (CNODE, first + made);
    let refused = system.retype(root, UNTYPED_SLOT, Kind::AddressSpace, 14, one_more, 1);
    assert_eq!(refused, Err(Error::TableFull));
    // A frame is mapped in the last one, which goes; the next one gets its identifier.
    let (frame, other) = (first + made + 1, first + made + 2);
    let dest = (CNODE, frame);
    system
        .retype(root, UNTYPED_SLOT, Kind::Frame, 12, dest, 2)
        .unwrap();
    let map = |space| [space, 0x1000_0000, 0, 0x1000 | 1];
    let last = first + made - 1;
    system
        .invoke(root, frame, Method::FrameMap, 0, map(last))
        .unwrap();
    let delete = [last, 0, 0, 0];
    system
        .invoke(root, CNODE, Method::CNodeDelete, 0, delete)
        .unwrap();
    system
        .retype(root, UNTYPED_SLOT, Kind::AddressSpace, 14, one_more, 1)
        .unwrap();
    system
        .invoke(root, other, Method::FrameMap, 0, map(one_more.1))
        .unwrap();
    // What is recorded of the old one does not touch the new one.
    system
        .invoke(root, frame, Method::FrameUnmap, 0, [0; 4])
        .unwrap();
    let query = [0x1000_0000, 0, 0, 0];
    let found = system.invoke(root, one_more.1, Method::AddressSpaceQuery, 0, query);
    assert!(found.is_ok());
    system.verify();
}

#[test]
fn info_tells_what_is_there_and_what_is_left() {
    let mut scene = Scene::new(1);
    let [at, bits, free, children] = scene.root(UNTYPED_SLOT, UntypedInfo, 0, [0; 4]);
    assert_eq!((at, bits, free, children), (UNTYPED, 22, 1 << 22, 0));
    let ep = scene.make(Kind::Endpoint, 0);
    scene.make(Kind::Frame, 12);
    scene.copy(ep, Rights::all());
    let [_, _, free, children] = scene.root(UNTYPED_SLOT, UntypedInfo, 0, [0; 4]);
    assert_eq!((free, children), ((1 << 22) - 0x2000, 3));
    let [at, bits, _, _] = scene.root(DEVICE_SLOT, UntypedInfo, 0, [0; 4]);
    assert_eq!((at, bits), (DEVICE, DEVICE_BITS as u64 | 0x100));
    scene.root(CNODE, Method::CNodeRevoke, 0, [UNTYPED_SLOT, 0, 0, 0]);
    let [_, _, free, children] = scene.root(UNTYPED_SLOT, UntypedInfo, 0, [0; 4]);
    assert_eq!((free, children), (1 << 22, 0));
}

#[test]
fn a_preempted_retype_is_made_again_until_it_is_done() {
    let mut scene = Scene::new(1);
    let at = scene.slot();
    let root = scene.s.root;
    scene.s.kernel.machine.preemption = Preemption::Always;
    let calls = scene.s.kernel.counters.syscalls;
    scene
        .s
        .retype(root, UNTYPED_SLOT, Kind::Frame, 20, (CNODE, at), 1)
        .unwrap();
    assert_eq!(
        scene.s.kernel.counters.syscalls - calls,
        16,
        "64 KiB at a time"
    );
    scene
        .s
        .retype(root, UNTYPED_SLOT, Kind::Untyped, 20, (CNODE, at + 1), 1)
        .unwrap();
    assert_eq!(
        scene.s.kernel.counters.syscalls - calls,
        17,
        "nothing to zero"
    );
}

#[test]
fn memory_skipped_by_an_abandoned_retype_is_not_handed_out_dirty() {
    let (mut scene, [thread]) = Scene::with();
    let (small, large, next) = (scene.slot(), scene.slot(), scene.slot());
    let root = scene.s.root;
    scene
        .s
        .retype(root, UNTYPED_SLOT, Kind::Endpoint, 0, (CNODE, small), 1)
        .unwrap();
    // A thread is stopped in the middle of a retype, and never goes on.
    scene.s.kernel.machine.preemption = Preemption::At(0);
    let a = [CNODE, large, 0, 1];
    let p = retype_info(Kind::Frame, 18);
    let args = crate::sim::user::invocation(UNTYPED_SLOT, UntypedRetype, p, a);
    scene.s.syscall(1, &args);
    assert!(scene.s.restarting(thread.id).is_some());
    scene.suspend(thread);
    // The simulated memory refuses to be used as a thread if it is not zero.
    scene
        .s
        .retype(root, UNTYPED_SLOT, Kind::Thread, 0, (CNODE, next), 4)
        .unwrap();
}
