//! The kinds of kernel objects and the memory that each takes.

/// log2 of the size of a capability slot in bytes.
pub const SLOT_BITS: u8 = 6;
/// log2 of the smallest page and frame in bytes.
pub const PAGE_BITS: u8 = 12;
/// Smallest CNode: 2^4 slots.
pub const MIN_CNODE_BITS: u8 = 4;
/// Largest CNode: 2^20 slots (64 MiB).
pub const MAX_CNODE_BITS: u8 = 20;
/// Largest frame or untyped: 2^46 bytes, the whole physical address space of today's machines.
pub const MAX_MEMORY_BITS: u8 = 46;
/// Smallest address space: the root table and three more.
pub const MIN_ADDRESS_SPACE_BITS: u8 = 14;
/// Largest address space object: 2^32 bytes of tables map 2 TiB in 4 KiB pages.
pub const MAX_ADDRESS_SPACE_BITS: u8 = 32;
/// Smallest trace buffer.
pub const MIN_TRACE_BITS: u8 = 12;
/// Largest trace buffer: 16 MiB.
pub const MAX_TRACE_BITS: u8 = 24;

/// What a capability names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// An empty slot.
    Empty = 0,
    /// Physical memory from which objects are made.
    Untyped = 1,
    /// An array of capability slots.
    CNode = 2,
    /// A flow of control with its registers.
    Thread = 3,
    /// Time: a budget per period at a priority on one processor.
    SchedContext = 4,
    /// A physical processor. The badge is the highest priority that a holder may give away.
    Cpu = 5,
    /// Where threads meet to exchange messages.
    Endpoint = 6,
    /// A word of signals.
    Notification = 7,
    /// The right to answer one caller, once.
    Reply = 8,
    /// Physical memory that can be mapped.
    Frame = 9,
    /// A set of page tables.
    AddressSpace = 10,
    /// The right to make interrupt handlers.
    IrqControl = 11,
    /// One interrupt line.
    IrqHandler = 12,
    /// A range of I/O ports.
    IoPort = 13,
    /// A ring of the kernel's log and trace records.
    TraceBuffer = 14,
    /// Control of the kernel itself: checks, description, halt. Only root has it.
    KernelControl = 15,
    /// The memory of a virtual machine: a set of nested page tables.
    GuestSpace = 16,
    /// A virtual processor.
    Vcpu = 17,
    /// Signals a notification at a time.
    Timer = 18,
}

impl Kind {
    /// Every kind, in numeric order.
    pub const ALL: [Kind; 19] = [
        Kind::Empty,
        Kind::Untyped,
        Kind::CNode,
        Kind::Thread,
        Kind::SchedContext,
        Kind::Cpu,
        Kind::Endpoint,
        Kind::Notification,
        Kind::Reply,
        Kind::Frame,
        Kind::AddressSpace,
        Kind::IrqControl,
        Kind::IrqHandler,
        Kind::IoPort,
        Kind::TraceBuffer,
        Kind::KernelControl,
        Kind::GuestSpace,
        Kind::Vcpu,
        Kind::Timer,
    ];

    /// The kind with this number, if there is one.
    pub const fn from_u8(number: u8) -> Option<Kind> {
        if (number as usize) < Self::ALL.len() {
            Some(Self::ALL[number as usize])
        } else {
            None
        }
    }

    /// log2 of the bytes that an object takes when made with `size_bits`, or `None` if such an object
    /// cannot be made from untyped memory.
    ///
    /// `size_bits` is log2 of the slots for a CNode, log2 of the bytes for Untyped, Frame,
    /// AddressSpace, GuestSpace and TraceBuffer, and must be 0 for kinds of fixed size.
    pub const fn object_bits(self, size_bits: u8) -> Option<u8> {
        let (bits, valid) = match self {
            Kind::Untyped => (
                size_bits,
                size_bits >= SLOT_BITS && size_bits <= MAX_MEMORY_BITS,
            ),
            Kind::Frame => (
                size_bits,
                size_bits >= PAGE_BITS && size_bits <= MAX_MEMORY_BITS,
            ),
            Kind::CNode => (
                size_bits.saturating_add(SLOT_BITS),
                size_bits >= MIN_CNODE_BITS && size_bits <= MAX_CNODE_BITS,
            ),
            Kind::AddressSpace | Kind::GuestSpace => (
                size_bits,
                size_bits >= MIN_ADDRESS_SPACE_BITS && size_bits <= MAX_ADDRESS_SPACE_BITS,
            ),
            Kind::TraceBuffer => (
                size_bits,
                size_bits >= MIN_TRACE_BITS && size_bits <= MAX_TRACE_BITS,
            ),
            // 4 KiB: the registers and links take less than 1 KiB, the rest is the XSAVE area.
            Kind::Thread => (12, size_bits == 0),
            Kind::SchedContext | Kind::Timer => (7, size_bits == 0),
            // A page for the control block of the machine, a page like a thread's.
            Kind::Vcpu => (13, size_bits == 0),
            Kind::Endpoint | Kind::Notification | Kind::Reply => (6, size_bits == 0),
            Kind::Empty
            | Kind::Cpu
            | Kind::IrqControl
            | Kind::IrqHandler
            | Kind::IoPort
            | Kind::KernelControl => (0, false),
        };
        if valid { Some(bits) } else { None }
    }

    /// The name as it stands in the documentation and in capDL.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Empty => "empty",
            Kind::Untyped => "untyped",
            Kind::CNode => "cnode",
            Kind::Thread => "thread",
            Kind::SchedContext => "sched-context",
            Kind::Cpu => "cpu",
            Kind::Endpoint => "endpoint",
            Kind::Notification => "notification",
            Kind::Reply => "reply",
            Kind::Frame => "frame",
            Kind::AddressSpace => "address-space",
            Kind::IrqControl => "irq-control",
            Kind::IrqHandler => "irq-handler",
            Kind::IoPort => "io-port",
            Kind::TraceBuffer => "trace-buffer",
            Kind::KernelControl => "kernel-control",
            Kind::GuestSpace => "guest-space",
            Kind::Vcpu => "vcpu",
            Kind::Timer => "timer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions() {
        for (i, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, i);
            assert_eq!(Kind::from_u8(i as u8), Some(*kind));
        }
        assert_eq!(Kind::from_u8(Kind::ALL.len() as u8), None);
    }

    #[test]
    fn odd_sizes_are_refused() {
        assert_eq!(Kind::Frame.object_bits(11), None);
        assert_eq!(Kind::Frame.object_bits(12), Some(12));
        assert_eq!(Kind::CNode.object_bits(255), None);
        assert_eq!(Kind::Endpoint.object_bits(1), None);
        assert_eq!(Kind::Cpu.object_bits(0), None);
    }
}
