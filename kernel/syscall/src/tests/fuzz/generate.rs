//! Random system calls, most of which make some sense.

use super::Choice;
use super::world::{SLOTS, World};
use crate::SyscallArgs;
use crate::sim::retype_info;
use crate::sim::system::FREE_SLOT;
use crate::sim::user::invocation;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::method::{MINT_BADGE, MINT_PLAIN, MINT_RANGE, Method, MethodInfo};
use pagurus_abi::syscall::second_cap;
use pagurus_abi::{Kind, MessageInfo, Syscall};
use pagurus_cap::Slots;
use pagurus_ipc::{Env, ThreadId};

/// What a thread can name.
struct Caps<'a> {
    world: &'a World,
    thread: ThreadId,
    end: u64,
}

impl Caps<'_> {
    fn kind(&self, index: u64) -> Option<Kind> {
        let k = &self.world.system.kernel;
        let slot = k.thread(self.thread).slot_at(index).ok()?;
        Some(k.slot(slot).kind)
    }

    /// Mostly a capability of this kind.
    fn of(&self, c: &mut Choice, kind: Kind) -> u64 {
        if c.one_in(24) {
            return self.wild(c);
        }
        let start = c.below(self.end);
        let mut all = (start..self.end).chain(1..start);
        let found = all.find(|n| self.kind(*n) == Some(kind));
        found.unwrap_or_else(|| self.wild(c))
    }

    /// Mostly an empty slot.
    fn empty(&self, c: &mut Choice) -> u64 {
        self.of(c, Kind::Empty)
    }

    /// Any index.
    fn wild(&self, c: &mut Choice) -> u64 {
        if c.one_in(50) {
            c.any()
        } else {
            c.below(self.end)
        }
    }

    /// Something that may be deleted or moved without ending the fun at once.
    fn victim(&self, c: &mut Choice) -> u64 {
        if self.end < FREE_SLOT || c.one_in(400) {
            return self.wild(c);
        }
        FREE_SLOT + c.below(SLOTS)
    }
}

/// An address that is likely to be mapped.
pub fn address(c: &mut Choice) -> u64 {
    0x20_0000 + c.below(6) * 0x1000
}

fn rights(c: &mut Choice) -> u64 {
    if c.one_in(3) { c.below(256) } else { 15 }
}

/// A system call for `t` to make.
pub fn call(world: &mut World, c: &mut Choice, t: ThreadId) -> SyscallArgs {
    if world.system.kernel.thread(t).buffer != 0 && c.one_in(2) {
        fill_buffer(world, c, t);
    }
    let slots = world.system.kernel.thread(t).cspace_slots;
    let caps = Caps {
        world,
        thread: t,
        end: slots.clamp(1, FREE_SLOT + SLOTS),
    };
    if c.one_in(2) {
        return communicate(&caps, c);
    }
    if c.one_in(60) {
        return SyscallArgs {
            rax: c.any(),
            cap: c.any(),
            info: c.any(),
            words: [c.any(), c.any(), c.any(), c.any()],
        };
    }
    method(&caps, c)
}

fn fill_buffer(world: &mut World, c: &mut Choice, t: ThreadId) {
    let base = FREE_SLOT + c.below(SLOTS);
    world.system.set_window(t, base as u32, c.below(5) as u32);
    for n in 0..4 {
        let index = (FREE_SLOT + c.below(SLOTS)) as u32;
        let cap = CapTransfer {
            index,
            rights: rights(c) as u8,
            mode: c.below(3) as u8,
            reserved: 0,
        };
        world.system.offer_cap(t, n, cap);
    }
}

fn communicate(caps: &Caps, c: &mut Choice) -> SyscallArgs {
    let call = c.of(&Syscall::ALL[1..]);
    let kind = match call {
        Syscall::Signal | Syscall::Wait | Syscall::Poll => Kind::Notification,
        Syscall::Reply => Kind::Reply,
        _ => Kind::Endpoint,
    };
    let second = match call {
        Syscall::ReplyRecv => caps.of(c, Kind::Reply),
        Syscall::Recv | Syscall::TryRecv if !c.one_in(4) => caps.of(c, Kind::Reply),
        _ => 0,
    };
    let (words, transferred) = (c.of(&[0, 2, 4, 5, 240]), c.below(5) as usize);
    let transferred = if c.one_in(2) { transferred } else { 0 };
    let mut info = MessageInfo::new(c.below(4), words, transferred).0;
    if c.one_in(20) {
        info = c.any();
    }
    SyscallArgs {
        rax: call.rax(second as u32),
        cap: caps.of(c, kind),
        info,
        words: [0x20_0000, c.any(), c.any(), c.any()],
    }
}

fn method(caps: &Caps, c: &mut Choice) -> SyscallArgs {
    use Method::*;
    let cnode = caps.of(c, Kind::CNode);
    let empty = caps.empty(c);
    let wild = caps.wild(c);
    let victim = caps.victim(c);
    let method = match c.below(100) {
        0..12 => UntypedRetype,
        12..24 => CNodeMint,
        24..30 => CNodeMove,
        30..34 => CNodeDelete,
        34..36 => CNodeRevoke,
        36..44 => ThreadBind,
        44..48 => ThreadResume,
        48..55 => c.of(&[FrameMap, FrameMap, FrameUnmap]),
        57..58 => FrameUnmap,
        55..57 => c.of(&[
            SchedBind,
            SchedUnbind,
            ThreadSuspend,
            ThreadStart,
            ThreadSetFlags,
        ]),
        58..60 => c.of(&[IrqIssue, IrqBind, IrqAck, IrqUnbind]),
        60..63 => c.of(&[TraceAttach, TraceDrain, TraceMap]),
        63..68 => c.of(&[
            VcpuBind,
            VcpuBind,
            VcpuUnbind,
            VcpuLoad,
            VcpuStore,
            GuestSpaceQuery,
        ]),
        68..71 => c.of(&[TimerBind, TimerArm, TimerArm, TimerArm]),
        _ => c.of(Method::ALL),
    };
    let invoke = |cap, p, a| invocation(cap, method, p, a);
    match method {
        UntypedRetype => {
            let kind = c.of(&Kind::ALL);
            let bits = match kind {
                Kind::Untyped => 8 + c.below(10),
                Kind::Frame => c.of(&[12, 12, 13, 16]),
                Kind::CNode => 4 + c.below(3),
                Kind::AddressSpace | Kind::GuestSpace => c.of(&[14, 15]),
                Kind::TraceBuffer => 12,
                _ => c.below(40) / 39,
            };
            let count = if c.one_in(4) { c.below(5) } else { 1 };
            let p = retype_info(kind, bits as u8);
            invoke(caps.of(c, Kind::Untyped), p, [cnode, empty, 0, count])
        }
        CNodeMint => {
            let source = if c.one_in(4) { wild } else { victim };
            let mode = c.of(&[MINT_PLAIN, MINT_PLAIN, MINT_BADGE, MINT_RANGE, 3]);
            let p = rights(c) | mode << 8;
            invoke(
                cnode,
                p,
                [empty, caps.of(c, Kind::CNode), source, c.below(200)],
            )
        }
        CNodeMove => invoke(cnode, 0, [empty, caps.of(c, Kind::CNode), victim, 0]),
        CNodeDelete | CNodeRevoke => invoke(cnode, 0, [victim, 0, 0, 0]),
        CNodeInspect | CNodeSize => invoke(cnode, 0, [wild, 0, 0, 0]),
        ThreadBind | ThreadUnbind => {
            let place = c.below(7);
            let kinds = [
                Kind::CNode,
                Kind::AddressSpace,
                Kind::Endpoint,
                Kind::Frame,
                Kind::Notification,
                Kind::Vcpu,
                Kind::Frame,
            ];
            let cap = caps.of(c, kinds[place as usize]);
            let offset = c.of(&[0, 0, 0, 4096, 1]);
            invoke(caps.of(c, Kind::Thread), 0, [place, cap, offset, 0])
        }
        ThreadStart => invoke(
            caps.of(c, Kind::Thread),
            0,
            [
                0x20_0000 + c.below(4096),
                c.of(&[0x7000_0000, u64::MAX]),
                0,
                0,
            ],
        ),
        SchedConfigure => {
            let budget = c.of(&[10_000, 100_000, 1_000_000, 0]);
            let period = c.of(&[100_000, 1_000_000]);
            let cpu = caps.of(c, Kind::Cpu);
            invoke(
                caps.of(c, Kind::SchedContext),
                98 + c.below(4),
                [cpu, budget, period, 0],
            )
        }
        SchedBind => invoke(
            caps.of(c, Kind::SchedContext),
            0,
            [caps.of(c, Kind::Thread), 0, 0, 0],
        ),
        FrameMap | TraceMap => {
            let kind = if method == TraceMap {
                Kind::TraceBuffer
            } else {
                Kind::Frame
            };
            let length = (4096 * c.of(&[1, 1, 2, 16, 0])) | c.of(&[1, 1, 3, 5, 7, 8]);
            let offset = 4096 * c.of(&[0, 0, 1]);
            let space = c.of(&[Kind::AddressSpace, Kind::AddressSpace, Kind::GuestSpace]);
            let a = [caps.of(c, space), address(c), offset, length];
            invoke(caps.of(c, kind), c.below(4), a)
        }
        IrqIssue => invoke(
            caps.of(c, Kind::IrqControl),
            c.below(4),
            [c.below(6), cnode, empty, 0],
        ),
        IrqBind => invoke(
            caps.of(c, Kind::IrqHandler),
            0,
            [caps.of(c, Kind::Notification), 0, 0, 0],
        ),
        TraceAttach => invoke(
            caps.of(c, Kind::TraceBuffer),
            0,
            [caps.of(c, Kind::Cpu), 0, 0, 0],
        ),
        PortIn | PortOut => invoke(
            caps.of(c, Kind::IoPort),
            c.of(&[1, 2, 4, 3]),
            [c.below(0x10003), c.any(), 0, 0],
        ),
        ThreadSetFlags => invoke(
            caps.of(c, Kind::Thread),
            0,
            [c.below(3), c.of(&[0, 0x1000, u64::MAX]), 0, 0],
        ),
        GuestSpaceQuery => invoke(caps.of(c, Kind::GuestSpace), 0, [address(c), 0, 0, 0]),
        VcpuBind | VcpuUnbind => {
            let place = c.below(3);
            let kind = c.of(&[Kind::Frame, Kind::GuestSpace]);
            invoke(caps.of(c, Kind::Vcpu), 0, [place, caps.of(c, kind), 0, 0])
        }
        VcpuLoad | VcpuStore => {
            let groups = if c.one_in(4) { c.any() } else { c.below(64) };
            invoke(caps.of(c, Kind::Vcpu), 0, [groups, 0, 0, 0])
        }
        AddressSpaceQuery => invoke(caps.of(c, Kind::AddressSpace), 0, [address(c), 0, 0, 0]),
        TimerBind => invoke(
            caps.of(c, Kind::Timer),
            0,
            [caps.of(c, Kind::Notification), 0, 0, 0],
        ),
        TimerArm => {
            let clock = caps.world.system.kernel.machine.clock;
            let soon = c.of(&[0, 1, 1000, 20_000, 500_000, 20_000_000]) + c.below(3);
            let deadline = c.of(&[0, 1, clock + soon, clock + soon, clock + soon, u64::MAX]);
            invoke(caps.of(c, Kind::Timer), 0, [deadline, 0, 0, 0])
        }
        // It would end the machine.
        KernelHalt => invoke(0, 0, [0; 4]),
        _ => {
            let kind = c.of(&Kind::ALL);
            let cap = caps.of(c, kind_of(method).unwrap_or(kind));
            invoke(cap, c.below(40), [c.below(64), c.any(), c.any(), c.any()])
        }
    }
}

fn kind_of(method: Method) -> Option<Kind> {
    Some(match method as u16 >> 4 {
        1 => Kind::Untyped,
        2 => Kind::CNode,
        3 => Kind::Thread,
        4 => Kind::SchedContext,
        5 => Kind::Cpu,
        6 => Kind::Frame,
        7 => Kind::AddressSpace,
        8 => Kind::IrqHandler,
        9 => Kind::IoPort,
        0xa => Kind::TraceBuffer,
        0xb => Kind::KernelControl,
        0xc => Kind::GuestSpace,
        0xd => Kind::Vcpu,
        0xe => Kind::Timer,
        _ => return None,
    })
}

/// The name of a system call or method.
pub fn name(args: &SyscallArgs) -> String {
    match Syscall::from_rax(args.rax) {
        Some(Syscall::Invoke) => match MethodInfo(args.info).method() {
            Some(method) => format!("{method:?}"),
            None => "no method".into(),
        },
        Some(call) => format!("{call:?}"),
        None => "no system call".into(),
    }
}

/// The names of all system calls and methods that the fuzzer makes.
pub fn all_calls() -> Vec<String> {
    let calls = Syscall::ALL[1..].iter().map(|call| format!("{call:?}"));
    let methods = Method::ALL.iter().filter(|m| **m != Method::KernelHalt);
    calls.chain(methods.map(|m| format!("{m:?}"))).collect()
}

/// A system call for people.
pub fn describe(args: &SyscallArgs) -> String {
    let SyscallArgs {
        rax,
        cap,
        info,
        words,
    } = *args;
    match Syscall::from_rax(rax) {
        Some(Syscall::Invoke) => {
            let m = MethodInfo(info);
            format!(
                "{:?} of {cap}, p {:#x}, {words:x?}",
                m.method(),
                m.parameter()
            )
        }
        Some(call) => format!(
            "{call:?} by {cap}, {}, {:?}: {words:x?}",
            second_cap(rax),
            MessageInfo(info)
        ),
        None => format!("{args:x?}"),
    }
}
