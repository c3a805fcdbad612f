//! What programs do: system calls with their arguments in place.

use super::system::System;
use crate::SyscallArgs;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::method::{Method, MethodInfo};
use pagurus_abi::{Error, Kind, MessageInfo, Syscall};
use pagurus_ipc::{Env, ThreadId, UserFrame};

/// What a system call left in the registers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// 0 or the number of an error.
    pub code: u64,
    /// Badge.
    pub badge: u64,
    /// Description of the message.
    pub info: MessageInfo,
    /// Words or results.
    pub words: [u64; 4],
}

impl Answer {
    pub(super) fn of(frame: &UserFrame) -> Answer {
        Answer {
            code: frame.rax,
            badge: frame.rdi,
            info: MessageInfo(frame.rsi),
            words: frame.words(),
        }
    }

    /// The words, or the error.
    pub fn result(&self) -> Result<[u64; 4], Error> {
        match self.code {
            0 => Ok(self.words),
            code => Err(Error::from_u32(code as u32).expect("a number that is an error")),
        }
    }
}

/// The parameter of [`Method::UntypedRetype`].
pub const fn retype_info(kind: Kind, size_bits: u8) -> u64 {
    kind as u64 | (size_bits as u64) << 8
}

/// Whether a call that is made again means that the thread is in its guest, until something brings it back.
pub(super) fn enters_guest(args: &SyscallArgs) -> bool {
    Syscall::from_rax(args.rax) == Some(Syscall::Run)
}

impl System {
    /// `t`, which runs, makes a system call, as often as it takes; `None` if it waits, or is no more.
    ///
    /// # Panics
    /// If it does not run.
    pub fn make(&mut self, t: ThreadId, args: SyscallArgs) -> Option<Answer> {
        let cpu = self.cpu_of(t);
        self.syscall(cpu.unwrap_or_else(|| panic!("{t:?} does not run")), &args);
        while let (Some(args), Some(cpu)) = (self.restarting(t), self.cpu_of(t)) {
            if enters_guest(&args) {
                break;
            }
            self.syscall(cpu, &args);
        }
        self.answer(t)
    }

    /// The answer that `t` has got and not been asked for, once it runs again.
    pub fn answer(&mut self, t: ThreadId) -> Option<Answer> {
        self.answers.remove(&t)
    }

    /// `t` calls a method and gets its results.
    ///
    /// # Errors
    /// The kernel's.
    ///
    /// # Panics
    /// If `t` does not go on.
    pub fn invoke(
        &mut self,
        t: ThreadId,
        cap: u64,
        method: Method,
        p: u64,
        a: [u64; 4],
    ) -> Result<[u64; 4], Error> {
        let answer = self.make(t, invocation(cap, method, p, a));
        answer.expect("the caller goes on").result()
    }

    /// `t` makes a system call for communication; `second` is the second capability.
    pub fn ipc(
        &mut self,
        t: ThreadId,
        call: Syscall,
        cap: u64,
        second: u32,
        info: MessageInfo,
        words: [u64; 4],
    ) -> Option<Answer> {
        let args = SyscallArgs {
            rax: call.rax(second),
            cap,
            info: info.0,
            words,
        };
        self.make(t, args)
    }

    /// `t` makes `count` objects.
    ///
    /// # Errors
    /// The kernel's.
    pub fn retype(
        &mut self,
        t: ThreadId,
        untyped: u64,
        kind: Kind,
        size_bits: u8,
        dest: (u64, u64),
        count: u64,
    ) -> Result<(), Error> {
        let a = [dest.0, dest.1, 0, count];
        self.invoke(
            t,
            untyped,
            Method::UntypedRetype,
            retype_info(kind, size_bits),
            a,
        )
        .map(|_| ())
    }

    /// `t` writes word `index` of its IPC buffer.
    pub fn write_word(&mut self, t: ThreadId, index: usize, value: u64) {
        let buffer = self.kernel.thread(t).buffer;
        self.kernel.machine.ram.set_word(buffer, index, value);
    }

    /// `t` reads word `index` of its IPC buffer.
    pub fn read_word(&self, t: ThreadId, index: usize) -> u64 {
        let buffer = self.kernel.thread(t).buffer;
        self.kernel.machine.ram.word(buffer, index)
    }

    /// `t` names capability number `n` to be sent.
    pub fn offer_cap(&mut self, t: ThreadId, n: usize, cap: CapTransfer) {
        let buffer = self.kernel.thread(t).buffer;
        self.kernel.machine.ram.set_cap_to_send(buffer, n, cap);
    }

    /// `t` names slots for received capabilities.
    pub fn set_window(&mut self, t: ThreadId, base: u32, count: u32) {
        let buffer = self.kernel.thread(t).buffer;
        self.kernel
            .machine
            .ram
            .set_receive_window(buffer, base, count);
    }
}

/// The registers of a method call.
pub const fn invocation(cap: u64, method: Method, p: u64, a: [u64; 4]) -> SyscallArgs {
    SyscallArgs {
        rax: Syscall::Invoke as u64,
        cap,
        info: MethodInfo::new(method, p).0,
        words: a,
    }
}
