//! From registers to operations.

use crate::kernel::Kernel;
use crate::machine::Machine;
use pagurus_abi::syscall::second_cap;
use pagurus_abi::{Error, MessageInfo, Syscall};
use pagurus_ipc::{Env, ThreadId};

/// The registers of a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyscallArgs {
    /// Number and second capability.
    pub rax: u64,
    /// Capability.
    pub cap: u64,
    /// Description of the message or method.
    pub info: u64,
    /// Message words or arguments.
    pub words: [u64; 4],
}

/// How a system call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// With these results.
    Results([u64; 4]),
    /// The thread's registers have been, or will be, set by whoever completes it.
    Elsewhere,
    /// It stopped at a preemption point and is to be made again.
    Restart,
}

impl Completion {
    /// Success without results.
    pub const OK: Completion = Completion::Results([0; 4]);
}

impl<M: Machine> Kernel<M> {
    /// Thread `t`, which runs on this processor, makes a system call.
    ///
    /// Its frame has everything but the arguments, and would start the system call again
    /// ([`UserFrame::completed`](pagurus_ipc::UserFrame::completed) is 0). Afterwards [`Kernel::next`] tells who goes on.
    #[inline]
    pub fn syscall(&mut self, t: ThreadId, args: &SyscallArgs) {
        self.counters.syscalls += 1;
        let cap = args.cap;
        let info = MessageInfo(args.info);
        let result = match Syscall::from_rax(args.rax) {
            Some(Syscall::Call) => self.call(t, cap, info, args),
            Some(Syscall::ReplyRecv) => self.reply_recv(t, cap, second_cap(args.rax), info, args),
            Some(call) => self.other(t, call, args),
            None => Err(Error::InvalidCall),
        };
        match result {
            Ok(Completion::Elsewhere) => {}
            other => self.complete(t, other, args),
        }
    }

    #[inline(never)]
    fn other(
        &mut self,
        t: ThreadId,
        call: Syscall,
        args: &SyscallArgs,
    ) -> Result<Completion, Error> {
        let cap = args.cap;
        let info = MessageInfo(args.info);
        let second = second_cap(args.rax);
        match call {
            Syscall::Invoke => {
                self.caller = Some(t);
                let result = self.invoke(t, args);
                // A thread can end itself by a method; its memory is then no thread's any more.
                match self.caller {
                    Some(_) => result,
                    None => Ok(Completion::Elsewhere),
                }
            }
            Syscall::Call => self.call(t, cap, info, args),
            Syscall::Send => self.send(t, cap, info, args, true),
            Syscall::TrySend => self.send(t, cap, info, args, false),
            Syscall::Recv => self.recv(t, cap, second, true),
            Syscall::TryRecv => self.recv(t, cap, second, false),
            Syscall::Reply => self.reply(t, cap, info, args),
            Syscall::ReplyRecv => self.reply_recv(t, cap, second, info, args),
            Syscall::Signal => self.signal(t, cap),
            Syscall::Wait => self.wait(t, cap),
            Syscall::Poll => self.poll(t, cap),
            Syscall::Yield => self.yield_now(),
            Syscall::Run => self.run(t, cap),
        }
    }

    /// Puts the outcome into the thread's registers.
    #[inline(never)]
    fn complete(&mut self, t: ThreadId, result: Result<Completion, Error>, args: &SyscallArgs) {
        match result {
            Ok(Completion::Results(r)) => self.thread_mut(t).frame.complete_with(r),
            Err(error) => self.thread_mut(t).frame.fail(error),
            Ok(Completion::Elsewhere) => {}
            Ok(Completion::Restart) => self.keep_args(t, args),
        }
    }

    /// Keeps the arguments in the thread's registers, so that the system call can be made again.
    pub fn keep_args(&mut self, t: ThreadId, args: &SyscallArgs) {
        let f = &mut self.thread_mut(t).frame;
        f.rax = args.rax;
        f.rdi = args.cap;
        f.rsi = args.info;
        [f.rdx, f.r10, f.r8, f.r9] = args.words;
        f.completed = 0;
    }
}
