//! Faults of threads are messages to their handlers.
#![allow(unsafe_code)] // threads that do what must fault

use crate::report::{Outcome, ensure, equal};
use crate::world::{Entry, Time, Worker, World, peek, survived};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::fault::{FaultKind, FaultReply};
use pagurus_rt::abi::method::ThreadState;
use pagurus_rt::abi::{Error, MessageInfo};
use pagurus_rt::object::{Endpoint, Reply};

/// A fault, as its message tells it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Exception vector.
    pub vector: u64,
    /// Error code.
    pub code: u64,
    /// Address of a page fault.
    pub address: u64,
    /// Instruction pointer.
    pub ip: u64,
}

/// Vector of the invalid-opcode exception.
const INVALID_OPCODE: u64 = 6;
/// Vector of the device-not-available exception.
const NO_FPU: u64 = 7;
/// Vector of the general-protection exception.
const PROTECTION: u64 = 13;
/// Vector of the page fault.
const PAGE: u64 = 14;

/// Makes a thread whose faults arrive at a new endpoint.
fn watched(w: &mut World) -> Result<(Worker, Cap<Endpoint>, Cap<Reply>), Error> {
    let (endpoint, reply) = w.meeting()?;
    let worker = w.thread(Time::unlimited(0, 100))?;
    worker.thread.bind_fault_endpoint(endpoint)?;
    Ok((worker, endpoint, reply))
}

fn receive(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> Result<(MessageInfo, Fault), Error> {
    let message = endpoint.recv(reply)?;
    let [vector, code, address, ip] = message.words;
    Ok((
        message.info,
        Fault {
            vector,
            code,
            address,
            ip,
        },
    ))
}

/// Runs a thread until it faults, and stops it.
pub fn catch(w: &mut World, entry: Entry, a: u64, b: u64) -> Result<Fault, crate::report::Failure> {
    let (worker, endpoint, reply) = watched(w)?;
    w.start(worker, entry, a, b)?;
    let (info, fault) = receive(endpoint, reply)?;
    ensure("it is a fault message", info.is_fault())?;
    reply.reply(MessageInfo::new(FaultReply::Stop as u64, 0, 0), [0; 4])?;
    equal(
        "state after Stop",
        worker.thread.info()?.state.map_or(99, |s| s as u64),
        ThreadState::Inactive as u64,
    )?;
    Ok(fault)
}

extern "C" fn read_null(_: u64, _: u64) -> ! {
    peek(8);
    survived()
}

pub fn page_fault_is_a_message(w: &mut World) -> Outcome {
    let (worker, endpoint, reply) = watched(w)?;
    w.start(worker, read_null, 0, 0)?;
    let (info, fault) = receive(endpoint, reply)?;
    ensure("marked as a fault", info.is_fault())?;
    equal("label", info.label(), FaultKind::Page as u64)?;
    equal("vector", fault.vector, PAGE)?;
    equal("address", fault.address, 8)?;
    equal("not present, read, user", fault.code, 1 << 2)?;
    equal(
        "state meanwhile",
        worker.thread.info()?.state.map_or(99, |s| s as u64),
        ThreadState::Calling as u64,
    )
}

extern "C" fn divide(_: u64, _: u64) -> ! {
    // SAFETY: faults.
    unsafe {
        asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("edx") _, out("ecx") _, out("eax") _)
    };
    survived()
}

extern "C" fn disable_interrupts(_: u64, _: u64) -> ! {
    // SAFETY: faults.
    unsafe { asm!("cli") };
    survived()
}

extern "C" fn port(_: u64, _: u64) -> ! {
    // SAFETY: faults.
    unsafe { asm!("out 0x80, al") };
    survived()
}

extern "C" fn read_msr(_: u64, _: u64) -> ! {
    // SAFETY: faults.
    unsafe { asm!("rdmsr", in("ecx") 0x1b, out("eax") _, out("edx") _) };
    survived()
}

extern "C" fn software_interrupt(_: u64, _: u64) -> ! {
    // SAFETY: faults: the kernel's vectors are closed to software.
    unsafe { asm!("int 0xf1") };
    survived()
}

extern "C" fn breakpoint(_: u64, _: u64) -> ! {
    // SAFETY: a trap.
    unsafe { asm!("int3") };
    survived()
}

extern "C" fn single_step(_: u64, _: u64) -> ! {
    // SAFETY: sets the trap flag.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") };
    survived()
}

extern "C" fn step_over_a_system_call(_: u64, _: u64) -> ! {
    // The trap flag is set when the kernel is entered: it must not trap there.
    // SAFETY: an invalid system call, refused.
    unsafe {
        asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "syscall", "nop",
            inout("rax") 0xffu64 => _, out("rcx") _, out("r11") _, out("rdi") _, out("rsi") _,
            out("rdx") _, out("r8") _, out("r9") _, out("r10") _);
    }
    survived()
}

extern "C" fn bad_stack(_: u64, _: u64) -> ! {
    // A stack that is no address, and then an interrupt or exception: the kernel has its own.
    // SAFETY: ends with the exception.
    unsafe { asm!("mov rsp, 0x1234567890abcdef", "ud2", options(noreturn)) }
}

extern "C" fn alignment_and_direction(_: u64, _: u64) -> ! {
    // Flags that a user program may set go into the kernel with the exception.
    // SAFETY: ends with the exception.
    unsafe {
        asm!(
            "pushfq",
            "or qword ptr [rsp], 0x40400",
            "popfq",
            "xor eax, eax",
            "mov [rax], eax",
            options(noreturn)
        )
    }
}

pub fn every_exception_is_contained(w: &mut World) -> Outcome {
    let cases: [(Entry, u64); 10] = [
        (divide, 0),
        (disable_interrupts, PROTECTION),
        (port, PROTECTION),
        (read_msr, PROTECTION),
        (software_interrupt, PROTECTION),
        (breakpoint, 3),
        (single_step, 1),
        (step_over_a_system_call, 1),
        (bad_stack, INVALID_OPCODE),
        (alignment_and_direction, PAGE),
    ];
    for (entry, vector) in cases {
        equal("vector", catch(w, entry, 0, 0)?.vector, vector)?;
    }
    Ok(())
}

static PROGRESS: AtomicU64 = AtomicU64::new(0);

extern "C" fn fault_then_count(_: u64, _: u64) -> ! {
    // SAFETY: an exception that the handler skips.
    unsafe { asm!("ud2") };
    PROGRESS.fetch_add(1, SeqCst);
    // SAFETY: as above.
    unsafe { asm!("ud2") };
    survived()
}

pub fn handler_decides(w: &mut World) -> Outcome {
    PROGRESS.store(0, SeqCst);
    let (worker, endpoint, reply) = watched(w)?;
    w.start(worker, fault_then_count, 0, 0)?;
    let (_, fault) = receive(endpoint, reply)?;
    // Retry: the same instruction faults again.
    let retry = MessageInfo::new(FaultReply::Retry as u64, 0, 0);
    reply.reply(retry, [0; 4])?;
    let (_, again) = receive(endpoint, reply)?;
    equal("the same instruction", again.ip, fault.ip)?;
    // Behind it: `ud2` has two bytes.
    let resume = MessageInfo::new(FaultReply::ResumeAt as u64, 1, 0);
    reply.reply(resume, [fault.ip + 2, 0, 0, 0])?;
    let (_, next) = receive(endpoint, reply)?;
    equal("it went on", PROGRESS.load(SeqCst), 1)?;
    ensure("at another instruction", next.ip != fault.ip)?;
    // Where no user program can be: stopped instead.
    reply.reply(resume, [0xffff_8000_0000_0000, 0, 0, 0])?;
    equal(
        "state",
        worker.thread.info()?.state.map_or(99, |s| s as u64),
        ThreadState::Inactive as u64,
    )?;
    // Without a handler a fault just stops the thread.
    let orphan = w.thread(Time::unlimited(0, 100))?;
    w.start(orphan, read_null, 0, 0)?;
    let notification = w.make::<pagurus_rt::object::Notification>()?;
    let signaller = w.spawn(
        Time::unlimited(0, 50),
        super::communication::signal_one,
        notification.index().into(),
        0,
    )?;
    notification.wait()?;
    let _ = signaller;
    equal(
        "state of the orphan",
        orphan.thread.info()?.state.map_or(99, |s| s as u64),
        ThreadState::Inactive as u64,
    )
}

extern "C" fn use_sse(_: u64, _: u64) -> ! {
    // SAFETY: faults unless the thread may use the registers, which this code alone does.
    unsafe { asm!("movq xmm0, rax") };
    survived()
}

pub fn fpu_is_closed_unless_asked_for(w: &mut World) -> Outcome {
    equal(
        "vector without the flag",
        catch(w, use_sse, 0, 0)?.vector,
        NO_FPU,
    )?;
    let (worker, endpoint, reply) = watched(w)?;
    worker.thread.set_flags(true, 0)?;
    w.start(worker, use_sse, 0, 0)?;
    let (_, fault) = receive(endpoint, reply)?;
    equal("vector with the flag", fault.vector, INVALID_OPCODE)
}
