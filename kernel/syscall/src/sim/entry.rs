//! The ways into the kernel and out of it.

use super::live;
use super::machine::SimMachine;
use super::processor::{Mode, POISON, poisoned};
use super::system::{Event, System};
use super::user::Answer;
use super::user::enters_guest;
use crate::SyscallArgs;
use crate::kernel::Kernel;
use pagurus_abi::method::ThreadState;
use pagurus_ipc::{Env, ThreadId, UserFrame};

/// Instructions from which system calls are made; each call has its own.
const CALLS: u64 = 0x100_0000;

impl System {
    pub(super) fn enter(&mut self, cpu: usize) {
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
            Event::Timer => self.kernel.timer_rang(),
            Event::Kick => {
                self.kernel.machine.processors[cpu].kicked = false;
                self.kernel.kicked();
            }
            Event::Lock => {}
            Event::Irq(gsi) => {
                self.kernel.machine.lines[gsi as usize].unmasked = false;
                self.kernel.interrupt(gsi);
            }
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
        // A guest was left for this; its thread looks for signals and enters it again.
        if let Some(t) = self.running(cpu)
            && let Some(args) = self.restarting(t)
            && enters_guest(&args)
        {
            self.syscall(cpu, &args);
            return;
        }
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

    /// Leaves the kernel.
    pub(super) fn leave(&mut self, cpu: usize) {
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
}

fn put_args(frame: &mut UserFrame, args: &SyscallArgs) {
    frame.rax = args.rax;
    frame.rdi = args.cap;
    frame.rsi = args.info;
    [frame.rdx, frame.r10, frame.r8, frame.r9] = args.words;
}
