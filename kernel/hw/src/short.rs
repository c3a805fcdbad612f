//! From the entry code to the short way through the most frequent system calls, and back.
//!
//! The decisions are [`pagurus_syscall::fast`]; here are the lock, the thread that calls and the address space that is
//! switched to.
#![allow(unsafe_code)] // page tables

use crate::machine::{self, Hardware};
use crate::percpu::{self, PerCpu};
use crate::switch;
use core::sync::atomic::Ordering;
use pagurus_abi::MessageInfo;
use pagurus_abi::syscall::second_cap;
use pagurus_ipc::{Env, ThreadId, UserFrame};
use pagurus_syscall::Kernel;
use pagurus_syscall::fast::Delivery;

/// Where the short way leads: a frame and what goes into `rdi`; frame 0 if the general way must be taken.
#[repr(C)]
pub struct Short {
    frame: *const UserFrame,
    rdi: u64,
}

impl Short {
    const NO: Short = Short {
        frame: core::ptr::null(),
        rdi: 0,
    };
}

/// Runs `action` on the kernel for the thread that made a system call on this processor, unless somebody has the lock.
///
/// Without waiting for the lock the thread cannot have been evicted: it ran a moment ago, and this processor has answered
/// nobody since.
#[inline(always)]
fn short(
    action: impl FnOnce(&mut Kernel<Hardware>, &'static PerCpu, ThreadId) -> Option<Short>,
) -> Short {
    let cpu = percpu::current();
    let Some(mut kernel) = machine::kernel().try_lock() else {
        return Short::NO;
    };
    let current = cpu.current.load(Ordering::Relaxed) as usize;
    ThreadId::new(current)
        .and_then(|t| action(&mut kernel, cpu, t))
        .unwrap_or(Short::NO)
}

#[inline(always)]
fn delivered(kernel: &Kernel<Hardware>, cpu: &'static PerCpu, delivery: Delivery) -> Option<Short> {
    let thread = kernel.thread(delivery.to);
    // SAFETY: a thread with an address space and nothing else to load, as the short way has checked.
    unsafe { switch::address_space(cpu, thread) };
    Some(Short {
        frame: &raw const thread.frame,
        rdi: delivery.badge,
    })
}

/// `Call`.
pub extern "C" fn fast_call(cap: u64, info: u64, _rax: u64) -> Short {
    short(|kernel, cpu, t| {
        let delivery = kernel.call_fast(cpu.index(), t, cap, MessageInfo(info))?;
        delivered(kernel, cpu, delivery)
    })
}

/// `ReplyRecv`.
pub extern "C" fn fast_reply_recv(cap: u64, info: u64, rax: u64) -> Short {
    short(|kernel, cpu, t| {
        let info = MessageInfo(info);
        let delivery = kernel.reply_recv_fast(cpu.index(), t, cap, second_cap(rax), info)?;
        delivered(kernel, cpu, delivery)
    })
}

/// `Signal`.
pub extern "C" fn fast_signal(cap: u64, _info: u64, _rax: u64) -> Short {
    short(|kernel, cpu, t| {
        kernel.signal_fast(cpu.index(), t, cap)?;
        let frame = &raw const kernel.thread(t).frame;
        Some(Short { frame, rdi: 0 })
    })
}

/// `Wait`.
pub extern "C" fn fast_wait(cap: u64, _info: u64, _rax: u64) -> Short {
    short(|kernel, cpu, t| {
        let rdi = kernel.wait_fast(cpu.index(), t, cap)?;
        let frame = &raw const kernel.thread(t).frame;
        Some(Short { frame, rdi })
    })
}
