//! A model of the kernel's untyped memory: it knows which capabilities exist and refuses what the kernel would.

use memory_manager::buddy::{Block, UntypedPool};
use std::collections::{BTreeMap, BTreeSet};

/// The kernel's side of every block that has a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    pub address: u64,
    pub bits: u8,
    pub parent: Option<Block>,
}

/// Why the model refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelError {
    /// A call that a correct allocator never makes.
    Misuse(&'static str),
    /// An injected failure.
    Injected,
}

/// The capabilities that exist.
#[derive(Default)]
pub struct Model {
    /// Blocks whose capability was handed out and still exists.
    pub held: BTreeSet<Block>,
    pub caps: BTreeMap<Block, Cap>,
    /// The next call but this many fails.
    pub fail_after: Option<u32>,
    /// A misuse that was seen, kept here because the allocator may swallow the error.
    pub misuse: Option<&'static str>,
}

impl Model {
    pub fn add_region(&mut self, block: Block, address: u64, bits: u8) {
        let fresh = self.caps.insert(
            block,
            Cap {
                address,
                bits,
                parent: None,
            },
        );
        assert!(fresh.is_none(), "the slot of a new region is occupied");
    }

    fn children(&self, block: Block) -> Vec<Block> {
        self.caps
            .iter()
            .filter(|(_, c)| c.parent == Some(block))
            .map(|(b, _)| *b)
            .collect()
    }

    fn injected(&mut self) -> bool {
        match &mut self.fail_after {
            Some(0) => {
                self.fail_after = None;
                true
            }
            Some(n) => {
                *n -= 1;
                false
            }
            None => false,
        }
    }

    fn misused(&mut self, what: &'static str) -> ModelError {
        self.misuse = Some(what);
        ModelError::Misuse(what)
    }

    fn delete_below(&mut self, block: Block) {
        for child in self.children(block) {
            self.delete_below(child);
            self.caps.remove(&child);
        }
    }
}

impl UntypedPool for Model {
    type Error = ModelError;

    fn split(
        &mut self,
        parent: Block,
        low: Block,
        high: Block,
        bits: u8,
    ) -> Result<(), ModelError> {
        let Some(cap) = self.caps.get(&parent).copied() else {
            return Err(self.misused("split of an empty slot"));
        };
        if !self.children(parent).is_empty() {
            return Err(self.misused("split of a block that is split"));
        }
        if cap.bits != bits + 1 {
            return Err(self.misused("halves that are no halves"));
        }
        if low == high || self.caps.contains_key(&low) || self.caps.contains_key(&high) {
            return Err(self.misused("split into an occupied slot"));
        }
        if self.injected() {
            return Err(ModelError::Injected);
        }
        for (block, address) in [(low, cap.address), (high, cap.address + (1 << bits))] {
            self.caps.insert(
                block,
                Cap {
                    address,
                    bits,
                    parent: Some(parent),
                },
            );
        }
        Ok(())
    }

    fn revoke(&mut self, block: Block) -> Result<(), ModelError> {
        if !self.caps.contains_key(&block) {
            return Err(self.misused("revoke of an empty slot"));
        }
        if self.injected() {
            return Err(ModelError::Injected);
        }
        self.delete_below(block);
        self.held.remove(&block);
        Ok(())
    }

    fn is_in_use(&mut self, block: Block) -> bool {
        self.held.contains(&block) || !self.children(block).is_empty()
    }
}
