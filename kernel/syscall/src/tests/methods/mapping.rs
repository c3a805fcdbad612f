//! Frames in address spaces.

use crate::sim::system::DEVICE_SLOT;
use crate::sim::{Preemption, user::invocation};
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::layout::{USER_END, USER_START};
use pagurus_abi::method::Method::*;
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::Slots;

const PAGE: u64 = 4096;
const R: u64 = 1;
const RW: u64 = 3;
const RX: u64 = 5;
const VIRT: u64 = 0x4000_0000;

fn query(scene: &mut Scene, space: u64, virt: u64) -> Result<[u64; 4], Error> {
    scene.try_root(space, AddressSpaceQuery, 0, [virt, 0, 0, 0])
}

#[test]
fn every_reason_to_refuse() {
    let mut scene = Scene::new(1);
    let (frame, other) = (scene.make(Kind::Frame, 13), scene.make(Kind::Frame, 12));
    let trace = scene.make(Kind::TraceBuffer, 12);
    let read_only = scene.copy(frame, Rights::READ);
    let fixed = scene.copy(SPACE, Rights::READ);
    let root = scene.s.root;
    let device = scene.slot();
    scene
        .s
        .retype(root, DEVICE_SLOT, Kind::Frame, 12, (CNODE, device), 1)
        .unwrap();
    for (p, a, error) in [
        (0, [0, VIRT, 0, PAGE | R], Error::EmptySlot),
        (0, [1 << 14, VIRT, 0, PAGE | R], Error::InvalidIndex),
        (0, [CNODE, VIRT, 0, PAGE | R], Error::WrongKind),
        (0, [fixed, VIRT, 0, PAGE | R], Error::MissingRights),
        (3, [SPACE, VIRT, 0, PAGE | R], Error::InvalidArgument),
        (0, [SPACE, VIRT, 0, R], Error::InvalidArgument),
        (0, [SPACE, VIRT, 0, PAGE], Error::InvalidArgument),
        (0, [SPACE, VIRT, 0, PAGE | 2], Error::InvalidArgument),
        (0, [SPACE, VIRT, 0, PAGE | 7], Error::InvalidArgument),
        (0, [SPACE, VIRT, 0, PAGE | 8 | R], Error::InvalidArgument),
        (
            0,
            [SPACE, VIRT, 0, PAGE | 0x800 | R],
            Error::InvalidArgument,
        ),
        (0, [SPACE, VIRT, 0, (3 * PAGE) | R], Error::InvalidArgument),
        (
            0,
            [SPACE, VIRT, PAGE, (2 * PAGE) | R],
            Error::InvalidArgument,
        ),
        (0, [SPACE, VIRT, 4 * PAGE, PAGE | R], Error::InvalidArgument),
        (0, [SPACE, VIRT, !0xfff, PAGE | R], Error::InvalidArgument),
        (0, [SPACE, 0, 0, PAGE | R], Error::InvalidArgument),
        (
            0,
            [SPACE, USER_START - PAGE, 0, PAGE | R],
            Error::InvalidArgument,
        ),
        (0, [SPACE, USER_END, 0, PAGE | R], Error::InvalidArgument),
        (
            0,
            [SPACE, USER_END - PAGE, 0, (2 * PAGE) | R],
            Error::InvalidArgument,
        ),
        (0, [SPACE, !0xfff, 0, PAGE | R], Error::InvalidArgument),
        (0, [SPACE, 1 << 63, 0, PAGE | R], Error::InvalidArgument),
        (0, [SPACE, VIRT + 1, 0, PAGE | R], Error::Misaligned),
        (0, [SPACE, VIRT, 0x800, PAGE | R], Error::Misaligned),
    ] {
        scene.refuse(frame, FrameMap, p, a, error);
    }
    scene.refuse(
        read_only,
        FrameMap,
        0,
        [SPACE, VIRT, 0, PAGE | RW],
        Error::MissingRights,
    );
    scene.refuse(
        read_only,
        FrameMap,
        0,
        [SPACE, VIRT, 0, PAGE | RX],
        Error::MissingRights,
    );
    scene.refuse(
        device,
        FrameMap,
        0,
        [SPACE, VIRT, 0, PAGE | RX],
        Error::DeviceMemory,
    );
    for rights in [RW, RX, 0] {
        let a = [SPACE, VIRT, 0, PAGE | rights];
        scene.refuse(trace, TraceMap, 0, a, Error::InvalidArgument);
    }
    scene.refuse(frame, FrameUnmap, 0, [0; 4], Error::NotMapped);
    scene.refuse(trace, FrameUnmap, 0, [0; 4], Error::NotMapped);
    scene.refuse(
        SPACE,
        AddressSpaceQuery,
        0,
        [VIRT, 0, 0, 0],
        Error::NotMapped,
    );
    scene.refuse(
        SPACE,
        AddressSpaceQuery,
        0,
        [u64::MAX, 0, 0, 0],
        Error::NotMapped,
    );
    scene.root(other, FrameMap, 0, [SPACE, VIRT + PAGE, 0, PAGE | R]);
    scene.all_refused(&[
        (
            FrameMap,
            &[
                Error::EmptySlot,
                Error::InvalidIndex,
                Error::WrongKind,
                Error::MissingRights,
                Error::InvalidArgument,
                Error::Misaligned,
                Error::DeviceMemory,
            ],
        ),
        (TraceMap, &[Error::InvalidArgument]),
        (FrameUnmap, &[Error::NotMapped]),
        (AddressSpaceQuery, &[Error::NotMapped]),
    ]);
    // What is half done and then refused leaves nothing behind.
    for (cap, method) in [(frame, FrameMap), (read_only, FrameMap)] {
        let got = scene.try_root(cap, method, 0, [SPACE, VIRT, 0, (2 * PAGE) | R]);
        assert_eq!(got, Err(Error::AlreadyMapped));
        assert_eq!(query(&mut scene, SPACE, VIRT), Err(Error::NotMapped));
        assert_eq!(scene.capability(cap).mapping(), None);
    }
    // One mapping for each capability.
    scene.root(frame, FrameMap, 0, [SPACE, VIRT + 2 * PAGE, 0, PAGE | R]);
    for virt in [VIRT + 2 * PAGE, VIRT + 9 * PAGE] {
        let got = scene.try_root(frame, FrameMap, 0, [SPACE, virt, 0, PAGE | R]);
        assert_eq!(got, Err(Error::AlreadyMapped));
    }
}

#[test]
fn tables_run_out_and_come_back() {
    let mut scene = Scene::new(1);
    let space = scene.make(Kind::AddressSpace, 14);
    let (a, b) = (scene.make(Kind::Frame, 12), scene.make(Kind::Frame, 12));
    assert_eq!(scene.root(space, AddressSpaceInfo, 0, [0; 4]), [0, 3, 0, 0]);
    scene.root(a, FrameMap, 0, [space, VIRT, 0, PAGE | R]);
    assert_eq!(scene.root(space, AddressSpaceInfo, 0, [0; 4]), [3, 3, 0, 0]);
    let far = [space, VIRT << 4, 0, PAGE | R];
    assert_eq!(scene.try_root(b, FrameMap, 0, far), Err(Error::OutOfTables));
    scene.root(b, FrameMap, 0, [space, VIRT + PAGE, 0, PAGE | R]);
    scene.root(b, FrameUnmap, 0, [0; 4]);
    scene.root(a, FrameUnmap, 0, [0; 4]);
    assert_eq!(scene.root(space, AddressSpaceInfo, 0, [0; 4]), [0, 3, 0, 0]);
    scene.root(b, FrameMap, 0, far);
}

#[test]
fn what_is_mapped_is_what_was_asked_for() {
    let mut scene = Scene::new(1);
    let frame = scene.make(Kind::Frame, 14);
    let [physical, bits, _, _] = scene.root(frame, FrameInfo, 0, [0; 4]);
    assert_eq!(bits, 14);
    for (offset, pages, rights) in [(0, 4, RW), (1, 2, R), (3, 1, RX)] {
        let a = [SPACE, VIRT, offset * PAGE, (pages * PAGE) | rights];
        scene.root(frame, FrameMap, 0, a);
        for page in 0..4 {
            let got = query(&mut scene, SPACE, VIRT + page * PAGE + 5);
            let expected = match page < pages {
                true => Ok([physical + (offset + page) * PAGE + 5, rights, PAGE, 0]),
                false => Err(Error::NotMapped),
            };
            assert_eq!(got, expected);
        }
        scene.root(frame, FrameUnmap, 0, [0; 4]);
    }
}

#[test]
fn large_memory_takes_large_pages_and_few_steps() {
    let mut scene = Scene::new(1);
    let frame = scene.make(Kind::Frame, 21);
    let before = scene.root(SPACE, AddressSpaceInfo, 0, [0; 4])[0];
    scene.root(frame, FrameMap, 0, [SPACE, VIRT, 0, 1 << 21 | RW]);
    assert_eq!(
        query(&mut scene, SPACE, VIRT + 0x12345).unwrap()[2],
        1 << 21
    );
    let after = scene.root(SPACE, AddressSpaceInfo, 0, [0; 4])[0];
    assert!(after - before <= 2);
    scene.root(frame, FrameUnmap, 0, [0; 4]);
    // Where the address does not suit, small pages.
    scene.root(frame, FrameMap, 0, [SPACE, VIRT + PAGE, 0, 1 << 21 | RW]);
    assert_eq!(query(&mut scene, SPACE, VIRT + PAGE).unwrap()[2], PAGE);
    scene.root(frame, FrameUnmap, 0, [0; 4]);
    assert_eq!(scene.root(SPACE, AddressSpaceInfo, 0, [0; 4])[0], before);
}

#[test]
fn preempted_maps_and_unmaps_are_made_again_until_they_are_done() {
    let mut scene = Scene::with_memory(1, 23);
    let frame = scene.make(Kind::Frame, 22);
    scene.s.kernel.machine.preemption = Preemption::Always;
    let calls = scene.s.kernel.counters.syscalls;
    scene.root(frame, FrameMap, 0, large(SPACE));
    assert!(query(&mut scene, SPACE, VIRT + (1 << 22)).is_ok());
    scene.root(frame, FrameUnmap, 0, [0; 4]);
    let calls = scene.s.kernel.counters.syscalls - calls;
    assert!(calls >= 5, "both were preempted: {calls}");
    assert_eq!(query(&mut scene, SPACE, VIRT + PAGE), Err(Error::NotMapped));
}

/// A request for more pages than are mapped in one step.
fn large(space: u64) -> [u64; 4] {
    [space, VIRT + PAGE, 0, 1 << 22 | RW]
}

/// A thread on processor 1 in the middle of mapping 1,024 pages.
fn half_mapped() -> (Scene, Actor, u64, u64) {
    let mut scene = Scene::with_memory(1, 23);
    let t = scene.actor(1);
    let space = scene.make(Kind::AddressSpace, 15);
    let frame = scene.make(Kind::Frame, 22);
    scene.s.kernel.machine.preemption = Preemption::At(0);
    scene
        .s
        .syscall(1, &invocation(frame, FrameMap, 0, large(space)));
    assert!(scene.s.restarting(t.id).is_some());
    let m = scene.capability(frame).mapping().unwrap();
    assert!(m.done > 0 && m.done < m.pages);
    scene.suspend(t);
    (scene, t, frame, space)
}

#[test]
fn a_half_mapped_frame_can_be_unmapped_deleted_and_lose_its_space() {
    let ways: [fn(&mut Scene, u64, u64); 3] = [
        |scene, frame, _| {
            scene.root(frame, FrameUnmap, 0, [0; 4]);
        },
        |scene, frame, _| scene.delete(frame),
        |scene, _, space| scene.delete(space),
    ];
    for (n, way) in ways.into_iter().enumerate() {
        let (mut scene, _, frame, space) = half_mapped();
        way(&mut scene, frame, space);
        if n != 2 {
            assert_eq!(scene.root(space, AddressSpaceInfo, 0, [0; 4])[0], 0);
        }
        if n != 1 {
            // It can be mapped again, elsewhere.
            scene.root(frame, FrameMap, 0, [SPACE, VIRT, 0, PAGE | R]);
        }
    }
}

#[test]
fn a_half_mapped_frame_goes_on_only_with_the_same_request() {
    let (mut scene, _, frame, space) = half_mapped();
    let got = scene.try_root(frame, FrameMap, 0, [space, VIRT, 0, PAGE | R]);
    assert_eq!(got, Err(Error::AlreadyMapped));
    scene.root(frame, FrameMap, 0, large(space));
    let m = scene.capability(frame).mapping().unwrap();
    assert_eq!(m.done, m.pages);
}

#[test]
fn a_mapping_ends_with_its_capability_its_source_or_its_space() {
    let mut scene = Scene::new(1);
    let space = scene.make(Kind::AddressSpace, 15);
    let frame = scene.make(Kind::Frame, 12);
    let copy = scene.copy(frame, Rights::RW);
    for (cap, ended) in [(copy, copy), (frame, frame)] {
        scene.root(cap, FrameMap, 0, [space, VIRT, 0, PAGE | R]);
        scene.delete(ended);
        assert_eq!(query(&mut scene, space, VIRT), Err(Error::NotMapped));
    }
    let frame = scene.make(Kind::Frame, 12);
    let copy = scene.copy(frame, Rights::RW);
    scene.root(copy, FrameMap, 0, [space, VIRT, 0, PAGE | R]);
    scene.root(CNODE, CNodeRevoke, 0, [frame, 0, 0, 0]);
    assert_eq!(query(&mut scene, space, VIRT), Err(Error::NotMapped));
    // With the space all that is recorded is void: the frame can be mapped again at once.
    scene.root(frame, FrameMap, 0, [space, VIRT, 0, PAGE | R]);
    scene.delete(space);
    let again = scene.make(Kind::AddressSpace, 15);
    scene.root(frame, FrameMap, 0, [again, VIRT, 0, PAGE | R]);
    assert!(query(&mut scene, again, VIRT).is_ok());
}

#[test]
fn processors_forget_what_is_unmapped() {
    let (mut scene, [a, b]) = Scene::with();
    let frame = scene.make(Kind::Frame, 12);
    let physical = scene.root(frame, FrameInfo, 0, [0; 4])[0];
    scene.root(frame, FrameMap, 0, [SPACE, VIRT, 0, PAGE | RW]);
    // All three run in this address space and have used the page.
    for cpu in 0..3 {
        assert_eq!(scene.s.touch(cpu, VIRT), Some(physical));
    }
    scene.s.kernel.machine.synchronised.clear();
    scene.root(frame, FrameUnmap, 0, [0; 4]);
    for cpu in 0..3 {
        assert_eq!(scene.s.touch(cpu, VIRT), None);
    }
    assert_eq!(
        scene.s.kernel.machine.synchronised,
        [0b110],
        "one shoot-down for all"
    );
    assert!(scene.runs(a) && scene.runs(b));
    // Only processors that run in the address space are asked.
    let space = scene.make(Kind::AddressSpace, 15);
    scene.root(frame, FrameMap, 0, [space, VIRT, 0, PAGE | RW]);
    scene.s.kernel.machine.synchronised.clear();
    scene.root(frame, FrameUnmap, 0, [0; 4]);
    assert!(scene.s.kernel.machine.synchronised.is_empty());
}

#[test]
fn a_space_that_processors_run_in_can_end() {
    let (mut scene, [t]) = Scene::with();
    let space = scene.make(Kind::AddressSpace, 15);
    scene.unbind(t, pagurus_abi::method::ThreadBinding::AddressSpace);
    scene.bind(t, pagurus_abi::method::ThreadBinding::AddressSpace, space);
    scene.resume(t);
    let frame = scene.make(Kind::Frame, 12);
    scene.root(frame, FrameMap, 0, [space, VIRT, 0, PAGE | RW]);
    assert!(scene.s.touch(1, VIRT).is_some());
    scene.delete(space);
    assert_eq!(scene.s.running(1), None);
    assert_eq!(scene.s.kernel.machine.processors[1].tables, 0);
    scene.delete(frame);
}

#[test]
fn device_memory_is_uncached_unless_asked_otherwise() {
    let mut scene = Scene::new(1);
    let root = scene.s.root;
    let device = scene.slot();
    scene
        .s
        .retype(root, DEVICE_SLOT, Kind::Frame, 12, (CNODE, device), 1)
        .unwrap();
    let space = scene.make(Kind::AddressSpace, 14);
    let entry = |scene: &Scene| {
        use pagurus_paging::PhysMem;
        let object = scene.capability(space).object;
        let mut table = (object - crate::sim::ram::DIRECT) as u64;
        for level in [3, 2, 1] {
            let index = (VIRT >> (12 + 9 * level)) as usize % 512;
            table = scene.s.kernel.machine.read(table, index) & !0xfff & ((1 << 52) - 1);
        }
        scene
            .s
            .kernel
            .machine
            .read(table, (VIRT >> 12) as usize % 512)
    };
    // PWT is bit 3 and PCD bit 4.
    for (cap, cache, bits) in [(device, 0, 0x18), (device, 1, 0x18), (device, 2, 0x08)] {
        scene.root(cap, FrameMap, cache, [space, VIRT, 0, PAGE | RW]);
        assert_eq!(entry(&scene) & 0x18, bits);
        scene.root(cap, FrameUnmap, 0, [0; 4]);
    }
    let frame = scene.make(Kind::Frame, 12);
    scene.root(frame, FrameMap, 0, [space, VIRT, 0, PAGE | RW]);
    assert_eq!(entry(&scene) & 0x18, 0);
    let boot_info = scene.s.kernel.slot(scene.place(slot::BOOT_INFO as u64));
    assert!(boot_info.mapping().is_some());
}

#[test]
fn an_offset_that_cannot_be_recorded_is_refused() {
    let mut scene = Scene::new(1);
    let memory = scene.place(DEVICE_SLOT);
    let slot = scene.s.kernel.slot_mut(memory);
    (slot.object, slot.size_bits) = (0, 46);
    let frame = scene.slot();
    let root = scene.s.root;
    scene
        .s
        .retype(root, DEVICE_SLOT, Kind::Frame, 46, (CNODE, frame), 1)
        .unwrap();
    let far = [SPACE, VIRT, 1 << 44, PAGE | R];
    scene.refuse(frame, FrameMap, 0, far, Error::InvalidArgument);
    let near = [SPACE, VIRT, (1 << 44) - PAGE, PAGE | R];
    scene.root(frame, FrameMap, 0, near);
    assert_eq!(query(&mut scene, SPACE, VIRT).unwrap()[0], (1 << 44) - PAGE);
}
