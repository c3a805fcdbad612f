//! The methods of kernel objects.
//!
//! A method is called by [`Syscall::Invoke`](crate::Syscall::Invoke): `rdi` names the object, `rsi` is a
//! [`MethodInfo`] (the method's number and a 48-bit parameter `p`), and `a0..a3` are in `rdx`, `r10`, `r8`,
//! `r9`. Results `r0..r3` come back in the same four registers.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `rsi` of an invocation: bits 0..16 the method, bits 16..64 its parameter `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo(pub u64);

impl MethodInfo {
    /// `method` with parameter `parameter`, of which 48 bits count.
    pub const fn new(method: Method, parameter: u64) -> Self {
        MethodInfo(method as u64 | parameter << 16)
    }

    /// The method, if the number is one.
    pub const fn method(self) -> Option<Method> {
        Method::from_u16(self.0 as u16)
    }

    /// The 48-bit parameter.
    pub const fn parameter(self) -> u64 {
        self.0 >> 16
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Every method of every object. The numbers are unique over all kinds, so that a method
        /// called on the wrong kind is always [`WrongKind`](crate::Error::WrongKind).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Method { $($(#[$doc])* $name = $number,)* }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Method] = &[$(Method::$name),*];

            /// The method with this number.
            pub const fn from_u16(number: u16) -> Option<Method> {
                match number { $($number => Some(Method::$name),)* _ => None }
            }
        }
    };
}

methods! {
    /// Makes `a3` objects of kind `p[0..8]` and size `p[8..16]` (see
    /// [`Kind::object_bits`](crate::Kind::object_bits)) and puts their original capabilities, with all
    /// rights, into CNode `a0` from index `a1` on. `a3` is at most 256. All or nothing.
    UntypedRetype = 0x10;
    /// `r0` physical address, `r1` size bits (0..8) and bit 8 "device", `r2` bytes still free at the top,
    /// `r3` number of capabilities derived from it (counted up to 1,024).
    UntypedInfo = 0x11;

    /// Derives from slot `a2` of CNode `a1` a capability with at most rights `p[0..8]` into slot `a0` of
    /// this CNode. `p[8..16]` tells what `a3` is: [`MINT_PLAIN`] nothing, [`MINT_BADGE`] a badge (Endpoint,
    /// Notification; only from a capability with badge 0), [`MINT_RANGE`] a narrower range of an IoPort
    /// (first port in bits 0..16, last in 16..32) or a lower maximum priority of a Cpu.
    CNodeMint = 0x20;
    /// Moves the capability in slot `a2` of CNode `a1` to slot `a0` of this CNode. Its place in the
    /// derivation tree, its rights and its mapping stay.
    CNodeMove = 0x21;
    /// Deletes the capability in slot `a0` and everything derived from it.
    CNodeDelete = 0x22;
    /// Deletes everything derived from the capability in slot `a0`, not the capability itself.
    CNodeRevoke = 0x23;
    /// Describes slot `a0`: `r0` a [`SlotInfo`] word, `r1` the object's identity, `r2` badge or range,
    /// `r3` virtual address of its mapping or 0. An empty slot gives kind `Empty`, not an error.
    CNodeInspect = 0x24;
    /// `r0` slots in this CNode.
    CNodeSize = 0x25;

    /// Binds capability `a1` to place `a0` of the thread, a [`ThreadBinding`]; `a2` is the byte offset in
    /// the frame for the IPC buffer.
    ThreadBind = 0x30;
    /// Takes back what is bound at place `a0`.
    ThreadUnbind = 0x31;
    /// Lets a thread that never ran, was suspended or stopped run from `a0` (instruction pointer) with
    /// stack pointer `a1` and `rdi = a2`, `rsi = a3`, every other register zero.
    ThreadStart = 0x32;
    /// Stops the thread wherever it is; what it waited for ends with `Canceled`.
    ThreadSuspend = 0x33;
    /// Lets a suspended thread go on.
    ThreadResume = 0x34;
    /// Copies the [`Registers`] into the words of the caller's IPC buffer; the thread must be inactive, or wait
    /// for its fault handler.
    ThreadReadRegisters = 0x35;
    /// Sets the [`Registers`] from the words of the caller's IPC buffer; the thread must be inactive.
    ThreadWriteRegisters = 0x36;
    /// Sets the flags `a0`: [`THREAD_FPU`]; `a1` the FS base.
    ThreadSetFlags = 0x37;
    /// `r0` state (a [`ThreadState`] number), `r1` instruction pointer, `r2` nanoseconds of processor time
    /// used by its own SchedContext, `r3` processor of that SchedContext.
    ThreadInfo = 0x38;

    /// Binds to Cpu `a0` with `a1` ns of budget in every `a2` ns and priority `p[0..8]`. Budget equal to the
    /// period: never out of time, and round robin among equals after each budget.
    SchedConfigure = 0x40;
    /// Gives this time to thread `a0`.
    SchedBind = 0x41;
    /// Takes the time away from the thread that has it.
    SchedUnbind = 0x42;
    /// `r0` nanoseconds used in all, `r1` budget, `r2` period, `r3` priority (0..8) and processor (8..16).
    SchedInfo = 0x43;

    /// `r0` processor number, `r1` local APIC identifier, `r2` TSC frequency in kHz, `r3` 1 if it runs.
    CpuInfo = 0x50;

    /// Maps the frame's bytes `a2..a2 + length` at virtual address `a1` of AddressSpace, or guest-physical address `a1` of
    /// GuestSpace, `a0`; `a3` is the
    /// length (a multiple of 4096) or-ed with the [`Rights`](crate::Rights) asked for; `p` a
    /// [`CacheMode`]. Takes the largest pages that fit. One mapping for each capability: derive another for another mapping.
    FrameMap = 0x60;
    /// Removes this capability's mapping.
    FrameUnmap = 0x61;
    /// `r0` physical address, `r1` size bits (0..8) and bit 8 "device".
    FrameInfo = 0x62;

    /// `r0` tables in use, `r1` tables in all.
    AddressSpaceInfo = 0x70;
    /// Translates virtual address `a0`: `r0` physical address, `r1` rights, `r2` page size in bytes, or
    /// `NotMapped`.
    AddressSpaceQuery = 0x71;

    /// Makes a handler for global system interrupt `a0` and puts it into CNode `a1` at index `a2`; `p` bit 0
    /// level-triggered, bit 1 active low.
    IrqIssue = 0x80;
    /// Signals notification `a0` (by its badge) on every interrupt.
    IrqBind = 0x81;
    /// The interrupt was dealt with; unmasks it.
    IrqAck = 0x82;
    /// Takes the notification away and masks the line.
    IrqUnbind = 0x83;

    /// `r0` what port `a0` says; `p` is the width in bytes: 1, 2 or 4.
    PortIn = 0x90;
    /// Writes `a1` to port `a0`; `p` is the width in bytes: 1, 2 or 4.
    PortOut = 0x91;

    /// Sends the kernel's records of processor `a0` (a Cpu capability) to this buffer from now on.
    TraceAttach = 0xa0;
    /// Moves the oldest records, at most `a0` bytes and at most 1,920, into the words of the caller's IPC
    /// buffer; `r0` bytes moved, `r1` bytes lost for want of room so far, `r2` bytes still there.
    TraceDrain = 0xa1;
    /// Maps the buffer read-only; arguments as for `FrameMap`.
    TraceMap = 0xa2;

    /// Checks all invariants of the kernel's state: `r0` capabilities seen, `r1` 0 or the number of the
    /// invariant that is broken ([`Invariant`]), `r2` where.
    KernelCheck = 0xb0;
    /// Describes the capability at position `a0` of the derivation tree: `r0` a [`SlotInfo`] word, `r1` the
    /// object's identity, `r2` the identity of the container of the slot, `r3` the index in it.
    /// `InvalidIndex` past the end.
    KernelDescribe = 0xb1;
    /// Ends the machine: debug exit with code `a0` where there is one, else ACPI or keyboard reset.
    KernelHalt = 0xb2;
    /// Writes up to 32 bytes to the kernel's console: `p` how many, in `a0..a3`.
    KernelWrite = 0xb3;
    /// `r0` nanoseconds since boot, `r1` TSC frequency in kHz, `r2` system calls so far, `r3` interrupts so far.
    KernelStats = 0xb4;

    /// `r0` tables in use, `r1` tables in all.
    GuestSpaceInfo = 0xc0;
    /// Translates guest-physical address `a0`: `r0` physical address, `r1` rights, `r2` page size in bytes, or
    /// `NotMapped`.
    GuestSpaceQuery = 0xc1;

    /// Binds capability `a1` to place `a0` of the virtual processor, a [`VcpuBinding`].
    VcpuBind = 0xd0;
    /// Takes back what is bound at place `a0`.
    VcpuUnbind = 0xd1;
    /// Loads the [`Groups`](crate::vcpu::Groups) `a0` of its state from its page. It must not be running.
    VcpuLoad = 0xd2;
    /// Stores the [`Groups`](crate::vcpu::Groups) `a0` of its state into its page. It must not be running.
    VcpuStore = 0xd3;

    /// Lets the timer signal notification `a0` (by its badge). `AlreadyBound` if it has one.
    TimerBind = 0xe0;
    /// Takes the notification away and so disarms the timer, as its deletion or revocation does.
    TimerUnbind = 0xe1;
    /// Signals the notification once, when the time stamp counter reaches `a0`; at once if it has. Replaces an earlier
    /// deadline. The processor that makes the call is the one that is interrupted then. `InvalidArgument` for 0,
    /// `NotBound` without a notification.
    TimerArm = 0xe2;
    /// Takes the deadline back: `r0` 1 if the timer was armed and will not fire now, 0 if there was nothing to take back.
    TimerDisarm = 0xe3;
    /// `r0` the deadline, or 0 if the timer is not armed; `r1` the processor on which it is armed, or 0.
    TimerInfo = 0xe4;
}

/// `CNodeMint`: `a3` is not used.
pub const MINT_PLAIN: u64 = 0;
/// `CNodeMint`: `a3` is a badge.
pub const MINT_BADGE: u64 = 1;
/// `CNodeMint`: `a3` is a narrower range.
pub const MINT_RANGE: u64 = 2;

/// `ThreadSetFlags`: the thread uses FPU, SSE and AVX registers; without it they fault.
pub const THREAD_FPU: u64 = 1;

/// Where a capability is bound to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ThreadBinding {
    /// CNode: the capability space.
    CSpace = 0,
    /// AddressSpace.
    AddressSpace = 1,
    /// Endpoint (with `WRITE`) that gets the thread's faults.
    FaultEndpoint = 2,
    /// Frame of at least 4 KiB (readable and writable) for long messages.
    IpcBuffer = 3,
    /// Notification (with `READ`) whose signals also end a receive.
    Notification = 4,
    /// Vcpu (with `WRITE`) that the thread runs.
    Vcpu = 5,
}

/// Where a capability is bound to a virtual processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum VcpuBinding {
    /// Frame of at least 4 KiB (readable and writable): its [`VcpuPage`](crate::vcpu::VcpuPage).
    Page = 0,
    /// GuestSpace (with `WRITE`): the memory of its guest.
    GuestSpace = 1,
}

impl VcpuBinding {
    /// How many places there are.
    pub const COUNT: usize = 2;
    /// Every place, in numeric order.
    pub const ALL: [VcpuBinding; Self::COUNT] = [VcpuBinding::Page, VcpuBinding::GuestSpace];

    /// The place with this number.
    pub const fn from_u64(n: u64) -> Option<Self> {
        if n < Self::COUNT as u64 {
            Some(Self::ALL[n as usize])
        } else {
            None
        }
    }
}

impl ThreadBinding {
    /// How many places there are.
    pub const COUNT: usize = 6;
    /// Every place, in numeric order.
    pub const ALL: [ThreadBinding; Self::COUNT] = [
        ThreadBinding::CSpace,
        ThreadBinding::AddressSpace,
        ThreadBinding::FaultEndpoint,
        ThreadBinding::IpcBuffer,
        ThreadBinding::Notification,
        ThreadBinding::Vcpu,
    ];

    /// The place with this number.
    pub const fn from_u64(n: u64) -> Option<Self> {
        if n < Self::COUNT as u64 {
            Some(Self::ALL[n as usize])
        } else {
            None
        }
    }
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ThreadState {
    /// Never started, suspended, or stopped after a fault.
    Inactive = 0,
    /// Running, or ready to run as soon as it has time.
    Ready = 1,
    /// Waits for a receiver.
    Sending = 2,
    /// Waits for a message.
    Receiving = 3,
    /// Waits for the reply to a call or a fault.
    Calling = 4,
    /// Waits for a notification.
    Waiting = 5,
}

impl ThreadState {
    /// The state with this number.
    pub const fn from_u8(n: u8) -> Option<Self> {
        Some(match n {
            0 => ThreadState::Inactive,
            1 => ThreadState::Ready,
            2 => ThreadState::Sending,
            3 => ThreadState::Receiving,
            4 => ThreadState::Calling,
            5 => ThreadState::Waiting,
            _ => return None,
        })
    }
}

/// Memory type of a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum CacheMode {
    /// Write-back for memory, uncached for device memory.
    #[default]
    Default = 0,
    /// Uncached.
    Uncached = 1,
    /// Write-combining (framebuffers).
    WriteCombining = 2,
}

impl CacheMode {
    /// The mode with this number.
    pub const fn from_u64(n: u64) -> Option<Self> {
        Some(match n {
            0 => CacheMode::Default,
            1 => CacheMode::Uncached,
            2 => CacheMode::WriteCombining,
            _ => return None,
        })
    }
}

/// The registers of a thread, as `ThreadReadRegisters` and `ThreadWriteRegisters` pass them in the words of
/// the IPC buffer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rsp: u64,
    pub rflags: u64,
}

/// Words of [`Registers`].
pub const REGISTER_COUNT: usize = 18;

const _: () = assert!(core::mem::size_of::<Registers>() == REGISTER_COUNT * 8);

impl Registers {
    /// The words of the IPC buffer that carry these registers.
    pub fn to_words(&self) -> [u64; REGISTER_COUNT] {
        zerocopy::transmute!(*self)
    }

    /// The registers that these words of the IPC buffer carry.
    pub fn from_words(words: [u64; REGISTER_COUNT]) -> Registers {
        zerocopy::transmute!(words)
    }
}

/// One word that describes a capability: bits 0..8 kind, 8..16 rights, 16..24 size bits (memory, CNode),
/// 24..32 depth in the derivation tree, bit 32 original (the one that `retype` made), bit 33 device memory,
/// bit 34 mapped, bit 35 inside a kernel object (a binding) rather than in a CNode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SlotInfo(pub u64);

impl SlotInfo {
    /// The original capability of its object.
    pub const ORIGINAL: u64 = 1 << 32;
    /// Device memory.
    pub const DEVICE: u64 = 1 << 33;
    /// Mapped into an address space.
    pub const MAPPED: u64 = 1 << 34;
    /// A binding inside a kernel object.
    pub const BINDING: u64 = 1 << 35;

    /// The kind.
    pub const fn kind(self) -> Option<crate::Kind> {
        crate::Kind::from_u8(self.0 as u8)
    }

    /// The rights.
    pub const fn rights(self) -> crate::Rights {
        crate::Rights::from_bits_truncate((self.0 >> 8) as u8)
    }

    /// log2 of the size: bytes for memory, slots for a CNode.
    pub const fn size_bits(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Depth in the derivation tree; 0 for what the kernel gave at boot.
    pub const fn depth(self) -> u8 {
        (self.0 >> 24) as u8
    }
}

/// The invariants that `KernelCheck` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Invariant {
    /// `prev` and `next` of the derivation list agree.
    Links = 1,
    /// Depth grows by at most one from a capability to the next.
    Depth = 2,
    /// A derived capability names its parent's object with at most the parent's rights.
    Derivation = 3,
    /// An original capability is a direct child of the untyped memory that it lies in.
    Originals = 4,
    /// Objects made from one untyped do not overlap and lie below its watermark.
    Overlap = 5,
    /// Device memory holds nothing but frames and untyped memory.
    Device = 6,
    /// The CNodes' counts of used slots agree with the slots.
    Containers = 7,
    /// Queues of endpoints and notifications agree with the states of their threads.
    Queues = 8,
    /// Ready and release queues agree with the states of threads and SchedContexts, and queues of timers with the timers.
    Scheduling = 9,
    /// A mapping recorded in a capability is what the page tables say.
    Mappings = 10,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn method_numbers_round_trip() {
        for m in Method::ALL {
            let info = MethodInfo::new(*m, 0xffff_ffff_ffff);
            assert_eq!(info.method(), Some(*m));
            assert_eq!(info.parameter(), 0xffff_ffff_ffff);
        }
        assert_eq!(MethodInfo(0xffff).method(), None);
    }
}
