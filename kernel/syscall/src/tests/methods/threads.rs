//! Threads.

use crate::sim::Mode;
use crate::sim::system::{DEVICE_SLOT, MODULE_SLOT};
use crate::tests::scene::*;
use pagurus_abi::boot::slot;
use pagurus_abi::layout::USER_END;
use pagurus_abi::method::Method::*;
use pagurus_abi::method::{REGISTER_COUNT, Registers, THREAD_FPU, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, Rights};
use pagurus_ipc::UserFrame;

fn place(binding: ThreadBinding, cap: u64, offset: u64) -> [u64; 4] {
    [binding as u64, cap, offset, 0]
}

#[test]
fn every_reason_to_refuse_a_binding() {
    use ThreadBinding::*;
    let mut scene = Scene::new(1);
    let t = scene.bare_actor();
    let ep = scene.make(Kind::Endpoint, 0);
    let vcpu = scene.make(Kind::Vcpu, 0);
    let (n, empty) = (scene.make(Kind::Notification, 0), scene.slot());
    let root = scene.s.root;
    let device = scene.slot();
    scene
        .s
        .retype(root, DEVICE_SLOT, Kind::Frame, 12, (CNODE, device), 1)
        .unwrap();
    let deepest = scene.deepest(ep);
    let without = |scene: &mut Scene, cap, right| scene.copy(cap, Rights::all() - right);
    let powerless = [
        (CSpace, without(&mut scene, CNODE, Rights::READ)),
        (CSpace, without(&mut scene, CNODE, Rights::WRITE)),
        (AddressSpace, without(&mut scene, SPACE, Rights::WRITE)),
        (FaultEndpoint, without(&mut scene, ep, Rights::WRITE)),
        (IpcBuffer, without(&mut scene, t.frame, Rights::READ)),
        (IpcBuffer, without(&mut scene, t.frame, Rights::WRITE)),
        (IpcBuffer, MODULE_SLOT),
        (Notification, without(&mut scene, n, Rights::READ)),
        (Vcpu, without(&mut scene, vcpu, Rights::WRITE)),
    ];
    for (binding, cap) in powerless {
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(binding, cap, 0),
            Error::MissingRights,
        );
    }
    for binding in ThreadBinding::ALL {
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(binding, empty, 0),
            Error::EmptySlot,
        );
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(binding, 1 << 14, 0),
            Error::InvalidIndex,
        );
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(binding, t.thread, 0),
            Error::WrongKind,
        );
        scene.refuse(
            t.thread,
            ThreadUnbind,
            0,
            place(binding, 0, 0),
            Error::NotBound,
        );
    }
    for number in [ThreadBinding::COUNT as u64, u64::MAX] {
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            [number, ep, 0, 0],
            Error::InvalidArgument,
        );
        scene.refuse(
            t.thread,
            ThreadUnbind,
            0,
            [number, 0, 0, 0],
            Error::InvalidArgument,
        );
    }
    for (cap, offset, error) in [
        (device, 0, Error::DeviceMemory),
        (t.frame, 1, Error::Misaligned),
        (t.frame, 4096, Error::InvalidArgument),
        (t.frame, !0xfff, Error::InvalidArgument),
    ] {
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(IpcBuffer, cap, offset),
            error,
        );
    }
    scene.refuse(
        t.thread,
        ThreadBind,
        0,
        place(FaultEndpoint, deepest, 0),
        Error::TooDeep,
    );
    for (binding, cap) in [
        (CSpace, CNODE),
        (AddressSpace, SPACE),
        (FaultEndpoint, ep),
        (IpcBuffer, t.frame),
        (Notification, n),
        (Vcpu, vcpu),
    ] {
        scene.bind(t, binding, cap);
        scene.refuse(
            t.thread,
            ThreadBind,
            0,
            place(binding, cap, 0),
            Error::AlreadyBound,
        );
    }
    let other = scene.bare_actor();
    scene.refuse(
        other.thread,
        ThreadBind,
        0,
        place(Vcpu, vcpu, 0),
        Error::InUse,
    );
    scene.all_refused(&[
        (
            ThreadBind,
            &[
                Error::InUse,
                Error::MissingRights,
                Error::EmptySlot,
                Error::InvalidIndex,
                Error::WrongKind,
                Error::InvalidArgument,
                Error::DeviceMemory,
                Error::Misaligned,
                Error::TooDeep,
                Error::AlreadyBound,
            ],
        ),
        (ThreadUnbind, &[Error::NotBound, Error::InvalidArgument]),
    ]);
}

#[test]
fn bindings_are_forgotten_when_their_source_goes() {
    use ThreadBinding::*;
    let mut scene = Scene::new(1);
    let t = scene.bare_actor();
    let objects = [
        (CSpace, scene.make(Kind::CNode, 4)),
        (AddressSpace, scene.make(Kind::AddressSpace, 14)),
        (FaultEndpoint, scene.make(Kind::Endpoint, 0)),
        (IpcBuffer, t.frame),
        (Notification, scene.make(Kind::Notification, 0)),
    ];
    for (binding, cap) in objects {
        scene.bind(t, binding, cap);
    }
    let now = scene.thread(t);
    assert!(now.cspace.is_some() && now.cr3 != 0 && now.buffer != 0);
    for (_, cap) in objects {
        scene.delete(cap);
    }
    let now = *scene.thread(t);
    assert_eq!(
        (now.cspace, now.cspace_slots, now.cr3, now.asid),
        (None, 0, 0, 0)
    );
    assert_eq!((now.buffer, now.notification), (0, None));
    for (binding, _) in objects {
        scene.refuse(
            t.thread,
            ThreadUnbind,
            0,
            place(binding, 0, 0),
            Error::NotBound,
        );
    }
}

#[test]
fn a_buffer_can_lie_anywhere_in_a_frame() {
    let mut scene = Scene::new(1);
    let t = scene.bare_actor();
    let frame = scene.make(Kind::Frame, 14);
    let bind = place(ThreadBinding::IpcBuffer, frame, 0x3000);
    scene.root(t.thread, ThreadBind, 0, bind);
    let object = scene.capability(frame).object;
    assert_eq!(
        scene.thread(t).buffer,
        crate::sim::ram::DIRECT + object + 0x3000
    );
}

#[test]
fn starting_and_stopping_is_refused_for_good_reasons() {
    let (mut scene, [running]) = Scene::with();
    let t = scene.bare_actor();
    let start = [0x1000, 0x2000, 1, 2];
    scene.refuse(t.thread, ThreadStart, 0, start, Error::MissingBinding);
    scene.refuse(t.thread, ThreadResume, 0, [0; 4], Error::MissingBinding);
    scene.bind(t, ThreadBinding::AddressSpace, SPACE);
    for a in [[USER_END, 0, 0, 0], [0, USER_END, 0, 0], [u64::MAX; 4]] {
        scene.refuse(t.thread, ThreadStart, 0, a, Error::InvalidArgument);
    }
    for method in [
        ThreadStart,
        ThreadResume,
        ThreadSetFlags,
        ThreadWriteRegisters,
        ThreadReadRegisters,
    ] {
        scene.refuse(running.thread, method, 0, [0; 4], Error::InUse);
    }
    for a in [[2, 0, 0, 0], [THREAD_FPU | 4, 0, 0, 0], [0, USER_END, 0, 0]] {
        scene.refuse(t.thread, ThreadSetFlags, 0, a, Error::InvalidArgument);
    }
    let words = Registers {
        rip: USER_END,
        ..Registers::default()
    };
    write_words(&mut scene, &words);
    scene.refuse(
        t.thread,
        ThreadWriteRegisters,
        0,
        [0; 4],
        Error::InvalidArgument,
    );
    let place = place(ThreadBinding::IpcBuffer, 0, 0);
    scene.root(slot::THREAD as u64, ThreadUnbind, 0, place);
    for method in [ThreadReadRegisters, ThreadWriteRegisters] {
        scene.refuse(t.thread, method, 0, [0; 4], Error::MissingBinding);
    }
    scene.all_refused(&[
        (
            ThreadStart,
            &[Error::MissingBinding, Error::InvalidArgument, Error::InUse],
        ),
        (ThreadResume, &[Error::MissingBinding, Error::InUse]),
        (ThreadSetFlags, &[Error::InvalidArgument, Error::InUse]),
        (ThreadReadRegisters, &[Error::MissingBinding, Error::InUse]),
        (
            ThreadWriteRegisters,
            &[Error::MissingBinding, Error::InUse, Error::InvalidArgument],
        ),
    ]);
}

fn write_words(scene: &mut Scene, registers: &Registers) {
    let root = scene.s.root;
    for (n, word) in registers.to_words().into_iter().enumerate() {
        scene.s.write_word(root, n, word);
    }
}

fn read_words(scene: &Scene) -> Registers {
    let root = scene.s.root;
    let words: [u64; REGISTER_COUNT] = core::array::from_fn(|n| scene.s.read_word(root, n));
    Registers::from_words(words)
}

#[test]
fn registers_are_read_as_written_but_for_dangerous_flags() {
    let mut scene = Scene::new(1);
    let t = scene.bare_actor();
    let words: [u64; REGISTER_COUNT] = core::array::from_fn(|n| 100 + n as u64);
    let mut registers = Registers::from_words(words);
    registers.rflags = u64::MAX;
    write_words(&mut scene, &registers);
    scene.root(t.thread, ThreadWriteRegisters, 0, [0; 4]);
    scene.root(t.thread, ThreadReadRegisters, 0, [0; 4]);
    let got = read_words(&scene);
    // Interrupts stay on; I/O privilege, nested task, virtual 8086 mode and resume stay off.
    assert_eq!(got.rflags & 0x202, 0x202);
    assert_eq!(got.rflags & (0x3000 | 0x4000 | 0x1_0000 | 0x2_0000), 0);
    registers.rflags = got.rflags;
    assert_eq!(got, registers);
    assert_eq!(
        scene.thread(t).frame.completed,
        0,
        "all of them are restored"
    );
}

#[test]
fn a_thread_runs_with_what_it_was_started_with() {
    let (mut scene, [t]) = Scene::with();
    scene.suspend(t);
    scene.root(t.thread, ThreadSetFlags, 0, [THREAD_FPU, 0x5000, 0, 0]);
    scene.root(t.thread, ThreadStart, 0, [0x1234, 0x5678, 11, 22]);
    let Mode::User { thread, registers } = scene.s.kernel.machine.processors[1].mode else {
        panic!("it runs");
    };
    assert_eq!(thread, t.id);
    let expected = UserFrame {
        rip: 0x1234,
        rsp: 0x5678,
        rdi: 11,
        rsi: 22,
        rflags: 0x202,
        ..UserFrame::default()
    };
    assert_eq!(registers, expected);
    let now = scene.thread(t);
    assert!(now.fpu && now.fs_base == 0x5000);
}

#[test]
fn a_thread_stopped_in_user_mode_goes_on_with_the_same_registers() {
    let (mut scene, [t]) = Scene::with();
    let before = scene.s.kernel.machine.processors[1].mode;
    scene.suspend(t);
    assert_eq!(scene.state(t), ThreadState::Inactive);
    assert_eq!(scene.s.running(1), None);
    scene.root(t.thread, ThreadReadRegisters, 0, [0; 4]);
    assert_eq!(read_words(&scene).rsp, 0x7000_0000);
    scene.suspend(t);
    scene.resume(t);
    assert_eq!(scene.s.kernel.machine.processors[1].mode, before);
}

#[test]
fn a_thread_stopped_behind_a_system_call_shows_the_registers_it_goes_on_with() {
    let (mut scene, [t]) = Scene::with();
    let ep = scene.make(Kind::Endpoint, 0);
    assert_eq!(scene.send(t, ep, [0; 4]), None);
    let rip = scene.thread(t).frame.rip;
    scene.suspend(t);
    scene.root(t.thread, ThreadReadRegisters, 0, [0; 4]);
    let shown = read_words(&scene);
    assert_eq!((shown.rax, shown.rip), (Error::Canceled as u64, rip + 2));
}

#[test]
fn info_tells_state_place_and_time() {
    let (mut scene, [t]) = Scene::with();
    let bare = scene.bare_actor();
    assert_eq!(
        scene.root(bare.thread, ThreadInfo, 0, [0; 4]),
        [ThreadState::Inactive as u64, 0, 0, 0]
    );
    scene.s.advance(300_000);
    let [state, _, used, cpu] = scene.root(t.thread, ThreadInfo, 0, [0; 4]);
    assert_eq!((state, cpu), (ThreadState::Ready as u64, 1));
    assert!((300_000..400_000).contains(&used), "{used}");
}

#[test]
fn registers_are_not_read_while_a_system_call_has_them() {
    let (mut scene, [waits, faults, handler]) = Scene::with();
    let (ep, reply) = (scene.make(Kind::Endpoint, 0), scene.make(Kind::Reply, 0));
    let place = place(ThreadBinding::FaultEndpoint, ep, 0);
    scene.root(faults.thread, ThreadBind, 0, place);
    // A fault handler wants to see them, before and after it has received the fault.
    let Mode::User { registers, .. } = scene.s.kernel.machine.processors[2].mode else {
        panic!("it runs");
    };
    let fault = crate::sim::Event::Fault {
        vector: 6,
        code: 0,
        address: 0,
    };
    scene.s.event(2, fault);
    for _ in 0..2 {
        scene.root(faults.thread, ThreadReadRegisters, 0, [0; 4]);
        assert_eq!(read_words(&scene), registers.registers());
        if scene.state(faults) == ThreadState::Sending {
            assert!(scene.recv(handler, ep, reply).is_some());
        }
    }
    assert_eq!(scene.call(waits, ep, [0; 4]), None);
    scene.refuse(waits.thread, ThreadReadRegisters, 0, [0; 4], Error::InUse);
}
