//! Blocks as Untyped capabilities in the manager's own capability space.

use crate::buddy::{Block, UntypedPool};
use pagurus_abi::{Error, Kind};
use pagurus_rt::object::{CNode, Untyped};
use pagurus_rt::{Cap, Slot};

/// The slots of the blocks: block `n` is in slot `first + n`.
pub struct KernelPool {
    cnode: Cap<CNode>,
    first: u32,
}

impl KernelPool {
    /// Blocks in the slots from `first` on of the manager's CNode.
    pub const fn new(cnode: Cap<CNode>, first: u32) -> Self {
        KernelPool { cnode, first }
    }

    /// The slot of a block.
    pub fn slot(&self, block: Block) -> Slot {
        Slot::new(self.cnode, self.first + u32::from(block.0))
    }

    /// The capability of a block.
    pub fn untyped(&self, block: Block) -> Cap<Untyped> {
        Cap::new(self.first + u32::from(block.0))
    }
}

impl UntypedPool for KernelPool {
    type Error = Error;

    fn split(&mut self, parent: Block, low: Block, high: Block, bits: u8) -> Result<(), Error> {
        let whole = self.untyped(parent);
        whole.retype(Kind::Untyped, bits, self.slot(low), 1)?;
        whole
            .retype(Kind::Untyped, bits, self.slot(high), 1)
            .inspect_err(|_| {
                // The low half alone would be in nobody's books.
                let _ = self.revoke(parent);
            })
    }

    fn revoke(&mut self, block: Block) -> Result<(), Error> {
        self.cnode.revoke(self.slot(block).index)
    }

    fn is_in_use(&mut self, block: Block) -> bool {
        self.untyped(block).info().map_or(true, |i| i.derived > 0)
    }
}
