//! Who holds what: clients, their quotas and the blocks handed out to them.
//!
//! Nobody has to tell that a client ended. What a client got is a capability in its capability space; when the client
//! is destroyed, or deletes the capability, nothing made from our block exists any more, and the kernel says so.
//! [`Accounts::sweep`] takes such blocks back; it runs whenever the answer could depend on it.

use crate::buddy::{Block, Buddy, BuddyError, UntypedPool};
use heapless::Vec;

/// Names one block handed out. Never used again after the block was given back, so that a stale identifier
/// cannot hit somebody's new block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GrantId(pub u64);

impl GrantId {
    const fn new(serial: u64, block: Block) -> Self {
        GrantId(serial << 16 | block.0 as u64)
    }

    const fn block(self) -> Block {
        Block(self.0 as u16)
    }
}

/// Memory handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identifier, for giving it back.
    pub id: GrantId,
    /// The block it is made from.
    pub block: Block,
    /// Physical address.
    pub address: u64,
    /// log2 of its size in bytes.
    pub bits: u8,
}

/// What one client may have and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The client's badge.
    pub badge: u64,
    /// Bytes that it may hold at one time.
    pub quota: u64,
    /// Bytes that it holds.
    pub used: u64,
    /// Blocks that it holds.
    pub grants: u32,
}

/// The whole of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Bytes under management.
    pub total: u64,
    /// Bytes free.
    pub free: u64,
    /// Bytes of the largest free block, 0 if there is none.
    pub largest: u64,
    /// Clients known.
    pub clients: u32,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<E> {
    /// The quota would be exceeded.
    QuotaExceeded {
        /// Bytes that the client may hold.
        quota: u64,
        /// Bytes that it holds.
        used: u64,
    },
    /// No free block is large enough; the largest has so many bytes.
    OutOfMemory {
        /// Bytes of the largest free block.
        largest: u64,
    },
    /// The size is out of range, see [`buddy`](crate::buddy).
    InvalidSize,
    /// The table of clients or of blocks is full.
    TableFull,
    /// The client holds no grant of this identifier.
    UnknownGrant,
    /// The kernel refused.
    Kernel(E),
}

#[derive(Clone, Copy)]
struct Holder {
    badge: u64,
    id: GrantId,
}

/// Allocator, clients and grants together.
pub struct Accounts<const NODES: usize, const CLIENTS: usize> {
    buddy: Buddy<NODES>,
    clients: Vec<Usage, CLIENTS>,
    /// By number of the block.
    holders: [Option<Holder>; NODES],
    next_serial: u64,
    default_quota: u64,
}

impl<const NODES: usize, const CLIENTS: usize> Accounts<NODES, CLIENTS> {
    /// Without memory and clients; a client that nobody set a quota for gets `default_quota` bytes.
    pub const fn new(default_quota: u64) -> Self {
        Accounts {
            buddy: Buddy::new(),
            clients: Vec::new(),
            holders: [None; NODES],
            next_serial: 1,
            default_quota,
        }
    }

    /// Takes in a region, see [`Buddy::add_region`].
    pub fn add_region<E>(&mut self, address: u64, bits: u8) -> Result<Block, BuddyError<E>> {
        self.buddy.add_region(address, bits)
    }

    /// Hands out `1 << bits` bytes to the client with this badge.
    pub fn request<P: UntypedPool>(
        &mut self,
        badge: u64,
        bits: u8,
        pool: &mut P,
    ) -> Result<Grant, Refusal<P::Error>> {
        match self.try_request(badge, bits, pool) {
            Err(
                Refusal::QuotaExceeded { .. } | Refusal::OutOfMemory { .. } | Refusal::TableFull,
            ) if self.sweep(pool) > 0 => self.try_request(badge, bits, pool),
            result => result,
        }
    }

    fn try_request<P: UntypedPool>(
        &mut self,
        badge: u64,
        bits: u8,
        pool: &mut P,
    ) -> Result<Grant, Refusal<P::Error>> {
        let client = self.client(badge).ok_or(Refusal::TableFull)?;
        let Usage { quota, used, .. } = self.clients[client];
        let bytes = 1u64.checked_shl(bits.into()).ok_or(Refusal::InvalidSize)?;
        if used.checked_add(bytes).is_none_or(|sum| sum > quota) {
            return Err(Refusal::QuotaExceeded { quota, used });
        }
        let block = self.buddy.allocate(bits, pool).map_err(|e| match e {
            BuddyError::OutOfMemory => Refusal::OutOfMemory {
                largest: self.largest(),
            },
            BuddyError::OutOfNodes => Refusal::TableFull,
            BuddyError::Kernel(e) => Refusal::Kernel(e),
            _ => Refusal::InvalidSize,
        })?;
        let (address, bits) = self.buddy.allocated(block).ok_or(Refusal::InvalidSize)?;
        let id = GrantId::new(self.next_serial, block);
        self.next_serial += 1;
        self.holders[block.0 as usize] = Some(Holder { badge, id });
        self.clients[client].used += bytes;
        self.clients[client].grants += 1;
        Ok(Grant {
            id,
            block,
            address,
            bits,
        })
    }

    /// Takes back one grant of the client: its capabilities vanish, wherever they are.
    pub fn give_back<P: UntypedPool>(
        &mut self,
        badge: u64,
        id: GrantId,
        pool: &mut P,
    ) -> Result<u64, Refusal<P::Error>> {
        let block = id.block();
        let held = self.holders.get(block.0 as usize).copied().flatten();
        if !held.is_some_and(|h| h.badge == badge && h.id == id) {
            return Err(Refusal::UnknownGrant);
        }
        let (_, bits) = self.buddy.allocated(block).ok_or(Refusal::UnknownGrant)?;
        self.buddy.free(block, pool).map_err(|e| match e {
            BuddyError::Kernel(e) => Refusal::Kernel(e),
            _ => Refusal::UnknownGrant,
        })?;
        self.holders[block.0 as usize] = None;
        let bytes = 1u64 << bits;
        if let Some(client) = self.clients.iter_mut().find(|c| c.badge == badge) {
            client.used -= bytes;
            client.grants -= 1;
        }
        Ok(bytes)
    }

    /// Takes back every grant whose capability does not exist any more; returns the bytes taken back.
    pub fn sweep<P: UntypedPool>(&mut self, pool: &mut P) -> u64 {
        let mut bytes = 0;
        for block in 0..NODES {
            let Some(holder) = self.holders[block] else {
                continue;
            };
            if !pool.is_in_use(holder.id.block()) {
                // A kernel that refuses now is asked again by the next sweep.
                bytes += self.give_back(holder.badge, holder.id, pool).unwrap_or(0);
            }
        }
        bytes
    }

    /// Sets how many bytes a client may hold; what it holds already stays with it.
    pub fn set_quota<E>(&mut self, badge: u64, quota: u64) -> Result<(), Refusal<E>> {
        let client = self.client(badge).ok_or(Refusal::TableFull)?;
        self.clients[client].quota = quota;
        Ok(())
    }

    /// What a client may have and has; the default quota and nothing if it never asked for anything.
    pub fn usage(&self, badge: u64) -> Usage {
        self.clients
            .iter()
            .find(|c| c.badge == badge)
            .copied()
            .unwrap_or(Usage {
                badge,
                quota: self.default_quota,
                used: 0,
                grants: 0,
            })
    }

    /// The client at a position, in the order in which they appeared.
    pub fn client_at(&self, position: usize) -> Option<Usage> {
        self.clients.get(position).copied()
    }

    /// The whole of the memory.
    pub fn totals(&self) -> Totals {
        Totals {
            total: self.buddy.total_bytes(),
            free: self.buddy.free_bytes(),
            largest: self.largest(),
            clients: self.clients.len() as u32,
        }
    }

    fn largest(&self) -> u64 {
        self.buddy.largest_free_bits().map_or(0, |bits| 1 << bits)
    }

    fn client(&mut self, badge: u64) -> Option<usize> {
        if let Some(i) = self.clients.iter().position(|c| c.badge == badge) {
            return Some(i);
        }
        let fresh = Usage {
            badge,
            quota: self.default_quota,
            used: 0,
            grants: 0,
        };
        // A client that holds nothing and has the default quota is no different from one never seen.
        if self.clients.is_full() {
            let idle = self
                .clients
                .iter()
                .position(|c| c.grants == 0 && c.quota == self.default_quota)?;
            self.clients[idle] = fresh;
            return Some(idle);
        }
        self.clients.push(fresh).ok()?;
        Some(self.clients.len() - 1)
    }
}
