//! The machine as the kernel's logic sees it.
#![allow(unsafe_code)] // objects in physical memory, ports

use crate::ioapic::{self, Line};
use crate::mailbox::Flush;
use crate::sync::{self, BigLock};
use crate::vm::layout::{DIRECT_MAP, DIRECT_MAP_BYTES};
use crate::{apic, console, cpu, entry, events, fpu, percpu, switch, time, trace, virt, vm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pagurus_abi::message::{CapTransfer, MAX_WORDS};
use pagurus_abi::vcpu::Groups;
use pagurus_abi::{Error, IpcBuffer};
use pagurus_cap::{Slot, SlotId};
use pagurus_ipc::{
    Endpoint, EndpointId, Notification, NotificationId, Reply, ReplyId, Thread, ThreadId,
};
use pagurus_paging::PhysMem;
use pagurus_sched::{ScId, SchedContext, Timer, TimerId};
use pagurus_syscall::{Event, IRQS, IrqMode, Kernel, Machine, Memory, Nested};
use pagurus_vcpu::object::STATE_OFFSET;
use pagurus_vcpu::{Vcpu, VcpuId};

/// Entries of a page table.
const ENTRIES: usize = 512;

/// The machine that this kernel runs on. Exists once, inside [`kernel`]: whoever has it has the kernel's lock.
pub struct Hardware(());

static KERNEL: BigLock<Kernel<Hardware>> = BigLock::new(Kernel::new(Hardware(())));

/// The kernel's state, behind its lock.
#[inline(always)]
pub fn kernel() -> &'static BigLock<Kernel<Hardware>> {
    &KERNEL
}

/// Slots for the notifications of interrupt lines.
#[repr(C, align(64))]
struct Bindings(UnsafeCell<[Slot; IRQS]>);

// SAFETY: reached only through `Hardware`, under the kernel's lock.
unsafe impl Sync for Bindings {}

static BINDINGS: Bindings = Bindings(UnsafeCell::new([Slot::EMPTY; IRQS]));

/// Defines how objects of a type are reached.
macro_rules! objects {
    ($($get:ident, $get_mut:ident, $id:ty, $object:ty;)*) => {
        $(
            #[inline(always)]
            fn $get(&self, id: $id) -> &$object {
                // SAFETY: ids come from the kernel's own state: from a capability that `retype` made for zeroed memory of
                // this type's size and alignment, in the direct map (or from a binding in such an object, or in
                // `BINDINGS`). The memory is reused only after the last capability is gone, and with it every id. All
                // access is under the kernel's lock, by way of `&self` or `&mut self`, so references do not conflict.
                unsafe { &*(id.address() as *const $object) }
            }

            #[inline(always)]
            fn $get_mut(&mut self, id: $id) -> &mut $object {
                // SAFETY: as above.
                unsafe { &mut *(id.address() as *mut $object) }
            }
        )*
    };
}

impl PhysMem for Hardware {
    #[inline(always)]
    fn read(&self, table: u64, index: usize) -> u64 {
        entry_of(table, index).load(Relaxed)
    }

    #[inline(always)]
    fn write(&mut self, table: u64, index: usize, entry: u64) {
        entry_of(table, index).store(entry, Relaxed);
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        let update = |old: u64| Some((old & !clear) | set);
        match entry_of(table, index).fetch_update(Relaxed, Relaxed, update) {
            Ok(old) | Err(old) => old,
        }
    }
}

/// An entry of a page table. Processors read and mark it at any time.
#[inline(always)]
fn entry_of(table: u64, index: usize) -> &'static AtomicU64 {
    let address = DIRECT_MAP + table as usize + (index % ENTRIES) * 8;
    // SAFETY: tables are memory of AddressSpace objects, which is in the direct map and used as nothing else while the
    // object lives.
    unsafe { AtomicU64::from_ptr(address as *mut u64) }
}

/// A word of an IPC buffer. The component that has the buffer mapped may write to it at any time.
#[inline(always)]
fn word_of(buffer: usize, index: usize) -> &'static AtomicU64 {
    debug_assert!(index < size_of::<IpcBuffer>() / 8);
    // SAFETY: the buffer is a page of a frame that is bound to a thread, in the direct map; the page ends behind the word.
    unsafe { AtomicU64::from_ptr((buffer + index * 8) as *mut u64) }
}

const SEND_WORD: usize = core::mem::offset_of!(IpcBuffer, send) / 8;
const RECEIVE_WORD: usize = core::mem::offset_of!(IpcBuffer, receive_base) / 8;

impl Memory for Hardware {
    objects! {
        slot, slot_mut, SlotId, Slot;
        thread, thread_mut, ThreadId, Thread;
        sc, sc_mut, ScId, SchedContext;
        endpoint, endpoint_mut, EndpointId, Endpoint;
        notification, notification_mut, NotificationId, Notification;
        reply, reply_mut, ReplyId, Reply;
        timer, timer_mut, TimerId, Timer;
    }

    #[inline(always)]
    fn vcpu(&self, id: VcpuId) -> &Vcpu {
        // SAFETY: as for the other objects; the state lies behind the control block.
        unsafe { &*((id.address() + STATE_OFFSET) as *const Vcpu) }
    }

    #[inline(always)]
    fn vcpu_mut(&mut self, id: VcpuId) -> &mut Vcpu {
        // SAFETY: as above. The processor that has loaded its thread uses it without the lock, in the guest: what is changed
        // here while it does is not what it uses.
        unsafe { &mut *((id.address() + STATE_OFFSET) as *mut Vcpu) }
    }

    fn irq_binding(&self, gsi: u32) -> SlotId {
        let first = BINDINGS.0.get() as usize;
        match SlotId::new(first) {
            Some(first) => first.nth(gsi as usize % IRQS),
            None => unreachable!("a static is not at address 0"),
        }
    }

    #[inline(always)]
    fn address(&self, physical: u64) -> usize {
        DIRECT_MAP + physical as usize
    }

    #[inline(always)]
    fn physical(&self, address: usize) -> u64 {
        (address - DIRECT_MAP) as u64
    }

    fn reaches(&self, physical_end: u64) -> bool {
        physical_end <= DIRECT_MAP_BYTES
    }

    fn zero(&mut self, physical: u64, bytes: u64) {
        let start = self.address(physical) as *mut u8;
        // SAFETY: memory above the watermark of an untyped capability: RAM in the direct map that is nobody's.
        unsafe { start.write_bytes(0, bytes as usize) };
    }

    fn copy_in(&mut self, physical: u64, bytes: &[u8]) {
        let start = self.address(physical) as *mut u8;
        // SAFETY: the caller names the memory of a frame that nobody uses yet and in which the bytes fit.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    #[inline(always)]
    fn word(&self, buffer: usize, index: usize) -> u64 {
        word_of(buffer, index).load(Relaxed)
    }

    #[inline(always)]
    fn set_word(&mut self, buffer: usize, index: usize, value: u64) {
        word_of(buffer, index).store(value, Relaxed);
    }

    fn copy_words(&mut self, from: usize, to: usize, words: usize) {
        for index in 4..words {
            word_of(to, index).store(word_of(from, index).load(Relaxed), Relaxed);
        }
    }

    fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer {
        zerocopy::transmute!(self.word(buffer, SEND_WORD + n))
    }

    fn receive_window(&self, buffer: usize) -> (u32, u32) {
        let word = self.word(buffer, RECEIVE_WORD);
        (word as u32, (word >> 32) as u32)
    }
}

impl Machine for Hardware {
    #[inline(always)]
    fn now(&self) -> u64 {
        time::now_tsc()
    }

    fn ticks(&self, ns: u64) -> u64 {
        time::ns_to_tsc(ns)
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        time::tsc_to_ns(ticks)
    }

    fn tsc_khz(&self) -> u64 {
        time::tsc_khz()
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        match deadline {
            Some(deadline) => apic::timer::arm(deadline),
            None => apic::timer::disarm(),
        }
    }

    fn kick(&mut self, cpu: usize) {
        sync::kick(cpu);
    }

    fn synchronise(&mut self, cpus: u64) {
        sync::synchronise(cpus, Flush::User);
    }

    fn flush_local(&mut self, virt: u64, bytes: u64) {
        switch::flush_user(virt, bytes);
    }

    #[inline]
    fn interrupt_waits(&mut self) -> bool {
        entry::interrupt_window(percpu::current())
    }

    fn apic_id(&self, cpu: usize) -> u32 {
        percpu::get(cpu).map_or(0, |block| block.apic_id())
    }

    fn init_root_table(&mut self, root: u64) {
        let kernel = vm::kernel_pml4();
        for index in ENTRIES / 2..ENTRIES {
            let entry = self.read(kernel, index);
            self.write(root, index, entry);
        }
    }

    fn huge_pages(&self) -> bool {
        cpu::has(cpu::Features::PAGES_1G)
    }

    fn init_fpu(&mut self, area: usize) {
        // SAFETY: the area is the rest of a new thread object: zeroed, aligned to 64, and large enough for what
        // `cpu::init` chose.
        unsafe { fpu::init(area as *mut u8) };
    }

    fn nested(&self) -> Option<Nested> {
        virt::nested()
    }

    fn vcpu_reset(&mut self, id: VcpuId) {
        let physical = self.physical(id.address());
        // SAFETY: a new object.
        unsafe { virt::reset(id, physical) };
    }

    fn vcpu_load(&mut self, id: VcpuId, groups: Groups) {
        // SAFETY: no processor is in its guest, and it has a page.
        unsafe { virt::load_state(id, groups) };
    }

    fn vcpu_store(&mut self, id: VcpuId, groups: Groups) {
        // SAFETY: as above.
        unsafe { virt::store_state(id, groups) };
    }

    fn vcpu_signalled(&mut self, id: VcpuId, word: u64) {
        // SAFETY: as above.
        unsafe { virt::signalled(id, word) };
    }

    fn irq_exists(&self, gsi: u32) -> bool {
        ioapic::exists(gsi)
    }

    fn irq_route(&mut self, gsi: u32, mode: IrqMode, cpu: usize) -> Result<(), Error> {
        let line = Line {
            level: mode.level,
            active_low: mode.low,
        };
        ioapic::route(gsi, self.apic_id(cpu), line).map_err(|_| Error::Unsupported)
    }

    fn irq_mask(&mut self, gsi: u32, masked: bool) {
        if masked {
            ioapic::mask(gsi);
        } else {
            ioapic::unmask(gsi);
        }
    }

    fn port_in(&mut self, port: u16, width: u8) -> u32 {
        // SAFETY: a capability to the port says that its device is the caller's to use.
        unsafe {
            match width {
                1 => x86::io::inb(port) as u32,
                2 => x86::io::inw(port) as u32,
                _ => x86::io::inl(port),
            }
        }
    }

    fn port_out(&mut self, port: u16, width: u8, value: u32) {
        // SAFETY: as above.
        unsafe {
            match width {
                1 => x86::io::outb(port, value as u8),
                2 => x86::io::outw(port, value as u16),
                _ => x86::io::outl(port, value),
            }
        }
    }

    fn trace_attach(&mut self, cpu: usize, buffer: Option<(u64, usize)>) {
        match buffer {
            // SAFETY: the memory of a trace buffer object, which is detached before it ends, and which components
            // can map for reading only.
            Some((physical, bytes)) => unsafe {
                trace::attach(cpu, self.address(physical) as *mut u8, bytes);
            },
            None => trace::detach(cpu),
        }
    }

    fn trace_drain(&mut self, cpu: usize, buffer: usize, bytes: usize) -> (usize, u64, usize) {
        let mut out = [0; MAX_WORDS * 8];
        let length = bytes.min(out.len());
        let drained = trace::drain(cpu, &mut out[..length]);
        let words = out[..drained.bytes.next_multiple_of(8)].chunks_exact(8);
        for (index, chunk) in words.enumerate() {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.set_word(buffer, index, u64::from_le_bytes(word));
        }
        (drained.bytes, drained.lost, drained.left)
    }

    fn note(&mut self, event: Event) {
        events::note(event);
    }

    fn console(&mut self, text: &[u8]) {
        console::write_bytes(text);
    }

    fn halt(&mut self, code: u32) -> ! {
        crate::power::halt(code)
    }
}
