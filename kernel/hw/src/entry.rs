//! The ways into the kernel and out of it.
//!
//! The registers of the thread that runs are stored in its [`UserFrame`](pagurus_ipc::UserFrame), whose address is in the
//! processor's block; all kernel code runs on the processor's one stack, which is empty between two entries.
//!
//! - `syscall`: the callee-saved registers are stored, the others carry arguments to [`system_call`].
//! - interrupts and exceptions in user mode: everything is stored, then [`user_trap`].
//! - interrupts in kernel mode (preemption points, idling): [`kernel_trap`] on the stack in use.
//!
//! The Rust functions return the frame of the thread that goes on; [`resume`] loads it.
#![allow(unsafe_code)] // assembly

use crate::gdt;
use crate::machine::{self, Hardware};
use crate::percpu::{self, PerCpu};
use crate::sync::BigLockGuard;
use crate::vectors::{EXCEPTIONS, Vector};
use crate::{events, idt, pending, short, switch, sync, virt};
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::Ordering;
use pagurus_abi::Syscall;
use pagurus_ipc::{Env, UserFrame};
use pagurus_syscall::{Kernel, SyscallArgs};
use x86::msr;

type Guard = BigLockGuard<'static, Kernel<Hardware>>;

/// Flags cleared by `syscall`: trap, interrupt, direction, nested task, alignment check (and with it access to user pages),
/// I/O privilege.
const SYSCALL_FLAGS: u64 = 0x4_7700;

/// Number of the page-fault exception.
const PAGE_FAULT: u64 = 14;

global_asm!(
    r#"
    .section .text.entry, "ax"

    .balign 64
    .global pagurus_syscall_entry
pagurus_syscall_entry:
    swapgs
    mov gs:[{scratch}], rsp
    mov rsp, gs:[{current}]
    mov [rsp + {rbx}], rbx
    mov [rsp + {rbp}], rbp
    mov [rsp + {r12}], r12
    mov [rsp + {r13}], r13
    mov [rsp + {r14}], r14
    mov [rsp + {r15}], r15
    sub rcx, 2
    mov [rsp + {rip}], rcx
    mov [rsp + {rflags}], r11
    mov rcx, gs:[{scratch}]
    mov [rsp + {rsp_}], rcx
    mov qword ptr [rsp + {completed}], 0
    mov rsp, gs:[{stack_top}]
    push rax
    push rax
    test al, al
    jz 3f
    push rdi
    push r9
    push r8
    push r10
    push rdx
    push rsi
    mov rdx, rax
    cmp al, {call}
    je 5f
    cmp al, {reply_recv}
    je 6f
    cmp al, {signal}
    je 7f
    cmp al, {wait}
    je 8f
    cmp al, {run}
    je 11f
4:
    pop rsi
    pop rdx
    pop rcx
    pop r8
    pop r9
    pop rdi
    call {system_call}
    jmp pagurus_resume

    // Methods have no short way.
3:
    mov rcx, r10
    call {system_call}
    jmp pagurus_resume

5:
    call {fast_call}
    jmp 9f
6:
    call {fast_reply_recv}
9:
    test rax, rax
    jz 4b
    // To another thread, which gets words and description as they are and the badge from rdx.
    mov gs:[{current}], rax
    mov rdi, rdx
    pop rsi
    pop rdx
    pop r10
    pop r8
    pop r9
    mov rbx, [rax + {rbx}]
    mov rbp, [rax + {rbp}]
    mov r12, [rax + {r12}]
    mov r13, [rax + {r13}]
    mov r14, [rax + {r14}]
    mov r15, [rax + {r15}]
    mov rcx, [rax + {rip}]
    mov r11, [rax + {rflags}]
    mov rsp, [rax + {rsp_}]
    add rcx, 2
    xor eax, eax
    swapgs
    sysretq

7:
    call {fast_signal}
    jmp 10f
8:
    call {fast_wait}
10:
    test rax, rax
    jz 4b
    // Back to the same thread, whose callee-saved registers are untouched, with rdi from rdx.
    mov rdi, rdx
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    xor r9d, r9d
    mov rcx, [rax + {rip}]
    mov r11, [rax + {rflags}]
    mov rsp, [rax + {rsp_}]
    add rcx, 2
    xor eax, eax
    swapgs
    sysretq

    // A guest was run: the thread's own registers are as they were, or it is resumed as any other.
11:
    call {enter_guest}
    test al, 1
    jz 10b
    dec rax
    jmp pagurus_resume

    // In: rax, the frame of the thread that goes on.
    .global pagurus_resume
pagurus_resume:
    mov gs:[{current}], rax
    mov rbx, [rax + {rbx}]
    mov rbp, [rax + {rbp}]
    mov r12, [rax + {r12}]
    mov r13, [rax + {r13}]
    mov r14, [rax + {r14}]
    mov r15, [rax + {r15}]
    mov rdi, [rax + {rdi}]
    mov rsi, [rax + {rsi}]
    mov rdx, [rax + {rdx}]
    mov r10, [rax + {r10}]
    mov r8,  [rax + {r8}]
    mov r9,  [rax + {r9}]
    mov rcx, [rax + {rip}]
    mov r11, [rax + {rflags}]
    cmp qword ptr [rax + {completed}], 0
    je 1f
    add rcx, 2
    mov rsp, [rax + {rsp_}]
    mov rax, [rax + {rax}]
    swapgs
    sysretq
1:
    mov rsp, gs:[{stack_top}]
    push {user_data}
    push [rax + {rsp_}]
    push r11
    push {user_code}
    push rcx
    mov rcx, [rax + {rcx}]
    mov r11, [rax + {r11}]
    mov rax, [rax + {rax}]
    swapgs
    iretq

    // On the stack: vector, error code, rip, cs, rflags, rsp, ss.
trap:
    test byte ptr [rsp + 24], 3
    jz 2f
    swapgs
    mov gs:[{scratch}], rax
    mov rax, gs:[{current}]
    mov [rax + {rdi}], rdi
    mov [rax + {rsi}], rsi
    mov [rax + {rdx}], rdx
    mov [rax + {rcx}], rcx
    mov [rax + {rbx}], rbx
    mov [rax + {rbp}], rbp
    mov [rax + {r8}],  r8
    mov [rax + {r9}],  r9
    mov [rax + {r10}], r10
    mov [rax + {r11}], r11
    mov [rax + {r12}], r12
    mov [rax + {r13}], r13
    mov [rax + {r14}], r14
    mov [rax + {r15}], r15
    mov rdi, gs:[{scratch}]
    mov [rax + {rax}], rdi
    mov rdi, [rsp + 16]
    mov [rax + {rip}], rdi
    mov rdi, [rsp + 32]
    mov [rax + {rflags}], rdi
    mov rdi, [rsp + 40]
    mov [rax + {rsp_}], rdi
    mov qword ptr [rax + {completed}], 0
    mov rdi, [rsp]
    mov rsi, [rsp + 8]
    mov rsp, gs:[{stack_top}]
    // Interrupts leave the alignment-check flag as the user had it, and with it access to user pages.
    push 2
    popfq
    call {user_trap}
    jmp pagurus_resume
2:
    push rax
    push rcx
    push rdx
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    cld
    mov rdi, [rsp + 72]
    mov rsi, [rsp + 80]
    mov rdx, [rsp + 88]
    push rbp
    mov rbp, rsp
    and rsp, -16
    call {kernel_trap}
    mov rsp, rbp
    pop rbp
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq

    // Exceptions that can come at any instruction, also between `syscall` and `swapgs`: on stacks of their own,
    // and the GS base tells whether it is the kernel's. They do not return.
fatal:
    mov ecx, {gs_base_msr}
    rdmsr
    test edx, edx
    js 11f
    swapgs
11:
    mov rdi, [rsp]
    mov rsi, [rsp + 8]
    mov rdx, [rsp + 16]
    and rsp, -16
    call {fatal_trap}
    ud2

    // A non-maskable interrupt says nothing that we could use.
    .global pagurus_nmi
pagurus_nmi:
    iretq

    // A `syscall` that is stepped over: some processors trap before the first instruction of the kernel, on the user's
    // stack if the exception had none of its own. The flags kept in the frame have the trap flag cleared, so
    // the kernel goes on; the thread gets its trap when it is back in user mode.
    .global pagurus_debug
pagurus_debug:
    push 0
    push 1
    test byte ptr [rsp + 24], 3
    jnz trap
    push rax
    lea rax, [rip + pagurus_syscall_entry]
    cmp rax, [rsp + 24]
    pop rax
    jne fatal
    add rsp, 16
    iretq

    .global pagurus_double_fault
pagurus_double_fault:
    push 8
    jmp fatal
    .global pagurus_machine_check
pagurus_machine_check:
    push 0
    push 18
    jmp fatal

    // One stub of 16 bytes for each vector.
    .balign 16
    .global pagurus_stubs
pagurus_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && vector != 17 && vector != 21 && vector != 29 && vector != 30
    push 0
    .endif
    push vector
    jmp trap
    .set vector, vector + 1
    .endr
    "#,
    scratch = const percpu::OFFSET_SCRATCH,
    current = const percpu::OFFSET_CURRENT,
    stack_top = const percpu::OFFSET_STACK_TOP,
    rax = const offset_of!(UserFrame, rax),
    rdi = const offset_of!(UserFrame, rdi),
    rsi = const offset_of!(UserFrame, rsi),
    rdx = const offset_of!(UserFrame, rdx),
    rcx = const offset_of!(UserFrame, rcx),
    r8 = const offset_of!(UserFrame, r8),
    r9 = const offset_of!(UserFrame, r9),
    r10 = const offset_of!(UserFrame, r10),
    r11 = const offset_of!(UserFrame, r11),
    rbx = const offset_of!(UserFrame, rbx),
    rbp = const offset_of!(UserFrame, rbp),
    r12 = const offset_of!(UserFrame, r12),
    r13 = const offset_of!(UserFrame, r13),
    r14 = const offset_of!(UserFrame, r14),
    r15 = const offset_of!(UserFrame, r15),
    rip = const offset_of!(UserFrame, rip),
    rsp_ = const offset_of!(UserFrame, rsp),
    rflags = const offset_of!(UserFrame, rflags),
    completed = const offset_of!(UserFrame, completed),
    user_data = const gdt::USER_DATA,
    user_code = const gdt::USER_CODE,
    gs_base_msr = const msr::IA32_GS_BASE,
    call = const Syscall::Call as u8,
    reply_recv = const Syscall::ReplyRecv as u8,
    signal = const Syscall::Signal as u8,
    wait = const Syscall::Wait as u8,
    fast_call = sym short::fast_call,
    fast_reply_recv = sym short::fast_reply_recv,
    fast_signal = sym short::fast_signal,
    fast_wait = sym short::fast_wait,
    run = const Syscall::Run as u8,
    enter_guest = sym virt::enter_guest,
    system_call = sym system_call,
    user_trap = sym user_trap,
    kernel_trap = sym kernel_trap,
    fatal_trap = sym fatal_trap,
);

unsafe extern "C" {
    static pagurus_syscall_entry: u8;
    static pagurus_resume: u8;
    static pagurus_stubs: u8;
    static pagurus_debug: u8;
    static pagurus_nmi: u8;
    static pagurus_double_fault: u8;
    static pagurus_machine_check: u8;
}

/// Fills the interrupt table. Once, on the boot processor.
pub fn init() {
    const STUB_BYTES: u64 = 16;
    // SAFETY: the symbols are the entries above, each of which copes with its vector's frame.
    unsafe {
        for vector in 0..=255u8 {
            let handler = match vector {
                1 => &raw const pagurus_debug as u64,
                2 => &raw const pagurus_nmi as u64,
                8 => &raw const pagurus_double_fault as u64,
                18 => &raw const pagurus_machine_check as u64,
                n => &raw const pagurus_stubs as u64 + n as u64 * STUB_BYTES,
            };
            idt::set_gate(vector, handler, idt::stack_of(vector));
        }
    }
}

/// Lets the calling processor take interrupts and system calls. Its block, segments and stack are in place.
pub fn init_this() {
    idt::load();
    // SAFETY: the entry copes with what `syscall` leaves; the selectors are those of the segments loaded.
    unsafe {
        msr::wrmsr(msr::IA32_STAR, gdt::STAR);
        msr::wrmsr(msr::IA32_LSTAR, &raw const pagurus_syscall_entry as u64);
        msr::wrmsr(msr::IA32_FMASK, SYSCALL_FLAGS);
    }
}

/// Enters the first thread, or waits for one. The end of every processor's start.
pub fn run() -> ! {
    let cpu = percpu::current();
    let mut kernel = machine::kernel().lock();
    kernel.enter(cpu.index());
    let frame = go_on(cpu, kernel);
    // SAFETY: the frame is that of a thread whose state is loaded; the stack may be abandoned, because `resume` begins the
    // next entry at its top.
    unsafe {
        asm!(
            "jmp {resume}",
            resume = sym pagurus_resume,
            in("rax") frame,
            options(noreturn),
        )
    }
}

/// Decides who goes on, loads it and lets go of the lock; waits as long as there is nobody.
#[inline]
pub(crate) fn go_on(cpu: &'static PerCpu, mut kernel: Guard) -> *const UserFrame {
    loop {
        if cpu.pending.any() {
            dispatch(cpu, &mut kernel);
        }
        if let Some(id) = kernel.next() {
            let thread = kernel.thread(id);
            // SAFETY: it is this thread, and the kernel runs only threads with an address space.
            unsafe { switch::to_thread(cpu, id, thread) };
            return &raw const thread.frame;
        }
        switch::leave();
        drop(kernel);
        wait();
        kernel = machine::kernel().lock();
        kernel.enter(cpu.index());
    }
}

/// Sleeps until an interrupt comes.
fn wait() {
    // SAFETY: interrupts in kernel mode are only noted. `sti` takes effect after the next instruction, so none can come
    // between the two.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Opens a window for interrupts, which are only noted, and says whether there are any to deal with.
#[inline]
pub fn interrupt_window(cpu: &PerCpu) -> bool {
    // SAFETY: interrupts in kernel mode are only noted.
    unsafe { asm!("sti", "nop", "cli", options(nostack)) };
    cpu.pending.any()
}

/// Deals with the interrupts noted.
#[cold]
fn dispatch(cpu: &PerCpu, kernel: &mut Kernel<Hardware>) {
    while let Some(vector) = cpu.pending.take() {
        kernel.counters.interrupts += 1;
        match Vector::decode(vector) {
            Vector::Irq(gsi) => kernel.interrupt(gsi),
            Vector::Timer => kernel.timer_rang(),
            Vector::Ipi => kernel.kicked(),
            _ => {}
        }
    }
}

/// A system call of the thread that runs.
extern "C" fn system_call(
    cap: u64,
    info: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
    rax: u64,
) -> *const UserFrame {
    let cpu = percpu::current();
    let args = SyscallArgs {
        rax,
        cap,
        info,
        words: [w0, w1, w2, w3],
    };
    let mut kernel = match machine::kernel().try_lock() {
        Some(kernel) => kernel,
        None => contended(cpu, &args),
    };
    kernel.enter(cpu.index());
    // It may have been evicted while this processor waited for the lock: then it makes the call again some time.
    if let Some(t) = kernel.loaded() {
        events::system_call(t.address(), &args);
        kernel.syscall(t, &args);
        if kernel.continues(t) && !cpu.pending.any() {
            return &raw const kernel.thread(t).frame;
        }
    }
    go_on(cpu, kernel)
}

/// Waits for the lock, with the system call kept in the thread's frame: who evicts the thread meanwhile, which waits until
/// this processor has noticed, finds it ready to make the call again.
#[cold]
fn contended(cpu: &PerCpu, args: &SyscallArgs) -> Guard {
    let frame = cpu.current.load(Ordering::Relaxed) as *mut UserFrame;
    // SAFETY: the thread is loaded on this processor and cannot be evicted, or end, before this processor serves a request, which it
    // does first in `lock`.
    unsafe {
        (*frame).rax = args.rax;
        (*frame).rdi = args.cap;
        (*frame).rsi = args.info;
        (*frame).rdx = args.words[0];
        (*frame).r10 = args.words[1];
        (*frame).r8 = args.words[2];
        (*frame).r9 = args.words[3];
    }
    machine::kernel().lock()
}

/// An interrupt or exception in user mode.
extern "C" fn user_trap(vector: u64, code: u64) -> *const UserFrame {
    let cpu = percpu::current();
    let exception = vector < EXCEPTIONS as u64;
    // Read before anything else can fault.
    let address = if vector == PAGE_FAULT {
        fault_address()
    } else {
        0
    };
    if !exception {
        pending::note(cpu, vector as u8);
    }
    let mut kernel = machine::kernel().lock();
    kernel.enter(cpu.index());
    if exception && let Some(t) = kernel.loaded() {
        kernel.fault(t, vector, code, address);
    }
    go_on(cpu, kernel)
}

/// An interrupt or exception in kernel mode.
extern "C" fn kernel_trap(vector: u64, code: u64, rip: u64) {
    if vector < EXCEPTIONS as u64 {
        fatal_trap(vector, code, rip);
    }
    pending::note(percpu::current(), vector as u8);
}

/// An exception that the kernel itself has raised, or that says that the machine is broken.
extern "C" fn fatal_trap(vector: u64, code: u64, rip: u64) -> ! {
    sync::freeze_others();
    // Also for a double fault, where it is the guard page of a stack that overflowed.
    let address = fault_address();
    panic!(
        "exception {vector} in the kernel at {rip:#x}, error code {code:#x}, address {address:#x}"
    );
}

fn fault_address() -> u64 {
    // SAFETY: reading CR2 changes nothing.
    unsafe { x86::controlregs::cr2() as u64 }
}
