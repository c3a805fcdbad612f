//! Interrupts, ports and trace buffers.

use crate::sim::machine::{KERNEL_IRQ, LINES, UNROUTABLE_IRQ};
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::method::Method::*;
use pagurus_abi::method::{MINT_RANGE, ThreadBinding};
use pagurus_abi::{Error, Kind, Rights};

const CONTROL: u64 = slot::IRQ_CONTROL as u64;
const PORTS: u64 = slot::IO_PORTS as u64;
const CPU: u64 = slot::FIRST_CPU as u64;

#[test]
fn every_reason_to_refuse_an_interrupt() {
    let mut scene = Scene::new(1);
    let (at, other) = (scene.slot(), scene.slot());
    let n = scene.make(Kind::Notification, 0);
    let read_only = scene.copy(CNODE, Rights::READ);
    let deepest = scene.deepest(CONTROL);
    for (p, a, error) in [
        (4, [5, CNODE, at, 0], Error::InvalidArgument),
        (0, [128, CNODE, at, 0], Error::InvalidArgument),
        (0, [1 << 32 | 5, CNODE, at, 0], Error::InvalidArgument),
        (0, [KERNEL_IRQ as u64, CNODE, at, 0], Error::InvalidArgument),
        (0, [LINES as u64, CNODE, at, 0], Error::InvalidArgument),
        (0, [UNROUTABLE_IRQ as u64, CNODE, at, 0], Error::Unsupported),
        (0, [5, 0, at, 0], Error::EmptySlot),
        (0, [5, n, at, 0], Error::WrongKind),
        (0, [5, 1 << 14, at, 0], Error::InvalidIndex),
        (0, [5, CNODE, 0, 0], Error::InvalidIndex),
        (0, [5, read_only, at, 0], Error::MissingRights),
        (0, [5, CNODE, n, 0], Error::OccupiedSlot),
    ] {
        scene.refuse(CONTROL, IrqIssue, p, a, error);
    }
    scene.refuse(deepest, IrqIssue, 0, [5, CNODE, at, 0], Error::TooDeep);
    scene.root(CONTROL, IrqIssue, 0, [5, CNODE, at, 0]);
    scene.refuse(CONTROL, IrqIssue, 0, [5, CNODE, other, 0], Error::InUse);
    let receive = scene.copy(n, Rights::READ);
    let deepest = scene.deepest(n);
    scene.refuse(at, IrqBind, 0, [0; 4], Error::EmptySlot);
    scene.refuse(at, IrqBind, 0, [1 << 14, 0, 0, 0], Error::InvalidIndex);
    scene.refuse(at, IrqBind, 0, [CNODE, 0, 0, 0], Error::WrongKind);
    scene.refuse(at, IrqBind, 0, [receive, 0, 0, 0], Error::MissingRights);
    scene.refuse(at, IrqBind, 0, [deepest, 0, 0, 0], Error::TooDeep);
    scene.refuse(at, IrqUnbind, 0, [0; 4], Error::NotBound);
    scene.root(at, IrqBind, 0, [n, 0, 0, 0]);
    scene.refuse(at, IrqBind, 0, [n, 0, 0, 0], Error::AlreadyBound);
    let lookup = [
        Error::EmptySlot,
        Error::InvalidIndex,
        Error::WrongKind,
        Error::MissingRights,
        Error::TooDeep,
    ];
    let issue = [
        Error::InvalidArgument,
        Error::Unsupported,
        Error::OccupiedSlot,
        Error::InUse,
    ];
    scene.all_refused(&[
        (IrqIssue, &[&lookup[..], &issue].concat()),
        (IrqBind, &[&lookup[..], &[Error::AlreadyBound]].concat()),
        (IrqUnbind, &[Error::NotBound]),
    ]);
    // What depends on it goes with it: the handler with the control, the binding with the notification.
    scene.delete(n);
    scene.refuse(at, IrqUnbind, 0, [0; 4], Error::NotBound);
    scene.root(CNODE, CNodeRevoke, 0, [CONTROL, 0, 0, 0]);
    assert!(scene.capability(at).is_empty());
    scene.root(CONTROL, IrqIssue, 0, [5, CNODE, other, 0]);
}

#[test]
fn ports_are_reached_within_their_range_only() {
    let mut scene = Scene::new(1);
    let com = scene.slot();
    let range = 0x3f8 | 0x3ff << 16;
    scene.root(
        CNODE,
        CNodeMint,
        15 | MINT_RANGE << 8,
        [com, CNODE, PORTS, range],
    );
    for (p, port, error) in [
        (0, 0x3f8, Error::InvalidArgument),
        (3, 0x3f8, Error::InvalidArgument),
        (8, 0x3f8, Error::InvalidArgument),
        (1 << 8 | 1, 0x3f8, Error::InvalidArgument),
        (1, 0x1_03f8, Error::InvalidArgument),
        (1, 0x3f7, Error::MissingRights),
        (1, 0x400, Error::MissingRights),
        (2, 0x3ff, Error::MissingRights),
        (4, 0x3fd, Error::MissingRights),
    ] {
        scene.refuse(com, PortIn, p, [port, 0, 0, 0], error);
        scene.refuse(com, PortOut, p, [port, 0, 0, 0], error);
    }
    scene.refuse(PORTS, PortIn, 2, [0xffff, 0, 0, 0], Error::MissingRights);
    let errors = [Error::InvalidArgument, Error::MissingRights];
    scene.all_refused(&[(PortIn, &errors), (PortOut, &errors)]);
    assert!(
        scene.s.kernel.machine.ports.is_empty(),
        "no port was touched"
    );
    for (width, port, value) in [
        (1, 0x3ff, 0xff),
        (2, 0x3fe, 0xffff),
        (4, 0x3fc, 0xffff_ffff),
    ] {
        scene.root(com, PortOut, width, [port, u64::MAX, 0, 0]);
        assert_eq!(scene.s.kernel.machine.ports[&(port as u16)], value);
        assert_eq!(
            scene.root(com, PortIn, width, [port, 0, 0, 0]),
            [value as u64, 0, 0, 0]
        );
    }
}

#[test]
fn trace_buffers() {
    let mut scene = Scene::new(1);
    let (a, b) = (
        scene.make(Kind::TraceBuffer, 13),
        scene.make(Kind::TraceBuffer, 12),
    );
    let read = scene.copy(CPU, Rights::READ);
    scene.refuse(a, TraceAttach, 0, [0; 4], Error::EmptySlot);
    scene.refuse(a, TraceAttach, 0, [1 << 14, 0, 0, 0], Error::InvalidIndex);
    scene.refuse(a, TraceAttach, 0, [CNODE, 0, 0, 0], Error::WrongKind);
    scene.refuse(a, TraceAttach, 0, [read, 0, 0, 0], Error::MissingRights);
    scene.refuse(a, TraceDrain, 0, [8, 0, 0, 0], Error::NotBound);
    scene.root(a, TraceAttach, 0, [CPU + 1, 0, 0, 0]);
    scene.refuse(b, TraceAttach, 0, [CPU + 1, 0, 0, 0], Error::InUse);
    scene.refuse(a, TraceAttach, 0, [CPU, 0, 0, 0], Error::InUse);
    let object = scene.capability(a).object - crate::sim::ram::DIRECT;
    assert_eq!(scene.s.kernel.machine.traces[&1], (object as u64, 1 << 13));
    scene.s.kernel.machine.trace_bytes.insert(1, 2000);
    assert_eq!(scene.root(a, TraceDrain, 0, [8, 0, 0, 0]), [8, 0, 1992, 0]);
    // Never more than the buffer has words for messages.
    assert_eq!(scene.root(a, TraceDrain, 0, [u64::MAX, 0, 0, 0])[0], 1920);
    assert_eq!(
        scene.root(a, TraceDrain, 0, [u64::MAX, 0, 0, 0]),
        [72, 0, 0, 0]
    );
    scene.root(a, TraceMap, 0, [SPACE, 0x4000_0000, 0, 2 << 12 | 1]);
    let got = scene.root(SPACE, AddressSpaceQuery, 0, [0x4000_1000, 0, 0, 0]);
    assert_eq!((got[0], got[1]), (object as u64 + 0x1000, 1));
    scene.root(a, FrameUnmap, 0, [0; 4]);
    scene.root(a, TraceMap, 0, [SPACE, 0x4000_0000, 0, 1 << 12 | 1]);
    let place = [ThreadBinding::IpcBuffer as u64, 0, 0, 0];
    scene.root(slot::THREAD as u64, ThreadUnbind, 0, place);
    scene.refuse(a, TraceDrain, 0, [8, 0, 0, 0], Error::MissingBinding);
    scene.all_refused(&[
        (
            TraceAttach,
            &[
                Error::EmptySlot,
                Error::InvalidIndex,
                Error::WrongKind,
                Error::MissingRights,
                Error::InUse,
            ],
        ),
        (TraceDrain, &[Error::NotBound, Error::MissingBinding]),
    ]);
    // Its end gives the processor back to the kernel.
    scene.delete(a);
    assert!(scene.s.kernel.machine.traces.is_empty());
    scene.root(b, TraceAttach, 0, [CPU + 1, 0, 0, 0]);
}
