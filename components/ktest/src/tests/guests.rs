//! Virtual processors: what a guest does, and what it cannot.
#![allow(unsafe_code)] // guests' instructions

use super::scheduling::sleep;
use crate::guest::{Guest, RAM_BITS, give};
use crate::report::{Failure, Outcome, ensure, equal};
use crate::world::{Time, World};
use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use pagurus_rt::Cap;
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::method::ThreadBinding;
use pagurus_rt::abi::vcpu::{Event, ExitKind, Groups, MemoryAccess, PortAccess, gpr};
use pagurus_rt::abi::{Error, Rights};
use pagurus_rt::object::{Notification, Thread, run};

// Guests, in real mode. They are copied to address 0.
global_asm!(
    r#"
    .section .rodata.guests, "a"
    .code16

    .global guest_exits
guest_exits:
    mov eax, 0x12345678
    cpuid
    mov dx, 0x3f8
    mov al, 0x41
    out dx, al
    in eax, dx
    mov ecx, 0x1b
    rdmsr
    mov ecx, 0x10
    wrmsr
    vmmcall
    hlt
    .global guest_exits_end
guest_exits_end:

    .global guest_memory
guest_memory:
    mov ax, 0x2000
    mov ds, ax
    mov eax, 0xabcd
    mov [0x10], eax
    mov ebx, [0x10]
    mov [0x14], ebx
    hlt
    .global guest_memory_end
guest_memory_end:

    .global guest_interrupts
guest_interrupts:
    xor ebx, ebx
    hlt
    sti
    nop
    nop
    cli
    hlt
    .global guest_handler
guest_handler:
    inc ebx
    iret
    .global guest_interrupts_end
guest_interrupts_end:

    .global guest_spin
guest_spin:
    inc dword ptr [0x1000]
    jmp guest_spin
    .global guest_spin_end
guest_spin_end:

    .global guest_triple_fault
guest_triple_fault:
    lidt [0x2000]
    int3
    .global guest_triple_fault_end
guest_triple_fault_end:

    .global guest_rude
guest_rude:
    vmrun
    hlt
    .global guest_rude_end
guest_rude_end:
    .code64
    .text
    "#
);

macro_rules! code {
    ($start:ident, $end:ident) => {{
        unsafe extern "C" {
            static $start: u8;
            static $end: u8;
        }
        // SAFETY: the bytes between the two symbols above.
        unsafe {
            let start = &raw const $start;
            core::slice::from_raw_parts(start, (&raw const $end).offset_from(start) as usize)
        }
    }};
}

/// The program's first thread, which is the one that executes the tests.
fn own() -> Cap<Thread> {
    Cap::new(slot::THREAD)
}

/// This thread runs the guest while `body` lasts.
fn with(guest: &Guest, body: impl FnOnce(&Guest) -> Outcome) -> Outcome {
    give(own(), guest, None)?;
    let outcome = body(guest);
    own().unbind(ThreadBinding::Vcpu)?;
    outcome
}

const INVALID_OPCODE: u64 = 6;
const FIRST: Groups = Groups::SEGMENTS.union(Groups::CONTROL);

pub fn every_exit_is_told(w: &mut World) -> Outcome {
    let Some(guest) = Guest::new(w, code!(guest_exits, guest_exits_end))? else {
        return Ok(());
    };
    with(&guest, |guest| {
        guest.expect(FIRST, ExitKind::Cpuid)?;
        equal("its eax", guest.page().gpr[gpr::RAX], 0x1234_5678)?;
        guest.skip(2);
        let none = Groups::empty();
        let info = guest.expect(none, ExitKind::Port)?;
        let access = PortAccess(info[0]);
        equal("port", access.port().into(), 0x3f8)?;
        equal("bytes", access.bytes().into(), 1)?;
        ensure("out", !access.is_in())?;
        equal("what is written", guest.page().gpr[gpr::RAX] & 0xff, 0x41)?;
        guest.page().rip = info[1];
        let info = guest.expect(none, ExitKind::Port)?;
        ensure("in", PortAccess(info[0]).is_in())?;
        equal("bytes", PortAccess(info[0]).bytes().into(), 4)?;
        guest.page().gpr[gpr::RAX] = 0xfeed;
        guest.page().rip = info[1];
        let info = guest.expect(none, ExitKind::Msr)?;
        equal("read", info[0], 0)?;
        equal("register", guest.page().gpr[gpr::RCX], 0x1b)?;
        equal("what was read", guest.page().gpr[gpr::RAX], 0xfeed)?;
        guest.skip(2);
        let info = guest.expect(none, ExitKind::Msr)?;
        equal("write", info[0], 1)?;
        guest.skip(2);
        guest.expect(none, ExitKind::Hypercall)?;
        guest.skip(3);
        guest.expect(none, ExitKind::Halt)?;
        Ok(())
    })
}

pub fn memory_is_what_is_mapped(w: &mut World) -> Outcome {
    let Some(guest) = Guest::new(w, code!(guest_memory, guest_memory_end))? else {
        return Ok(());
    };
    let more = w.make_sized::<pagurus_rt::object::Frame>(12)?;
    with(&guest, |guest| {
        let none = Groups::empty();
        let info = guest.expect(FIRST, ExitKind::Memory)?;
        equal("where", info[0], 0x2_0010)?;
        let mut mapping = crate::world::whole(0x2_0000, 12, Rights::READ);
        more.map_guest(guest.space, mapping)?;
        let info = guest.expect(none, ExitKind::Memory)?;
        equal("where", info[0], 0x2_0010)?;
        let access = MemoryAccess::from_bits_truncate(info[1]);
        ensure(
            "a write to what may be read",
            access.contains(MemoryAccess::WRITE | MemoryAccess::PROTECTED),
        )?;
        more.unmap()?;
        mapping.rights = Rights::RW;
        more.map_guest(guest.space, mapping)?;
        guest.expect(none, ExitKind::Halt)?;
        equal("ebx", guest.page().gpr[gpr::RBX], 0xabcd)?;
        // What is taken away is gone, whatever the processor had cached.
        more.unmap()?;
        guest.page().rip = 8;
        guest.expect(none, ExitKind::Memory)?;
        Ok(())
    })
}

pub fn interrupts_are_delivered(w: &mut World) -> Outcome {
    let code = code!(guest_interrupts, guest_interrupts_end);
    let Some(guest) = Guest::new(w, code)? else {
        return Ok(());
    };
    // Vector 0x20 of the real-mode table leads to the handler.
    let handler = code!(guest_interrupts, guest_handler).len();
    guest.poke(0x80, handler as u8);
    with(&guest, |guest| {
        let none = Groups::empty();
        guest.expect(FIRST, ExitKind::Halt)?;
        guest.skip(1);
        // It has its interrupts off: it says when it can take one.
        guest.page().window = 1;
        guest.expect(none, ExitKind::Window)?;
        guest.page().window = 0;
        guest.page().event = Event::interrupt(0x20);
        guest.expect(none, ExitKind::Halt)?;
        equal("interrupts taken", guest.page().gpr[gpr::RBX], 1)?;
        equal("nothing is left to deliver", guest.page().event.0, 0)
    })
}

pub fn what_no_guest_may_do(w: &mut World) -> Outcome {
    let code = code!(guest_triple_fault, guest_triple_fault_end);
    let Some(guest) = Guest::new(w, code)? else {
        return Ok(());
    };
    with(&guest, |guest| {
        guest.expect(FIRST, ExitKind::Shutdown)?;
        // Caches that are on and not written through: no state that a processor can be in.
        guest.vcpu.store(Groups::CONTROL)?;
        guest.page().control.cr0 = 0x2000_0010;
        guest.expect(Groups::CONTROL, ExitKind::InvalidState)?;
        // Nothing of the host shows.
        equal("its rip", guest.page().rip, 0xfff0)?;
        guest.vcpu.store(Groups::CONTROL)?;
        equal("its cr3", guest.page().control.cr3, 0)
    })?;
    let Some(rude) = Guest::new(w, code!(guest_rude, guest_rude_end))? else {
        return Ok(());
    };
    with(&rude, |guest| {
        guest.page().intercepts.exceptions = 1 << INVALID_OPCODE;
        // To the guest, virtualisation is not there: a machine that notices stops it, another one raises the exception itself.
        let exit = run(FIRST | Groups::INTERCEPTS)?;
        let undefined = exit == ExitKind::Exception && guest.page().info[0] == INVALID_OPCODE;
        ensure("refused", exit == ExitKind::Forbidden || undefined)
    })
}

/// A guest that a thread of its own runs, and how its runs ended.
static GUEST_EXITS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static LAST_EXIT: AtomicU64 = AtomicU64::new(0);
const NOTHING: u64 = 99;

/// Runs the guest bound to this thread for ever.
extern "C" fn run_guest(first: u64, _: u64) -> ! {
    let mut groups = Groups::from_bits_truncate(first as u16);
    loop {
        let exit = match run(groups) {
            Ok(exit) => exit as u64,
            Err(error) => 1000 + error as u64,
        };
        LAST_EXIT.store(exit, SeqCst);
        GUEST_EXITS[usize::from(exit != ExitKind::Signal as u64)].fetch_add(1, SeqCst);
        if exit != ExitKind::Signal as u64 {
            // It would come again at once.
            pagurus_rt::syscall::yield_now();
        }
        groups = Groups::empty();
    }
}

/// A guest that never exits, the thread that runs it, and the notification that ends its runs.
struct Spinner {
    guest: Guest,
    thread: Cap<Thread>,
    bell: Cap<Notification>,
}

fn spinner(w: &mut World, time: Time) -> Result<Option<Spinner>, Failure> {
    let Some(guest) = Guest::new(w, code!(guest_spin, guest_spin_end))? else {
        return Ok(None);
    };
    for counter in &GUEST_EXITS {
        counter.store(0, SeqCst);
    }
    LAST_EXIT.store(NOTHING, SeqCst);
    let bell = w.make::<Notification>()?;
    let worker = w.thread(time)?;
    give(worker.thread, &guest, Some(bell))?;
    w.start(worker, run_guest, FIRST.bits().into(), 0)?;
    Ok(Some(Spinner {
        guest,
        thread: worker.thread,
        bell,
    }))
}

/// Waits until `condition` holds.
fn until(w: &mut World, what: &'static str, condition: impl Fn() -> bool) -> Outcome {
    for _ in 0..400 {
        if condition() {
            return Ok(());
        }
        sleep(w, 5_000_000)?;
    }
    Err(Failure::Broken(
        what,
        LAST_EXIT.load(SeqCst),
        GUEST_EXITS[1].load(SeqCst),
    ))
}

/// A guest that never exits shares its processor, is left for a signal, and goes when it is taken away.
pub fn a_guest_that_spins_is_no_trouble(w: &mut World) -> Outcome {
    for cpu in 0..w.cpus().min(2) {
        let Some(spinner) = spinner(w, Time::unlimited(cpu, 20))? else {
            return Ok(());
        };
        let Spinner {
            guest,
            thread,
            bell,
        } = spinner;
        let rounds = || guest.peek(0x1000);
        until(w, "the guest runs", || rounds() > 1000)?;
        bell.signal()?;
        until(w, "a signal ends the run", || {
            GUEST_EXITS[0].load(SeqCst) == 1
        })?;
        equal("the signal", guest.page().info[0], 1)?;
        let before = rounds();
        until(w, "it goes on", || rounds() > before + 1000)?;
        // Its memory is taken away while it uses it.
        guest.ram.unmap()?;
        let after = rounds();
        until(w, "it has left", || {
            LAST_EXIT.load(SeqCst) == ExitKind::Memory as u64
        })?;
        equal("it wrote nothing more", rounds().into(), after.into())?;
        thread.suspend()?;
        let mapping = crate::world::whole(0, RAM_BITS, Rights::RW | Rights::EXECUTE);
        guest.ram.map_guest(guest.space, mapping)?;
        thread.resume()?;
        until(w, "it goes on again", || rounds() > after + 1000)?;
        // Its processor is taken away while it runs.
        thread.unbind(ThreadBinding::Vcpu)?;
        let stopped = rounds();
        until(w, "it cannot run", || {
            LAST_EXIT.load(SeqCst) == 1000 + Error::MissingBinding as u64
        })?;
        equal("it did nothing more", rounds().into(), stopped.into())?;
        thread.suspend()?;
    }
    Ok(())
}

/// Two guests on one processor get equal parts of it, each with registers of its own.
pub fn guests_share_a_processor(w: &mut World) -> Outcome {
    let Some(first) = spinner(w, Time::unlimited(0, 20))? else {
        return Ok(());
    };
    let Some(second) = spinner(w, Time::unlimited(0, 20))? else {
        return Ok(());
    };
    until(w, "both run", || {
        first.guest.peek(0x1000) > 1000 && second.guest.peek(0x1000) > 1000
    })?;
    let before = [first.guest.peek(0x1000), second.guest.peek(0x1000)];
    sleep(w, 200_000_000)?;
    let one = first.guest.peek(0x1000) - before[0];
    let two = second.guest.peek(0x1000) - before[1];
    if one.max(two) > one.min(two).saturating_mul(4) {
        return Err(Failure::Broken("unequal parts", one.into(), two.into()));
    }
    equal("nobody exited", GUEST_EXITS[1].load(SeqCst), 0)
}
