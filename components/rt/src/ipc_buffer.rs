//! The IPC buffer of the component's first thread.
//!
//! Everything goes in and out by copy: no reference into the page that the kernel writes ever exists. What
//! stands in the buffer lasts until the next system call that passes a long message, and logging is one.
// Raw access to the page that is shared with the kernel.
#![allow(unsafe_code)]

use core::ptr;
use core::ptr::NonNull;
use pagurus_abi::IpcBuffer;
use pagurus_abi::message::{CapTransfer, MAX_CAPS, MAX_WORDS};

/// Access to the IPC buffer. Not to be sent to other threads.
#[derive(Clone, Copy, Debug)]
pub struct Buffer(NonNull<IpcBuffer>);

#[cfg(target_os = "none")]
static ADDRESS: core::sync::atomic::AtomicPtr<IpcBuffer> =
    core::sync::atomic::AtomicPtr::new(ptr::null_mut());

impl Buffer {
    /// The buffer of the first thread; `None` before the component's start set it.
    #[cfg(target_os = "none")]
    pub fn current() -> Option<Buffer> {
        NonNull::new(ADDRESS.load(core::sync::atomic::Ordering::Relaxed)).map(Buffer)
    }

    /// A page of the test's thread.
    #[cfg(not(target_os = "none"))]
    pub fn current() -> Option<Buffer> {
        use zerocopy::FromZeros;
        std::thread_local! {
            // Never freed: a test's thread may hand it to its kernel.
            static PAGE: NonNull<IpcBuffer> =
                NonNull::from(Box::leak(Box::new(IpcBuffer::new_zeroed())));
        }
        Some(Buffer(PAGE.with(|page| *page)))
    }

    /// Makes the page at `address` the buffer of the first thread.
    ///
    /// # Safety
    /// The page is mapped readable and writable for as long as the component runs, belongs to the calling
    /// thread and is used by nothing else.
    #[cfg(target_os = "none")]
    pub(crate) unsafe fn set_current(address: u64) {
        ADDRESS.store(
            ptr::with_exposed_provenance_mut(address as usize),
            core::sync::atomic::Ordering::Relaxed,
        );
    }

    /// Writes words `first..` of a message; what does not fit is cut.
    pub fn write_words(self, first: usize, words: &[u64]) {
        let count = words.len().min(MAX_WORDS.saturating_sub(first));
        // SAFETY: the page is valid (invariant of `Buffer`) and `first + count` is within `words`.
        unsafe {
            let base = (&raw mut (*self.0.as_ptr()).words).cast::<u64>();
            ptr::copy_nonoverlapping(words.as_ptr(), base.add(first.min(MAX_WORDS)), count);
        }
    }

    /// Reads words `first..` of a message; what lies past the end is left as it was.
    pub fn read_words(self, first: usize, words: &mut [u64]) {
        let count = words.len().min(MAX_WORDS.saturating_sub(first));
        // SAFETY: as in `write_words`.
        unsafe {
            let base = (&raw const (*self.0.as_ptr()).words).cast::<u64>();
            ptr::copy_nonoverlapping(base.add(first.min(MAX_WORDS)), words.as_mut_ptr(), count);
        }
    }

    /// Sets the capabilities to send along; at most [`MAX_CAPS`] count.
    pub fn set_send(self, caps: &[CapTransfer]) {
        let count = caps.len().min(MAX_CAPS);
        // SAFETY: as in `write_words`; `count` is within `send`.
        unsafe {
            let base = (&raw mut (*self.0.as_ptr()).send).cast::<CapTransfer>();
            ptr::copy_nonoverlapping(caps.as_ptr(), base, count);
        }
    }

    /// The capabilities set to be sent.
    pub fn send(self) -> [CapTransfer; MAX_CAPS] {
        // SAFETY: the page is valid; every bit pattern is a `CapTransfer`.
        unsafe { (&raw const (*self.0.as_ptr()).send).read() }
    }

    /// Offers `count` empty slots from `base` on for received capabilities; 0 refuses them.
    pub fn set_receive(self, base: u32, count: u32) {
        // SAFETY: the page is valid.
        unsafe {
            (&raw mut (*self.0.as_ptr()).receive_base).write(base);
            (&raw mut (*self.0.as_ptr()).receive_count).write(count);
        }
    }

    /// The slots offered: first and count.
    pub fn receive(self) -> (u32, u32) {
        // SAFETY: the page is valid.
        unsafe {
            (
                (&raw const (*self.0.as_ptr()).receive_base).read(),
                (&raw const (*self.0.as_ptr()).receive_count).read(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_cut() {
        let buffer = Buffer::current().unwrap();
        buffer.write_words(238, &[1, 2, 3, 4]);
        let mut out = [9; 4];
        buffer.read_words(238, &mut out);
        assert_eq!(out, [1, 2, 9, 9]);
        buffer.write_words(usize::MAX, &[7]);
        buffer.set_receive(5, 2);
        assert_eq!(buffer.receive(), (5, 2));
        buffer.set_send(&[CapTransfer::give(3); 9]);
        assert_eq!(buffer.send()[3], CapTransfer::give(3));
    }
}
