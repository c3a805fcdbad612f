//! Threads.

use crate::object::{NotificationId, ReplyId, id};
use pagurus_abi::method::{Registers, ThreadBinding, ThreadState};
use pagurus_abi::{Error, MessageInfo};
use pagurus_cap::SlotId;
use pagurus_sched::ScId;

id! {
    /// Names a thread: in the kernel its address.
    ThreadId
}

/// What the processor had in its registers when the thread last left user mode.
///
/// The order is fixed: the entry code stores and loads at these offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct UserFrame {
    pub rax: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub r10: u64,
    pub r8: u64,
    pub r9: u64,
    pub rbx: u64,
    pub rbp: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rsp: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rcx: u64,
    pub r11: u64,
    /// 1: a system call was completed; the thread goes on behind its two-byte instruction (`rip + 2`), by `sysret`, and
    /// `rcx` and `r11` do not matter. 0: all registers are restored and the thread goes on at `rip`, by `iret`; for a system
    /// call that was not completed this starts it again.
    pub completed: u64,
}

/// Flags that a user program may set for itself: the arithmetic flags, trap, direction, nested task never, alignment check.
pub const USER_FLAGS: u64 = 0x0004_0dd5 | 1 << 21;
/// Interrupts on, and the bit that is always one.
pub const FIXED_FLAGS: u64 = 0x202;

impl UserFrame {
    /// Completes the system call with an error code (0 for success) and no results.
    #[inline(always)]
    pub fn complete(&mut self, code: u64) {
        self.rax = code;
        self.rdi = 0;
        self.rsi = 0;
        self.rdx = 0;
        self.r10 = 0;
        self.r8 = 0;
        self.r9 = 0;
        self.completed = 1;
    }

    /// Completes the system call with four results.
    pub fn complete_with(&mut self, results: [u64; 4]) {
        self.complete(0);
        [self.rdx, self.r10, self.r8, self.r9] = results;
    }

    /// Completes the system call with an error.
    pub fn fail(&mut self, error: Error) {
        self.complete(error as u64);
    }

    /// The message words in registers.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 4] {
        [self.rdx, self.r10, self.r8, self.r9]
    }

    /// Makes this frame begin at `rip` with these values and nothing else in the registers.
    pub fn start(&mut self, rip: u64, rsp: u64, rdi: u64, rsi: u64) {
        *self = UserFrame {
            rip,
            rsp,
            rdi,
            rsi,
            rflags: FIXED_FLAGS,
            ..UserFrame::default()
        };
    }

    /// The registers as a debugger sees them.
    pub fn registers(&self) -> Registers {
        let UserFrame {
            rax,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            rbx,
            rbp,
            r12,
            r13,
            r14,
            r15,
            rsp,
            rip,
            rflags,
            rcx,
            r11,
            completed,
        } = *self;
        // Behind a completed call the instruction has destroyed rcx and r11.
        let (rip, rcx, r11) = if completed != 0 {
            (rip + 2, rip + 2, rflags)
        } else {
            (rip, rcx, r11)
        };
        Registers {
            rax,
            rbx,
            rcx,
            rdx,
            rsi,
            rdi,
            rbp,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rsp,
            rflags,
        }
    }

    /// Sets all registers; flags that a user program may not set keep their fixed values.
    pub fn set_registers(&mut self, r: &Registers) {
        let Registers {
            rax,
            rbx,
            rcx,
            rdx,
            rsi,
            rdi,
            rbp,
            r8,
            r9,
            r10,
            r11,
            r12,
            r13,
            r14,
            r15,
            rip,
            rsp,
            rflags,
        } = *r;
        *self = UserFrame {
            rax,
            rdi,
            rsi,
            rdx,
            r10,
            r8,
            r9,
            rbx,
            rbp,
            r12,
            r13,
            r14,
            r15,
            rsp,
            rip,
            rcx,
            r11,
            rflags: rflags & USER_FLAGS | FIXED_FLAGS,
            completed: 0,
        };
    }
}

/// A thread. All zero (fresh memory) is an inactive thread with nothing bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Thread {
    /// Registers; must stay the first field.
    pub frame: UserFrame,
    /// CR3 of its address space, 0 if none is bound.
    pub cr3: u64,
    /// FS base.
    pub fs_base: u64,
    /// First slot of its capability space.
    pub cspace: Option<SlotId>,
    /// Slots in it; 0 if none is bound.
    pub cspace_slots: u64,
    /// Address of its IPC buffer in the kernel, 0 if none is bound.
    pub buffer: usize,
    /// The context it runs on.
    pub sc: Option<ScId>,
    /// The context bound to it.
    pub home: Option<ScId>,
    /// Receiving: the reply it offers. Calling: the reply that will answer it.
    pub reply: Option<ReplyId>,
    /// The reply whose caller lent it `sc` (which it may have lent on); [`Reply::borrower`](crate::Reply::borrower) of
    /// that reply is this thread.
    pub donor: Option<ReplyId>,
    /// Next in the queue of what it waits for.
    pub next: Option<ThreadId>,
    /// Previous in that queue.
    pub prev: Option<ThreadId>,
    /// The notification bound to it.
    pub notification: Option<NotificationId>,
    /// Address of the virtual processor bound to it, 0 if none is.
    pub vcpu: usize,
    /// The endpoint or notification it waits for, 0 if none.
    pub waits_for: usize,
    /// Sending: badge of the capability it sends by.
    pub badge: u64,
    /// Sending: its message.
    pub info: MessageInfo,
    /// Identifier of its address space.
    pub asid: u16,
    /// What it does.
    pub state: ThreadState,
    /// Sending: it wants a reply.
    pub calls: bool,
    /// Sending: the capability it sends by lets capabilities through.
    pub grants: bool,
    /// It uses the FPU.
    pub fpu: bool,
    /// It uses the FPU, has an FS base or runs a virtual processor: loading it takes more than its address space.
    pub special: bool,
    /// Sending or calling: the message is a fault report.
    pub faulted: bool,
    /// What it faulted by: vector, error code, address. Sent in place of message words while `faulted`.
    pub fault: [u64; 3],
}

/// Bytes from the start of a thread object to its bindings.
pub const BINDINGS_OFFSET: usize = 512;
/// Bindings of a thread: those of [`ThreadBinding`] and, last, its scheduling context.
pub const BINDINGS: usize = ThreadBinding::COUNT + 1;
/// Number of the binding to the scheduling context.
pub const SCHED_BINDING: usize = ThreadBinding::COUNT;
/// Bytes from the start of a thread object to its FPU state.
pub const FPU_OFFSET: usize = 1024;

const _: () = {
    assert!(core::mem::size_of::<Thread>() <= BINDINGS_OFFSET);
    assert!(BINDINGS_OFFSET + BINDINGS * SlotId::SIZE <= FPU_OFFSET);
    assert!(core::mem::offset_of!(Thread, frame) == 0);
};

impl Thread {
    /// A thread as fresh memory has it.
    pub const EMPTY: Thread = Thread {
        frame: UserFrame {
            rax: 0,
            rdi: 0,
            rsi: 0,
            rdx: 0,
            r10: 0,
            r8: 0,
            r9: 0,
            rbx: 0,
            rbp: 0,
            r12: 0,
            r13: 0,
            r14: 0,
            r15: 0,
            rsp: 0,
            rip: 0,
            rflags: 0,
            rcx: 0,
            r11: 0,
            completed: 0,
        },
        cr3: 0,
        fs_base: 0,
        cspace: None,
        cspace_slots: 0,
        buffer: 0,
        sc: None,
        home: None,
        reply: None,
        donor: None,
        next: None,
        prev: None,
        notification: None,
        vcpu: 0,
        waits_for: 0,
        badge: 0,
        info: MessageInfo(0),
        asid: 0,
        state: ThreadState::Inactive,
        calls: false,
        grants: false,
        fpu: false,
        special: false,
        faulted: false,
        fault: [0; 3],
    };

    /// The slot with this index in the thread's capability space.
    ///
    /// # Errors
    /// `InvalidIndex` beyond the end. Index 0 is the space's header, which is an empty slot to everybody.
    #[inline(always)]
    pub fn slot_at(&self, index: u64) -> Result<SlotId, Error> {
        match self.cspace {
            Some(base) if index < self.cspace_slots => Ok(base.nth(index as usize)),
            _ => Err(Error::InvalidIndex),
        }
    }
}

impl ThreadId {
    /// The binding slot number `n`.
    pub fn binding(self, n: usize) -> SlotId {
        match SlotId::new(self.address() + BINDINGS_OFFSET) {
            Some(first) => first.nth(n),
            None => unreachable!("an address plus 512 is not 0"),
        }
    }
}
