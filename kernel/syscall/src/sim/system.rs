//! A booted system on the simulated machine, with the part of the entry code that matters to the kernel's logic.

use super::live;
use super::machine::SimMachine;
use super::processor::{Mode, POISON, poisoned};
use super::short::ShortWay;
use super::user::Answer;
use crate::boot::{Memory as Piece, Root, Segment};
use crate::check;
use crate::kernel::Kernel;
use crate::{Machine, SyscallArgs};
use pagurus_abi::boot::{BootInfo, ModuleDesc, ROOT_MEMORY_BITS, UntypedDesc};
use pagurus_abi::layout::IMAGE_BASE;
use pagurus_abi::method::ThreadState;
use pagurus_abi::{Kind, Rights};
use pagurus_cap::{Slot, Slots};
use pagurus_ipc::{Env, ThreadId, UserFrame};
use pagurus_paging::{Host, PageSize, Tables};
use pagurus_sched::{Contexts, ScId};
use std::collections::BTreeMap;
use zerocopy::FromZeros;

/// Physical address of simulated memory.
pub const RAM: u64 = 0x100_0000;
/// Where the memory of root's first objects ends and untyped memory begins.
pub const UNTYPED: u64 = RAM + (1 << ROOT_MEMORY_BITS);
/// Physical address of the one boot module.
pub const MODULE: u64 = 0x20_0000;
/// Physical address of device memory.
pub const DEVICE: u64 = 0xfe00_0000;
/// log2 of the bytes of device memory.
pub const DEVICE_BITS: u8 = 20;
/// Slot of the boot module's frame.
pub const MODULE_SLOT: u64 = pagurus_abi::boot::slot::FIRST_DYNAMIC as u64;
/// Slot of the untyped memory.
pub const UNTYPED_SLOT: u64 = MODULE_SLOT + 1;
/// Slot of the device memory.
pub const DEVICE_SLOT: u64 = MODULE_SLOT + 2;
/// First slot of root's CNode that boot leaves empty.
pub const FREE_SLOT: u64 = MODULE_SLOT + 3;
/// Instructions from which system calls are made; each call has its own.
const CALLS: u64 = 0x100_0000;

/// The system to build.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Processors.
    pub cpus: usize,
    /// log2 of the bytes of untyped memory.
    pub untyped_bits: u8,
    /// Check all invariants after every so many entries into the kernel.
    pub check_every: u32,
    /// Deliver inter-processor interrupts at once.
    pub prompt: bool,
    /// System calls take the short way.
    pub short_way: ShortWay,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            cpus: 1,
            untyped_bits: 22,
            check_every: 1,
            prompt: true,
            short_way: ShortWay::Never,
        }
    }
}

/// Why a processor enters the kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Its timer.
    Timer,
    /// Another processor.
    Kick,
    /// It was made to stop in the kernel and gets the lock.
    Lock,
    /// A device.
    Irq(u32),
    /// An exception of the thread that runs.
    Fault {
        /// Vector.
        vector: u64,
        /// Error code.
        code: u64,
        /// Faulting address.
        address: u64,
    },
}

/// The system.
pub struct System {
    /// The kernel and all its objects.
    pub kernel: Box<Kernel<SimMachine>>,
    /// Root's thread.
    pub root: ThreadId,
    pub(super) setup: Setup,
    /// System calls that threads have made and that have no answer yet, with the address of the instruction.
    pub(super) calls: BTreeMap<ThreadId, (u64, SyscallArgs)>,
    pub(super) answers: BTreeMap<ThreadId, Answer>,
    /// System calls that took the short way.
    pub shortened: u64,
    serial: u64,
    entries: u32,
}

impl System {
    /// Boots.
    ///
    /// # Panics
    /// If the kernel cannot.
    pub fn boot(setup: Setup) -> System {
        let bytes = (1u64 << ROOT_MEMORY_BITS) + (1 << setup.untyped_bits);
        let machine = SimMachine::new(setup.cpus, RAM, bytes);
        let mut kernel = Box::new(Kernel::new(machine));
        for cpu in 0..setup.cpus {
            kernel.cpu_online(cpu);
        }
        kernel.enter(0);
        let mut info = Box::new(BootInfo::new_zeroed());
        info.module_count = 1;
        info.modules[0] = ModuleDesc {
            name: [0; 48],
            address: MODULE,
            length: 4096,
            first_slot: 0,
            slot_count: 0,
        };
        info.untyped_count = 2;
        info.untyped[0] = UntypedDesc {
            address: UNTYPED,
            size_bits: setup.untyped_bits,
            ..UntypedDesc::default()
        };
        info.untyped[1] = UntypedDesc {
            address: DEVICE,
            size_bits: DEVICE_BITS,
            device: 1,
            ..UntypedDesc::default()
        };
        let segments = [Segment {
            virt: IMAGE_BASE,
            length: 0x4000,
            offset: 0,
            file: &[0x90; 64],
            rights: Rights::READ | Rights::EXECUTE,
        }];
        let root = Root {
            memory: RAM,
            segments: &segments,
            entry: IMAGE_BASE,
        };
        let mut frames = |module: usize, n: usize| {
            (module == 0 && n == 0).then_some(Piece {
                address: MODULE,
                size_bits: 12,
            })
        };
        let root = kernel
            .boot(&root, &mut info, &mut frames)
            .expect("root starts");
        assert_eq!(info.first_free_slot as u64, FREE_SLOT);
        let mut system = System {
            kernel,
            root,
            setup,
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            shortened: 0,
            serial: 0,
            entries: 0,
        };
        for cpu in 0..setup.cpus {
            system.kernel.machine.processors[cpu].mode = Mode::Kernel;
            system.enter(cpu);
            system.leave(cpu);
        }
        system.settle();
        system.verify();
        system
    }

    /// The processor that runs `t`.
    pub fn cpu_of(&self, t: ThreadId) -> Option<usize> {
        let processors = &self.kernel.machine.processors;
        processors
            .iter()
            .position(|p| matches!(p.mode, Mode::User { thread, .. } if thread == t))
    }

    /// The thread that processor `cpu` runs.
    pub fn running(&self, cpu: usize) -> Option<ThreadId> {
        match self.kernel.machine.processors[cpu].mode {
            Mode::User { thread, .. } => Some(thread),
            _ => None,
        }
    }

    /// The system call that `t` was making when it was stopped, and will make again when it runs.
    pub fn restarting(&self, t: ThreadId) -> Option<SyscallArgs> {
        self.calls.get(&t).map(|(_, args)| *args)
    }

    fn enter(&mut self, cpu: usize) {
        self.kernel.machine.here = cpu;
        self.kernel.enter(cpu);
    }

    /// The thread on `cpu` executes `syscall`.
    pub fn syscall(&mut self, cpu: usize, args: &SyscallArgs) {
        let t = self.trap(cpu, args);
        if !self.short_way(cpu, t, args) {
            self.enter(cpu);
            assert_eq!(self.kernel.loaded(), Some(t), "the kernel knows who runs");
            let entered = self.kernel.thread(t).frame;
            self.kernel.syscall(t, args);
            if self.kernel.loaded() != Some(t) && !live::collect(&self.kernel).threads.contains(&t)
            {
                let frame = self.kernel.thread(t).frame;
                assert_eq!(frame, entered, "the caller is no more, and was written to");
            }
            let continues = self.kernel.continues(t);
            self.leave(cpu);
            assert!(!continues || self.running(cpu) == Some(t));
        }
        self.finish();
    }

    /// The thread on `cpu` executes `syscall` while another processor is in the kernel; [`System::proceed`] goes on.
    pub fn syscall_waits(&mut self, cpu: usize, args: &SyscallArgs) {
        let t = self.trap(cpu, args);
        let frame = &mut self.kernel.thread_mut(t).frame;
        put_args(frame, args);
        self.kernel.machine.processors[cpu].waiting = Some(*args);
    }

    /// The lock is free for the system call of [`System::syscall_waits`].
    pub fn proceed(&mut self, cpu: usize) {
        let args = self.kernel.machine.processors[cpu].waiting.take();
        let args = args.expect("a system call that waits for the lock");
        self.enter(cpu);
        if let Some(t) = self.kernel.loaded() {
            self.kernel.syscall(t, &args);
        }
        self.leave(cpu);
        self.finish();
    }

    /// The entry of a system call: what the thread needs later is stored, the arguments are not.
    fn trap(&mut self, cpu: usize, args: &SyscallArgs) -> ThreadId {
        let mode = self.kernel.machine.processors[cpu].mode;
        let Mode::User { thread, registers } = mode else {
            panic!("processor {cpu} runs no thread: {mode:?}");
        };
        let rip = match self.calls.get(&thread) {
            Some((rip, _)) if *rip == registers.rip => *rip,
            _ => {
                self.serial += 1;
                CALLS + self.serial % 0x1000_0000 * 16
            }
        };
        self.calls.insert(thread, (rip, *args));
        self.answers.remove(&thread);
        let UserFrame {
            rbx,
            rbp,
            r12,
            r13,
            r14,
            r15,
            rsp,
            rflags,
            ..
        } = registers;
        let frame = &mut self.kernel.machine.ram.thread_mut(thread.address()).frame;
        assert_eq!(
            *frame,
            poisoned(),
            "the registers in memory were changed while their thread ran"
        );
        *frame = UserFrame {
            rbx,
            rbp,
            r12,
            r13,
            r14,
            r15,
            rsp,
            rflags,
            rip,
            completed: 0,
            ..*frame
        };
        self.kernel.machine.processors[cpu].mode = Mode::Kernel;
        thread
    }

    /// Processor `cpu` is interrupted.
    pub fn event(&mut self, cpu: usize, event: Event) {
        assert!(self.kernel.machine.processors[cpu].waiting.is_none());
        self.kernel.machine.stop_user(cpu);
        self.enter(cpu);
        match event {
            Event::Timer => self.kernel.timer(),
            Event::Kick => {
                self.kernel.machine.processors[cpu].kicked = false;
                self.kernel.kicked();
            }
            Event::Lock => {}
            Event::Irq(gsi) => self.kernel.interrupt(gsi),
            Event::Fault {
                vector,
                code,
                address,
            } => {
                let t = self.kernel.loaded().expect("a thread that faults");
                self.kernel.fault(t, vector, code, address);
            }
        }
        self.leave(cpu);
        self.finish();
    }

    /// Processor `cpu` is interrupted, and something else is done in the kernel.
    pub fn in_kernel<R>(
        &mut self,
        cpu: usize,
        work: impl FnOnce(&mut Kernel<SimMachine>) -> R,
    ) -> R {
        assert!(self.kernel.machine.processors[cpu].waiting.is_none());
        self.kernel.machine.stop_user(cpu);
        self.enter(cpu);
        let result = work(&mut self.kernel);
        self.leave(cpu);
        self.finish();
        result
    }

    /// A device rings; `false` if its line is masked.
    pub fn ring(&mut self, gsi: u32) -> bool {
        let line = self.kernel.machine.lines[gsi as usize];
        match line.route {
            Some((_, cpu)) if line.unmasked => {
                self.event(cpu, Event::Irq(gsi));
                true
            }
            _ => false,
        }
    }

    /// Lets time pass; timers ring.
    pub fn advance(&mut self, ns: u64) {
        self.kernel.machine.clock += self.kernel.machine.ticks(ns);
        for cpu in 0..self.setup.cpus {
            let clock = self.kernel.machine.clock;
            let p = &mut self.kernel.machine.processors[cpu];
            if p.waiting.is_none() && p.timer.is_some_and(|deadline| deadline <= clock) {
                p.timer = None;
                self.event(cpu, Event::Timer);
            }
        }
    }

    /// Leaves the kernel.
    fn leave(&mut self, cpu: usize) {
        let next = self.kernel.next();
        assert_eq!(self.kernel.loaded(), next, "the kernel knows who runs");
        let Some(t) = next else {
            let p = &mut self.kernel.machine.processors[cpu];
            p.load_tables(0);
            p.mode = Mode::Idle;
            return;
        };
        let elsewhere = (0..64).find(|n| *n != cpu && self.kernel.cpus[*n].loaded == next);
        assert_eq!(elsewhere, None, "a thread on two processors");
        let thread = *self.kernel.thread(t);
        assert_eq!(thread.state, ThreadState::Ready, "what runs is ready");
        assert_ne!(thread.cr3, 0, "what runs has an address space");
        let mut registers = thread.frame;
        for value in [
            registers.rax,
            registers.rdi,
            registers.rsi,
            registers.rdx,
            registers.r10,
            registers.r8,
            registers.r9,
            registers.rbx,
            registers.rsp,
            registers.rip,
            registers.rflags,
        ] {
            assert_ne!(value, POISON, "{t:?} goes on with lost registers");
        }
        match self.calls.get(&t) {
            Some((rip, _)) if registers.rip != *rip => {
                self.calls.remove(&t);
            }
            Some((_, args)) if registers.completed == 0 => {
                let mut expected = registers;
                put_args(&mut expected, args);
                assert_eq!(registers, expected, "{t:?} makes another call again");
            }
            Some(_) => {
                self.calls.remove(&t);
                self.answers.insert(t, Answer::of(&registers));
            }
            None => {}
        }
        if registers.completed != 0 {
            registers.rip += 2;
            registers.completed = 0;
        }
        self.kernel.thread_mut(t).frame = poisoned();
        let p = &mut self.kernel.machine.processors[cpu];
        p.load_tables(thread.cr3);
        p.mode = Mode::User {
            thread: t,
            registers,
        };
    }

    fn finish(&mut self) {
        if self.setup.prompt {
            self.settle();
        }
        self.entries += 1;
        if self.entries.is_multiple_of(self.setup.check_every.max(1)) {
            self.verify();
        }
    }

    /// Why processor `cpu` is about to enter the kernel, if it is.
    pub fn due(&self, cpu: usize) -> Option<Event> {
        let p = &self.kernel.machine.processors[cpu];
        match (p.mode, p.kicked) {
            _ if p.waiting.is_some() => None,
            (_, true) => Some(Event::Kick),
            (Mode::Kernel, false) => Some(Event::Lock),
            (Mode::Idle | Mode::User { .. }, false) => None,
        }
    }

    /// Delivers the inter-processor interrupts that are on their way, and lets processors that were stopped go on.
    pub fn settle(&mut self) {
        while let Some((cpu, event)) =
            (0..self.setup.cpus).find_map(|cpu| Some((cpu, self.due(cpu)?)))
        {
            self.event(cpu, event);
        }
    }

    /// A program reads through its page tables; the processor remembers the translation.
    pub fn touch(&mut self, cpu: usize, virt: u64) -> Option<u64> {
        let root = self.kernel.machine.processors[cpu].tables;
        if root == 0 {
            return None;
        }
        let page = virt & !0xfff;
        let p = &self.kernel.machine.processors[cpu];
        let (phys, rights) = match p.cached.get(&page) {
            Some(cached) => *cached,
            None => {
                let tables = Tables::<Host>::new(root, PageSize::Size1G);
                let found = tables.translate(&self.kernel.machine, page)?;
                (found.phys, found.perms)
            }
        };
        let p = &mut self.kernel.machine.processors[cpu];
        p.cached.insert(page, (phys, rights));
        Some(phys | virt & 0xfff)
    }

    /// An object for people.
    fn describe(&self, slot: &Slot) -> String {
        let k = &self.kernel;
        match (
            slot.kind,
            ThreadId::new(slot.object),
            ScId::new(slot.object),
        ) {
            (Kind::Thread, Some(t), _) => format!("{:x?}", k.thread(t)),
            (Kind::SchedContext, _, Some(sc)) => format!("{:x?}", k.sc(sc)),
            _ => String::new(),
        }
    }

    /// Checks everything that can be checked between two entries into the kernel.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn verify(&mut self) {
        let found = live::collect(&self.kernel);
        self.kernel.machine.ram.sweep(found.memory);
        self.calls.retain(|t, _| found.threads.contains(t));
        self.answers.retain(|t, _| found.threads.contains(t));
        if let Err(violation) = check::all(&self.kernel) {
            let slot = *self.kernel.slot(violation.slot);
            panic!("{violation:x?}: {slot:x?}\n{}", self.describe(&slot));
        }
        for (cpu, p) in self.kernel.machine.processors.iter().enumerate() {
            let tables = Tables::<Host>::new(p.tables, PageSize::Size1G);
            for (virt, cached) in &p.cached {
                let now = tables.translate(&self.kernel.machine, *virt);
                let now = now.map(|found| (found.phys, found.perms));
                assert_eq!(now, Some(*cached), "processor {cpu} remembers {virt:#x}");
            }
        }
    }
}

fn put_args(frame: &mut UserFrame, args: &SyscallArgs) {
    frame.rax = args.rax;
    frame.rdi = args.cap;
    frame.rsi = args.info;
    [frame.rdx, frame.r10, frame.r8, frame.r9] = args.words;
}
