//! The machine under the kernel in simulation.

use super::processor::{Mode, Processor, poisoned};
use super::ram::{DIRECT, Ram};
use crate::event::Event;
use crate::irq::IRQS;
use crate::machine::{IrqMode, Machine, Memory, Nested};
use pagurus_abi::Error;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::vcpu::{Groups, VcpuPage};
use pagurus_cap::{Slot, SlotId};
use pagurus_ipc::{
    Endpoint, EndpointId, Notification, NotificationId, Reply, ReplyId, Thread, ThreadId,
};
use pagurus_paging::PhysMem;
use pagurus_sched::{ScId, SchedContext, Timer, TimerId};
use pagurus_vcpu::object::STATE_OFFSET;
use pagurus_vcpu::{Vcpu, VcpuId};
use std::collections::BTreeMap;

/// Ticks of the simulated time stamp counter in a nanosecond.
pub const TICKS_PER_NS: u64 = 2;
/// Kernel address of the slots for interrupt bindings.
const IRQ_SLOTS: usize = 0x7000_0000_0000;
/// A line that the kernel keeps for itself.
pub const KERNEL_IRQ: u32 = 2;
/// A line that cannot be routed.
pub const UNROUTABLE_IRQ: u32 = 46;
/// Lines that exist.
pub const LINES: u32 = 48;

/// Word of the page of a virtual processor with the first detail of an exit.
pub const INFO_WORD: usize = core::mem::offset_of!(VcpuPage, info) / 8;

/// When preemption points find an interrupt waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Preemption {
    /// Never.
    #[default]
    Never,
    /// Always: every operation stops after each step.
    Always,
    /// At the preemption point number `n` from now (0 is the next), once.
    At(u32),
    /// At random, once in `one_in`.
    Random {
        /// State of the generator.
        seed: u64,
        /// Mean distance.
        one_in: u32,
    },
}

/// Payload of the panic with which the simulated machine ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Halted(pub u32);

/// One interrupt line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// How and to which processor it is routed.
    pub route: Option<(IrqMode, usize)>,
    /// It can ring.
    pub unmasked: bool,
}

/// Memory, processors and devices.
#[derive(Clone, Debug, PartialEq)]
pub struct SimMachine {
    /// Memory.
    pub ram: Ram,
    /// Processors that exist.
    pub processors: Vec<Processor>,
    /// The processor that is in the kernel.
    pub here: usize,
    /// Time stamp counter.
    pub clock: u64,
    /// Interrupts at preemption points.
    pub preemption: Preemption,
    /// Interrupt lines.
    pub lines: [Line; LINES as usize],
    irq_slots: Vec<Slot>,
    /// Values written to ports, by port; reads give the last value.
    pub ports: BTreeMap<u16, u32>,
    /// Where processors' trace records go.
    pub traces: BTreeMap<usize, (u64, usize)>,
    /// Bytes of trace records waiting, by processor.
    pub trace_bytes: BTreeMap<usize, usize>,
    /// What was recorded.
    pub events: Vec<Event>,
    /// Text written to the console.
    pub console: Vec<u8>,
    /// Calls of `synchronise`, as masks.
    pub synchronised: Vec<u64>,
    /// 1 GiB pages exist.
    pub huge_pages: bool,
    /// How guests are run, if they are.
    pub nested: Option<Nested>,
    /// State moved between virtual processors and their pages: whether it was loaded, and the groups.
    pub moved: Vec<(VcpuId, bool, Groups)>,
}

impl SimMachine {
    /// A machine with `cpus` processors and memory at `[base, base + bytes)`.
    pub fn new(cpus: usize, base: u64, bytes: u64) -> SimMachine {
        SimMachine {
            ram: Ram::new(base, bytes),
            processors: vec![Processor::default(); cpus],
            here: 0,
            clock: 1000,
            preemption: Preemption::Never,
            lines: [Line::default(); LINES as usize],
            irq_slots: vec![Slot::EMPTY; IRQS],
            ports: BTreeMap::new(),
            traces: BTreeMap::new(),
            trace_bytes: BTreeMap::new(),
            events: Vec::new(),
            console: Vec::new(),
            synchronised: Vec::new(),
            huge_pages: true,
            nested: Some(Nested::Npt),
            moved: Vec::new(),
        }
    }

    fn irq_slot_number(id: SlotId) -> Option<usize> {
        let offset = id.address().checked_sub(IRQ_SLOTS)?;
        (offset / SlotId::SIZE < IRQS).then_some(offset / SlotId::SIZE)
    }

    /// Nobody runs a virtual processor whose state is moved, and it has a page.
    fn assert_stopped(&self, id: VcpuId) {
        let vcpu = self.vcpu(id);
        assert_ne!(vcpu.page, 0);
        for processor in &self.processors {
            if let Mode::User { thread, .. } = processor.mode {
                assert_ne!(thread.address(), vcpu.thread, "in its guest");
            }
        }
    }

    /// The processor stops in the kernel, with the registers of its thread in memory.
    pub fn stop_user(&mut self, cpu: usize) {
        if let Mode::User { thread, registers } = self.processors[cpu].mode {
            let frame = &mut self.ram.thread_mut(thread.address()).frame;
            assert_eq!(
                *frame,
                poisoned(),
                "the registers in memory were changed while their thread ran"
            );
            *frame = registers;
        }
        self.processors[cpu].mode = Mode::Kernel;
    }
}

impl PhysMem for SimMachine {
    fn read(&self, table: u64, index: usize) -> u64 {
        self.ram.table_entry(table, index)
    }

    fn write(&mut self, table: u64, index: usize, entry: u64) {
        *self.ram.table_entry_mut(table, index) = entry;
    }

    fn modify(&mut self, table: u64, index: usize, clear: u64, set: u64) -> u64 {
        let entry = self.ram.table_entry_mut(table, index);
        let was = *entry;
        *entry = was & !clear | set;
        was
    }
}

macro_rules! objects {
    ($($get:ident, $get_mut:ident, $id:ty, $object:ty;)*) => { $(
        fn $get(&self, id: $id) -> &$object {
            self.ram.$get(id.address())
        }

        fn $get_mut(&mut self, id: $id) -> &mut $object {
            self.ram.$get_mut(id.address())
        }
    )* };
}

impl Memory for SimMachine {
    objects! {
        thread, thread_mut, ThreadId, Thread;
        sc, sc_mut, ScId, SchedContext;
        endpoint, endpoint_mut, EndpointId, Endpoint;
        notification, notification_mut, NotificationId, Notification;
        reply, reply_mut, ReplyId, Reply;
        timer, timer_mut, TimerId, Timer;
    }

    fn vcpu(&self, id: VcpuId) -> &Vcpu {
        self.ram.vcpu(id.address() + STATE_OFFSET)
    }

    fn vcpu_mut(&mut self, id: VcpuId) -> &mut Vcpu {
        self.ram.vcpu_mut(id.address() + STATE_OFFSET)
    }

    fn slot(&self, id: SlotId) -> &Slot {
        match Self::irq_slot_number(id) {
            Some(n) => &self.irq_slots[n],
            None => self.ram.slot(id.address()),
        }
    }

    fn slot_mut(&mut self, id: SlotId) -> &mut Slot {
        match Self::irq_slot_number(id) {
            Some(n) => &mut self.irq_slots[n],
            None => self.ram.slot_mut(id.address()),
        }
    }

    fn irq_binding(&self, gsi: u32) -> SlotId {
        assert!((gsi as usize) < IRQS, "interrupt {gsi} is out of range");
        SlotId::new(IRQ_SLOTS + gsi as usize * SlotId::SIZE).expect("not 0")
    }

    fn address(&self, physical: u64) -> usize {
        DIRECT + physical as usize
    }

    fn physical(&self, address: usize) -> u64 {
        (address - DIRECT) as u64
    }

    fn reaches(&self, physical_end: u64) -> bool {
        physical_end <= self.ram.end()
    }

    fn zero(&mut self, physical: u64, bytes: u64) {
        for processor in &self.processors {
            for (virt, (phys, _)) in &processor.cached {
                let gone = *phys < physical + bytes && physical < *phys + 4096;
                assert!(!gone, "a processor still reaches {phys:#x} at {virt:#x}");
            }
        }
        self.ram.zero(physical, bytes);
    }

    fn copy_in(&mut self, physical: u64, bytes: &[u8]) {
        self.ram.copy_in(physical, bytes);
    }

    fn word(&self, buffer: usize, index: usize) -> u64 {
        self.ram.word(buffer, index)
    }

    fn set_word(&mut self, buffer: usize, index: usize, value: u64) {
        self.ram.set_word(buffer, index, value);
    }

    fn copy_words(&mut self, from: usize, to: usize, words: usize) {
        for index in 4..words {
            let value = self.ram.word(from, index);
            self.ram.set_word(to, index, value);
        }
    }

    fn cap_to_send(&self, buffer: usize, n: usize) -> CapTransfer {
        self.ram.cap_to_send(buffer, n)
    }

    fn receive_window(&self, buffer: usize) -> (u32, u32) {
        self.ram.receive_window(buffer)
    }
}

impl Machine for SimMachine {
    fn now(&self) -> u64 {
        self.clock
    }

    fn ticks(&self, ns: u64) -> u64 {
        ns * TICKS_PER_NS
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        ticks / TICKS_PER_NS
    }

    fn tsc_khz(&self) -> u64 {
        TICKS_PER_NS * 1_000_000
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        self.processors[self.here].timer = deadline;
    }

    fn kick(&mut self, cpu: usize) {
        assert_ne!(cpu, self.here, "a processor does not kick itself");
        self.processors[cpu].kicked = true;
    }

    fn synchronise(&mut self, cpus: u64) {
        self.synchronised.push(cpus);
        for cpu in (0..64).filter(|n| cpus >> n & 1 != 0) {
            assert!(cpu < self.processors.len(), "processor {cpu} does not run");
            self.stop_user(cpu);
            self.processors[cpu].load_tables(0);
        }
    }

    fn flush_local(&mut self, virt: u64, bytes: u64) {
        let end = virt.saturating_add(bytes);
        self.processors[self.here]
            .cached
            .retain(|page, _| *page < virt || *page >= end);
    }

    fn interrupt_waits(&mut self) -> bool {
        match &mut self.preemption {
            Preemption::Never => false,
            Preemption::Always => true,
            Preemption::At(0) => {
                self.preemption = Preemption::Never;
                true
            }
            Preemption::At(n) => {
                *n -= 1;
                false
            }
            Preemption::Random { seed, one_in } => {
                super::random(seed).is_multiple_of((*one_in).max(1) as u64)
            }
        }
    }

    fn apic_id(&self, cpu: usize) -> u32 {
        cpu as u32 * 2
    }

    fn init_root_table(&mut self, root: u64) {
        for index in 256..512 {
            self.write(root, index, 0x63 | (index as u64) << 32);
        }
    }

    fn huge_pages(&self) -> bool {
        self.huge_pages
    }

    fn init_fpu(&mut self, area: usize) {
        self.ram.init_fpu(area);
    }

    fn irq_exists(&self, gsi: u32) -> bool {
        gsi < LINES && gsi != KERNEL_IRQ
    }

    fn irq_route(&mut self, gsi: u32, mode: IrqMode, cpu: usize) -> Result<(), Error> {
        if gsi == UNROUTABLE_IRQ {
            return Err(Error::Unsupported);
        }
        self.lines[gsi as usize] = Line {
            route: Some((mode, cpu)),
            unmasked: false,
        };
        Ok(())
    }

    fn irq_mask(&mut self, gsi: u32, masked: bool) {
        self.lines[gsi as usize].unmasked = !masked;
    }

    fn port_in(&mut self, port: u16, width: u8) -> u32 {
        let value = self.ports.get(&port).copied().unwrap_or(u32::MAX);
        value & (u32::MAX >> (32 - 8 * width as u32))
    }

    fn port_out(&mut self, port: u16, width: u8, value: u32) {
        let value = value & (u32::MAX >> (32 - 8 * width as u32));
        self.ports.insert(port, value);
    }

    fn trace_attach(&mut self, cpu: usize, buffer: Option<(u64, usize)>) {
        match buffer {
            Some(buffer) => self.traces.insert(cpu, buffer),
            None => self.traces.remove(&cpu),
        };
    }

    fn trace_drain(&mut self, cpu: usize, buffer: usize, bytes: usize) -> (usize, u64, usize) {
        let waiting = self.trace_bytes.entry(cpu).or_default();
        let moved = bytes.min(*waiting);
        *waiting -= moved;
        let left = *waiting;
        for index in 0..moved.div_ceil(8) {
            self.set_word(buffer, index, u64::MAX);
        }
        (moved, 0, left)
    }

    fn nested(&self) -> Option<Nested> {
        self.nested
    }

    fn vcpu_reset(&mut self, id: VcpuId) {
        let block = self.physical(id.address());
        self.vcpu_mut(id).block = block;
    }

    fn vcpu_load(&mut self, id: VcpuId, groups: Groups) {
        self.assert_stopped(id);
        self.moved.push((id, true, groups));
    }

    fn vcpu_store(&mut self, id: VcpuId, groups: Groups) {
        self.assert_stopped(id);
        self.moved.push((id, false, groups));
    }

    fn vcpu_signalled(&mut self, id: VcpuId, word: u64) {
        let page = self.vcpu(id).page;
        self.set_word(page, INFO_WORD, word);
    }

    fn note(&mut self, event: Event) {
        self.events.push(event);
    }

    fn console(&mut self, text: &[u8]) {
        self.console.extend_from_slice(text);
    }

    fn halt(&mut self, code: u32) -> ! {
        std::panic::panic_any(Halted(code))
    }
}
