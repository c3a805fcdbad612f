//! Every wrapper puts the right numbers into the right registers.

use super::*;
use crate::host::with_kernel;
use crate::ipc_buffer::Buffer;
use crate::syscall::Registers as Raw;
use crate::{Cap, Slot};
use pagurus_abi::method::{CacheMode, Method, MethodInfo, Registers, ThreadBinding, ThreadState};
use pagurus_abi::{Error, Kind, MessageInfo, Rights, Syscall};
use std::cell::RefCell;
use std::rc::Rc;

/// Runs `call` against a kernel that answers `results`; returns what the kernel saw.
fn seen<R>(results: [u64; 4], call: impl FnOnce() -> R) -> (Raw, R) {
    let last = Rc::new(RefCell::new(Raw::default()));
    let keep = last.clone();
    let kernel = move |r: Raw| {
        *keep.borrow_mut() = r;
        Raw {
            rax: 0,
            rdi: 0x77,
            rsi: 0,
            words: results,
        }
    };
    let out = with_kernel(kernel, call);
    let raw = *last.borrow();
    (raw, out)
}

/// Checks an invocation: object, method, parameter, arguments.
fn invoked<R>(
    expected: (u32, Method, u64, [u64; 4]),
    results: [u64; 4],
    call: impl FnOnce() -> Result<R, Error>,
) -> R {
    let (raw, out) = seen(results, call);
    assert_eq!(Syscall::from_rax(raw.rax), Some(Syscall::Invoke));
    assert_eq!(raw.rdi, u64::from(expected.0));
    assert_eq!(MethodInfo(raw.rsi), MethodInfo::new(expected.1, expected.2));
    assert_eq!(raw.words, expected.3);
    out.unwrap()
}

const SLOT: Slot = Slot::new(Cap::new(40), 41);

#[test]
fn untyped() {
    let cap = Cap::<Untyped>::new(9);
    let kind = Kind::Frame as u64 | 14 << 8;
    invoked(
        (9, Method::UntypedRetype, kind, [40, 41, 0, 3]),
        [0; 4],
        || cap.retype(Kind::Frame, 14, SLOT, 3),
    );
    let kind = Kind::CNode as u64 | 8 << 8;
    invoked(
        (9, Method::UntypedRetype, kind, [40, 41, 0, 1]),
        [0; 4],
        || cap.make::<CNode>(SLOT, 8),
    );
    let info = invoked(
        (9, Method::UntypedInfo, 0, [0; 4]),
        [0x1000, 12 | 1 << 8, 5, 6],
        || cap.info(),
    );
    assert_eq!(
        info,
        UntypedInfo {
            address: 0x1000,
            size_bits: 12,
            device: true,
            free: 5,
            derived: 6
        }
    );
}

#[test]
fn cnode() {
    let cap = Cap::<CNode>::new(1);
    let rights = u64::from(Rights::RW.bits());
    for (mint, mode, extra) in [
        (Mint::Plain, 0, 0),
        (Mint::Badge(u64::MAX), 1, u64::MAX),
        (
            Mint::Ports {
                first: 0x3f8,
                last: 0x3ff,
            },
            2,
            0x3ff << 16 | 0x3f8,
        ),
        (Mint::MaxPriority(7), 2, 7),
    ] {
        invoked(
            (1, Method::CNodeMint, rights | mode << 8, [5, 40, 41, extra]),
            [0; 4],
            || cap.mint(5, SLOT, Rights::RW, mint),
        );
    }
    invoked((1, Method::CNodeMove, 0, [5, 40, 41, 0]), [0; 4], || {
        cap.move_here(5, SLOT)
    });
    invoked((1, Method::CNodeDelete, 0, [5, 0, 0, 0]), [0; 4], || {
        cap.delete(5)
    });
    invoked((1, Method::CNodeRevoke, 0, [5, 0, 0, 0]), [0; 4], || {
        cap.revoke(5)
    });
    let slot = invoked(
        (1, Method::CNodeInspect, 0, [5, 0, 0, 0]),
        [Kind::Endpoint as u64 | 3 << 8, 8, 9, 10],
        || cap.inspect(5),
    );
    assert_eq!(slot.info.kind(), Some(Kind::Endpoint));
    assert_eq!((slot.object, slot.badge, slot.mapping), (8, 9, 10));
    let size = invoked((1, Method::CNodeSize, 0, [0; 4]), [256, 0, 0, 0], || {
        cap.size()
    });
    assert_eq!(size, 256);
}

#[test]
fn thread() {
    let cap = Cap::<Thread>::new(8);
    let place =
        |p: ThreadBinding, cap, offset| (8, Method::ThreadBind, 0, [p as u64, cap, offset, 0]);
    invoked(place(ThreadBinding::CSpace, 3, 0), [0; 4], || {
        cap.bind_cspace(Cap::new(3))
    });
    invoked(place(ThreadBinding::AddressSpace, 3, 0), [0; 4], || {
        cap.bind_address_space(Cap::new(3))
    });
    invoked(place(ThreadBinding::FaultEndpoint, 3, 0), [0; 4], || {
        cap.bind_fault_endpoint(Cap::new(3))
    });
    invoked(place(ThreadBinding::IpcBuffer, 3, 4096), [0; 4], || {
        cap.bind_ipc_buffer(Cap::new(3), 4096)
    });
    invoked(place(ThreadBinding::Notification, 3, 0), [0; 4], || {
        cap.bind_notification(Cap::new(3))
    });
    invoked((8, Method::ThreadUnbind, 0, [3, 0, 0, 0]), [0; 4], || {
        cap.unbind(ThreadBinding::IpcBuffer)
    });
    invoked((8, Method::ThreadStart, 0, [1, 2, 3, 4]), [0; 4], || {
        cap.start(1, 2, 3, 4)
    });
    invoked((8, Method::ThreadSuspend, 0, [0; 4]), [0; 4], || {
        cap.suspend()
    });
    invoked((8, Method::ThreadResume, 0, [0; 4]), [0; 4], || {
        cap.resume()
    });
    invoked((8, Method::ThreadSetFlags, 0, [1, 2, 0, 0]), [0; 4], || {
        cap.set_flags(true, 2)
    });
    let info = invoked((8, Method::ThreadInfo, 0, [0; 4]), [3, 4, 5, 6], || {
        cap.info()
    });
    assert_eq!(info.state, Some(ThreadState::Receiving));
    assert_eq!((info.rip, info.used_ns, info.cpu), (4, 5, 6));
}

#[test]
fn thread_registers_go_through_the_ipc_buffer() {
    let cap = Cap::<Thread>::new(8);
    let registers = Registers {
        rax: 1,
        rdi: 2,
        rip: 3,
        rflags: 4,
        ..Registers::default()
    };
    invoked((8, Method::ThreadWriteRegisters, 0, [0; 4]), [0; 4], || {
        cap.write_registers(&registers)
    });
    let mut words = [0; 18];
    Buffer::current().unwrap().read_words(0, &mut words);
    assert_eq!((words[0], words[5], words[15], words[17]), (1, 2, 3, 4));
    let back = invoked((8, Method::ThreadReadRegisters, 0, [0; 4]), [0; 4], || {
        cap.read_registers()
    });
    assert_eq!(back, registers);
}

#[test]
fn time_and_processors() {
    let cap = Cap::<SchedContext>::new(4);
    invoked(
        (4, Method::SchedConfigure, 9, [16, 1000, 2000, 0]),
        [0; 4],
        || cap.configure(Cap::new(16), 1000, 2000, 9),
    );
    invoked((4, Method::SchedBind, 0, [8, 0, 0, 0]), [0; 4], || {
        cap.bind(Cap::new(8))
    });
    invoked((4, Method::SchedUnbind, 0, [0; 4]), [0; 4], || cap.unbind());
    let info = invoked(
        (4, Method::SchedInfo, 0, [0; 4]),
        [1, 2, 3, 200 | 5 << 8],
        || cap.info(),
    );
    assert_eq!(
        (
            info.used_ns,
            info.budget_ns,
            info.period_ns,
            info.priority,
            info.cpu
        ),
        (1, 2, 3, 200, 5)
    );
    let info = invoked((16, Method::CpuInfo, 0, [0; 4]), [1, 2, 3, 1], || {
        Cap::<Cpu>::new(16).info()
    });
    assert_eq!(
        info,
        CpuInfo {
            number: 1,
            apic_id: 2,
            tsc_khz: 3,
            running: true
        }
    );
}

#[test]
fn frames_and_address_spaces() {
    let cap = Cap::<Frame>::new(30);
    let mapping = Mapping {
        address: 0x20_0000,
        offset: 0x1000,
        length: 0x3000,
        rights: Rights::READ | Rights::EXECUTE,
        cache: CacheMode::WriteCombining,
    };
    invoked(
        (30, Method::FrameMap, 2, [7, 0x20_0000, 0x1000, 0x3005]),
        [0; 4],
        || cap.map(Cap::new(7), mapping),
    );
    invoked(
        (30, Method::TraceMap, 2, [7, 0x20_0000, 0x1000, 0x3005]),
        [0; 4],
        || Cap::<TraceBuffer>::new(30).map(Cap::new(7), mapping),
    );
    let odd = Mapping {
        length: 0x3001,
        ..mapping
    };
    assert_eq!(cap.map(Cap::new(7), odd), Err(Error::Misaligned));
    invoked((30, Method::FrameUnmap, 0, [0; 4]), [0; 4], || cap.unmap());
    let info = invoked(
        (30, Method::FrameInfo, 0, [0; 4]),
        [0x5000, 12, 0, 0],
        || cap.info(),
    );
    assert_eq!(
        (info.address, info.size_bits, info.device),
        (0x5000, 12, false)
    );
    let space = Cap::<AddressSpace>::new(7);
    let info = invoked(
        (7, Method::AddressSpaceInfo, 0, [0; 4]),
        [1, 2, 0, 0],
        || space.info(),
    );
    assert_eq!((info.used, info.tables), (1, 2));
    let found = invoked(
        (7, Method::AddressSpaceQuery, 0, [0x1234, 0, 0, 0]),
        [0x9234, 3, 4096, 0],
        || space.query(0x1234),
    );
    assert_eq!(
        (found.physical, found.rights, found.page_size),
        (0x9234, Rights::RW, 4096)
    );
}

#[test]
fn interrupts_and_ports() {
    let control = Cap::<IrqControl>::new(5);
    let trigger = Trigger {
        level: true,
        active_low: true,
    };
    invoked((5, Method::IrqIssue, 3, [9, 40, 41, 0]), [0; 4], || {
        control.issue(9, SLOT, trigger)
    });
    let handler = Cap::<IrqHandler>::new(20);
    invoked((20, Method::IrqBind, 0, [6, 0, 0, 0]), [0; 4], || {
        handler.bind(Cap::new(6))
    });
    invoked((20, Method::IrqAck, 0, [0; 4]), [0; 4], || handler.ack());
    invoked((20, Method::IrqUnbind, 0, [0; 4]), [0; 4], || {
        handler.unbind()
    });
    let port = Cap::<IoPort>::new(21);
    let input = |width| (21, Method::PortIn, width, [0x3f8, 0, 0, 0]);
    let value = [0x1234_5678, 0, 0, 0];
    assert_eq!(invoked(input(1), value, || port.read_u8(0x3f8)), 0x78);
    assert_eq!(invoked(input(2), value, || port.read_u16(0x3f8)), 0x5678);
    assert_eq!(
        invoked(input(4), value, || port.read_u32(0x3f8)),
        0x1234_5678
    );
    let output = |width, value| (21, Method::PortOut, width, [0x3f8, value, 0, 0]);
    invoked(output(1, 0x78), [0; 4], || port.write_u8(0x3f8, 0x78));
    invoked(output(2, 0x5678), [0; 4], || port.write_u16(0x3f8, 0x5678));
    invoked(output(4, 0x9abc_5678), [0; 4], || {
        port.write_u32(0x3f8, 0x9abc_5678)
    });
}

#[test]
fn the_kernel_itself() {
    let trace = Cap::<TraceBuffer>::new(22);
    invoked((22, Method::TraceAttach, 0, [16, 0, 0, 0]), [0; 4], || {
        trace.attach(Cap::new(16))
    });
    Buffer::current()
        .unwrap()
        .write_words(0, &[u64::from_le_bytes(*b"abcdefgh"); 2]);
    let mut out = [0; 11];
    let drained = invoked(
        (22, Method::TraceDrain, 0, [11, 0, 0, 0]),
        [10, 2, 3, 0],
        || trace.drain(&mut out),
    );
    assert_eq!((drained.bytes, drained.lost, drained.left), (10, 2, 3));
    assert_eq!(&out, b"abcdefghab\0");

    let kernel = Cap::<KernelControl>::new(7);
    let check = invoked((7, Method::KernelCheck, 0, [0; 4]), [100, 5, 6, 0], || {
        kernel.check()
    });
    assert_eq!((check.capabilities, check.broken, check.place), (100, 5, 6));
    let found = invoked(
        (7, Method::KernelDescribe, 0, [12, 0, 0, 0]),
        [Kind::Thread as u64, 2, 3, 4],
        || kernel.describe(12),
    )
    .unwrap();
    assert_eq!(found.info.kind(), Some(Kind::Thread));
    assert_eq!((found.object, found.container, found.index), (2, 3, 4));
    let past = |r: Raw| Raw {
        rax: Error::InvalidIndex as u64,
        ..r
    };
    assert_eq!(with_kernel(past, || kernel.describe(99)), Ok(None));
    let (raw, error) = seen([0; 4], || kernel.halt(3));
    assert_eq!(MethodInfo(raw.rsi).method(), Some(Method::KernelHalt));
    assert_eq!((raw.words[0], error), (3, Error::Unsupported));
    let stats = invoked((7, Method::KernelStats, 0, [0; 4]), [1, 2, 3, 4], || {
        kernel.stats()
    });
    assert_eq!(
        (
            stats.uptime_ns,
            stats.tsc_khz,
            stats.system_calls,
            stats.interrupts
        ),
        (1, 2, 3, 4)
    );
    // The last of the 32-byte pieces of the text.
    let (raw, _) = seen([0; 4], || {
        kernel.write("0123456789abcdef0123456789abcdefxyz")
    });
    assert_eq!(MethodInfo(raw.rsi), MethodInfo::new(Method::KernelWrite, 3));
    assert_eq!(raw.words[0], u64::from_le_bytes(*b"xyz\0\0\0\0\0"));
}

#[test]
fn timers() {
    let timer = Cap::<Timer>::new(23);
    invoked((23, Method::TimerBind, 0, [6, 0, 0, 0]), [0; 4], || {
        timer.bind(Cap::new(6))
    });
    invoked((23, Method::TimerUnbind, 0, [0; 4]), [0; 4], || {
        timer.unbind()
    });
    let deadline = u64::MAX - 5;
    invoked(
        (23, Method::TimerArm, 0, [deadline, 0, 0, 0]),
        [0; 4],
        || timer.arm(deadline),
    );
    for (result, taken_back) in [(1, true), (0, false)] {
        let disarm = (23, Method::TimerDisarm, 0, [0; 4]);
        let got = invoked(disarm, [result, 0, 0, 0], || timer.disarm());
        assert_eq!(got, taken_back);
    }
    for (result, deadline) in [(77, Some(77)), (0, None)] {
        let info = (23, Method::TimerInfo, 0, [0; 4]);
        let got = invoked(info, [result, 3, 0, 0], || timer.info());
        assert_eq!(got, TimerInfo { deadline, cpu: 3 });
    }
}

#[test]
fn sleep_lasts_until_the_deadline_however_often_it_is_woken() {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let keep = calls.clone();
    let kernel = move |r: Raw| {
        let call = Syscall::from_rax(r.rax);
        keep.borrow_mut().push(call);
        if call == Some(Syscall::Wait) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Raw { rax: 0, ..r }
    };
    let deadline = crate::time::ticks() + 100_000_000;
    let slept = with_kernel(kernel, || {
        Cap::<Timer>::new(23).sleep_until(deadline, Cap::new(6))
    });
    assert_eq!(slept, Ok(()));
    assert!(crate::time::ticks() >= deadline);
    let calls = calls.borrow();
    assert!(calls.len() >= 2);
    for pair in calls.chunks(2) {
        assert_eq!(pair, [Some(Syscall::Invoke), Some(Syscall::Wait)]);
    }
}

#[test]
fn messages_and_signals() {
    let endpoint = Cap::<Endpoint>::new(17);
    let (reply, notification) = (Cap::<Reply>::new(3), Cap::<Notification>::new(6));
    let info = MessageInfo::new(5, 4, 0);
    let words = [1, 2, 3, 4];
    let check = |call: Syscall, cap: u64, second: u32, message: bool, raw: Raw| {
        assert_eq!(raw.rax, call.rax(second), "{call:?}");
        assert_eq!(raw.rdi, cap, "{call:?}");
        if message {
            assert_eq!((raw.rsi, raw.words), (info.0, words), "{call:?}");
        }
    };
    let (raw, out) = seen([9, 8, 7, 6], || endpoint.call(info, words));
    check(Syscall::Call, 17, 0, true, raw);
    assert_eq!(
        (out.unwrap().words, out.unwrap().badge),
        ([9, 8, 7, 6], 0x77)
    );
    let (raw, _) = seen([0; 4], || endpoint.send(info, words));
    check(Syscall::Send, 17, 0, true, raw);
    let (raw, _) = seen([0; 4], || endpoint.try_send(info, words));
    check(Syscall::TrySend, 17, 0, true, raw);
    let (raw, _) = seen([0; 4], || endpoint.recv(reply));
    check(Syscall::Recv, 17, 3, false, raw);
    let (raw, _) = seen([0; 4], || endpoint.try_recv(reply));
    check(Syscall::TryRecv, 17, 3, false, raw);
    let (raw, _) = seen([0; 4], || endpoint.reply_recv(reply, info, words));
    check(Syscall::ReplyRecv, 17, 3, true, raw);
    let (raw, _) = seen([0; 4], || reply.reply(info, words));
    check(Syscall::Reply, 3, 0, true, raw);
    let (raw, _) = seen([0; 4], || notification.signal());
    check(Syscall::Signal, 6, 0, false, raw);
    let (raw, out) = seen([0; 4], || notification.wait());
    check(Syscall::Wait, 6, 0, false, raw);
    assert_eq!(out, Ok(0x77));
    let (raw, out) = seen([0; 4], || notification.poll());
    check(Syscall::Poll, 6, 0, false, raw);
    assert_eq!(out, Ok(0x77));
    let (raw, ()) = seen([0; 4], crate::syscall::yield_now);
    assert_eq!(raw.rax, Syscall::Yield.rax(0));
}

#[test]
fn errors_come_back_typed() {
    for error in Error::ALL {
        let refuse = move |r: Raw| Raw {
            rax: *error as u64,
            ..r
        };
        let got = with_kernel(refuse, || Cap::<Notification>::new(1).wait());
        assert_eq!(got, Err(*error));
    }
    let unknown = |r: Raw| Raw { rax: 9999, ..r };
    let got = with_kernel(unknown, || Cap::<Notification>::new(1).wait());
    assert_eq!(got, Err(Error::InvalidCall));
}
