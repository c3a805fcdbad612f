//! Random system calls, most of which make some sense.
#![allow(unsafe_code)] // the IPC buffer

use crate::arena::{Arena, Stream};
use crate::layout::{BUFFER_OFFSET, DYNAMIC, MAX_FUZZERS, SLOTS, WINDOW, arena, stack_top};
use crate::random::Choice;
use pagurus_rt::abi::layout::{IMAGE_BASE, USER_END};
use pagurus_rt::abi::message::{CapTransfer, IpcBuffer};
use pagurus_rt::abi::method::{MINT_BADGE, MINT_PLAIN, MINT_RANGE, Method, MethodInfo};
use pagurus_rt::abi::method::{REGISTER_COUNT, ThreadBinding};
use pagurus_rt::abi::{Kind, MessageInfo, Syscall};
use pagurus_rt::syscall::Registers;
use pagurus_rt::time::ticks;

/// How often each method comes, in proportion; those that are not here once.
const WEIGHTS: &[(Method, u64)] = &[
    (Method::UntypedRetype, 14),
    (Method::CNodeMint, 16),
    (Method::CNodeMove, 8),
    (Method::CNodeDelete, 6),
    (Method::CNodeRevoke, 3),
    (Method::CNodeInspect, 4),
    (Method::ThreadBind, 4),
    (Method::ThreadResume, 6),
    (Method::ThreadStart, 4),
    (Method::ThreadSuspend, 2),
    (Method::SchedBind, 3),
    (Method::SchedConfigure, 3),
    (Method::FrameMap, 14),
    (Method::FrameUnmap, 4),
    (Method::IrqAck, 3),
    (Method::TimerBind, 2),
    (Method::TimerArm, 8),
];

/// Makes calls for one fuzzer.
pub struct Generator {
    arena: &'static Arena,
    random: Stream,
}

impl Generator {
    /// For the fuzzer whose memory this is.
    pub fn new(arena: &'static Arena) -> Generator {
        Generator {
            arena,
            random: Stream(arena),
        }
    }

    /// The random choices.
    pub fn random(&mut self) -> &mut Stream {
        &mut self.random
    }

    /// The next system call; it may want a message in the IPC buffer.
    pub fn call(&mut self, buffer: &mut Buffer) -> Registers {
        match self.random.below(100) {
            0 => {
                let words = core::array::from_fn(|_| self.random.any());
                Registers {
                    rax: self.random.any(),
                    rdi: self.random.any(),
                    rsi: self.random.any(),
                    words,
                }
            }
            1..42 => self.message(buffer),
            _ => self.method(buffer),
        }
    }

    /// Mostly a slot that is believed to hold this kind.
    fn slot_of(&mut self, kind: Kind) -> u64 {
        if self.random.one_in(30) {
            return self.wild();
        }
        let (first, end) = match kind {
            Kind::Empty => (DYNAMIC, SLOTS),
            _ => (1, SLOTS),
        };
        let start = first + self.random.below(end - first);
        (start..end)
            .chain(first..start)
            .find(|slot| self.arena.kind(*slot) == Some(kind))
            .unwrap_or_else(|| self.wild())
    }

    /// Any slot, or none at all.
    fn wild(&mut self) -> u64 {
        match self.random.below(20) {
            0 => self.random.any(),
            1 => self
                .random
                .of(&[0, SLOTS - 1, SLOTS, 0xffff_ffff, 1 << 32, u64::MAX]),
            _ => self.random.below(SLOTS),
        }
    }

    /// Something to move, copy or delete: seldom what the supervisor gave.
    fn victim(&mut self) -> u64 {
        if self.random.one_in(25) {
            return self.wild();
        }
        let start = DYNAMIC + self.random.below(SLOTS - DYNAMIC);
        (start..SLOTS)
            .chain(DYNAMIC..start)
            .find(|slot| self.arena.kind(*slot) != Some(Kind::Empty))
            .unwrap_or(start)
    }

    fn rights(&mut self) -> u64 {
        match self.random.below(3) {
            0 => self.random.below(256),
            _ => 15,
        }
    }

    /// An address where frames are mapped, or one where none can be.
    pub fn address(&mut self) -> u64 {
        match self.random.below(40) {
            0 => self.random.any(),
            1 => self.random.of(&[
                0,
                0x1000,
                IMAGE_BASE,
                USER_END - 4096,
                USER_END,
                1 << 47,
                0xffff_8000_0000_0000,
                0xffff_ffff_ffff_f000,
            ]),
            // Tables of its own at every level.
            2..5 => WINDOW + self.random.below(8) * (1 << 30),
            // The neighbourhood of others.
            n => WINDOW + self.random.below(24) * 4096 + (n % 3) * (2 << 20),
        }
    }

    fn message(&mut self, buffer: &mut Buffer) -> Registers {
        // Those that wait for somebody come less often, or all would wait.
        let call = match self.random.below(40) {
            0..3 => Syscall::Call,
            3..4 => Syscall::Send,
            4..9 => Syscall::TrySend,
            9..11 => Syscall::Recv,
            11..17 => Syscall::TryRecv,
            17..22 => Syscall::Reply,
            22..24 => Syscall::ReplyRecv,
            24..33 => Syscall::Signal,
            33..34 => Syscall::Wait,
            34..39 => Syscall::Poll,
            _ => Syscall::Yield,
        };
        let kind = match call {
            Syscall::Signal | Syscall::Wait | Syscall::Poll => Kind::Notification,
            Syscall::Reply => Kind::Reply,
            _ => Kind::Endpoint,
        };
        let second = match call {
            Syscall::ReplyRecv => self.slot_of(Kind::Reply),
            Syscall::Recv | Syscall::TryRecv if !self.random.one_in(4) => self.slot_of(Kind::Reply),
            _ => 0,
        };
        let words = self.random.of(&[0, 1, 2, 4, 4, 5, 240]);
        let caps = match self.random.below(3) {
            0 => self.random.below(5) as usize,
            _ => 0,
        };
        if self.random.one_in(3) {
            self.offer(buffer);
        }
        let info = match self.random.below(30) {
            0 => self.random.any(),
            _ => MessageInfo::new(self.random.below(4), words, caps).0,
        };
        Registers {
            rax: call.rax(second as u32),
            rdi: self.slot_of(kind),
            rsi: info,
            // A reply to a fault may resume there.
            words: [
                self.entry(),
                self.stack(),
                self.random.any(),
                self.random.any(),
            ],
        }
    }

    /// Capabilities to send, and slots for those received.
    fn offer(&mut self, buffer: &mut Buffer) {
        for n in 0..4 {
            let index = self.victim() as u32;
            buffer.send(
                n,
                CapTransfer {
                    index,
                    rights: self.rights() as u8,
                    mode: self.random.below(3) as u8,
                    reserved: 0,
                },
            );
        }
        let base = self.slot_of(Kind::Empty) as u32;
        buffer.receive(base, self.random.below(6) as u32);
    }

    /// Where a thread may begin: mostly where fuzzers do, else where it faults at once.
    fn entry(&mut self) -> u64 {
        match self.random.below(12) {
            0 => self.random.any(),
            1 => self.random.of(&[
                0,
                IMAGE_BASE - 1,
                self.arena.address(),
                USER_END - 2,
                USER_END - 1,
                USER_END,
                1 << 47,
                u64::MAX,
            ]),
            _ => crate::fuzzer::entry(),
        }
    }

    fn stack(&mut self) -> u64 {
        match self.random.below(12) {
            0 => self.random.any(),
            1 => self.random.of(&[0, 8, USER_END, 1 << 47, u64::MAX]),
            2 => arena(self.random.below(MAX_FUZZERS as u64) as usize) + 64,
            _ => stack_top(self.random.below(MAX_FUZZERS as u64) as usize),
        }
    }

    fn pick_method(&mut self) -> Option<Method> {
        let all = Method::ALL.len() as u64;
        let extra: u64 = WEIGHTS.iter().map(|(_, weight)| weight - 1).sum();
        // One more, which is none.
        let mut n = self.random.below(all + extra + 1);
        if n < all {
            return Some(Method::ALL[n as usize]);
        }
        n -= all;
        for (method, weight) in WEIGHTS {
            if n < weight - 1 {
                return Some(*method);
            }
            n -= weight - 1;
        }
        None
    }

    fn method(&mut self, buffer: &mut Buffer) -> Registers {
        let Some(method) = self.pick_method() else {
            return Registers {
                rax: Syscall::Invoke.rax(0),
                rdi: self.wild(),
                rsi: self.random.any(),
                words: core::array::from_fn(|_| self.random.any()),
            };
        };
        let subject = subject(method);
        let rdi = self.slot_of(subject);
        let (parameter, words) = self.arguments(method, buffer);
        Registers {
            rax: Syscall::Invoke.rax(0),
            rdi,
            rsi: MethodInfo::new(method, parameter).0,
            words,
        }
    }

    /// Parameter and arguments for a method.
    fn arguments(&mut self, method: Method, buffer: &mut Buffer) -> (u64, [u64; 4]) {
        match method {
            Method::UntypedRetype => self.retype(),
            Method::CNodeMint => {
                let mode = self.random.of(&[
                    MINT_PLAIN, MINT_PLAIN, MINT_PLAIN, MINT_BADGE, MINT_RANGE, 3,
                ]);
                let source = match self.random.below(3) {
                    0 => self.victim(),
                    _ => 1 + self.random.below(DYNAMIC),
                };
                let a = [
                    self.slot_of(Kind::Empty),
                    self.slot_of(Kind::CNode),
                    source,
                    self.random.of(&[0, 1, 7, 100, 0x80_0080, 0xe9_00e9]),
                ];
                (self.rights() | mode << 8, a)
            }
            Method::CNodeMove => {
                let to = self.slot_of(Kind::Empty);
                let source = match self.random.below(6) {
                    // Into itself, or into what was made of it.
                    0 => self.slot_of(Kind::CNode),
                    1 => self.slot_of(Kind::Untyped),
                    _ => self.victim(),
                };
                (0, [to, self.slot_of(Kind::CNode), source, 0])
            }
            Method::CNodeDelete | Method::CNodeRevoke => (0, [self.victim(), 0, 0, 0]),
            Method::CNodeInspect => (0, [self.wild(), 0, 0, 0]),
            Method::ThreadBind => {
                let place = self.random.below(ThreadBinding::COUNT as u64 + 1);
                let kind = match ThreadBinding::from_u64(place) {
                    Some(ThreadBinding::CSpace) => Kind::CNode,
                    Some(ThreadBinding::AddressSpace) => Kind::AddressSpace,
                    Some(ThreadBinding::FaultEndpoint) => Kind::Endpoint,
                    Some(ThreadBinding::Notification) => Kind::Notification,
                    Some(ThreadBinding::Vcpu) => Kind::Vcpu,
                    Some(ThreadBinding::IpcBuffer) | None => Kind::Frame,
                };
                let offset = self.random.of(&[0, 0, 0, 4096, 12288, 1, 1 << 40]);
                (0, [place, self.slot_of(kind), offset, 0])
            }
            Method::ThreadUnbind => (0, [self.random.below(7), 0, 0, 0]),
            Method::ThreadStart => {
                let a = [self.entry(), self.stack()];
                (0, [a[0], a[1], self.random.any(), self.random.any()])
            }
            Method::ThreadWriteRegisters => {
                self.registers(buffer);
                (0, [0; 4])
            }
            Method::ThreadSetFlags => {
                let base = self.random.of(&[0, 0, WINDOW, USER_END, u64::MAX]);
                (0, [self.random.below(3), base, 0, 0])
            }
            Method::SchedConfigure => {
                let budget = self
                    .random
                    .of(&[10_000, 50_000, 200_000, 1_000_000, 9_999, 0]);
                let period = self
                    .random
                    .of(&[200_000, 1_000_000, 1_000_000, budget, u64::MAX]);
                let cpu = self.slot_of(Kind::Cpu);
                (90 + self.random.below(20), [cpu, budget, period, 0])
            }
            Method::SchedBind => (0, [self.slot_of(Kind::Thread), 0, 0, 0]),
            Method::FrameMap | Method::TraceMap => {
                let length = 4096 * self.random.of(&[1, 1, 1, 2, 4, 16, 0, 1 << 40]);
                let perms = self.random.of(&[1, 1, 3, 3, 5, 7, 8, 0x10]);
                let space = self.slot_of(Kind::AddressSpace);
                let offset = self.random.of(&[0, 0, 0, 4096, 1, 1 << 41]);
                let a = [space, self.address() & !0xfff, offset, length | perms];
                (self.random.below(20) / 6, a)
            }
            Method::AddressSpaceQuery => (0, [self.address(), 0, 0, 0]),
            Method::IrqIssue => {
                let a = [self.random.below(200), self.slot_of(Kind::CNode)];
                (
                    self.random.below(5),
                    [a[0], a[1], self.slot_of(Kind::Empty), 0],
                )
            }
            Method::IrqBind => (0, [self.slot_of(Kind::Notification), 0, 0, 0]),
            Method::TimerBind => (0, [self.slot_of(Kind::Notification), 0, 0, 0]),
            Method::TimerArm => {
                // From ticks to a second.
                let bits = self.random.below(32);
                let ahead = self.random.below(1 << bits);
                let deadline = match self.random.below(20) {
                    0 => self.random.of(&[0, 1, u64::MAX]),
                    _ => ticks() + ahead,
                };
                (0, [deadline, 0, 0, 0])
            }
            Method::TraceAttach => (0, [self.slot_of(Kind::Cpu), 0, 0, 0]),
            Method::TraceDrain => (0, [self.random.of(&[8, 100, 1920, u64::MAX]), 0, 0, 0]),
            Method::PortIn | Method::PortOut => {
                let port = self
                    .random
                    .of(&[0x80, 0x80, 0xe9, 0xe9, 0x81, 0x64, 0x1_0080]);
                let width = self.random.of(&[1, 1, 2, 4, 3]);
                (width, [port, self.random.any(), 0, 0])
            }
            _ => {
                let a = [self.random.below(300), self.random.any(), self.wild(), 0];
                (self.random.below(40), a)
            }
        }
    }

    fn retype(&mut self) -> (u64, [u64; 4]) {
        let kind = match self.random.of(&Kind::ALL) {
            // A thread that is given a virtual processor gets its FPU registers too, and would take them for spoilt.
            Kind::Vcpu | Kind::GuestSpace => Kind::Endpoint,
            kind => kind,
        };
        let bits = match kind {
            Kind::Untyped => 6 + self.random.below(12),
            Kind::Frame => self.random.of(&[12, 12, 12, 13, 16, 11]),
            Kind::CNode => 3 + self.random.below(4),
            Kind::AddressSpace => self.random.of(&[14, 15, 13]),
            Kind::TraceBuffer => self.random.of(&[12, 13, 11]),
            _ => self.random.below(30) / 29,
        };
        let count = match self.random.below(20) {
            0 => self.random.of(&[0, 256, 257, u64::MAX]),
            1..5 => 1 + self.random.below(5),
            _ => 1,
        };
        let a = [
            self.slot_of(Kind::CNode),
            self.slot_of(Kind::Empty),
            self.random.below(2),
            count,
        ];
        (kind as u64 | bits << 8, a)
    }

    /// Registers for a thread: anything, but never the middle of a fuzzer's code, where it would go on with registers
    /// that are none of the kernel's doing.
    fn registers(&mut self, buffer: &mut Buffer) {
        for n in 0..REGISTER_COUNT {
            buffer.word(n, self.random.any());
        }
        buffer.word(REGISTER_COUNT - 3, self.entry());
        buffer.word(REGISTER_COUNT - 2, self.stack());
        let flags = self.random.any() & self.random.any();
        buffer.word(REGISTER_COUNT - 1, flags);
    }

    /// Learns from the outcome of a call what the slots hold.
    pub fn learn(&mut self, asked: &Registers, error: u64) {
        use pagurus_rt::abi::Error;
        let slot = asked.rdi;
        match Error::from_u32(error as u32) {
            Some(Error::EmptySlot) => {
                let method = MethodInfo(asked.rsi).method();
                let about_argument =
                    matches!(method, Some(Method::CNodeDelete | Method::CNodeRevoke));
                let slot = if about_argument { asked.words[0] } else { slot };
                self.arena.believe(slot, Kind::Empty);
            }
            Some(_) => {}
            None if Syscall::from_rax(asked.rax) == Some(Syscall::Invoke) => {
                self.learn_method(asked)
            }
            None => {}
        }
    }

    fn learn_method(&mut self, asked: &Registers) {
        let info = MethodInfo(asked.rsi);
        let [a0, a1, a2, count] = asked.words;
        // Whether it was this CNode nobody knows; most often it was.
        match info.method() {
            Some(Method::UntypedRetype) => {
                if let Some(kind) = Kind::from_u8(info.parameter() as u8) {
                    for slot in a1..a1 + count.min(256) {
                        self.arena.believe(slot, kind);
                    }
                }
            }
            Some(Method::CNodeMint) => {
                let kind = self.arena.kind(a2).unwrap_or(Kind::Empty);
                self.arena.believe(a0, kind);
            }
            Some(Method::CNodeMove) => {
                let kind = self.arena.kind(a2).unwrap_or(Kind::Empty);
                self.arena.believe(a0, kind);
                self.arena.believe(a2, Kind::Empty);
            }
            Some(Method::CNodeDelete) => self.arena.believe(a0, Kind::Empty),
            _ => {}
        }
    }
}

/// The kind of object that has this method.
fn subject(method: Method) -> Kind {
    match method as u16 >> 4 {
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
        0xc => Kind::GuestSpace,
        0xd => Kind::Vcpu,
        0xe => Kind::Timer,
        _ => Kind::KernelControl,
    }
}

/// The IPC buffer in a fuzzer's own memory. Whether it is the one that the kernel uses is up to the other fuzzers.
pub struct Buffer(u64);

impl Buffer {
    /// That of the fuzzer whose memory this is.
    pub fn of(arena: &Arena) -> Buffer {
        Buffer(arena.address() + BUFFER_OFFSET)
    }

    fn write<T>(&mut self, offset: usize, value: T) {
        let place = core::ptr::with_exposed_provenance_mut::<T>(self.0 as usize + offset);
        // SAFETY: an aligned place in a page that this fuzzer has for nothing else; if another one took it away,
        // this is a page fault.
        unsafe { place.write_volatile(value) }
    }

    fn word(&mut self, n: usize, value: u64) {
        self.write(n * 8, value);
    }

    fn send(&mut self, n: usize, cap: CapTransfer) {
        self.write(
            core::mem::offset_of!(IpcBuffer, send) + n * size_of::<CapTransfer>(),
            cap,
        );
    }

    fn receive(&mut self, base: u32, count: u32) {
        let offset = core::mem::offset_of!(IpcBuffer, receive_base);
        self.write(offset, base);
        self.write(offset + 4, count);
    }
}
