//! System calls as they are: registers in, registers out. The typed calls are in [`object`](crate::object).
//!
//! Instruction by instruction a call costs what its arguments cost to load, and `syscall`: the kernel
//! keeps every register that carries no result, so nothing is saved here.
// The `syscall` instruction.
#![allow(unsafe_code)]

use pagurus_abi::method::{Method, MethodInfo};
use pagurus_abi::{Error, MessageInfo, Syscall};

/// The registers of a system call; see [`pagurus_abi::syscall`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// In: the call and the second capability. Out: 0 or the error.
    pub rax: u64,
    /// In: the capability. Out: the badge.
    pub rdi: u64,
    /// In and out: `MessageInfo` or `MethodInfo`.
    pub rsi: u64,
    /// `rdx`, `r10`, `r8`, `r9`: message words, arguments, results.
    pub words: [u64; 4],
}

/// Enters the kernel.
///
/// This is a safe function because the kernel changes no memory of this component but its IPC buffer, which
/// [`ipc_buffer`](crate::ipc_buffer) treats accordingly. What a call does to capabilities, mappings and
/// threads is checked by the kernel; to unmap memory in use ends in a fault, as a stack overflow does.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn enter(mut r: Registers) -> Registers {
    // SAFETY: the registers are declared as the kernel's contract has them; memory is not declared
    // untouched, so the compiler keeps nothing of the IPC buffer in registers across the call.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") r.rax,
            inlateout("rdi") r.rdi,
            inlateout("rsi") r.rsi,
            inlateout("rdx") r.words[0],
            inlateout("r10") r.words[1],
            inlateout("r8") r.words[2],
            inlateout("r9") r.words[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    r
}

/// Asks the kernel that the test installed.
#[cfg(not(target_os = "none"))]
pub fn enter(r: Registers) -> Registers {
    crate::host::enter(r)
}

/// The error in `rax`.
#[inline(always)]
pub fn result(rax: u64) -> Result<(), Error> {
    if rax == 0 {
        return Ok(());
    }
    Err(error(rax))
}

#[cold]
fn error(rax: u64) -> Error {
    // A number that this build does not know can come from a newer kernel only.
    u32::try_from(rax)
        .ok()
        .and_then(Error::from_u32)
        .unwrap_or(Error::InvalidCall)
}

/// Calls a method of the object that `cap` names.
///
/// # Errors
/// Whatever the kernel refuses it for.
#[inline(always)]
pub fn invoke(cap: u32, method: Method, parameter: u64, args: [u64; 4]) -> Result<[u64; 4], Error> {
    let out = enter(Registers {
        rax: Syscall::Invoke.rax(0),
        rdi: cap.into(),
        rsi: MethodInfo::new(method, parameter).0,
        words: args,
    });
    result(out.rax)?;
    Ok(out.words)
}

/// What a receive, or the answer to a call, brings. The words after the fourth are in the IPC buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Badge of the capability that the sender used, or the signals.
    pub badge: u64,
    /// Describes the message.
    pub info: MessageInfo,
    /// The first four words.
    pub words: [u64; 4],
}

/// A system call that passes a message.
///
/// # Errors
/// Whatever the kernel refuses it for.
#[inline(always)]
pub fn message(
    call: Syscall,
    cap: u32,
    second: u32,
    info: MessageInfo,
    words: [u64; 4],
) -> Result<Received, Error> {
    let out = enter(Registers {
        rax: call.rax(second),
        rdi: cap.into(),
        rsi: info.0,
        words,
    });
    result(out.rax)?;
    Ok(Received {
        badge: out.rdi,
        info: MessageInfo(out.rsi),
        words: out.words,
    })
}

/// `Yield`: lets others of the same priority run; ends the budget of this period.
pub fn yield_now() {
    // The kernel has nothing to refuse here.
    let _ = message(Syscall::Yield, 0, 0, MessageInfo(0), [0; 4]);
}
