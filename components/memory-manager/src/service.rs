//! Requests for memory, answered with capabilities.

use crate::accounts::{Accounts, GrantId, Refusal, Usage};
use crate::buddy::BuddyError;
use crate::pool::KernelPool;
use pagurus_abi::message::CapTransfer;
use pagurus_abi::{Error, Kind};
use pagurus_protocol::memory::{
    Allocate, Allocated, Client, ClientUsage, GiveBack, GrantKind, Pool, PoolUsage,
    Usage as AskUsage,
};
use pagurus_protocol::wire::Empty;
use pagurus_protocol::{Failure, Reason};
use pagurus_rt::object::{CNode, Untyped};
use pagurus_rt::server::{Incoming, Server};
use pagurus_rt::{Cap, Slot};

/// The manager at work on its own capability space.
pub struct Manager<'a, const BLOCKS: usize, const CLIENTS: usize> {
    accounts: &'a mut Accounts<BLOCKS, CLIENTS>,
    pool: KernelPool,
    cnode: Cap<CNode>,
    /// Where a capability waits to be handed out.
    hand_out: u32,
    /// The grant whose capability goes out with the answer that is due.
    in_flight: Option<(u64, GrantId)>,
}

impl<'a, const BLOCKS: usize, const CLIENTS: usize> Manager<'a, BLOCKS, CLIENTS> {
    /// A manager whose blocks are in slots `first_block..` of its CNode and who hands out by way of slot `hand_out`;
    /// all of them are empty.
    pub const fn new(
        accounts: &'a mut Accounts<BLOCKS, CLIENTS>,
        cnode: Cap<CNode>,
        first_block: u32,
        hand_out: u32,
    ) -> Self {
        Manager {
            accounts,
            pool: KernelPool::new(cnode, first_block),
            cnode,
            hand_out,
            in_flight: None,
        }
    }

    /// Sets the quotas of the clients with badges 1, 2, ...; 0 leaves a client without any.
    ///
    /// # Errors
    /// `Busy` if there are more clients than accounts.
    pub fn set_quotas(&mut self, quotas: &[u64]) -> Result<(), Failure> {
        for (quota, badge) in quotas.iter().zip(1..) {
            if *quota > 0 {
                self.accounts
                    .set_quota::<Error>(badge, *quota)
                    .map_err(|e| refusal(e, badge))?;
            }
        }
        Ok(())
    }

    /// Moves the untyped memory in these slots, where root left it, to the slots of their blocks. What cannot be managed
    /// is left where it is, with a warning.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn take_over(&mut self, slots: core::ops::Range<u32>) -> Result<(), Failure> {
        for slot in slots {
            if self.cnode.inspect(slot)?.info.kind() != Some(Kind::Untyped) {
                continue;
            }
            let info = Cap::<Untyped>::new(slot).info()?;
            if info.device || info.free != 1 << info.size_bits {
                log::warn!(
                    "{} KiB at {:#x} are left alone: {}",
                    (1u64 << info.size_bits) >> 10,
                    info.address,
                    if info.device {
                        "device memory"
                    } else {
                        "not wholly unused"
                    }
                );
                continue;
            }
            match self
                .accounts
                .add_region::<Error>(info.address, info.size_bits)
            {
                Ok(block) => self
                    .cnode
                    .move_here(self.pool.slot(block).index, Slot::new(self.cnode, slot))?,
                // Less than a page: nobody can ask for so little.
                Err(BuddyError::InvalidSize) => {}
                Err(error) => log::warn!(
                    "{} KiB at {:#x} are left alone: {error:?}",
                    (1u64 << info.size_bits) >> 10,
                    info.address
                ),
            }
        }
        Ok(())
    }

    /// Answers a request.
    pub fn serve(&mut self, request: &Incoming<'_>, server: &mut Server) {
        let badge = request.badge;
        if request.is::<Allocate>() {
            let result = request
                .parse::<Allocate>()
                .and_then(|(ask, _)| self.allocate(badge, ask));
            let caps = [CapTransfer::give(self.hand_out)];
            server.answer_with(result, &[], if result.is_ok() { &caps } else { &[] });
        } else if request.is::<GiveBack>() {
            let result = request
                .parse::<GiveBack>()
                .and_then(|(ask, _)| self.give_back(badge, ask));
            server.answer(result.map(|()| Empty));
        } else if request.is::<AskUsage>() {
            server.answer(request.parse::<AskUsage>().map(|_| {
                self.accounts.sweep(&mut self.pool);
                wire_usage(self.accounts.usage(badge))
            }));
        } else if request.is::<Client>() {
            server.answer(request.parse::<Client>().and_then(|(ask, _)| {
                let index = usize::try_from(ask.index).map_err(|_| Reason::NotFound)?;
                let client = self.accounts.client_at(index).ok_or(Reason::NotFound)?;
                Ok(wire_usage(client))
            }));
        } else if request.is::<Pool>() {
            server.answer(request.parse::<Pool>().map(|_| self.pool_usage()));
        }
    }

    /// Makes what the client asks for, in the slot from which it is handed out; then
    /// [`finish_hand_out`](Self::finish_hand_out) is due.
    ///
    /// # Errors
    /// `InvalidArgument`, `QuotaExceeded`, `OutOfMemory`, `Busy` if there are too many blocks or clients, `Kernel`.
    pub fn allocate(&mut self, badge: u64, ask: Allocate) -> Result<Allocated, Failure> {
        let kind = match GrantKind::from_u8(ask.kind).ok_or(Reason::InvalidArgument)? {
            GrantKind::Untyped => Kind::Untyped,
            GrantKind::Frame => Kind::Frame,
        };
        let grant = self
            .accounts
            .request(badge, ask.size_bits, &mut self.pool)
            .map_err(|e| refusal(e, badge))?;
        // The client gets an object as large as the block; the block stays here, and revoking it is what takes the
        // memory back.
        let to = Slot::new(self.cnode, self.hand_out);
        let block = self.pool.untyped(grant.block);
        if let Err(error) = block.retype(kind, ask.size_bits, to, 1) {
            self.take_back(badge, grant.id);
            return Err(error.into());
        }
        self.in_flight = Some((badge, grant.id));
        Ok(Allocated { grant: grant.id.0 })
    }

    /// Takes a grant back: its capability vanishes, with all that was made of it.
    ///
    /// # Errors
    /// `NotFound` if the client has no such grant, `Kernel`.
    pub fn give_back(&mut self, badge: u64, ask: GiveBack) -> Result<(), Failure> {
        self.accounts
            .give_back(badge, GrantId(ask.grant), &mut self.pool)
            .map(|_| ())
            .map_err(|e| refusal(e, badge))
    }

    /// After an answer: a capability that did not go out (the client offered no slot, or went away) is a grant that
    /// nobody has.
    pub fn finish_hand_out(&mut self) {
        let Some((badge, grant)) = self.in_flight.take() else {
            return;
        };
        let there = self.cnode.inspect(self.hand_out);
        if there.is_ok_and(|slot| slot.info.kind() != Some(Kind::Empty)) {
            self.take_back(badge, grant);
        }
    }

    fn take_back(&mut self, badge: u64, grant: GrantId) {
        if let Err(error) = self.accounts.give_back(badge, grant, &mut self.pool) {
            log::error!("a grant of client {badge} is lost: {error:?}");
        }
    }

    /// The whole pool.
    pub fn pool_usage(&mut self) -> PoolUsage {
        self.accounts.sweep(&mut self.pool);
        let totals = self.accounts.totals();
        let clients = || (0..).map_while(|i| self.accounts.client_at(i));
        PoolUsage {
            total: totals.total,
            granted: totals.total - totals.free,
            largest: totals.largest,
            grants: clients().map(|c| u64::from(c.grants)).sum(),
            clients: totals.clients.into(),
        }
    }
}

fn wire_usage(usage: Usage) -> ClientUsage {
    ClientUsage {
        badge: usage.badge,
        quota: usage.quota,
        used: usage.used,
        grants: usage.grants.into(),
    }
}

fn refusal(refusal: Refusal<Error>, badge: u64) -> Failure {
    match refusal {
        Refusal::QuotaExceeded { quota, used } => {
            log::debug!("client {badge} is refused: {used} of {quota} bytes used");
            Failure::with(Reason::QuotaExceeded, quota.saturating_sub(used))
        }
        Refusal::OutOfMemory { largest } => Failure::with(Reason::OutOfMemory, largest),
        Refusal::InvalidSize => Reason::InvalidArgument.into(),
        Refusal::TableFull => Reason::Busy.into(),
        Refusal::UnknownGrant => Reason::NotFound.into(),
        Refusal::Kernel(error) => error.into(),
    }
}
