//! CNodes.

use crate::sim::system::UNTYPED_SLOT;
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::method::Method::*;
use pagurus_abi::method::{MINT_BADGE, MINT_PLAIN, MINT_RANGE, SlotInfo};
use pagurus_abi::{Error, Kind, Rights};

const OUTSIDE: u64 = 1 << 14;

#[test]
fn every_reason_to_refuse() {
    let mut scene = Scene::new(1);
    let (to, empty) = (scene.slot(), scene.slot());
    let ep = scene.make(Kind::Endpoint, 0);
    let badged = scene.badged(ep, 1);
    let inner = scene.make(Kind::CNode, 4);
    let (unreadable, read_only) = (
        scene.copy(CNODE, Rights::WRITE),
        scene.copy(CNODE, Rights::READ),
    );
    let deepest = scene.deepest(ep);
    let plain = 15 | MINT_PLAIN << 8;
    let ports = slot::IO_PORTS as u64;
    let cases = [
        (15 | 3 << 8, [to, CNODE, ep, 0], Error::InvalidArgument),
        (
            15 | MINT_BADGE << 8,
            [to, CNODE, badged, 2],
            Error::InvalidArgument,
        ),
        (
            15 | MINT_RANGE << 8,
            [to, CNODE, ep, 2],
            Error::InvalidArgument,
        ),
        (
            15 | MINT_RANGE << 8,
            [to, CNODE, ports, 1 << 16 | 2],
            Error::InvalidArgument,
        ),
        (plain, [0, CNODE, ep, 0], Error::InvalidIndex),
        (plain, [OUTSIDE, CNODE, ep, 0], Error::InvalidIndex),
        (plain, [to, CNODE, 0, 0], Error::InvalidIndex),
        (plain, [to, OUTSIDE, ep, 0], Error::InvalidIndex),
        (plain, [to, empty, ep, 0], Error::EmptySlot),
        (plain, [to, CNODE, empty, 0], Error::EmptySlot),
        (plain, [to, ep, ep, 0], Error::WrongKind),
        (plain, [to, unreadable, ep, 0], Error::MissingRights),
        (plain, [to, CNODE, UNTYPED_SLOT, 0], Error::NotCopyable),
        (plain, [ep, CNODE, badged, 0], Error::OccupiedSlot),
        (plain, [to, CNODE, deepest, 0], Error::TooDeep),
    ];
    for (p, a, error) in cases {
        scene.refuse(CNODE, CNodeMint, p, a, error);
    }
    for (cap, a, error) in [
        (CNODE, [0, CNODE, ep, 0], Error::InvalidIndex),
        (CNODE, [to, CNODE, OUTSIDE, 0], Error::InvalidIndex),
        (CNODE, [to, OUTSIDE, ep, 0], Error::InvalidIndex),
        (CNODE, [to, empty, ep, 0], Error::EmptySlot),
        (CNODE, [to, CNODE, empty, 0], Error::EmptySlot),
        (CNODE, [to, ep, ep, 0], Error::WrongKind),
        (CNODE, [to, unreadable, ep, 0], Error::MissingRights),
        (CNODE, [to, read_only, ep, 0], Error::MissingRights),
        (CNODE, [badged, CNODE, ep, 0], Error::OccupiedSlot),
        (CNODE, [ep, CNODE, ep, 0], Error::OccupiedSlot),
        (inner, [1, CNODE, inner, 0], Error::Cycle),
    ] {
        scene.refuse(cap, CNodeMove, 0, a, error);
    }
    for method in [CNodeDelete, CNodeRevoke] {
        scene.refuse(CNODE, method, 0, [0; 4], Error::InvalidIndex);
        scene.refuse(CNODE, method, 0, [OUTSIDE, 0, 0, 0], Error::InvalidIndex);
        scene.refuse(CNODE, method, 0, [empty, 0, 0, 0], Error::EmptySlot);
    }
    scene.refuse(CNODE, CNodeInspect, 0, [0; 4], Error::InvalidIndex);
    scene.refuse(
        CNODE,
        CNodeInspect,
        0,
        [u64::MAX, 0, 0, 0],
        Error::InvalidIndex,
    );
    let lookup = [
        Error::InvalidIndex,
        Error::EmptySlot,
        Error::WrongKind,
        Error::MissingRights,
        Error::OccupiedSlot,
    ];
    let mint = [Error::InvalidArgument, Error::NotCopyable, Error::TooDeep];
    scene.all_refused(&[
        (CNodeMint, &[&lookup[..], &mint].concat()),
        (CNodeMove, &[&lookup[..], &[Error::Cycle]].concat()),
        (CNodeDelete, &[Error::InvalidIndex, Error::EmptySlot]),
        (CNodeRevoke, &[Error::InvalidIndex, Error::EmptySlot]),
        (CNodeInspect, &[Error::InvalidIndex]),
    ]);
}

#[test]
fn inspect_describes_a_slot() {
    let mut scene = Scene::new(1);
    let (ep, empty) = (scene.make(Kind::Endpoint, 0), scene.slot());
    let badged = scene.badged(ep, 0x99);
    let inspect = |scene: &mut Scene, index| scene.root(CNODE, CNodeInspect, 0, [index, 0, 0, 0]);
    let [info, identity, badge, virt] = inspect(&mut scene, ep);
    let info = SlotInfo(info);
    assert_eq!(
        (info.kind(), info.rights(), info.depth()),
        (Some(Kind::Endpoint), Rights::all(), 1)
    );
    assert_eq!(
        (info.0 & SlotInfo::ORIGINAL, badge, virt),
        (SlotInfo::ORIGINAL, 0, 0)
    );
    let [info, same, badge, _] = inspect(&mut scene, badged);
    assert_eq!((SlotInfo(info).depth(), info & SlotInfo::ORIGINAL), (2, 0));
    assert_eq!((same, badge), (identity, 0x99));
    assert_eq!(inspect(&mut scene, empty), [0; 4]);
    let [info, _, ports, _] = inspect(&mut scene, slot::IO_PORTS as u64);
    assert_eq!(
        (SlotInfo(info).kind(), ports),
        (Some(Kind::IoPort), 0xffff << 16)
    );
    assert_eq!(scene.root(CNODE, CNodeSize, 0, [0; 4])[0], 1 << 14);
}

#[test]
fn a_mapped_frame_keeps_its_mapping_when_it_is_moved_and_not_when_it_is_copied() {
    let mut scene = Scene::new(1);
    let (frame, to) = (scene.make(Kind::Frame, 12), scene.slot());
    let a = [SPACE, 0x1000_0000, 0, 0x1000 | 3];
    scene.root(frame, FrameMap, 0, a);
    scene.root(CNODE, CNodeMove, 0, [to, CNODE, frame, 0]);
    let [info, _, _, virt] = scene.root(CNODE, CNodeInspect, 0, [to, 0, 0, 0]);
    assert_eq!(
        (info & SlotInfo::MAPPED, virt),
        (SlotInfo::MAPPED, 0x1000_0000)
    );
    let copy = scene.copy(to, Rights::all());
    let [info, _, _, virt] = scene.root(CNODE, CNodeInspect, 0, [copy, 0, 0, 0]);
    assert_eq!((info & SlotInfo::MAPPED, virt), (0, 0));
    scene.root(to, FrameUnmap, 0, [0; 4]);
}

#[test]
fn the_caller_can_lose_the_capability_it_calls_by() {
    // A CNode deletes the slot with the capability that names it; the call was carried out and says so.
    let mut scene = Scene::new(1);
    let cnode = scene.make(Kind::CNode, 4);
    let name = scene.copy(cnode, Rights::all());
    scene.root(name, CNodeMint, 15, [3, CNODE, name, 0]);
    scene.delete(name);
    assert!(scene.capability(name).is_empty());
    let by_itself = scene.copy(CNODE, Rights::all());
    scene.root(by_itself, CNodeDelete, 0, [by_itself, 0, 0, 0]);
    assert!(scene.capability(by_itself).is_empty());
    scene.root(cnode, CNodeSize, 0, [0; 4]);
}

#[test]
fn root_cannot_end_the_cnode_that_it_lives_in() {
    let mut scene = Scene::new(1);
    // Its own capability is a copy; without it root can name nothing any more, but lives.
    let root = scene.s.root;
    let args = crate::sim::user::invocation(CNODE, CNodeDelete, 0, [CNODE, 0, 0, 0]);
    let answer = scene.s.make(root, args).expect("root goes on");
    assert_eq!(answer.code, 0);
    let lost = scene.s.make(
        root,
        crate::sim::user::invocation(CNODE, CNodeSize, 0, [0; 4]),
    );
    assert_eq!(lost.unwrap().result(), Err(Error::InvalidIndex));
}
