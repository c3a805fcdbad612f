//! The virtual processor as a kernel object.

use crate::tag::Tag;
use core::num::NonZeroUsize;

/// Names a virtual processor: in the kernel the address of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct VcpuId(NonZeroUsize);

impl VcpuId {
    /// The virtual processor at this address, unless it is 0.
    pub const fn new(address: usize) -> Option<VcpuId> {
        match NonZeroUsize::new(address) {
            Some(a) => Some(VcpuId(a)),
            None => None,
        }
    }

    /// Its address: that of the machine's control block.
    pub const fn address(self) -> usize {
        self.0.get()
    }
}

/// Bytes from the start of the object to its [`Vcpu`]; before it lies the control block of the machine, a page.
pub const STATE_OFFSET: usize = 4096;
/// Bytes from the start of the object to its bindings.
pub const BINDINGS_OFFSET: usize = STATE_OFFSET + 512;
/// Number of the binding to the frame with its page.
pub const PAGE_BINDING: usize = 0;
/// Number of the binding to its guest space.
pub const SPACE_BINDING: usize = 1;
/// Bindings.
pub const BINDINGS: usize = 2;
/// Bytes from the start of the object to the guest's FPU registers.
pub const FPU_OFFSET: usize = STATE_OFFSET + 1024;

/// What the kernel knows of a virtual processor beside the control block. All zero (fresh memory) is one that was not
/// prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Vcpu {
    /// The kernel's address of the page that it shares with its VMM, 0 if none is bound.
    pub page: usize,
    /// Physical address of the control block.
    pub block: u64,
    /// The thread that it is bound to, 0 for none.
    pub thread: usize,
    /// Physical address of the root of the nested tables, 0 if no guest space is bound.
    pub tables: u64,
    /// Version of what is in the guest space; translations of an older one are void.
    pub generation: u64,
    /// Identifier of the guest space.
    pub space: u16,
    /// Its guest asked for an exit at the next interrupt window.
    pub window: bool,
    /// The registers in its control block have changed so that cached translations are void.
    pub flush: bool,
    /// Its debug registers are in the processor.
    pub debug_loaded: bool,
    /// Cached translations.
    pub tag: Tag,
    /// XCR0 of the guest.
    pub xcr0: u64,
    /// DR0 to DR3 of the guest while they are not in the processor.
    pub dr: [u64; 4],
    /// How often it was given to another thread.
    pub transfers: u64,
}

const _: () = assert!(size_of::<Vcpu>() <= BINDINGS_OFFSET - STATE_OFFSET);
