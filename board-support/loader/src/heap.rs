//! The loader has no heap. `hermit-entry` links `alloc` for parts of it that are not used here, so there must
//! be an allocator; this one has nothing to give.
#![allow(unsafe_code)] // The trait is unsafe to implement.

use core::alloc::{GlobalAlloc, Layout};

struct NoHeap;

// SAFETY: null is a valid answer (out of memory), and no other pointer was ever given out.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: NoHeap = NoHeap;
