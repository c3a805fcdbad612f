//! Entering a guest and coming back.
//!
//! No lock is taken here. The thread that runs the guest is loaded on this processor, so that everything that its virtual
//! processor refers to exists; who wants to take any of it away asks this processor first, by an interrupt, and waits
//! until it answers in the kernel proper. Interrupts are off from the system call on, and one that comes ends the guest's
//! run before its first instruction: nothing can happen between the checks here and the guest that is not noticed.

use super::{SUPPORT, block, state};
use crate::percpu::{self, PerCpu};
use crate::{cpu, entry, machine};
use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pagurus_abi::Syscall;
use pagurus_abi::vcpu::{Event, ExitKind, Groups, VcpuPage, gpr};
use pagurus_ipc::UserFrame;
use pagurus_vcpu::svm::Vmcb;
use pagurus_vcpu::svm::vmcb::tlb_control;
use pagurus_vcpu::{Exit, Vcpu, VcpuId, sanitise};

/// Bits of an event that mean something.
const EVENT_BITS: u64 = 0xffff_ffff_8000_0fff;
/// Marks a frame that is to be resumed as any other, rather than be returned to from the system call.
const RESUME: u64 = 1;

global_asm!(
    r#"
    .section .text.entry, "ax"

    // rdi: physical address of the control block, rsi: general registers of the guest, rdx: physical address of the
    // host's own block.
    .balign 64
pagurus_vmrun:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rsi
    push rdx
    mov rax, rdx
    // FS base and its like may have been changed in user mode.
    vmsave rax
    mov rax, rdi
    mov rcx, [rsi + 8]
    mov rdx, [rsi + 16]
    mov rbx, [rsi + 24]
    mov rbp, [rsi + 40]
    mov rdi, [rsi + 56]
    mov r8,  [rsi + 64]
    mov r9,  [rsi + 72]
    mov r10, [rsi + 80]
    mov r11, [rsi + 88]
    mov r12, [rsi + 96]
    mov r13, [rsi + 104]
    mov r14, [rsi + 112]
    mov r15, [rsi + 120]
    mov rsi, [rsi + 48]
    // Interrupts of the machine end the run if the host's flag is set; until then none may be taken.
    clgi
    sti
    vmload rax
    vmrun rax
    vmsave rax
    cli
    mov rax, [rsp]
    vmload rax
    stgi
    mov rax, [rsp + 8]
    mov [rax + 8], rcx
    mov [rax + 16], rdx
    mov [rax + 24], rbx
    mov [rax + 40], rbp
    mov [rax + 48], rsi
    mov [rax + 56], rdi
    mov [rax + 64], r8
    mov [rax + 72], r9
    mov [rax + 80], r10
    mov [rax + 88], r11
    mov [rax + 96], r12
    mov [rax + 104], r13
    mov [rax + 112], r14
    mov [rax + 120], r15
    add rsp, 16
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    "#
);

unsafe extern "C" {
    fn pagurus_vmrun(block: u64, registers: *mut VcpuPage, host: u64);
}

/// Where a run led: the frame to go on with, perhaps marked [`RESUME`], and what goes into `rdi`; frame 0 if the general way must
/// be taken.
#[repr(C)]
pub struct Left {
    frame: u64,
    rdi: u64,
}

const GENERAL_WAY: Left = Left { frame: 0, rdi: 0 };

/// `Run`: enters the guest of the thread that runs on this processor, if the way is open.
pub extern "C" fn enter_guest(groups: u64) -> Left {
    let cpu = percpu::current();
    let Some(id) = VcpuId::new(cpu.resident.vcpu.load(Relaxed) as usize) else {
        return GENERAL_WAY;
    };
    // SAFETY: the word of a notification that is bound to the thread that is loaded here, or a constant.
    let signals = unsafe { AtomicU64::from_ptr(cpu.resident.signals.load(Relaxed) as *mut u64) };
    if cpu.pending.any() || signals.load(Relaxed) != 0 {
        return GENERAL_WAY;
    }
    // SAFETY: the way is open: its thread is loaded here.
    let (block, vcpu) = unsafe { (block(id), state(id)) };
    // SAFETY: a frame bound to it, which stays while the way is open.
    let page = unsafe { Page::new(vcpu.page) };
    if groups != 0 {
        load(
            block,
            vcpu,
            &page,
            Groups::from_bits_truncate(groups as u16),
        );
    }
    page.prepare(block, vcpu);
    let host_xcr0 = cpu::host_xcr0();
    if vcpu.xcr0 != host_xcr0 && host_xcr0 != 0 {
        set_xcr0(vcpu.xcr0);
    }
    // SAFETY: the block is that of a virtual processor whose nested tables, maps and intercepts are the kernel's; the page has room
    // for the registers, and `host` is this processor's.
    unsafe { pagurus_vmrun(vcpu.block, page.0, cpu.resident.host.load(Relaxed)) };
    if host_xcr0 != 0 {
        // QEMU does not stop guests at XSETBV: what the guest has set is found here.
        let guest = xcr0();
        if guest != host_xcr0 {
            set_xcr0(host_xcr0);
        }
        if guest != vcpu.xcr0 {
            vcpu.xcr0 = sanitise::xcr0(guest & host_xcr0, host_xcr0).unwrap_or(vcpu.xcr0);
        }
    }
    block.tlb_control = tlb_control::NOTHING;
    let exit = block.exit();
    if exit == Exit::plain(ExitKind::InvalidState) {
        refused(block, vcpu);
    }
    page.take(block);
    match exit {
        Exit::Vmm { kind, info } => {
            page.explain(info, block.instruction_bytes());
            let wanted = page.wanted(kind as usize);
            if wanted != 0 {
                store(block, vcpu, &page, Groups::from_bits_truncate(wanted));
            }
            Left {
                frame: cpu.current.load(Relaxed),
                rdi: kind as u64,
            }
        }
        Exit::Interrupt => interrupted(cpu),
        Exit::MachineCheck => panic!("machine check while a guest ran"),
    }
}

/// The processor did not enter the guest. It may have left state of the host in the block, which is nobody's business.
#[cold]
fn refused(block: &mut Vmcb, vcpu: &mut Vcpu) {
    if let Some(Some(support)) = SUPPORT.get() {
        block.reset(support.iopm, support.msrpm);
        block.rax = 0;
        block.rsp = 0;
        block.exit_int_info = 0;
        block.set_window(false);
        vcpu.window = false;
    }
}

/// An interrupt of the machine ended the run: the thread makes its system call again when it goes on, with nothing left to
/// load.
#[cold]
fn interrupted(cpu: &'static PerCpu) -> Left {
    let frame = cpu.current.load(Relaxed) as *mut UserFrame;
    // SAFETY: the thread is loaded on this processor and cannot be evicted before this processor serves a request.
    unsafe {
        (*frame).rax = Syscall::Run as u64;
        (*frame).rdi = 0;
        (*frame).rsi = 0;
        (*frame).rdx = 0;
        (*frame).r10 = 0;
        (*frame).r8 = 0;
        (*frame).r9 = 0;
    }
    entry::interrupt_window(cpu);
    let mut kernel = machine::kernel().lock();
    kernel.enter(cpu.index());
    Left {
        frame: entry::go_on(cpu, kernel) as u64 | RESUME,
        rdi: 0,
    }
}

#[inline(always)]
fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: XSAVE is on.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high,
            options(nostack, nomem, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

fn set_xcr0(value: u64) {
    // SAFETY: XSAVE is on, and the value is the host's or one that `sanitise::xcr0` let through.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, nomem, preserves_flags));
    }
}

/// The page that a virtual processor shares with its VMM, which may write to it at any time.
pub(super) struct Page(*mut VcpuPage);

macro_rules! get {
    ($page:expr, $field:ident) => {
        // SAFETY: the field is inside the page, which stays (see `Page::new`). Volatile: it is read once.
        unsafe { (&raw const (*$page.0).$field).read_volatile() }
    };
}

macro_rules! put {
    ($page:expr, $field:ident, $value:expr) => {
        // SAFETY: as above.
        unsafe { (&raw mut (*$page.0).$field).write_volatile($value) }
    };
}

impl Page {
    /// The page at this address.
    ///
    /// # Safety
    /// There must be a frame, in the direct map, that stays while the value lives.
    pub(super) unsafe fn new(address: usize) -> Page {
        Page(address as *mut VcpuPage)
    }

    /// A general register.
    #[inline(always)]
    fn register(&self, n: usize) -> *mut u64 {
        // SAFETY: the registers are the first thing in the page.
        unsafe { (&raw mut (*self.0).gpr).cast::<u64>().add(n) }
    }

    /// What an entry takes from the page every time.
    #[inline(always)]
    fn prepare(&self, block: &mut Vmcb, vcpu: &mut Vcpu) {
        // SAFETY: inside the page.
        unsafe {
            block.rax = self.register(gpr::RAX).read_volatile();
            block.rsp = self.register(gpr::RSP).read_volatile();
        }
        block.rip = get!(self, rip);
        block.rflags = get!(self, rflags);
        block.event_injection = get!(self, event).0 & EVENT_BITS;
        let window = get!(self, window) != 0;
        if window != vcpu.window {
            vcpu.window = window;
            block.set_window(window);
        }
    }

    /// What an exit leaves in the page every time.
    #[inline(always)]
    fn take(&self, block: &Vmcb) {
        // SAFETY: inside the page.
        unsafe {
            self.register(gpr::RAX).write_volatile(block.rax);
            self.register(gpr::RSP).write_volatile(block.rsp);
        }
        put!(self, rip, block.rip);
        put!(self, rflags, block.rflags);
        let interrupted = Event(block.exit_int_info);
        let event = if interrupted.is_valid() {
            interrupted
        } else {
            Event::NONE
        };
        put!(self, event, event);
    }

    /// About the exit.
    #[inline(always)]
    fn explain(&self, info: [u64; 4], instruction_bytes: u64) {
        put!(self, info, info);
        put!(self, instruction_bytes, instruction_bytes);
    }

    /// The groups that the VMM wants stored at this kind of exit.
    #[inline(always)]
    fn wanted(&self, kind: usize) -> u16 {
        // SAFETY: inside the page.
        unsafe {
            (&raw const (*self.0).store)
                .cast::<u16>()
                .add(kind % 32)
                .read_volatile()
        }
    }

    /// Tells the VMM of signals that ended a run before it began.
    pub(super) fn signalled(&self, word: u64) {
        put!(self, info, [word, 0, 0, 0]);
    }
}

/// Loads groups of state from the page.
#[cold]
pub(super) fn load(block: &mut Vmcb, vcpu: &mut Vcpu, page: &Page, groups: Groups) {
    if groups.contains(Groups::CONTROL) {
        let control = get!(page, control);
        block.set_control(&control);
        if let Some(xcr0) = sanitise::xcr0(control.xcr0, cpu::host_xcr0()) {
            vcpu.xcr0 = xcr0;
        }
        // As after a move to a control register, nothing that was cached counts any more.
        let by_tag = SUPPORT
            .get()
            .copied()
            .flatten()
            .is_some_and(|s| s.flush_by_tag);
        block.tlb_control |= if by_tag {
            tlb_control::THIS_ASID
        } else {
            tlb_control::ALL
        };
    }
    if groups.contains(Groups::SEGMENTS) {
        block.set_segments(&get!(page, segments));
    }
    if groups.contains(Groups::SYSTEM) {
        block.set_system(&get!(page, system));
    }
    if groups.contains(Groups::DEBUG) {
        let debug = get!(page, debug);
        block.set_debug(&debug);
        vcpu.dr = debug.dr;
    }
    if groups.contains(Groups::INTERRUPTS) {
        block.set_interrupts(&get!(page, interrupts));
    }
    if groups.contains(Groups::INTERCEPTS) {
        block.set_intercepts(get!(page, intercepts));
    }
}

/// Stores groups of state into the page.
#[cold]
pub(super) fn store(block: &Vmcb, vcpu: &Vcpu, page: &Page, groups: Groups) {
    if groups.contains(Groups::CONTROL) {
        let mut control = block.control();
        control.xcr0 = vcpu.xcr0;
        put!(page, control, control);
    }
    if groups.contains(Groups::SEGMENTS) {
        put!(page, segments, block.segments);
    }
    if groups.contains(Groups::SYSTEM) {
        put!(page, system, block.system());
    }
    if groups.contains(Groups::DEBUG) {
        let mut debug = block.debug();
        debug.dr = vcpu.dr;
        put!(page, debug, debug);
    }
    if groups.contains(Groups::INTERRUPTS) {
        put!(page, interrupts, block.interrupts());
    }
}
