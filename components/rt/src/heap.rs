//! The global allocator.
// The allocator is told which memory is its own.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Memory for the heap inside the image, for root: nobody could map a heap for it.
#[repr(C, align(4096))]
pub struct Arena<const N: usize> {
    bytes: UnsafeCell<[u8; N]>,
    claimed: AtomicBool,
}

// SAFETY: the bytes are reached only through `claim`, which succeeds once.
unsafe impl<const N: usize> Sync for Arena<N> {}

impl<const N: usize> Arena<N> {
    /// An arena of `N` bytes.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Arena {
            bytes: UnsafeCell::new([0; N]),
            claimed: AtomicBool::new(false),
        }
    }

    /// Makes the arena part of the heap; `false` if it is already, or too small to be used.
    pub fn claim(&'static self) -> bool {
        if self.claimed.swap(true, Ordering::Relaxed) {
            return false;
        }
        // SAFETY: the bytes are static and this is the only place that hands them out, once.
        unsafe { add(self.bytes.get().cast(), N) }
    }
}

impl<const N: usize> core::fmt::Debug for Arena<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Arena({N} bytes)")
    }
}

// A spinning lock: a component has one thread, so it is never contended.
#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: talc::TalcLock<spin::Mutex<()>, talc::source::Manual> =
    talc::TalcLock::new(talc::source::Manual);

/// Gives `length` bytes at `start` to the heap; `false` if they are too few to be used.
///
/// # Safety
/// The memory is mapped readable and writable for as long as the component runs and used by nothing else.
#[cfg(target_os = "none")]
pub(crate) unsafe fn add(start: *mut u8, length: usize) -> bool {
    // SAFETY: the caller's promise is what `claim` asks for.
    unsafe { HEAP.lock().claim(start, length) }.is_some()
}

/// On the host the heap is the system's; arenas are not needed.
#[cfg(not(target_os = "none"))]
pub(crate) unsafe fn add(_start: *mut u8, length: usize) -> bool {
    length >= 4096
}
