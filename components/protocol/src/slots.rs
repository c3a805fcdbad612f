//! Fixed places in every component's capability space, filled by root before the component starts.
//! A component that was not given the capability finds the slot empty.

/// The component's own CNode.
pub const CNODE: u32 = 1;
/// Endpoint of the log collector.
pub const LOG: u32 = 2;
/// A Reply object of its own.
pub const REPLY: u32 = 3;
/// Endpoint of root, for requests to the parent.
pub const PARENT: u32 = 4;
/// Endpoint of the memory manager.
pub const MEMORY: u32 = 5;
/// Notification bound to the component's first thread.
pub const NOTIFICATION: u32 = 6;
/// The component's own AddressSpace.
pub const ADDRESS_SPACE: u32 = 7;
/// The component's first thread.
pub const THREAD: u32 = 8;
/// First of the slots that the system's description names; the generated constants start here.
pub const FIRST_NAMED: u32 = 16;
