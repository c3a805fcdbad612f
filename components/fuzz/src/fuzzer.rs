//! What a fuzzer runs: it has nothing but its stack, its arena and this code.
#![allow(unsafe_code)] // assembly, memory that may be unmapped

use crate::arena::Arena;
use crate::generate::{Buffer, Generator};
use crate::random::Choice;
use core::arch::{asm, global_asm};
use core::sync::atomic::Ordering::Relaxed;
use pagurus_rt::abi::Syscall;
use pagurus_rt::abi::method::{Method, MethodInfo};
use pagurus_rt::syscall::Registers;

global_asm!(
    // Whatever the registers are: the arena is the one that the stack pointer lies in.
    ".section .text.pagurus_fuzzer, \"ax\", @progbits",
    ".balign 16",
    ".global pagurus_fuzzer",
    "pagurus_fuzzer:",
    "cld",
    "mov rdi, rsp",
    "and rdi, {mask}",
    "lea rsp, [rdi + {top}]",
    "xor ebp, ebp",
    "call {fuzz}",
    "ud2",
    mask = const -(1i64 << crate::layout::ARENA_BITS),
    top = const (1u64 << crate::layout::ARENA_BITS) - 64,
    fuzz = sym fuzz,
);

unsafe extern "C" {
    static pagurus_fuzzer: u8;
}

/// Where a fuzzer begins, in whatever state its registers are; the stack pointer must be in its arena.
pub fn entry() -> u64 {
    (&raw const pagurus_fuzzer).addr() as u64
}

/// Registers that a system call keeps, with these values in them.
const KEPT: [u64; 4] = [
    0x0123_4567_89ab_cdef,
    0x8765_4321_0fed_cba9,
    0x5555_aaaa_0000_ffff,
    0xdead_0000_beef_0001,
];

extern "C" fn fuzz(arena: u64) -> ! {
    let arena = Arena::around(arena);
    let mut generator = Generator::new(arena);
    let mut buffer = Buffer::of(arena);
    loop {
        match generator.random().below(200) {
            0 => touch(&mut generator),
            1 => keep_float(arena),
            2 => hammer(&mut generator),
            _ => {
                let asked = generator.call(&mut buffer);
                arena.note(&asked);
                let error = enter(arena, asked);
                record(arena, &asked, error);
                generator.learn(&asked, error);
            }
        }
    }
}

/// Reads or writes memory where frames are mapped; if none is there this thread begins anew.
fn touch(generator: &mut Generator) {
    let write = generator.random().one_in(2);
    let address = generator.address() & !7;
    // SAFETY: user code can reach only what is mapped for it, and nothing that the compiler knows of is in the window.
    // The random addresses beyond it are, with this seed as with any, nobody's or fault.
    unsafe {
        if write {
            asm!("mov [{a}], {a}", a = in(reg) address, options(nostack));
        } else {
            asm!("mov {a}, [{a}]", a = inout(reg) address => _, options(nostack));
        }
    }
}

/// Writes to a page of the window for a while, all over it. Should the mapping go meanwhile, and this processor not hear of
/// it, the words end up in whatever the memory is by then: page tables, threads, capabilities.
fn hammer(generator: &mut Generator) {
    const WRITES: u32 = 4_000;
    let page = generator.address() & !0xfff;
    for _ in 0..WRITES {
        let value = generator.random().any();
        let address = page | (value & 0xff8);
        // SAFETY: as in `touch`.
        unsafe { asm!("mov [{a}], {v}", a = in(reg) address, v = in(reg) value, options(nostack)) };
    }
}

/// Whether an SSE register survives a `Yield`. A thread that may not use them faults, and begins anew.
fn keep_float(arena: &Arena) {
    let value = arena.address();
    let found: u64;
    // SAFETY: no code that the compiler made uses SSE registers.
    unsafe {
        asm!(
            "movq xmm7, {value}",
            "syscall",
            "movq {value}, xmm7",
            value = inout(reg) value => found,
            inout("rax") Syscall::Yield.rax(0) => _,
            inout("rdi") 0u64 => _,
            inout("rsi") 0u64 => _,
            out("rdx") _, out("r10") _, out("r8") _, out("r9") _,
            out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    if found != value {
        arena.found_corrupt(found, value);
    }
}

/// Makes a system call with known values in the registers that it keeps, and looks at them afterwards.
fn enter(arena: &Arena, r: Registers) -> u64 {
    let [k0, k1, k2, k3] = KEPT;
    let (rax, f0, f1, f2, f3): (u64, u64, u64, u64, u64);
    // SAFETY: as `pagurus_rt::syscall::enter`. What a call does to memory and other threads is the kernel's to
    // check, and finding out whether it does is what this program is for.
    unsafe {
        asm!(
            "syscall",
            inout("rax") r.rax => rax,
            inout("rdi") r.rdi => _,
            inout("rsi") r.rsi => _,
            inout("rdx") r.words[0] => _,
            inout("r10") r.words[1] => _,
            inout("r8") r.words[2] => _,
            inout("r9") r.words[3] => _,
            inout("r12") k0 => f0,
            inout("r13") k1 => f1,
            inout("r14") k2 => f2,
            inout("r15") k3 => f3,
            out("rcx") _, out("r11") _,
            options(nostack),
        );
    }
    for (found, kept) in [f0, f1, f2, f3].into_iter().zip(KEPT) {
        if found != kept {
            arena.found_corrupt(found, kept);
        }
    }
    rax
}

/// Keeps account of what succeeded and what was refused.
fn record(arena: &Arena, asked: &Registers, error: u64) {
    if error != 0 {
        arena.errors.fetch_or(1 << (error & 63), Relaxed);
        return;
    }
    let Some(call) = Syscall::from_rax(asked.rax) else {
        return;
    };
    arena.syscalls.fetch_or(1 << call as u8, Relaxed);
    if call == Syscall::Invoke
        && let Some(method) = MethodInfo(asked.rsi).method()
        && let Some(n) = Method::ALL.iter().position(|m| *m == method)
    {
        arena.methods.fetch_or(1 << n, Relaxed);
    }
}
