//! The bytes of an image: fixed-size records of little-endian numbers, no pointers.
//!
//! A [`Header`] names six sections, each by its offset from the start and its number of records. Records
//! refer to each other by index and to names by offset and length in the text section. Nothing needs an
//! alignment. Fields called `reserved` are zero.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// `Header::magic`.
pub const MAGIC: [u8; 8] = *b"PAGCAPDL";
/// `Header::version` of this layout. A reader refuses every other.
pub const VERSION: u32 = 1;
/// An index that names nothing.
pub const NONE: u32 = u32::MAX;

/// Components in one image.
pub const MAX_COMPONENTS: usize = 256;
/// Objects in one image.
pub const MAX_OBJECTS: usize = 4096;
/// Capabilities in one image.
pub const MAX_CAPS: usize = 32768;
/// Mappings in one image.
pub const MAX_MAPS: usize = 8192;
/// Bytes of all names together.
pub const MAX_TEXT: usize = 1 << 20;
/// Bytes of a component's argument.
pub const MAX_ARGUMENT: usize = 1024;
/// Bytes of one name: boot modules are known by at most as many.
pub const MAX_NAME: usize = 47;
/// Bytes of a component's stack, heap or program: more than the largest address space can map in 4 KiB pages.
pub const MAX_COMPONENT_MEMORY: u64 = 1 << 41;

/// A piece of the text section.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Text {
    /// First byte.
    pub offset: U32,
    /// Bytes.
    pub length: U32,
}

/// A section.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Section {
    /// First byte, from the start of the image.
    pub offset: U32,
    /// Records in it.
    pub count: U32,
}

/// The first bytes of an image.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: U32,
    /// Bytes of the image; what follows them is ignored.
    pub length: U32,
    /// Name of the system.
    pub name: Text,
    /// Processors that the system may name.
    pub cpus: U32,
    /// Objects of the services log, parent and memory, or [`NONE`].
    pub services: [U32; 3],
    /// [`RawComponent`]s.
    pub components: Section,
    /// [`RawObject`]s.
    pub objects: Section,
    /// [`RawCap`]s: those of the first component, then those of the second, ...
    pub caps: Section,
    /// [`RawMap`]s, in the same way.
    pub maps: Section,
    /// Identifiers (`U16`) of the components in the order in which to start them.
    pub order: Section,
    /// Bytes of names.
    pub text: Section,
}

/// A component.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawComponent {
    /// Its name.
    pub name: Text,
    /// The boot module with its program.
    pub binary: Text,
    /// Text for its start page; may be empty.
    pub argument: Text,
    /// Bytes of its stack, without the guard page.
    pub stack: U64,
    /// Bytes of its heap.
    pub heap: U64,
    /// Bytes that its program may take in memory.
    pub image: U64,
    /// Bytes that it may ask the memory manager for.
    pub memory_quota: U64,
    /// Time in every period in nanoseconds; 0 if it has no time of its own.
    pub budget: U64,
    /// The period in nanoseconds; 0 if it has no time of its own.
    pub period: U64,
    /// Object of the endpoint that gets its faults, or [`NONE`].
    pub fault_endpoint: U32,
    /// Object of the notification that is bound to its thread, or [`NONE`].
    pub notification: U32,
    /// Times that it is started again after a fault; [`u32::MAX`] for every time.
    pub restarts: U32,
    /// How many of the capabilities are its.
    pub caps: U32,
    /// How many of the mappings are its.
    pub maps: U32,
    /// First slot for capabilities that come at run time.
    pub dynamic_first: U32,
    /// How many such slots.
    pub dynamic_count: U32,
    /// Kinds of capabilities that may come, bit n for kind n.
    pub dynamic_kinds: U32,
    /// log2 of the slots of its CNode.
    pub cnode_bits: u8,
    /// log2 of the bytes of its AddressSpace.
    pub address_space_bits: u8,
    /// Its priority.
    pub priority: u8,
    /// Index of its processor.
    pub cpu: u8,
    /// Bit 0: it uses floating point and vector registers.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// `RawComponent::flags`: it uses floating point and vector registers.
pub const FLAG_FPU: u8 = 1;

/// A named object. What `value` and `extra` are depends on `kind`; see
/// [`ObjectKind`](crate::record::ObjectKind).
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawObject {
    /// Its name.
    pub name: Text,
    /// Physical address, interrupt, first port or index of a processor.
    pub value: U64,
    /// Last port, bits of an interrupt, or priority.
    pub extra: U32,
    /// One of the numbers in [`object_kind`].
    pub kind: u8,
    /// log2 of its bytes, for memory.
    pub size_bits: u8,
    /// Bit 0 shared, bit 1 optional.
    pub flags: u8,
    /// Zero.
    pub reserved: u8,
}

/// `RawObject::flags`: several components may use it, or receive from it.
pub const FLAG_SHARED: u8 = 1;
/// `RawObject::flags`: the machine may lack it.
pub const FLAG_OPTIONAL: u8 = 2;
/// `RawObject::extra` of an interrupt: level-triggered.
pub const IRQ_LEVEL: u32 = 1;
/// `RawObject::extra` of an interrupt: active low.
pub const IRQ_LOW: u32 = 2;

/// `RawObject::kind`.
#[allow(missing_docs)]
pub mod object_kind {
    pub const ENDPOINT: u8 = 1;
    pub const NOTIFICATION: u8 = 2;
    pub const FRAME: u8 = 3;
    pub const DEVICE: u8 = 4;
    pub const IRQ: u8 = 5;
    pub const PORTS: u8 = 6;
    pub const UNTYPED: u8 = 7;
    pub const UNTYPED_REST: u8 = 8;
    pub const TRACE_BUFFER: u8 = 9;
    pub const CPU: u8 = 10;
    pub const MODULE: u8 = 11;
    pub const TIMER: u8 = 12;
}

/// A capability in a component's CNode.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawCap {
    /// Its name; empty for those in fixed slots.
    pub name: Text,
    /// Badge, for endpoints and notifications.
    pub badge: U64,
    /// Bits to signal to the component's notification, for interrupts and timers.
    pub signal: U64,
    /// Slot, ascending within a component.
    pub slot: U32,
    /// How many slots; more than 1 only for the rest of the untyped memory.
    pub count: U32,
    /// The object, [`NONE`] for an object of the component's own.
    pub object: U32,
    /// One of the numbers in [`target`].
    pub target: u8,
    /// Rights.
    pub rights: u8,
    /// Zero.
    pub reserved: U16,
}

/// `RawCap::target`.
#[allow(missing_docs)]
pub mod target {
    pub const OBJECT: u8 = 0;
    pub const CNODE: u8 = 1;
    pub const ADDRESS_SPACE: u8 = 2;
    pub const THREAD: u8 = 3;
    pub const REPLY: u8 = 4;
}

/// A mapping in a component's address space.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RawMap {
    /// Virtual address.
    pub address: U64,
    /// First byte of the frame.
    pub offset: U64,
    /// Bytes; 0 for a boot module.
    pub length: U64,
    /// The frame, device memory or boot module.
    pub object: U32,
    /// Rights.
    pub rights: u8,
    /// A `CacheMode` of the kernel.
    pub cache: u8,
    /// Zero.
    pub reserved: U16,
}

const _: () = {
    assert!(core::mem::size_of::<Header>() == 88);
    assert!(core::mem::size_of::<RawComponent>() == 112);
    assert!(core::mem::size_of::<RawObject>() == 24);
    assert!(core::mem::size_of::<RawCap>() == 40);
    assert!(core::mem::size_of::<RawMap>() == 32);
};
