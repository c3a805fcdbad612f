//! Threads in an address space of their own, to communicate with.
//!
//! Their code is a few instructions each, copied into a page: what a server's loop comes down to when it answers
//! without looking at the message.
#![allow(unsafe_code)] // machine code

use core::arch::global_asm;
use pagurus_rt::Cap;
use pagurus_rt::Slot;
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::layout::PAGE_SIZE;
use pagurus_rt::abi::method::CacheMode;
use pagurus_rt::abi::{Error, Kind, Rights, Syscall};
use pagurus_rt::object::{AddressSpace, CNode, Cpu, Frame, Mapping, SchedContext, Thread, Untyped};

global_asm!(
    ".section .rodata.partner, \"a\", @progbits",
    ".global partner_code, partner_echo, partner_answer, partner_yield, partner_end",
    "partner_code:",
    // rdi: endpoint, rsi: rax for ReplyRecv.
    "partner_echo:",
    "mov r12, rdi",
    "mov r13, rsi",
    "2: mov rax, r13",
    "mov rdi, r12",
    "xor esi, esi",
    "syscall",
    "jmp 2b",
    // rdi: notification to wait for, rsi: notification to signal.
    "partner_answer:",
    "mov r12, rdi",
    "mov r13, rsi",
    "2: mov eax, {wait}",
    "mov rdi, r12",
    "syscall",
    "mov eax, {signal}",
    "mov rdi, r13",
    "syscall",
    "jmp 2b",
    "partner_yield:",
    "2: mov eax, {yield_}",
    "syscall",
    "jmp 2b",
    "partner_end:",
    wait = const Syscall::Wait as u8,
    signal = const Syscall::Signal as u8,
    yield_ = const Syscall::Yield as u8,
);

unsafe extern "C" {
    static partner_code: u8;
    static partner_echo: u8;
    static partner_answer: u8;
    static partner_yield: u8;
    static partner_end: u8;
}

/// What a partner does.
#[derive(Clone, Copy)]
pub enum Role {
    /// Answers every call on endpoint `.0` through reply `.1`.
    Echo(u32, u32),
    /// Waits for notification `.0` and signals notification `.1`.
    Answer(u32, u32),
    /// Yields for ever.
    Yield,
}

/// Where the code appears in the partner's address space.
const CODE: u64 = 0x40_0000;
/// Where this program maps the page to fill it.
const WINDOW: u64 = 0x5000_0000;
/// Partners run like root: at the highest priority, with time slices of this length.
const SLICE_NS: u64 = 10_000_000;
const PRIORITY: u8 = 255;

/// Makes and starts a partner out of `memory`, with capabilities in slots from `first` on. With `time` it has time of
/// its own, else it runs only on what is lent to it.
pub fn start(memory: Cap<Untyped>, first: u32, role: Role, time: bool) -> Result<(), Error> {
    let cnode = Cap::<CNode>::new(slot::CNODE);
    let at = |n: u32| Slot::new(cnode, first + n);
    memory.retype(Kind::Frame, 12, at(0), 1)?;
    memory.retype(Kind::AddressSpace, 15, at(1), 1)?;
    memory.retype(Kind::Thread, 0, at(2), 1)?;
    memory.retype(Kind::SchedContext, 0, at(3), 1)?;
    let page = Cap::<Frame>::new(first);
    let space = Cap::<AddressSpace>::new(first + 1);
    let thread = Cap::<Thread>::new(first + 2);
    let context = Cap::<SchedContext>::new(first + 3);

    let mapping = |address, rights| Mapping {
        address,
        offset: 0,
        length: PAGE_SIZE as u64,
        rights,
        cache: CacheMode::Default,
    };
    page.map(Cap::new(slot::ADDRESS_SPACE), mapping(WINDOW, Rights::RW))?;
    // SAFETY: the page was just mapped here, is larger than the code, and is nobody else's.
    unsafe {
        let start = &raw const partner_code;
        let length = (&raw const partner_end).offset_from(start) as usize;
        core::ptr::with_exposed_provenance_mut::<u8>(WINDOW as usize)
            .copy_from_nonoverlapping(start, length);
    }
    page.unmap()?;
    page.map(space, mapping(CODE, Rights::READ | Rights::EXECUTE))?;

    thread.bind_cspace(cnode)?;
    thread.bind_address_space(space)?;
    if time {
        context.configure(
            Cap::<Cpu>::new(slot::FIRST_CPU),
            SLICE_NS,
            SLICE_NS,
            PRIORITY,
        )?;
        context.bind(thread)?;
    }
    let (code, a, b) = match role {
        Role::Echo(endpoint, reply) => (
            &raw const partner_echo,
            endpoint as u64,
            Syscall::ReplyRecv.rax(reply),
        ),
        Role::Answer(wait, signal) => (&raw const partner_answer, wait as u64, signal as u64),
        Role::Yield => (&raw const partner_yield, 0, 0),
    };
    let offset = code as u64 - (&raw const partner_code) as u64;
    thread.start(CODE + offset, 0, a, b)
}
