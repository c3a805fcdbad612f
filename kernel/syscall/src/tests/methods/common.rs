//! What is refused in the same way by all methods.

use crate::sim::system::{DEVICE_SLOT, UNTYPED_SLOT};
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::method::{Method, MethodInfo};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_cap::Slots;

/// A capability of each kind with methods.
fn of_each_kind(scene: &mut Scene) -> Vec<(Kind, u64)> {
    let handler = scene.slot();
    scene.root(
        slot::IRQ_CONTROL as u64,
        Method::IrqIssue,
        0,
        [7, CNODE, handler, 0],
    );
    vec![
        (Kind::Untyped, UNTYPED_SLOT),
        (Kind::CNode, CNODE),
        (Kind::Thread, scene.make(Kind::Thread, 0)),
        (Kind::SchedContext, scene.make(Kind::SchedContext, 0)),
        (Kind::Cpu, slot::FIRST_CPU as u64),
        (Kind::Frame, scene.make(Kind::Frame, 12)),
        (Kind::AddressSpace, SPACE),
        (Kind::IrqControl, slot::IRQ_CONTROL as u64),
        (Kind::IrqHandler, handler),
        (Kind::IoPort, slot::IO_PORTS as u64),
        (Kind::TraceBuffer, scene.make(Kind::TraceBuffer, 12)),
        (Kind::KernelControl, slot::KERNEL_CONTROL as u64),
        (Kind::GuestSpace, scene.make(Kind::GuestSpace, 14)),
        (Kind::Vcpu, scene.make(Kind::Vcpu, 0)),
        (Kind::Timer, scene.make(Kind::Timer, 0)),
    ]
}

fn kind_of(method: Method) -> Kind {
    match (method, method as u16 >> 4) {
        (Method::IrqIssue, _) => Kind::IrqControl,
        (_, 1) => Kind::Untyped,
        (_, 2) => Kind::CNode,
        (_, 3) => Kind::Thread,
        (_, 4) => Kind::SchedContext,
        (_, 5) => Kind::Cpu,
        (_, 6) => Kind::Frame,
        (_, 7) => Kind::AddressSpace,
        (_, 8) => Kind::IrqHandler,
        (_, 9) => Kind::IoPort,
        (_, 0xa) => Kind::TraceBuffer,
        (_, 0xc) => Kind::GuestSpace,
        (_, 0xd) => Kind::Vcpu,
        (_, 0xe) => Kind::Timer,
        _ => Kind::KernelControl,
    }
}

#[test]
fn a_method_needs_a_capability_of_its_kind_with_its_rights() {
    let mut scene = Scene::new(1);
    let kinds = of_each_kind(&mut scene);
    let empty = scene.slot();
    let powerless: Vec<_> = kinds
        .iter()
        .filter(|(kind, _)| *kind != Kind::Untyped)
        .map(|(kind, cap)| (*kind, scene.copy(*cap, Rights::empty())))
        .collect();
    for method in Method::ALL {
        let kind = kind_of(*method);
        scene.refuse(0, *method, 0, [0; 4], Error::EmptySlot);
        scene.refuse(empty, *method, 0, [0; 4], Error::EmptySlot);
        scene.refuse(1 << 14, *method, 0, [0; 4], Error::InvalidIndex);
        scene.refuse(u64::MAX, *method, 0, [0; 4], Error::InvalidIndex);
        for (other, cap) in &kinds {
            // A trace buffer is unmapped like a frame.
            let unmaps = *method == Method::FrameUnmap && *other == Kind::TraceBuffer;
            if *other != kind && !unmaps {
                scene.refuse(*cap, *method, 0, [0; 4], Error::WrongKind);
            }
        }
        // A frame's rights are about its mapping.
        if let Some((_, cap)) = powerless.iter().find(|(k, _)| *k == kind)
            && kind != Kind::Frame
        {
            scene.refuse(*cap, *method, 0, [0; 4], Error::MissingRights);
        }
    }
}

#[test]
fn what_is_no_method_is_refused() {
    let mut scene = Scene::new(1);
    let root = scene.s.root;
    for info in [0, 0x1f, 0xffff, u64::MAX] {
        assert_eq!(MethodInfo(info).method(), None);
        let args = crate::SyscallArgs {
            cap: CNODE,
            info,
            ..Default::default()
        };
        let got = scene.s.make(root, args).unwrap();
        assert_eq!(got.result(), Err(Error::InvalidCall));
    }
}

#[test]
fn reading_and_writing_are_separate_rights() {
    let mut scene = Scene::new(1);
    let kinds = of_each_kind(&mut scene);
    let reads = [
        Method::CNodeInspect,
        Method::CNodeSize,
        Method::ThreadReadRegisters,
        Method::ThreadInfo,
        Method::SchedInfo,
        Method::CpuInfo,
        Method::AddressSpaceInfo,
        Method::AddressSpaceQuery,
        Method::PortIn,
        Method::TraceMap,
        Method::KernelCheck,
        Method::KernelDescribe,
        Method::KernelStats,
        Method::GuestSpaceInfo,
        Method::GuestSpaceQuery,
        Method::VcpuStore,
        Method::TimerInfo,
    ];
    for method in Method::ALL {
        let kind = kind_of(*method);
        if matches!(kind, Kind::Untyped | Kind::Frame) || *method == Method::KernelHalt {
            continue;
        }
        let (_, cap) = kinds.iter().find(|(k, _)| *k == kind).unwrap();
        let needed = if reads.contains(method) {
            Rights::READ
        } else {
            Rights::WRITE
        };
        let without = scene.copy(*cap, Rights::all() - needed);
        scene.refuse(without, *method, 0, [0; 4], Error::MissingRights);
        let with = scene.copy(*cap, needed);
        let got = scene.try_root(with, *method, 0, [0; 4]);
        assert_ne!(got, Err(Error::MissingRights), "{method:?}");
    }
}

#[test]
fn every_slot_that_boot_fills_is_what_it_should_be() {
    let scene = Scene::new(1);
    for (index, kind) in [
        (CNODE, Kind::CNode),
        (SPACE, Kind::AddressSpace),
        (slot::THREAD as u64, Kind::Thread),
        (slot::SCHED_CONTEXT as u64, Kind::SchedContext),
        (slot::IRQ_CONTROL as u64, Kind::IrqControl),
        (slot::IO_PORTS as u64, Kind::IoPort),
        (slot::KERNEL_CONTROL as u64, Kind::KernelControl),
        (slot::IPC_BUFFER as u64, Kind::Frame),
        (slot::BOOT_INFO as u64, Kind::Frame),
        (slot::FIRST_CPU as u64, Kind::Cpu),
        (slot::FIRST_CPU as u64 + 1, Kind::Cpu),
        (slot::FIRST_CPU as u64 + 2, Kind::Empty),
        (UNTYPED_SLOT, Kind::Untyped),
        (DEVICE_SLOT, Kind::Untyped),
    ] {
        assert_eq!(scene.capability(index).kind, kind, "slot {index}");
    }
    assert!(scene.capability(DEVICE_SLOT).is_device());
    let header = scene.s.kernel.slot(scene.place(0));
    assert!(header.is_empty());
}
