//! Fixed addresses and limits.

/// Size of the smallest page in bytes.
pub const PAGE_SIZE: usize = 4096;

/// Virtual addresses of components end here. The last page of the lower half stays unmapped: a `syscall`
/// instruction at its end would return to a non-canonical address, which `sysret` answers with a fault
/// in kernel mode on Intel processors.
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;

/// Lowest virtual address of components; below it a null pointer always faults.
pub const USER_START: u64 = 0x1_0000;

/// Processors that the kernel can use.
pub const MAX_CPUS: usize = 64;

/// Priorities: 0 is the lowest.
pub const PRIORITIES: usize = 256;

/// Where component images are linked.
pub const IMAGE_BASE: u64 = 0x20_0000;
/// Top of a component's first stack (grows down from here; a guard page lies below it).
pub const STACK_TOP: u64 = 0x7000_0000_0000;
/// Where a component finds its IPC buffer.
pub const IPC_BUFFER: u64 = 0x7000_0010_0000;
/// Where root finds its [`BootInfo`](crate::boot::BootInfo).
pub const BOOT_INFO: u64 = 0x7000_0020_0000;
/// Where a component's heap begins.
pub const HEAP_BASE: u64 = 0x1_0000_0000;
/// Stack of root, in bytes.
pub const ROOT_STACK_BYTES: u64 = 64 * 1024;

/// Shortest budget and period of a SchedContext in nanoseconds: below it, time would go into the timer.
pub const MIN_BUDGET_NS: u64 = 10_000;
/// Longest period in nanoseconds: an hour.
pub const MAX_PERIOD_NS: u64 = 3_600_000_000_000;
