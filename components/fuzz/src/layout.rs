//! Where things are: addresses in a fuzzer's address space, and the capabilities that its CNode begins with.

use pagurus_rt::abi::Kind;

/// Threads of a cell.
pub const THREADS: usize = 3;
/// The most cells.
pub const MAX_CELLS: usize = 16;
/// The most fuzzers.
pub const MAX_FUZZERS: usize = THREADS * MAX_CELLS;

/// log2 of a fuzzer's own memory: its records, its IPC buffer, its stack.
pub const ARENA_BITS: u8 = 14;
/// Its own memory is at the same address in every address space, root's included.
const ARENAS: u64 = 0x40_0000_0000;
/// From one to the next; between them nothing is mapped.
const ARENA_STRIDE: u64 = 0x1_0000;
/// Offset of its IPC buffer.
pub const BUFFER_OFFSET: u64 = 4096;

/// The address of fuzzer `n`'s memory.
pub const fn arena(n: usize) -> u64 {
    ARENAS + n as u64 * ARENA_STRIDE
}

/// Its first stack pointer. The start rounds it down to find the arena, so it is not the very end.
pub const fn stack_top(n: usize) -> u64 {
    arena(n) + (1 << ARENA_BITS) - 64
}

/// Where fuzzers map frames.
pub const WINDOW: u64 = 0x50_0000_0000;

/// log2 of the slots of a cell's CNode.
pub const CNODE_BITS: u8 = 8;
/// The slots.
pub const SLOTS: u64 = 1 << CNODE_BITS;
/// From here on a fuzzer's CNode is empty at first.
pub const DYNAMIC: u64 = 64;

/// Places in a fuzzer's CNode.
pub mod place {
    /// The CNode itself.
    pub const CNODE: u32 = 1;
    /// Another cell's CNode.
    pub const OTHER_CNODE: u32 = 2;
    /// Its address space.
    pub const SPACE: u32 = 3;
    /// Another cell's address space.
    pub const OTHER_SPACE: u32 = 4;
    /// Its memory.
    pub const MEMORY: u32 = 5;
    /// An interrupt line.
    pub const IRQ: u32 = 7;
    /// Processors, up to a priority below the supervisor's.
    pub const CPUS: u32 = 8;
    /// How many of them at most.
    pub const CPU_COUNT: u32 = 8;
    /// Own endpoints.
    pub const ENDPOINTS: u32 = 16;
    /// Endpoints that all have, by a badge.
    pub const COMMON_ENDPOINTS: u32 = 18;
    /// Own notifications.
    pub const NOTIFICATIONS: u32 = 20;
    /// Notifications that all have, by a badge.
    pub const COMMON_NOTIFICATIONS: u32 = 22;
    /// Own replies.
    pub const REPLIES: u32 = 24;
    /// Own small frames.
    pub const FRAMES: u32 = 28;
    /// An own larger frame.
    pub const LARGE_FRAME: u32 = 31;
    /// A frame that all have.
    pub const COMMON_FRAME: u32 = 32;
    /// The cell's threads.
    pub const THREADS: u32 = 34;
    /// A page of the legacy screen's memory, where the machine has such.
    pub const DEVICE_FRAME: u32 = 33;
    /// Threads of another cell.
    pub const OTHER_THREADS: u32 = 37;
    /// The time of the cell's threads.
    pub const TIMES: u32 = 40;
    /// Time of another cell's threads.
    pub const OTHER_TIMES: u32 = 43;
    /// Two ports where nothing happens.
    pub const PORTS: u32 = 46;
    /// A trace buffer.
    pub const TRACE: u32 = 48;
    /// The endpoint where faults are dealt with.
    pub const FAULTS: u32 = 49;
    /// Own timers.
    pub const TIMERS: u32 = 50;
}

/// What a fuzzer's CNode begins with: first place, how many, kind.
pub const INITIAL: &[(u32, u32, Kind)] = &[
    (place::CNODE, 2, Kind::CNode),
    (place::SPACE, 2, Kind::AddressSpace),
    (place::MEMORY, 1, Kind::Untyped),
    (place::IRQ, 1, Kind::IrqHandler),
    (place::CPUS, place::CPU_COUNT, Kind::Cpu),
    (place::ENDPOINTS, 4, Kind::Endpoint),
    (place::NOTIFICATIONS, 4, Kind::Notification),
    (place::REPLIES, 4, Kind::Reply),
    (place::FRAMES, 6, Kind::Frame),
    (place::THREADS, 6, Kind::Thread),
    (place::TIMES, 6, Kind::SchedContext),
    (place::PORTS, 2, Kind::IoPort),
    (place::TRACE, 1, Kind::TraceBuffer),
    (place::FAULTS, 1, Kind::Endpoint),
    (place::TIMERS, 4, Kind::Timer),
];
