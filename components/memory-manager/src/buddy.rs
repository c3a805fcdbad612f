//! A buddy allocator over untyped capabilities.
//!
//! Every block is a node of a binary tree. A node is an Untyped capability of its own: splitting a block makes
//! the two halves from it by retype, joining them revokes the block, which deletes the halves. So the tree of
//! blocks is at every moment the kernel's derivation tree, and no book-keeping of ours can hand out a byte that
//! the kernel would not.

/// A block of memory: the index of its node. The capability is in the slot of the same number, counted from
/// wherever the [`UntypedPool`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block(pub u16);

/// Smallest block: one page. Smaller objects are the client's to make from it.
pub const MIN_BITS: u8 = 12;
/// Largest block, as in the kernel's contract.
pub const MAX_BITS: u8 = 46;

const NONE: u16 = u16::MAX;

/// What the allocator does to capabilities.
pub trait UntypedPool {
    /// Why the kernel refused.
    type Error: Copy;

    /// Makes the two halves of `parent`, each of `bits` bits, as the capabilities of `low` and `high`.
    /// On an error neither exists.
    fn split(
        &mut self,
        parent: Block,
        low: Block,
        high: Block,
        bits: u8,
    ) -> Result<(), Self::Error>;

    /// Deletes everything made from `block`, wherever it is by now.
    fn revoke(&mut self, block: Block) -> Result<(), Self::Error>;

    /// Whether anything made from `block` still exists. If in doubt, it does.
    fn is_in_use(&mut self, block: Block) -> bool;
}

/// Why no block was handed out or taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuddyError<E> {
    /// Sizes are from [`MIN_BITS`] to [`MAX_BITS`].
    InvalidSize,
    /// No free block is large enough.
    OutOfMemory,
    /// Every node is in use: the memory is split into too many pieces.
    OutOfNodes,
    /// The address is not a multiple of the size.
    Misaligned,
    /// The region overlaps another.
    Overlap,
    /// The block is not one that was handed out.
    NotAllocated,
    /// The kernel refused.
    Kernel(E),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The node is not in use.
    Unused,
    /// Free memory.
    Free,
    /// Two halves were made from it.
    Split,
    /// Handed out.
    Allocated,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    state: State,
    bits: u8,
    address: u64,
    /// The block it was split from; `NONE` for a region.
    parent: u16,
    /// The other half; `NONE` for a region.
    sibling: u16,
    /// Neighbours in the free list of its size, or the next unused node.
    prev: u16,
    next: u16,
}

const UNUSED: Node = Node {
    state: State::Unused,
    bits: 0,
    address: 0,
    parent: NONE,
    sibling: NONE,
    prev: NONE,
    next: NONE,
};

/// The allocator; `NODES` bounds regions, halves and blocks together and must be below 65,535.
pub struct Buddy<const NODES: usize> {
    nodes: [Node; NODES],
    free: [u16; MAX_BITS as usize + 1],
    unused: u16,
    unused_count: usize,
    free_bytes: u64,
    total_bytes: u64,
}

impl<const NODES: usize> Default for Buddy<NODES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const NODES: usize> Buddy<NODES> {
    /// Without memory.
    pub const fn new() -> Self {
        assert!(NODES > 0 && NODES < NONE as usize);
        let mut nodes = [UNUSED; NODES];
        let mut i = 0;
        while i + 1 < NODES {
            nodes[i].next = (i + 1) as u16;
            i += 1;
        }
        Buddy {
            nodes,
            free: [NONE; MAX_BITS as usize + 1],
            unused: 0,
            unused_count: NODES,
            free_bytes: 0,
            total_bytes: 0,
        }
    }

    /// Takes in a region: the block whose capability the caller then puts in place.
    ///
    /// The region must be wholly unused and aligned to its size, as untyped memory from the kernel is.
    pub fn add_region<E>(&mut self, address: u64, bits: u8) -> Result<Block, BuddyError<E>> {
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err(BuddyError::InvalidSize);
        }
        if !address.is_multiple_of(1 << bits) {
            return Err(BuddyError::Misaligned);
        }
        let end = address
            .checked_add(1 << bits)
            .ok_or(BuddyError::Misaligned)?;
        let overlaps = self.nodes.iter().any(|n| {
            n.state != State::Unused
                && n.parent == NONE
                && n.address < end
                && address < n.address + (1 << n.bits)
        });
        if overlaps {
            return Err(BuddyError::Overlap);
        }
        let node = self.take_node().ok_or(BuddyError::OutOfNodes)?;
        self.nodes[node as usize] = Node {
            bits,
            address,
            ..UNUSED
        };
        self.total_bytes += 1 << bits;
        self.push_free(node);
        Ok(Block(node))
    }

    /// Hands out a block of `1 << bits` bytes.
    ///
    /// Takes the smallest free block that is large enough and splits it. If that fails half-way, what was split
    /// is joined again.
    pub fn allocate<P: UntypedPool>(
        &mut self,
        bits: u8,
        pool: &mut P,
    ) -> Result<Block, BuddyError<P::Error>> {
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return Err(BuddyError::InvalidSize);
        }
        let mut node = (bits..=MAX_BITS)
            .map(|b| self.free[b as usize])
            .find(|&head| head != NONE)
            .ok_or(BuddyError::OutOfMemory)?;
        self.remove_free(node);
        while self.nodes[node as usize].bits > bits {
            match self.split(node, pool) {
                Ok(low) => node = low,
                Err(error) => {
                    // The other half of every split above is still free, so this joins all the way up.
                    self.give_back(node, pool);
                    return Err(error);
                }
            }
        }
        self.nodes[node as usize].state = State::Allocated;
        Ok(Block(node))
    }

    /// Takes a block back: deletes whatever was made from it and joins it with its free neighbours.
    ///
    /// On an error the block is still handed out. A join that the kernel refuses is no error: the halves stay
    /// free and are joined when one of them comes back the next time.
    pub fn free<P: UntypedPool>(
        &mut self,
        block: Block,
        pool: &mut P,
    ) -> Result<(), BuddyError<P::Error>> {
        if self.state(block) != Some(State::Allocated) {
            return Err(BuddyError::NotAllocated);
        }
        pool.revoke(block).map_err(BuddyError::Kernel)?;
        self.give_back(block.0, pool);
        Ok(())
    }

    /// Bytes in free blocks.
    pub const fn free_bytes(&self) -> u64 {
        self.free_bytes
    }

    /// Bytes in all regions.
    pub const fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Nodes that are not in use.
    pub const fn unused_nodes(&self) -> usize {
        self.unused_count
    }

    /// log2 of the largest free block, or `None` if there is none.
    pub fn largest_free_bits(&self) -> Option<u8> {
        (MIN_BITS..=MAX_BITS)
            .rev()
            .find(|&b| self.free[b as usize] != NONE)
    }

    /// Free blocks of `1 << bits` bytes.
    pub fn free_blocks(&self, bits: u8) -> usize {
        let mut count = 0;
        let mut node = self.free.get(bits as usize).copied().unwrap_or(NONE);
        while node != NONE {
            count += 1;
            node = self.nodes[node as usize].next;
        }
        count
    }

    /// Physical address and size bits of a block that was handed out.
    pub fn allocated(&self, block: Block) -> Option<(u64, u8)> {
        let node = self.nodes.get(block.0 as usize)?;
        (node.state == State::Allocated).then_some((node.address, node.bits))
    }

    fn state(&self, block: Block) -> Option<State> {
        self.nodes.get(block.0 as usize).map(|n| n.state)
    }

    /// Splits `node`, which is in no list, and returns its low half, which is in no list either.
    fn split<P: UntypedPool>(
        &mut self,
        node: u16,
        pool: &mut P,
    ) -> Result<u16, BuddyError<P::Error>> {
        if self.unused_count < 2 {
            return Err(BuddyError::OutOfNodes);
        }
        let (Some(low), Some(high)) = (self.take_node(), self.take_node()) else {
            return Err(BuddyError::OutOfNodes);
        };
        let Node { bits, address, .. } = self.nodes[node as usize];
        let bits = bits - 1;
        if let Err(error) = pool.split(Block(node), Block(low), Block(high), bits) {
            self.drop_node(high);
            self.drop_node(low);
            return Err(BuddyError::Kernel(error));
        }
        self.nodes[node as usize].state = State::Split;
        for (half, other, address) in [(low, high, address), (high, low, address + (1 << bits))] {
            self.nodes[half as usize] = Node {
                state: State::Allocated,
                bits,
                address,
                parent: node,
                sibling: other,
                ..UNUSED
            };
        }
        self.push_free(high);
        Ok(low)
    }

    /// Puts `node`, which is in no list, among the free blocks and joins it upwards as far as that goes.
    fn give_back<P: UntypedPool>(&mut self, mut node: u16, pool: &mut P) {
        loop {
            let Node {
                parent, sibling, ..
            } = self.nodes[node as usize];
            if parent == NONE
                || self.nodes[sibling as usize].state != State::Free
                || pool.revoke(Block(parent)).is_err()
            {
                self.push_free(node);
                return;
            }
            self.remove_free(sibling);
            self.drop_node(sibling);
            self.drop_node(node);
            node = parent;
        }
    }

    fn push_free(&mut self, node: u16) {
        let bits = self.nodes[node as usize].bits;
        let head = self.free[bits as usize];
        self.nodes[node as usize].state = State::Free;
        self.nodes[node as usize].prev = NONE;
        self.nodes[node as usize].next = head;
        if head != NONE {
            self.nodes[head as usize].prev = node;
        }
        self.free[bits as usize] = node;
        self.free_bytes += 1 << bits;
    }

    fn remove_free(&mut self, node: u16) {
        let Node {
            bits, prev, next, ..
        } = self.nodes[node as usize];
        if prev == NONE {
            self.free[bits as usize] = next;
        } else {
            self.nodes[prev as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        self.nodes[node as usize].state = State::Allocated;
        self.free_bytes -= 1 << bits;
    }

    fn take_node(&mut self) -> Option<u16> {
        let node = self.unused;
        if node == NONE {
            return None;
        }
        self.unused = self.nodes[node as usize].next;
        self.unused_count -= 1;
        Some(node)
    }

    fn drop_node(&mut self, node: u16) {
        self.nodes[node as usize] = Node {
            next: self.unused,
            ..UNUSED
        };
        self.unused = node;
        self.unused_count += 1;
    }
}
