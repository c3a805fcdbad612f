//! What an image says, as types.

use pagurus_abi::method::CacheMode;
use pagurus_abi::{Kind, Rights};

/// A named object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// Its number in the image.
    pub index: u32,
    /// Its name.
    pub name: &'a str,
    /// What it is.
    pub kind: ObjectKind,
    /// Several components may use it; for endpoints and notifications: receive from it.
    pub shared: bool,
    /// The machine may lack it; then nobody gets a capability to it and that is no fault.
    pub optional: bool,
}

/// What a named object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An Endpoint.
    Endpoint,
    /// A Notification.
    Notification,
    /// A Frame of ordinary memory.
    Frame {
        /// log2 of its bytes.
        size_bits: u8,
    },
    /// A Frame of device memory.
    Device {
        /// Physical address, a multiple of the size.
        address: u64,
        /// log2 of its bytes.
        size_bits: u8,
    },
    /// An IrqHandler.
    Irq {
        /// Global system interrupt.
        gsi: u32,
        /// Level-triggered rather than edge-triggered.
        level: bool,
        /// Active low rather than high.
        active_low: bool,
    },
    /// An IoPort range.
    Ports {
        /// First port.
        first: u16,
        /// Last port, included.
        last: u16,
    },
    /// Untyped memory.
    Untyped {
        /// log2 of its bytes.
        size_bits: u8,
    },
    /// All untyped memory that nothing else took: the largest pieces that fit in the slots.
    UntypedRest,
    /// A TraceBuffer, attached to a processor.
    TraceBuffer {
        /// log2 of its bytes.
        size_bits: u8,
        /// Index of the processor.
        cpu: u8,
    },
    /// The boot module of the same name: Frames of as many bytes as it has. It can only be mapped.
    Module,
    /// A Timer.
    Timer,
    /// A Cpu.
    Cpu {
        /// Index of the processor.
        index: u8,
        /// The highest priority that a holder may give away.
        max_priority: u8,
    },
}

impl ObjectKind {
    /// The kind of kernel object.
    pub const fn kind(self) -> Kind {
        match self {
            ObjectKind::Endpoint => Kind::Endpoint,
            ObjectKind::Notification => Kind::Notification,
            ObjectKind::Frame { .. } | ObjectKind::Device { .. } | ObjectKind::Module => {
                Kind::Frame
            }
            ObjectKind::Irq { .. } => Kind::IrqHandler,
            ObjectKind::Ports { .. } => Kind::IoPort,
            ObjectKind::Untyped { .. } | ObjectKind::UntypedRest => Kind::Untyped,
            ObjectKind::TraceBuffer { .. } => Kind::TraceBuffer,
            ObjectKind::Timer => Kind::Timer,
            ObjectKind::Cpu { .. } => Kind::Cpu,
        }
    }

    /// log2 of its bytes, for memory that can be mapped and whose size the image says.
    pub const fn mappable_bits(self) -> Option<u8> {
        match self {
            ObjectKind::Frame { size_bits } | ObjectKind::Device { size_bits, .. } => {
                Some(size_bits)
            }
            _ => None,
        }
    }
}

/// A component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComponentInfo<'a> {
    /// Its identifier: 1 for the first in the image. Also the badge by which servers know it.
    pub id: u16,
    /// Its name.
    pub name: &'a str,
    /// The boot module with its program.
    pub binary: &'a str,
    /// Its time; without it, it runs only on the time of its callers.
    pub time: Option<Time>,
    /// Bytes of its stack, a multiple of the page size, without the guard page.
    pub stack: u64,
    /// Bytes of its heap, a multiple of the page size, perhaps 0.
    pub heap: u64,
    /// Bytes that its program may take in memory, a multiple of the page size.
    pub image: u64,
    /// Bytes that it may ask the memory manager for.
    pub memory_quota: u64,
    /// log2 of the slots of its CNode.
    pub cnode_bits: u8,
    /// log2 of the bytes of its AddressSpace.
    pub address_space_bits: u8,
    /// Its thread uses floating point and vector registers.
    pub fpu: bool,
    /// Object of the endpoint that gets its faults, with the identifier as badge.
    pub fault_endpoint: Option<u32>,
    /// Object of the notification that is bound to its thread.
    pub notification: Option<u32>,
    /// How often it is started again after a fault.
    pub restarts: Restarts,
    /// Slots for capabilities that come at run time.
    pub dynamic: Dynamic,
}

/// The time of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Priority.
    pub priority: u8,
    /// Index of the processor; on a machine with fewer, modulo their number.
    pub cpu: u8,
    /// Nanoseconds in every period.
    pub budget: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// How often a component is started again after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// At most so often; 0 is never.
    UpTo(u32),
    /// Every time.
    Always,
}

/// Slots for capabilities that come at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Dynamic {
    /// First slot.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Kinds that may come: bit n for the kind of number n.
    pub kinds: u32,
}

impl Dynamic {
    /// Whether a capability of `kind` may be in `slot`.
    pub const fn allows(&self, slot: u32, kind: Kind) -> bool {
        slot >= self.first
            && slot - self.first < self.count
            && self.kinds & (1 << (kind as u32)) != 0
    }
}

/// A capability in a component's CNode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap<'a> {
    /// Its name; empty for those in fixed slots.
    pub name: &'a str,
    /// The slot, or the first of them.
    pub slot: u32,
    /// How many slots; more than 1 only for [`ObjectKind::UntypedRest`].
    pub count: u32,
    /// What it names.
    pub target: Target,
    /// What it permits.
    pub rights: Rights,
    /// Its badge, for endpoints and notifications; 0 is none.
    pub badge: u64,
    /// For an interrupt or timer: if not 0, root binds it to the component's notification with these bits.
    pub signal: u64,
}

/// What a capability names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A named object, by its number.
    Object(u32),
    /// The component's own CNode.
    OwnCNode,
    /// The component's own AddressSpace.
    OwnAddressSpace,
    /// The component's own thread.
    OwnThread,
    /// The component's own Reply.
    OwnReply,
}

/// Memory that is mapped before a component starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// The frame, device memory or boot module, by its number.
    pub object: u32,
    /// Virtual address.
    pub address: u64,
    /// First byte of the frame.
    pub offset: u64,
    /// Bytes; 0 for a boot module, of which all is mapped.
    pub length: u64,
    /// Read, and perhaps write or execute; never both.
    pub rights: Rights,
    /// Memory type.
    pub cache: CacheMode,
}

/// Services with a fixed slot in every component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Service {
    /// The log collector.
    Log = 0,
    /// Root.
    Parent = 1,
    /// The memory manager.
    Memory = 2,
}
