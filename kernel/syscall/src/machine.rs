//! The machine below the kernel's logic.

use crate::event::Event;
use pagurus_abi::Error;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::vcpu::Groups;
use pagurus_cap::{Slot, SlotId};
use pagurus_ipc::{
    Endpoint, EndpointId, Notification, NotificationId, Reply, ReplyId, Thread, ThreadId,
};
use pagurus_paging::PhysMem;
use pagurus_sched::{ScId, SchedContext, Timer, TimerId};
use pagurus_vcpu::{Vcpu, VcpuId};

/// Objects in physical memory.
///
/// Ids are addresses that the kernel's own state holds; every accessor may rely on that. Fresh objects are zeroed
/// memory ([`Memory::zero`]).
pub trait Memory: PhysMem {
    /// The slot at this address.
    fn slot(&self, id: SlotId) -> &Slot;
    /// The slot at this address, to change it.
    fn slot_mut(&mut self, id: SlotId) -> &mut Slot;
    /// The thread at this address.
    fn thread(&self, id: ThreadId) -> &Thread;
    /// The thread at this address, to change it.
    fn thread_mut(&mut self, id: ThreadId) -> &mut Thread;
    /// The scheduling context at this address.
    fn sc(&self, id: ScId) -> &SchedContext;
    /// The scheduling context at this address, to change it.
    fn sc_mut(&mut self, id: ScId) -> &mut SchedContext;
    /// The endpoint at this address.
    fn endpoint(&self, id: EndpointId) -> &Endpoint;
    /// The endpoint at this address, to change it.
    fn endpoint_mut(&mut self, id: EndpointId) -> &mut Endpoint;
    /// The notification at this address.
    fn notification(&self, id: NotificationId) -> &Notification;
    /// The notification at this address, to change it.
    fn notification_mut(&mut self, id: NotificationId) -> &mut Notification;
    /// The reply at this address.
    fn reply(&self, id: ReplyId) -> &Reply;
    /// The reply at this address, to change it.
    fn reply_mut(&mut self, id: ReplyId) -> &mut Reply;
    /// The timer at this address.
    fn timer(&self, id: TimerId) -> &Timer;
    /// The timer at this address, to change it.
    fn timer_mut(&mut self, id: TimerId) -> &mut Timer;

    /// The virtual processor at this address.
    fn vcpu(&self, id: VcpuId) -> &Vcpu;
    /// The virtual processor at this address, to change it.
    fn vcpu_mut(&mut self, id: VcpuId) -> &mut Vcpu;

    /// The slot with the notification of an interrupt line below [`IRQS`](crate::IRQS).
    fn irq_binding(&self, gsi: u32) -> SlotId;

    /// The kernel's address of physical memory.
    fn address(&self, physical: u64) -> usize;
    /// The physical address of a kernel address that [`Memory::address`] gave.
    fn physical(&self, address: usize) -> u64;
    /// Whether the kernel can reach physical memory up to this address (exclusive).
    fn reaches(&self, physical_end: u64) -> bool;
    /// Zeroes physical memory.
    fn zero(&mut self, physical: u64, bytes: u64);

    /// Copies bytes into physical memory.
    fn copy_in(&mut self, physical: u64, bytes: &[u8]);

    /// Word `index` of the IPC buffer at a kernel address.
    fn word(&self, buffer: usize, index: usize) -> u64;
    /// Sets word `index` of the IPC buffer at a kernel address.
    fn set_word(&mut self, buffer: usize, index: usize, value: u64);
    /// Copies words `4..words` from one IPC buffer to another.
    fn copy_words(&mut self, from: usize, to: usize, words: usize);
    /// Capability number `n` to be sent.
    fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer;
    /// First slot and number of slots for received capabilities.
    fn receive_window(&self, buffer: usize) -> (u32, u32);
}

/// How an interrupt line signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqMode {
    /// Level-triggered rather than edge-triggered.
    pub level: bool,
    /// Active low rather than active high.
    pub low: bool,
}

/// Formats of nested page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nested {
    // Not 0: that is no nested table, so that a table without address spaces is all zero and takes no room in the kernel's file.
    /// AMD's.
    Npt = 1,
    /// Intel's.
    Ept = 2,
}

/// Processors, clocks and devices.
pub trait Machine: Memory {
    /// The time stamp counter.
    fn now(&self) -> u64;
    /// Ticks in this many nanoseconds, rounded up.
    fn ticks(&self, ns: u64) -> u64;
    /// Nanoseconds in this many ticks.
    fn nanoseconds(&self, ticks: u64) -> u64;
    /// Frequency of the time stamp counter in kHz.
    fn tsc_khz(&self) -> u64;
    /// Sets the timer of the calling processor; `None` stops it.
    fn set_timer(&mut self, deadline: Option<u64>);

    /// Makes another processor enter the kernel soon, to choose anew what it runs.
    fn kick(&mut self, cpu: usize);
    /// Returns once every processor in `cpus` (bits by number; the calling one may be among them) is in the kernel, with
    /// the registers of the thread that it ran in that thread's frame and FPU area, and uses the kernel's own page
    /// tables, with nothing of other tables left in its translation caches.
    fn synchronise(&mut self, cpus: u64);
    /// Forgets translations of user addresses on the calling processor.
    fn flush_local(&mut self, virt: u64, bytes: u64);
    /// Whether an interrupt waits on the calling processor. May take notice of interrupts, but not act on them.
    fn interrupt_waits(&mut self) -> bool;
    /// Local APIC identifier of a processor.
    fn apic_id(&self, cpu: usize) -> u32;

    /// Fills the upper half of a new root table with the kernel's mappings.
    fn init_root_table(&mut self, root: u64);
    /// Whether 1 GiB pages may be used.
    fn huge_pages(&self) -> bool;
    /// Fresh FPU state for a thread: its area is at this kernel address.
    fn init_fpu(&mut self, area: usize);

    /// How this machine runs guests; `None` if it cannot.
    fn nested(&self) -> Option<Nested>;
    /// Makes a fresh virtual processor one after reset.
    fn vcpu_reset(&mut self, id: VcpuId);
    /// Loads groups of a virtual processor's state from its page, which it has. No processor is in its guest.
    fn vcpu_load(&mut self, id: VcpuId, groups: Groups);
    /// Stores groups of its state into its page, which it has. No processor is in its guest.
    fn vcpu_store(&mut self, id: VcpuId, groups: Groups);
    /// Tells the VMM, by its page, of the signals that ended a run.
    fn vcpu_signalled(&mut self, id: VcpuId, word: u64);

    /// Whether this global system interrupt exists and the kernel does not use it itself.
    fn irq_exists(&self, gsi: u32) -> bool;
    /// Routes a global system interrupt to a processor, masked.
    ///
    /// # Errors
    /// `Unsupported` if the line cannot be used like that.
    fn irq_route(&mut self, gsi: u32, mode: IrqMode, cpu: usize) -> Result<(), Error>;
    /// Masks or unmasks it.
    fn irq_mask(&mut self, gsi: u32, masked: bool);

    /// Reads a port of 1, 2 or 4 bytes.
    fn port_in(&mut self, port: u16, width: u8) -> u32;
    /// Writes a port of 1, 2 or 4 bytes.
    fn port_out(&mut self, port: u16, width: u8, value: u32);

    /// Sends the records of a processor to a buffer (physical address and bytes); `None` back to the kernel's own.
    fn trace_attach(&mut self, cpu: usize, buffer: Option<(u64, usize)>);
    /// Moves the oldest records of a processor into the words of an IPC buffer: bytes moved, bytes lost, bytes left.
    fn trace_drain(&mut self, cpu: usize, buffer: usize, bytes: usize) -> (usize, u64, usize);

    /// Keeps a record of what happened.
    fn note(&mut self, event: Event);
    /// Writes text to the kernel's console.
    fn console(&mut self, text: &[u8]);
    /// Ends the machine.
    fn halt(&mut self, code: u32) -> !;
}
