//! Simulated processors: what is in their registers and translation caches.

use pagurus_abi::Rights;
use pagurus_ipc::{ThreadId, UserFrame};
use std::collections::BTreeMap;

/// What a processor does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Mode {
    /// It waits for an interrupt.
    #[default]
    Idle,
    /// It runs a thread, whose registers are in the processor and not in memory.
    User {
        /// The thread.
        thread: ThreadId,
        /// Its registers.
        registers: UserFrame,
    },
    /// It is in the kernel, or waits to get in; the registers of the thread it ran are in memory.
    Kernel,
}

/// A processor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processor {
    /// What it does.
    pub mode: Mode,
    /// Physical address of the root table in use, 0 for the kernel's own.
    pub tables: u64,
    /// Cached translations of user pages: virtual page to physical page and rights.
    pub cached: BTreeMap<u64, (u64, Rights)>,
    /// When its timer rings.
    pub timer: Option<u64>,
    /// Another processor wants it to enter the kernel.
    pub kicked: bool,
    /// A capability-system call that it is about to make, waiting for the kernel's lock.
    pub waiting: Option<crate::SyscallArgs>,
}

impl Processor {
    /// Loads page tables; another root drops every cached translation.
    pub fn load_tables(&mut self, root: u64) {
        if self.tables != root {
            self.tables = root;
            self.cached.clear();
        }
    }
}

/// What is written over the registers in memory of a thread that runs: whoever uses them without having stopped the
/// thread gets this.
pub const POISON: u64 = 0xdead_0000_dead_0000;

/// A frame that nobody may use.
pub fn poisoned() -> UserFrame {
    UserFrame {
        rax: POISON,
        rdi: POISON,
        rsi: POISON,
        rdx: POISON,
        r10: POISON,
        r8: POISON,
        r9: POISON,
        rbx: POISON,
        rbp: POISON,
        r12: POISON,
        r13: POISON,
        r14: POISON,
        r15: POISON,
        rsp: POISON,
        rip: POISON,
        rflags: POISON,
        rcx: POISON,
        r11: POISON,
        completed: POISON,
    }
}
