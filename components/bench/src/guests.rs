//! What leaving a guest costs, as the guest sees it: its own time stamp counter over many rounds of an instruction that its
//! VMM, this program, carries out for it with all general registers at hand.
#![allow(unsafe_code)] // guests' instructions, the page shared with the kernel

use crate::report;
use core::arch::global_asm;
use pagurus_rt::Cap;
use pagurus_rt::Slot;
use pagurus_rt::abi::boot::slot;
use pagurus_rt::abi::method::{CacheMode, ThreadBinding};
use pagurus_rt::abi::vcpu::{ExitKind, Groups, VcpuPage, gpr, segment};
use pagurus_rt::abi::{Error, Kind, Rights};
use pagurus_rt::object::{
    AddressSpace, CNode, Frame, GuestSpace, Mapping, Mint, Thread, Untyped, Vcpu, run,
};

/// Rounds, as the guests' code has them.
const ROUNDS: u64 = 10_000;
const CNODE: Cap<CNode> = Cap::new(slot::CNODE);
const SPACE: Cap<AddressSpace> = Cap::new(slot::ADDRESS_SPACE);
const THREAD: Cap<Thread> = Cap::new(slot::THREAD);
/// Where this program sees the guest's memory and the page.
const RAM: u64 = 0x6100_0000;
const PAGE: u64 = 0x6200_0000;

// Guests in real mode, copied to address 0. They leave the ticks in eax.
global_asm!(
    r#"
    .section .rodata.guests, "a"
    .code16
    .global bench_cpuid
bench_cpuid:
    mov esi, 10000
    rdtsc
    mov edi, eax
1:  cpuid
    dec esi
    jnz 1b
    rdtsc
    sub eax, edi
    hlt
    .global bench_cpuid_end
bench_cpuid_end:

    .global bench_port
bench_port:
    mov esi, 10000
    rdtsc
    mov edi, eax
1:  out 0x80, al
    dec esi
    jnz 1b
    rdtsc
    sub eax, edi
    hlt
    .global bench_port_end
bench_port_end:
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

/// Prints the figures; how many there are. None on a machine that runs no guests.
pub fn measure(memory: Cap<Untyped>, first: u32) -> Result<usize, Error> {
    let at = |n| Slot::new(CNODE, first + n);
    match memory.retype(Kind::Vcpu, 0, at(0), 1) {
        Err(Error::Unsupported) => return Ok(0),
        other => other?,
    }
    memory.retype(Kind::GuestSpace, 15, at(1), 1)?;
    memory.retype(Kind::Frame, 12, at(2), 2)?;
    let (vcpu, space) = (Cap::<Vcpu>::new(first), Cap::<GuestSpace>::new(first + 1));
    let (ram, page) = (Cap::<Frame>::new(first + 2), Cap::<Frame>::new(first + 3));
    let whole = |address, rights| Mapping {
        address,
        offset: 0,
        length: 4096,
        rights,
        cache: CacheMode::Default,
    };
    for (n, cap, address) in [(4, ram, RAM), (5, page, PAGE)] {
        CNODE.mint(
            first + n,
            Slot::new(CNODE, cap.index()),
            Rights::RW,
            Mint::Plain,
        )?;
        Cap::<Frame>::new(first + n).map(SPACE, whole(address, Rights::RW))?;
    }
    ram.map_guest(space, whole(0, Rights::RW | Rights::EXECUTE))?;
    vcpu.bind_page(page)?;
    vcpu.bind_space(space)?;
    THREAD.bind_vcpu(vcpu)?;
    let cpuid = ticks(vcpu, code!(bench_cpuid, bench_cpuid_end))?;
    report::print(
        "exit_round_trip_cpuid",
        cpuid,
        ROUNDS,
        "CPUID carried out by a VMM in its own address space, all general registers",
    );
    let port = ticks(vcpu, code!(bench_port, bench_port_end))?;
    report::print(
        "exit_round_trip_port",
        port,
        ROUNDS,
        "OUT carried out by the same VMM",
    );
    THREAD.unbind(ThreadBinding::Vcpu)?;
    Ok(2)
}

/// Runs a guest to its HLT: the ticks that it counted.
fn ticks(vcpu: Cap<Vcpu>, code: &[u8]) -> Result<u64, Error> {
    for (n, byte) in code.iter().enumerate() {
        // SAFETY: the guest's memory, mapped here; it does not run.
        unsafe { ((RAM + n as u64) as *mut u8).write_volatile(*byte) };
    }
    vcpu.store(Groups::SEGMENTS | Groups::CONTROL)?;
    // SAFETY: mapped here; the kernel writes it in this thread's system calls only.
    let page = unsafe { &mut *(PAGE as *mut VcpuPage) };
    page.segments[segment::CS].selector = 0;
    page.segments[segment::CS].base = 0;
    page.rip = 0;
    page.rflags = 2;
    let mut groups = Groups::SEGMENTS | Groups::CONTROL;
    loop {
        match run(groups)? {
            ExitKind::Cpuid => {
                page.gpr[gpr::RAX] = 1;
                page.gpr[gpr::RBX] = 2;
                page.gpr[gpr::RCX] = 3;
                page.gpr[gpr::RDX] = 4;
                page.rip += 2;
            }
            ExitKind::Port => page.rip = page.info[1],
            ExitKind::Halt => return Ok(page.gpr[gpr::RAX]),
            _ => return Err(Error::Unsupported),
        }
        groups = Groups::empty();
    }
}
