//! System call numbers and registers.
//!
//! A system call is the `syscall` instruction with
//!
//! | register | in | out |
//! | --- | --- | --- |
//! | `rax` | bits 0..8 number, bits 32..64 second capability (the Reply of a receive) | 0 or an [`Error`](crate::Error) |
//! | `rdi` | capability | badge of a received message or signal |
//! | `rsi` | [`MessageInfo`](crate::MessageInfo) or [`MethodInfo`](crate::method::MethodInfo) | `MessageInfo` of a received message |
//! | `rdx`, `r10`, `r8`, `r9` | message words or arguments 0..4 | message words or results 0..4 |
//! | `rcx`, `r11` | destroyed by the processor | |
//! | everything else | kept | kept |
//!
//! The registers that carry results are always overwritten, with zero where there is nothing to say.

/// The system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Syscall {
    /// Call a method of a kernel object: `rdi` the object, `rsi` a `MethodInfo`, arguments in the
    /// message registers.
    Invoke = 0,
    /// Send to an endpoint and wait for the reply; the caller's time goes along.
    Call = 1,
    /// Send to an endpoint, waiting for a receiver.
    Send = 2,
    /// Send to an endpoint if a receiver waits; else `WouldBlock`.
    TrySend = 3,
    /// Receive from an endpoint, or a signal of the bound notification.
    Recv = 4,
    /// Receive if a sender or a signal waits; else `WouldBlock`.
    TryRecv = 5,
    /// Answer the caller of a Reply (`rdi`).
    Reply = 6,
    /// Answer the caller of the second capability, then receive from the first.
    ReplyRecv = 7,
    /// Signal a notification: its word gets the capability's badge or-ed in (1 if it has none).
    Signal = 8,
    /// Wait until a notification has signals; returns and clears them in `rdi`.
    Wait = 9,
    /// Fetch and clear a notification's signals, or `WouldBlock`.
    Poll = 10,
    /// Let others of the same priority run; ends the budget of this period.
    Yield = 11,
    /// Enter the guest of the virtual processor bound to the calling thread, until its next exit; `rdi` the
    /// [`Groups`](crate::vcpu::Groups) of state to load from its page before, and on return the
    /// [`ExitKind`](crate::vcpu::ExitKind). A signal of the bound notification ends it too, perhaps before it began; the
    /// groups are loaded in any case.
    Run = 12,
}

impl Syscall {
    /// Every system call, in numeric order.
    pub const ALL: [Syscall; 13] = [
        Syscall::Invoke,
        Syscall::Call,
        Syscall::Send,
        Syscall::TrySend,
        Syscall::Recv,
        Syscall::TryRecv,
        Syscall::Reply,
        Syscall::ReplyRecv,
        Syscall::Signal,
        Syscall::Wait,
        Syscall::Poll,
        Syscall::Yield,
        Syscall::Run,
    ];

    /// Decodes `rax`; only its low 8 bits count.
    pub const fn from_rax(rax: u64) -> Option<Syscall> {
        let n = (rax & 0xff) as usize;
        if n < Self::ALL.len() {
            Some(Self::ALL[n])
        } else {
            None
        }
    }

    /// `rax` for this call with `second` as second capability.
    pub const fn rax(self, second: u32) -> u64 {
        self as u64 | (second as u64) << 32
    }
}

/// The second capability in `rax`.
pub const fn second_cap(rax: u64) -> u32 {
    (rax >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rax_round_trips() {
        for call in Syscall::ALL {
            let rax = call.rax(0xdead_beef);
            assert_eq!(Syscall::from_rax(rax), Some(call));
            assert_eq!(second_cap(rax), 0xdead_beef);
        }
        assert_eq!(Syscall::from_rax(13), None);
        assert_eq!(Syscall::from_rax(0xff), None);
    }
}
