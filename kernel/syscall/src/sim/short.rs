//! The short way through system calls ([`crate::fast`]), as the entry code takes it, compared with the general way.

use super::machine::SimMachine;
use super::processor::{Mode, poisoned};
use super::system::System;
use super::user::Answer;
use crate::SyscallArgs;
use crate::kernel::Kernel;
use pagurus_abi::syscall::second_cap;
use pagurus_abi::{MessageInfo, Syscall};
use pagurus_ipc::{Env, ThreadId, UserFrame};

/// Which system calls take the short way if they can.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ShortWay {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// All, and the state must be the same as by the general way.
    Compared,
}

/// Who goes on by the short way, and its registers.
struct Outcome {
    to: ThreadId,
    registers: UserFrame,
}

fn short(
    k: &mut Kernel<SimMachine>,
    cpu: usize,
    t: ThreadId,
    args: &SyscallArgs,
) -> Option<Outcome> {
    let info = MessageInfo(args.info);
    let delivery = match Syscall::from_rax(args.rax)? {
        Syscall::Call => Some(k.call_fast(cpu, t, args.cap, info)?),
        Syscall::ReplyRecv => {
            Some(k.reply_recv_fast(cpu, t, args.cap, second_cap(args.rax), info)?)
        }
        _ => None,
    };
    if let Some(delivery) = delivery {
        let mut registers = k.thread(delivery.to).frame;
        registers.complete_with(args.words);
        registers.rdi = delivery.badge;
        registers.rsi = args.info;
        return Some(Outcome {
            to: delivery.to,
            registers,
        });
    }
    let rdi = match Syscall::from_rax(args.rax)? {
        Syscall::Signal => k.signal_fast(cpu, t, args.cap).map(|()| 0)?,
        Syscall::Wait => k.wait_fast(cpu, t, args.cap)?,
        _ => return None,
    };
    let mut registers = k.thread(t).frame;
    registers.complete(0);
    registers.rdi = rdi;
    Some(Outcome { to: t, registers })
}

/// What the two ways may leave different: registers in memory that nobody reads any more, and what was counted.
fn forget(k: &mut Kernel<SimMachine>, threads: [ThreadId; 2]) {
    for t in threads {
        k.thread_mut(t).frame = poisoned();
    }
    k.counters = Default::default();
    k.caller = None;
}

impl System {
    /// Takes the short way for the call of thread `t`, whose entry has been made; `false` if it must be the general one.
    pub(super) fn short_way(&mut self, cpu: usize, t: ThreadId, args: &SyscallArgs) -> bool {
        if self.setup.short_way == ShortWay::Never {
            return false;
        }
        let compared = self.setup.short_way == ShortWay::Compared;
        let before = compared.then(|| self.kernel.clone());
        self.kernel.machine.here = cpu;
        let Some(outcome) = short(&mut self.kernel, cpu, t, args) else {
            if let Some(before) = before {
                let mut now = self.kernel.clone();
                now.machine.here = before.machine.here;
                assert!(
                    *now == *before,
                    "the short way gave up and changed something"
                );
            }
            return false;
        };
        self.shortened += 1;
        if let Some(mut other) = before {
            other.machine.here = cpu;
            other.enter(cpu);
            other.syscall(t, args);
            assert_eq!(other.next(), Some(outcome.to), "who goes on");
            let frame = other.thread(outcome.to).frame;
            assert_eq!(frame, outcome.registers, "the registers of who goes on");
            let mut this = self.kernel.clone();
            this.here = other.here;
            forget(&mut this, [t, outcome.to]);
            forget(&mut other, [t, outcome.to]);
            assert!(*this == *other, "the two ways leave different states");
        }
        self.go_on(cpu, outcome.to, outcome.registers);
        true
    }

    /// Processor `cpu` returns to a thread whose page tables the kernel has made sure of.
    fn go_on(&mut self, cpu: usize, t: ThreadId, mut registers: UserFrame) {
        self.calls.remove(&t);
        self.answers.insert(t, Answer::of(&registers));
        registers.rip += 2;
        registers.completed = 0;
        let cr3 = self.kernel.thread(t).cr3;
        assert_ne!(cr3, 0, "what runs has an address space");
        self.kernel.thread_mut(t).frame = poisoned();
        let p = &mut self.kernel.machine.processors[cpu];
        p.load_tables(cr3);
        p.mode = Mode::User {
            thread: t,
            registers,
        };
    }
}
