//! What is worth a line in the kernel's log.

/// Something that happened rarely enough to be recorded every time, and that somebody who asks why a component stopped
/// wants to know. Threads are named by the address of their object, address spaces by their identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A thread raised an exception.
    Fault {
        /// Whose.
        thread: usize,
        /// The exception's vector.
        vector: u64,
        /// Its error code.
        code: u64,
        /// The address of a page fault, else 0.
        address: u64,
        /// Where the thread was.
        rip: u64,
        /// Whether a handler was told; without one the thread stops.
        told: bool,
    },
    /// A thread that could run has no address space: it stops.
    Stranded {
        /// Which.
        thread: usize,
    },
    /// A server used up what a caller lent it, and goes on in its own time.
    LoanSpent {
        /// The server.
        thread: usize,
    },
    /// Somebody was given an interrupt line.
    IrqIssued {
        /// Global system interrupt.
        gsi: u32,
        /// The processor that it interrupts.
        cpu: usize,
    },
    /// An interrupt line was given back.
    IrqReturned {
        /// Global system interrupt.
        gsi: u32,
    },
    /// A line rang that nobody has: it was masked.
    IrqUnclaimed {
        /// Global system interrupt.
        gsi: u32,
    },
    /// An address space was made.
    SpaceMade {
        /// Its identifier.
        asid: u16,
        /// Identifiers that are left.
        left: usize,
    },
    /// An address space ended.
    SpaceEnded {
        /// Its identifier.
        asid: u16,
    },
}
